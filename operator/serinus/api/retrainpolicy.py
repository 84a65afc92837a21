"""RetrainPolicy: when a model is trained anew, how, and what a candidate must pass. What people and Git write."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from serinus.api.gatespec import Gate, ResultPath
from serinus.api.meta import CRON_PATTERN, NAME_PATTERN, Duration, Model
from serinus.api.resource import Column, Resource, Rule, list_map, with_rules
from serinus.api.retrainstatus import Digest, RetrainPolicyStatus
from serinus.api.rollout import ConfigMapKey
from serinus.api.rules import longer_than_0s
from serinus.api.statuspath import PATH_PATTERN
from serinus.api.triggers import TriggerPolicy, Triggers

RetrainMode = Literal["Observe", "Recommend", "Automatic"]
Concurrency = Literal["Forbid", "Queue", "Replace"]
Cure = Literal["Rollback", "Retrain"]
ResultsFrom = Literal["TerminationMessage", "ChildStatus", "ConfigMap", "Registry"]
PromotionTarget = Literal["Direct", "PullRequest", "Alias"]
Held = Literal["Training", "Promotion"]
Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

POLICY_NAME_MAX: Final = 38
"""Runs, and what they train with, are named `<policy>-` and 8 hex digits: KubeRay gives up on names of more than 47
characters."""

_TEMPLATE: Final = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "required": ["apiVersion", "kind"],
    "properties": {
        "apiVersion": {"type": "string", "minLength": 1, "maxLength": 253, "description": "API of the child."},
        "kind": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Kind of the child."},
        "metadata": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "description": "Labels and annotations of the child. Name and namespace are given by the operator.",
            "properties": {
                name: {"type": "string", "maxLength": 253, "description": "Given by the operator: leave it out."}
                for name in ("name", "namespace", "generateName")
            },
        },
    },
    "x-kubernetes-validations": [
        Rule(
            "!has(self.metadata) || (!has(self.metadata.name) && !has(self.metadata.namespace)"
            " && !has(self.metadata.generateName))",
            "template.metadata has labels and annotations only: name, namespace and owner are given by the operator",
        ).render()
    ],
}
Template = Annotated[dict[str, object], WithJsonSchema(_TEMPLATE)]
"""An object of any kind, as plain JSON."""

_NAME = Rule(
    f"self.metadata.name.size() <= {POLICY_NAME_MAX} && self.metadata.name.matches('{NAME_PATTERN}')",
    f"metadata.name must be at most {POLICY_NAME_MAX} lower-case letters, digits or '-', begin with a letter and not"
    " end with '-': the names of its runs are made from it",
)
_TRIGGERS_EXIST = Rule(
    "!has(self.triggerPolicy) || self.triggerPolicy.any.all(group, group.all(name,"
    " self.triggers.exists(t, t.name == name)))",
    "triggerPolicy.any names a trigger that is not in triggers",
    ".triggerPolicy",
)
_PULL_REQUEST = Rule(
    "!has(self.target) || (self.target == 'PullRequest') == has(self.pullRequest)",
    "pullRequest belongs to target PullRequest, and is needed there",
)
_ALIAS = Rule(
    "!has(self.target) || (self.target == 'Alias') == has(self.alias)",
    "alias belongs to target Alias, and is needed there",
)
_PATH = Rule(
    "(self.from == 'ChildStatus') == has(self.path)",
    "path belongs to from ChildStatus, and is needed there: where in the status the results are",
    ".path",
)
_REGISTRY = Rule(
    "(self.from == 'Registry') == has(self.registry)",
    "registry belongs to from Registry, and is needed there: which model to look for",
    ".registry",
)
_VALUES = Rule(
    "(has(self.operator) && self.operator in ['Exists', 'DoesNotExist']) !="
    " (has(self.values) && size(self.values) > 0)",
    "In and NotIn, the default, need values; Exists and DoesNotExist have none",
    ".values",
)
_WITHIN = Rule(
    "!self.file.split('/').exists(part, part == '..')", "file must stay within the repository: no ..", ".file"
)
_ONE_SNAPSHOT = Rule("has(self.result) != has(self.configMap)", "set exactly one of result and configMap")
_ONE_LIMIT = Rule("has(self.maxRuns) || has(self.maxAcceleratorHours)", "set maxRuns, maxAcceleratorHours, or both")


class ObjectName(Model):
    """Another object of this namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Its name."""


class InitialModel(Model):
    """The model to serve before the first run has been promoted."""

    uri: Annotated[str, Field(min_length=1, max_length=1024)]
    """Address of the model, in the forms of a ModelDeployment's model.from.uri."""
    digest: Digest | None = None
    """What pins it: sha256: and 64 hex digits. Default: unpinned, and no gate can be sure that it was compared with
    this very model."""


