"""RetrainPolicies that are wrong in one way each: one table for the checks in Python and for the real API server."""

from typing import Any, Final

from tests.api.cases import REMOVE, BadInput, load_example

EXAMPLE: Final = "retrainpolicy"
CONTRACT: Final = load_example(EXAMPLE)["spec"]

DRIFT: Final = "spec.triggers.0.metric"
ACCURACY: Final = "spec.triggers.1.metric"
WEEKLY: Final = "spec.triggers.2.schedule"
NEW_DATA: Final = "spec.triggers.3.newData"
F1: Final = "spec.gates.2"
SLICES: Final = "spec.gates.3"
ROBUSTNESS: Final = "spec.gates.5"
SOME_TIME: Final = "longer than 0s"
RULE: Final = {"path": "status.phase", "values": ["Done"]}
OUTCOME: Final = {"successWhen": [RULE], "failureWhen": [{"path": "status.phase", "values": ["Broken"]}]}
EDIT: Final = {"file": "apps/fraud.yaml", "path": "spec.model.from.uri"}
PULL_REQUEST: Final = {"target": "PullRequest", "pullRequest": {"secret": "git", "edits": [EDIT]}}


def _bad(sentence: str, path: str, value: Any, field: str, cure: str, refusal: str | None) -> BadInput:
    """`field` is told from `spec` on, as both the API server and the operator name it."""
    return BadInput(sentence, path, value, field, cure, refusal, example=EXAMPLE)


def _gate(**fields: Any) -> dict[str, Any]:
    return {"name": "g", "kind": "Metric", **fields}


def _pull_request(**edit: Any) -> dict[str, Any]:
    return {"target": "PullRequest", "pullRequest": {"secret": "git", "edits": [{**EDIT, **edit}]}}