class Blackout(Model):
    """A recurring time in which nothing is started. What runs goes on, and a rollback is never held."""

    cron: Annotated[str, Field(pattern=CRON_PATTERN, max_length=120)]
    """When it begins: five cron fields."""
    duration: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("duration")))]
    """How long it lasts."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """IANA name of the time zone. Default: UTC."""
    holds: Annotated[tuple[Held, ...], Field(min_length=1, max_length=2)] | None = None
    """What is held: the start of a training, the promotion of a candidate, or both. Default: both."""


class CooldownSpec(Model):
    """How long after the end of a run no other is started by a trigger. A person's command does not wait."""

    after_success: Duration = "24h"
    """After a candidate was promoted. Default: 24h."""
    after_failure: Duration = "1h"
    """After any other end. It is multiplied by `factor` for each further run in a row that failed, was lost, rejected
    or rolled back. Default: 1h."""
    factor: Annotated[int, Field(ge=1, le=10)] = 2
    """Default: 2."""
    max: Duration = "72h"
    """The longest pause. Default: 72h."""


class BudgetSpec(Model):
    """What may be spent in a while."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_LIMIT))

    max_runs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Runs that may be started within `window`."""
    max_accelerator_hours: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Hours times accelerators that runs may use within `window`. A run counts with the longest it may take
    (activeDeadline) before it is started, afterwards with what it took."""
    window: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("window")))] = "168h"
    """Default: 168h."""
    on_exceeded: Literal["Skip", "RequireApproval"] = "Skip"
    """Skip starts nothing until there is budget again; RequireApproval waits for the command retrain.
    Default: Skip."""


class StatusRule(Model):
    """What a field of the child's status must be."""

    model_config = ConfigDict(json_schema_extra=with_rules(_VALUES))

    path: Annotated[str, Field(pattern=PATH_PATTERN, max_length=256)]
    """Path into the child, such as status.phase, or status.conditions[type=Ready].status. It may lead to several
    values; [*] stands for all entries of a list."""
    operator: Operator | None = None
    """How it is compared. In: one of the values is there. NotIn: there is a value, and none of these. Exists,
    DoesNotExist: whether there is a value at all. Default: In."""
    values: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=16)] = ()
    """Values to compare with, as strings: "True", "true", "3"."""


class OutcomeRules(Model):
    """How the child tells that it is done. Needed for kinds that the operator does not know."""

    success_when: Annotated[tuple[StatusRule, ...], Field(min_length=1, max_length=8)]
    """It has succeeded when all of these hold."""
    failure_when: Annotated[tuple[StatusRule, ...], Field(min_length=1, max_length=8)]
    """It has failed when one of these holds; failure wins."""
    waiting_when: Annotated[tuple[StatusRule, ...], Field(max_length=8)] = ()
    """It waits for its turn while one of these holds; the time of the training does not run."""


class RegistryResults(Model):
    """Where a registry keeps what was trained."""

    provider: Literal["mlflow"] = "mlflow"
    """Which registry. Default: mlflow, the server that the operator is configured with."""
    name: Annotated[str, Field(min_length=1, max_length=250)]
    """Name of the registered model. The version is the one whose run, or which itself, has the tag serinus.run with
    the name of the RetrainRun."""


class ResultsSpec(Model):
    """How the training says what it made; the form is described in docs/retraining-results.md."""

    model_config = ConfigDict(json_schema_extra=with_rules(_PATH, _REGISTRY))

    from_: Annotated[ResultsFrom, Field(alias="from")] = "TerminationMessage"
    """TerminationMessage: JSON as termination message of a container of the child's pods. ChildStatus: a JSON object,
    or text with one, in the child's status. ConfigMap: key results.json of the ConfigMap that SERINUS_RESULTS names.
    Registry: the version of a registered model, and its run. Default: TerminationMessage."""
    path: Annotated[str, Field(pattern=PATH_PATTERN, max_length=256)] | None = None
    """ChildStatus: where, for example status.outputs.parameters[name=results].value."""
    registry: RegistryResults | None = None
    """Registry: which model."""


class SnapshotFrom(Model):
    """Where the name of the data comes from."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_SNAPSHOT))

    result: ResultPath | None = None
    """Path into the results of the training, for example data.digest: known afterwards only."""
    config_map: ConfigMapKey | None = None
    """A key of a ConfigMap that names the newest snapshot: known before, so that a run that would train on the same
    data with the same code is passed over."""


class DataSpec(Model):
    """What was trained on."""

    snapshot_from: SnapshotFrom = SnapshotFrom(result="data.digest")
    """Where the id of the data snapshot comes from. Default: data.digest of the results."""
    require_pinned: bool = True
    """Whether a candidate without a digest of its data and of its model is refused. Default: true."""


class ApprovalPolicy(Model):
    """When people must agree to a candidate."""

    required: Literal["Never", "OnWarn", "Always"] = "Never"
    """Never asks nobody, OnWarn asks where a gate warned, Always asks always. Default: Never."""
    min_approvals: Annotated[int, Field(ge=1, le=10)] = 1
    """How many different people must agree. One that rejects is enough to reject. Default: 1."""
    not_requester: bool = True
    """Whether who asked for the run may not approve it. A run that a trigger started, an event too, was asked for by
    nobody. Default: true."""
    expires_after: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("expiresAfter")))] = "72h"
    """After that without enough approvals the candidate is rejected. Default: 72h."""


class FileEdit(Model):
    """A place in a file of the repository, and what is written there."""

    model_config = ConfigDict(json_schema_extra=with_rules(_WITHIN))

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_./]*$", max_length=512)]
    """Path of a YAML file in the repository."""
    path: Annotated[str, Field(min_length=1, max_length=256)]
    """Where in the file, such as spec.model.from.uri, or spec.template.spec.containers[name=model].image."""
    value: Literal["Uri", "Digest", "UriWithDigest"] | None = None
    """What is written: the candidate's address, its digest, or both as ADDRESS@DIGEST. Default: Uri."""


class PullRequestSpec(Model):
    """A pull request in the repository that owns the ModelDeployment."""

    secret: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of a Secret of this namespace with the label serinus.dev/credentials=git and the keys url, token and, for a
    pull request, api."""
    base: Annotated[str, Field(min_length=1, max_length=128)] = "main"
    """Branch to merge into. Default: main."""
    edits: Annotated[tuple[FileEdit, ...], Field(min_length=1, max_length=8)]
    """What is changed."""


class AliasSpec(Model):
    """An alias of a registered model."""

    name: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    """Name of the registered model. Default: that of the candidate's models:/ address."""
    alias: Annotated[str, Field(min_length=1, max_length=250)] = "champion"
    """The alias that is moved. Default: champion."""


class PromotionSpec(Model):
    """How a candidate that may go on gets to production."""

    model_config = ConfigDict(json_schema_extra=with_rules(_PULL_REQUEST, _ALIAS))

    target: PromotionTarget = "Direct"
    """Direct: a ModelDeployment with model.from.retrainPolicy releases it as a new revision. PullRequest: a commit on a
    branch changes its manifest, and whoever merges it releases it. Alias: an alias in the registry is moved.
    Default: Direct."""
    pull_request: PullRequestSpec | None = None
    """The repository and what is changed there."""
    alias: AliasSpec | None = None
    """The alias that is moved."""
    expires_after: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("expiresAfter")))] = "168h"
    """After that without the candidate being stable, nobody having merged the pull request for example, it is given
    up. Default: 168h."""


class ObservationSpec(Model):
    """How long a promoted candidate is looked after."""

    bake: Duration = "24h"
    """The run has succeeded when the candidate has been stable for this long. Default: 24h."""


class QuarantineSpec(Model):
    """What becomes of the digest of a model that was rolled back."""

    scope: Literal["Deployment", "Model"] = "Deployment"
    """Deployment: this ModelDeployment does not serve it again. Model: no ModelDeployment of this namespace that
    follows a RetrainPolicy does. Default: Deployment."""
    ttl: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("ttl")))] | None = None
    """How long. Default: until somebody releases it by the command `release DIGEST REASON`."""


class HistoryLimits(Model):
    """How many ended runs are kept."""

    successful: Annotated[int, Field(ge=1, le=100)] = 5
    """Default: 5."""
    failed: Annotated[int, Field(ge=1, le=100)] = 5
    """All other ends. Runs that the budget or a hold rests on are kept for as long as they count. Default: 5."""