BAD_POLICIES: Final = (
    # Names
    _bad("a name of 39 characters", "metadata.name", "a" * 39, "metadata.name", "at most 38", "Too long"),
    _bad(
        "a name that begins with a digit", "metadata.name", "7b", "metadata.name", "begin with", "begin with a letter"
    ),
    _bad(
        "no ModelDeployment",
        "spec.modelDeploymentRef",
        REMOVE,
        "spec.modelDeploymentRef",
        "is required",
        "spec.modelDeploymentRef: Required value",
    ),
    _bad("a mode that there is not", "spec.mode", "Auto", "spec.mode", "must be one of", "Unsupported value"),
    _bad(
        "a field that there is not",
        "spec.trigger",
        [],
        "spec.trigger",
        "is not a field of the contract",
        'unknown field "spec.trigger"',
    ),
    # Triggers
    _bad(
        "a trigger of two kinds",
        "spec.triggers.1.event",
        {"type": "x"},
        "spec.triggers[1]",
        "exactly one of metric",
        "exactly one of metric",
    ),
    _bad(
        "a trigger of no kind",
        "spec.triggers.1.metric",
        REMOVE,
        "spec.triggers[1]",
        "not none",
        "exactly one of metric",
    ),
    _bad(
        "two triggers of one name",
        "spec.triggers.1.name",
        "drift",
        "spec.triggers",
        "unique in the list",
        "Duplicate value",
    ),
    _bad(
        "a trigger's name with a capital",
        "spec.triggers.2.name",
        "Weekly",
        "spec.triggers[2].name",
        "lower-case letters",
        "should match",
    ),
    _bad(
        "no limit to fire at",
        f"{DRIFT}.fireAbove",
        REMOVE,
        "spec.triggers[0].metric",
        "exactly one of fireAbove",
        "exactly one of fireAbove",
    ),
    _bad(
        "two limits to fire at",
        f"{ACCURACY}.fireAbove",
        "0.99",
        "spec.triggers[1].metric",
        "exactly one of fireAbove",
        "exactly one of fireAbove",
    ),
    _bad(
        "clears only where it fires",
        f"{DRIFT}.clearBelow",
        "0.3",
        "spec.triggers[0].metric.clearBelow",
        "must not be above it",
        "must not be above it",
    ),
    _bad(
        "clears on the other side",
        f"{ACCURACY}.clearBelow",
        "0.5",
        "spec.triggers[1].metric.clearBelow",
        "belongs to fireAbove",
        "belongs to fireAbove",
    ),
    _bad(
        "clears below the limit that it must be above",
        f"{ACCURACY}.clearAbove",
        "0.8",
        "spec.triggers[1].metric.clearAbove",
        "must not be below it",
        "must not be below it",
    ),
    _bad(
        "a limit that is no number",
        f"{DRIFT}.fireAbove",
        "high",
        "spec.triggers[0].metric.fireAbove",
        "a number as a string",
        "should match",
    ),
    _bad("a window of no time", f"{ACCURACY}.window", "0s", "spec.triggers[1].metric.window", SOME_TIME, SOME_TIME),
    _bad(
        "a time shorter than its window",
        f"{DRIFT}.for",
        "30m",
        "spec.triggers[0].metric.for",
        "at least as long as window, 1h",
        "at least as long as window",
    ),
    _bad(
        "drift of however few rows",
        DRIFT,
        {"query": "drift", "signal": "Drift", "fireAbove": "0.2", "window": "1h"},
        "spec.triggers[0].metric.minSamples",
        "is required with signal Drift",
        "signal Drift needs minSamples",
    ),
    _bad(
        "labels of which none need be there",
        f"{ACCURACY}.minLabelCoverage",
        {"query": "c", "value": "0%"},
        "spec.triggers[1].metric.minLabelCoverage.value",
        "more than 0",
        None,
    ),
    _bad(
        "a comparison with right now",
        f"{DRIFT}.compareOffset",
        "0s",
        "spec.triggers[0].metric.compareOffset",
        SOME_TIME,
        SOME_TIME,
    ),
    _bad(
        "four cron fields", f"{WEEKLY}.cron", "0 3 * *", "spec.triggers[2].schedule.cron", "five cron", "should match"
    ),
    _bad(
        "a day that there is not",
        f"{WEEKLY}.cron",
        "0 3 30 2 *",
        "spec.triggers[2].schedule.cron",
        "that come true some day",
        None,
    ),
    _bad(
        "a time zone that there is not",
        f"{WEEKLY}.timeZone",
        "Europe/Parys",
        "spec.triggers[2].schedule.timeZone",
        "IANA",
        None,
    ),
    _bad(
        "new data of no amount",
        NEW_DATA,
        {"query": "rows"},
        "spec.triggers[3].newData",
        "minNewRows, minNewShare, or both",
        "minNewRows, minNewShare, or both",
    ),
    _bad(
        "more new data than there is",
        NEW_DATA,
        {"query": "rows", "minNewShare": "120%"},
        "spec.triggers[3].newData.minNewShare",
        "at most 100%",
        None,
    ),
    _bad(
        "a group with a trigger that there is not",
        "spec.triggerPolicy.any",
        [["drift"], ["accurcy"]],
        "spec.triggerPolicy.any[1][0]",
        "must be the name of a trigger: accuracy, drift",
        "names a trigger that is not in triggers",
    ),
    _bad(
        "a group that names one trigger twice",
        "spec.triggerPolicy.any",
        [["drift", "drift"]],
        "spec.triggerPolicy.any[0]",
        "must not stand there 2 times",
        None,
    ),
    _bad(
        "an empty group",
        "spec.triggerPolicy.any",
        [[]],
        "spec.triggerPolicy.any[0]",
        "at least 1 item",
        "at least 1 items",
    ),
    # When
    _bad(
        "a blackout of no time",
        "spec.blackouts",
        [{"cron": "0 17 * * 5", "duration": "0s"}],
        "spec.blackouts[0].duration",
        SOME_TIME,
        SOME_TIME,
    ),
    _bad(
        "a blackout in a time zone that there is not",
        "spec.blackouts",
        [{"cron": "0 17 * * 5", "duration": "1h", "timeZone": "Mars/Olympus"}],
        "spec.blackouts[0].timeZone",
        "IANA",
        None,
    ),
    _bad(
        "a blackout that holds one thing twice",
        "spec.blackouts",
        [{"cron": "0 17 * * 5", "duration": "1h", "holds": ["Training", "Training"]}],
        "spec.blackouts[0].holds",
        "only once",
        None,
    ),
    _bad(
        "a budget of nothing", "spec.budget", {}, "spec.budget", "maxRuns, maxAccel", "set maxRuns, maxAcceleratorHours"
    ),
    _bad("a budget for no time", "spec.budget.window", "0s", "spec.budget.window", SOME_TIME, SOME_TIME),
    _bad("a budget of no run", "spec.budget.maxRuns", 0, "spec.budget.maxRuns", "equal to 1", "equal to 1"),
    _bad(
        "a cooldown without unit", "spec.cooldown.max", "72", "spec.cooldown.max", "a duration such as", "should match"
    ),
    _bad("one cure twice", "spec.actionOrder", ["Retrain", "Retrain"], "spec.actionOrder", "only once", None),
    _bad("no time to wait", "spec.queueTimeout", "0s", "spec.queueTimeout", SOME_TIME, SOME_TIME),
    _bad("no time to train", "spec.activeDeadline", "0s", "spec.activeDeadline", SOME_TIME, SOME_TIME),
    # What trains
    _bad("no kind", "spec.template.kind", REMOVE, "spec.template.kind", "must be text", "spec.template.kind: Required"),
    _bad(
        "a child in another namespace",
        "spec.template.metadata",
        {"namespace": "kube-system"},
        "spec.template.metadata.namespace",
        "must be left out",
        "name, namespace and owner are given by the operator",
    ),
    _bad(
        "a child with a name",
        "spec.template.metadata",
        {"generateName": "train-"},
        "spec.template.metadata.generateName",
        "must be left out",
        "name, namespace and owner are given by the operator",
    ),
    _bad(
        "a Job without containers",
        "spec.template.spec",
        {"template": {"spec": {}}},
        "spec.template.spec.template.spec.containers",
        "at least one container",
        None,
    ),
    _bad(
        "a Job whose pods never end",
        "spec.template.spec.template.spec.restartPolicy",
        "Always",
        "spec.template.spec.template.spec.restartPolicy",
        "must be Never",
        None,
    ),
    _bad(
        "a Job whose pods would serve",
        "spec.template.spec.template.metadata",
        {"labels": {"serinus.dev/deployment": "fraud"}},
        "spec.template.spec.template.metadata.labels[serinus.dev/deployment]",
        "is the operator's",
        None,
    ),
    _bad(
        "a template that is a list",
        "spec.template",
        [],
        "spec.template",
        "must be a valid object",
        "must be of type object",
    ),
    # How it ends
    _bad(
        "success that nobody tells",
        "spec.outcome",
        {"failureWhen": [RULE]},
        "spec.outcome.successWhen",
        "is required",
        "successWhen: Required value",
    ),
    _bad(
        "a rule without values",
        "spec.outcome",
        {**OUTCOME, "successWhen": [{"path": "status.phase"}]},
        "spec.outcome.successWhen[0].values",
        "are needed there",
        "In and NotIn, the default, need values",
    ),
    _bad(
        "a rule of presence with values",
        "spec.outcome",
        {**OUTCOME, "failureWhen": [{**RULE, "operator": "Exists"}]},
        "spec.outcome.failureWhen[0].values",
        "belong to In and NotIn",
        "Exists and DoesNotExist have none",
    ),
    _bad(
        "a path with a space",
        "spec.outcome",
        {**OUTCOME, "successWhen": [{"path": "status phase", "values": ["a"]}]},
        "spec.outcome.successWhen[0].path",
        "must be a path into the child",
        "should match",
    ),
    _bad(
        "a path that does not close",
        "spec.outcome",
        {**OUTCOME, "waitingWhen": [{"path": "status.conditions[type=Ready", "values": ["a"]}]},
        "spec.outcome.waitingWhen[0].path",
        "is not a path at '[type=Ready'",
        None,
    ),
    _bad(
        "success of whatever was just made",
        "spec.outcome",
        {**OUTCOME, "successWhen": [{"path": "status.error", "operator": "DoesNotExist"}]},
        "spec.outcome.successWhen",
        "must have a rule that is not DoesNotExist",
        None,
    ),
    # Results
    _bad(
        "results somewhere in the status",
        "spec.results",
        {"from": "ChildStatus"},
        "spec.results.path",
        "is needed there",
        "path belongs to from ChildStatus, and is needed there",
    ),
    _bad(
        "a path for a message",
        "spec.results",
        {"from": "TerminationMessage", "path": "status.x"},
        "spec.results.path",
        "belongs to from ChildStatus",
        "path belongs to from ChildStatus",
    ),
    _bad(
        "results in a registry under no name",
        "spec.results",
        {"from": "Registry"},
        "spec.results.registry",
        "is needed there",
        "registry belongs to from Registry, and is needed there",
    ),
    _bad(
        "a path to results that does not close",
        "spec.results",
        {"from": "ChildStatus", "path": "status.outputs["},
        "spec.results.path",
        "is not a path at '['",
        None,
    ),
    _bad(
        "a snapshot from two places",
        "spec.data.snapshotFrom",
        {"result": "data.id", "configMap": {"configMap": "snapshots", "key": "newest"}},
        "spec.data.snapshotFrom",
        "exactly one of result, configMap",
        "exactly one of result and configMap",
    ),
    _bad(
        "a first model of no known form",
        "spec.initialModel",
        {"uri": "ftp://models/fraud"},
        "spec.initialModel.uri",
        "must begin with one of",
        None,
    ),
    _bad(
        "a digest without algorithm",
        "spec.initialModel",
        {"uri": "models:/fraud/1", "digest": "d" * 64},
        "spec.initialModel.digest",
        "an algorithm and hex digits",
        "should match",
    ),
    # Gates
    _bad("two gates of one name", f"{F1}.name", "slices", "spec.gates", "unique in the list", "Duplicate value"),
    _bad(
        "a gate without a number",
        F1,
        _gate(min="1"),
        "spec.gates[2]",
        "one of value, query and job",
        "set one of value, query and job",
    ),
    _bad(
        "a gate with two numbers",
        F1,
        _gate(min="1", value="metrics.f1", query="f1"),
        "spec.gates[2]",
        "not value and query",
        "at most one of value, query and job",
    ),
    _bad(
        "a gate that asks for nothing",
        F1,
        _gate(value="metrics.f1"),
        "spec.gates[2]",
        "min, max or versusChampion",
        "set min, max or versusChampion",
    ),
    _bad(
        "a path that is none",
        f"{F1}.value",
        "metrics/f1",
        "spec.gates[2].value",
        "a dotted path into the results",
        "should match",
    ),
    _bad(
        "a gate that nothing passes",
        f"{F1}.max",
        "0.5",
        "spec.gates[2].min",
        "must not be above max, which is 0.5",
        "min must not be above max, which is 0.5, and is 0.90",
    ),
    _bad(
        "a change without amount",
        f"{F1}.versusChampion",
        {},
        "spec.gates[2].versusChampion",
        "exactly one of absolute, relative",
        "exactly one of absolute and relative",
    ),
    _bad(
        "a change by both measures",
        f"{F1}.versusChampion",
        {"absolute": "0", "relative": "0"},
        "spec.gates[2].versusChampion",
        "exactly one of absolute, relative",
        "exactly one of absolute and relative",
    ),
    _bad(
        "a query against the champion",
        F1,
        _gate(query="f1", versusChampion={"absolute": "0"}),
        "spec.gates[2].versusChampion",
        "a query has one answer",
        "a query has one answer",
    ),
    _bad(
        "a schema with a bound",
        "spec.gates.1.min",
        "1",
        "spec.gates[1]",
        "kind Schema has no number",
        "the kinds Schema and Signature have no number",
    ),
    _bad(
        "slices from a query",
        SLICES,
        _gate(kind="Slice", query="f1", min="0"),
        "spec.gates[3].value",
        "an object of slices",
        "kind Slice needs value",
    ),
    _bad(
        "samples of what is no slice",
        f"{F1}.minSamples",
        200,
        "spec.gates[2]",
        "they belong to kind Slice",
        "slices and minSamples belong to it alone",
    ),
    _bad(
        "an identity of what is not signed",
        f"{F1}.identity",
        "a@example.com",
        "spec.gates[2].identity",
        "belongs to kind Signature",
        "identity belongs to kind Signature",
    ),
    _bad(
        "a timeout of no Job",
        f"{F1}.timeout",
        "1h",
        "spec.gates[2].timeout",
        "belongs to job",
        "timeout belongs to job",
    ),
    _bad("a Job of no time", f"{ROBUSTNESS}.timeout", "0s", "spec.gates[5].timeout", SOME_TIME, SOME_TIME),
    _bad(
        "a gate's Job that is restarted",
        f"{ROBUSTNESS}.job.template.spec.restartPolicy",
        "OnFailure",
        "spec.gates[5].job.template.spec.restartPolicy",
        "must be Never",
        "Unsupported value",
    ),
    # Approval and promotion
    _bad("no time to approve", "spec.approval.expiresAfter", "0s", "spec.approval.expiresAfter", SOME_TIME, SOME_TIME),
    _bad(
        "nobody need approve", "spec.approval.minApprovals", 0, "spec.approval.minApprovals", "equal to 1", "equal to 1"
    ),
    _bad(
        "a pull request to nowhere",
        "spec.promotion",
        {"target": "PullRequest"},
        "spec.promotion.pullRequest",
        "is needed there",
        "pullRequest belongs to target PullRequest, and is needed there",
    ),
    _bad(
        "an alias nobody moves",
        "spec.promotion",
        {"target": "Direct", "alias": {"alias": "champion"}},
        "spec.promotion.alias",
        "belongs to target Alias",
        "alias belongs to target Alias",
    ),
    _bad(
        "a file outside the repository",
        "spec.promotion",
        _pull_request(file="apps/../../etc/passwd"),
        "spec.promotion.pullRequest.edits[0].file",
        "stay within the repository",
        "must stay within the repository",
    ),
    _bad(
        "a place that is none",
        "spec.promotion",
        _pull_request(path="spec..uri"),
        "spec.promotion.pullRequest.edits[0].path",
        "is not a path",
        None,
    ),
    _bad(
        "no time to be promoted",
        "spec.promotion.expiresAfter",
        "0s",
        "spec.promotion.expiresAfter",
        SOME_TIME,
        SOME_TIME,
    ),
    _bad(
        "a bake without unit",
        "spec.observation.bake",
        "24",
        "spec.observation.bake",
        "a duration such as",
        "should match",
    ),
    _bad("a quarantine of no time", "spec.quarantine", {"ttl": "0s"}, "spec.quarantine.ttl", SOME_TIME, SOME_TIME),
)