class RunPlan(Model):
    """How a run goes: what a RetrainRun keeps of its policy, so that a later change of the policy is none of it."""

    template: Template
    """What trains: an object of any kind that the admin allows. The operator gives it name, owner and labels, and the
    environment SERINUS_* to its containers."""
    outcome: OutcomeRules | None = None
    """How the child tells that it is done. Default: known for Job, JobSet, TrainJob, PyTorchJob and its siblings,
    MPIJob, RayJob, Workflow, Volcano's Job and SparkApplication."""
    queue_timeout: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("queueTimeout")))] = "6h"
    """Longest wait before the child begins. Default: 6h."""
    active_deadline: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("activeDeadline")))] = "24h"
    """Longest time of the training, from its beginning on. Default: 24h."""
    results: ResultsSpec = ResultsSpec()
    """How the training says what it made."""
    data: DataSpec = DataSpec()
    """What was trained on."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=24, json_schema_extra=list_map("name"))] = ()
    """What a candidate must show."""
    approval: ApprovalPolicy = ApprovalPolicy()
    """When people must agree."""
    promotion: PromotionSpec = PromotionSpec()
    """How it gets to production."""
    observation: ObservationSpec = ObservationSpec()
    """How long it is looked after."""
    quarantine: QuarantineSpec = QuarantineSpec()
    """What becomes of the digest of a model that was rolled back."""


class RetrainPolicySpec(RunPlan):
    """When a model is trained anew, how, and what a candidate must pass."""

    model_config = ConfigDict(json_schema_extra=with_rules(_TRIGGERS_EXIST))

    model_deployment_ref: ObjectName
    """The ModelDeployment of this namespace that serves the model."""
    mode: RetrainMode = "Recommend"
    """Observe only tells what it sees. Recommend also tells when it would train, and waits for the command retrain.
    Automatic trains by itself. Default: Recommend."""
    suspend: bool = False
    """Starts nothing; what runs goes on. Default: false."""
    provider: Annotated[str, Field(min_length=1, max_length=253)] = "default"
    """Name of the MetricsProvider that answers the queries. Default: default."""
    initial_model: InitialModel | None = None
    """The model that a ModelDeployment with model.from.retrainPolicy serves before a run has been promoted."""
    triggers: Triggers = ()
    """What may ask for a retraining. Default: only the command retrain."""
    trigger_policy: TriggerPolicy | None = None
    """Which triggers must come together. Default: each by itself, except that Drift starts nothing where there is a
    Quality or Business trigger."""
    warmup_after_promotion: Duration | None = None
    """After another revision has become stable, metric triggers are not looked at for this long.
    Default: the longest window of the metric triggers, with its labelDelay."""
    blackouts: Annotated[tuple[Blackout, ...], Field(max_length=16)] = ()
    """Times in which nothing is started."""
    cooldown: CooldownSpec = CooldownSpec()
    """How long after the end of a run no other is started."""
    budget: BudgetSpec | None = None
    """What may be spent in a while. Default: no limit but the cooldown."""
    concurrency_policy: Concurrency = "Forbid"
    """What a trigger does while a run is under way. Forbid: nothing. Queue: one more run afterwards, which knows all
    reasons that came up. Replace: the run is cancelled once it is older than cooldown.afterFailure, unless its
    candidate is being released. Default: Forbid."""
    action_order: Annotated[tuple[Cure, ...], Field(min_length=1, max_length=2)] = ("Rollback", "Retrain")
    """Cheapest cure first: with Rollback before Retrain a degradation that began within `blameWindow` after a promotion
    is answered by a return to the revision before, once: where that does not help, a run follows.
    Default: [Rollback, Retrain]."""
    blame_window: Duration = "2h"
    """A degradation is blamed on a promotion where its first bad window began no later than this after it.
    Default: 2h."""
    history_limits: HistoryLimits = HistoryLimits()
    """How many ended runs are kept."""


RETRAIN_POLICY: Final = Resource(
    kind="RetrainPolicy",
    plural="retrainpolicies",
    short_name="rtp",
    scope="Namespaced",
    description="When the model of a ModelDeployment is trained anew, how, and what a candidate must pass before it is"
    " handed to the canary.",
    spec=RetrainPolicySpec,
    status=RetrainPolicyStatus,
    rules=(_NAME,),
    name_max_length=POLICY_NAME_MAX,
    columns=(
        Column("Model", ".spec.modelDeploymentRef.name", description="ModelDeployment that serves the model."),
        Column("Phase", ".status.phase", description="Where the loop stands."),
        Column("State", ".status.signal.state", description="State of the trigger that is nearest to firing."),
        Column("Value", ".status.signal.value", description="Its last value."),
        Column("Samples", ".status.signal.samples", "integer", description="Rows behind that value."),
        Column("Next", ".status.nextEvaluationTime", "string", description="When it looks again."),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Mode", ".spec.mode", priority=1, description="Whether it trains by itself."),
        Column("Trigger", ".status.signal.name", priority=1, description="The trigger that is nearest to firing."),
        Column("Run", ".status.activeRun", priority=1, description="Run under way."),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1, description="Why, in one word."),
        Column(
            "Message", '.status.conditions[?(@.type=="Ready")].message', priority=1, description="Why, with numbers."
        ),
    ),
)