GOOD_POLICIES: Final = (
    ("metadata.name", "a" * 38),
    ("spec.triggers", []),
    ("spec.template", {"apiVersion": "example.com/v1", "kind": "Training", "spec": {"anything": [1, None]}}),
    ("spec.template.metadata", {"labels": {"kueue.x-k8s.io/queue-name": "ml"}, "annotations": {"a": "b"}}),
    ("spec.template.spec.template.spec.restartPolicy", "OnFailure"),
    ("spec.outcome", OUTCOME),
    (
        "spec.outcome",
        {
            "successWhen": [{"path": '.status.conditions[?(@.type=="Ready")].status', "values": ["True"]}],
            "failureWhen": [{"path": "metadata.annotations['example.com/failed']", "operator": "Exists"}],
            "waitingWhen": [{"path": "status.jobs[*].state", "operator": "NotIn", "values": ["Running", "Done"]}],
        },
    ),
    ("spec.results", {"from": "ChildStatus", "path": "status.outputs.parameters[name=results].value"}),
    ("spec.results", {"from": "Registry", "registry": {"name": "fraud"}}),
    ("spec.promotion", PULL_REQUEST),
    ("spec.promotion", {"target": "Alias", "alias": {}}),
    ("spec.budget", {"maxRuns": 1}),
    ("spec.cooldown", {"afterSuccess": "0s", "afterFailure": "0s"}),
    ("spec.observation.bake", "0s"),
    ("spec.gates", []),
    ("spec.gates.1", {"name": "schema", "kind": "Schema", "job": CONTRACT["gates"][5]["job"], "timeout": "1h"}),
    ("spec.gates.2", {"name": "f1", "kind": "Signature", "identity": "ci@example.com"}),
    ("spec.gates.2", {"name": "f1", "kind": "Latency", "query": "latency", "max": "0.2"}),
    ("spec.gates.2.max", "0.90"),
    ("spec.initialModel", {"uri": "models:/fraud/1", "digest": f"sha256:{'d' * 64}"}),
    ("spec.data.snapshotFrom", {"configMap": {"configMap": "snapshots", "key": "newest"}}),
)
"""Changes after which the worked example is right still."""
