"""The contract as a real API server sees it: CRDs established, examples accepted, faults refused with a message."""

import json
from typing import Any

import pytest

from serinus.api.crd import RESOURCES
from tests.api.cases import (
    BAD_INPUTS,
    CHECK,
    EXAMPLES,
    LANGUAGE_MODEL,
    REMOVE,
    ROOT,
    BadInput,
    change,
    load,
    load_example,
)
from tests.api.onserver import Cluster, RefusedError
from tests.api.policycases import BAD_POLICIES, CONTRACT, EXAMPLE, GOOD_POLICIES

pytestmark = pytest.mark.apiserver

ALL_BAD = (*BAD_INPUTS, *BAD_POLICIES)
REVISION: dict[str, Any] = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "ModelRevision",
    "metadata": {"name": "fraud-3f1c0000", "namespace": "ml"},
    "spec": {
        "modelDeployment": "fraud",
        "number": 1,
        "id": "3f1c0000",
        "digest": "3f1c0000" * 8,
        "content": {"template": {"spec": {"containers": [{"name": "model", "anything": {"goes": [1, None]}}]}}},
    },
}


def test_every_kind_is_established_and_structural(cluster: Cluster) -> None:
    for resource in RESOURCES:
        crd = json.loads(cluster.run("get", "crd", resource.crd_name, "-o", "json"))
        conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        assert conditions.get("NonStructuralSchema", "False") == "False"


def test_client_side_apply_works_too(cluster: Cluster) -> None:
    cluster.run("apply", "--dry-run=server", "-f", str(ROOT / "crds"))


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.yaml")))
def test_a_worked_example_is_accepted_and_kept_whole(name: str, cluster: Cluster) -> None:
    stored = cluster.apply(load_example(name))
    assert _missing(load_example(name)["spec"], stored["spec"], "spec") == []


def test_the_language_model_is_accepted_and_kept_whole(cluster: Cluster) -> None:
    obj = change(load(LANGUAGE_MODEL), "metadata.namespace", "ml")
    assert _missing(obj["spec"], cluster.rehearse(obj)["spec"], "spec") == []


def test_what_is_left_out_gets_its_default(cluster: Cluster) -> None:
    spec = cluster.rehearse(load_example("modeldeployment-minimal"))["spec"]
    assert (spec["paused"], spec["runtime"], spec["revisionHistoryLimit"]) == (False, "HTTP", 5)
    assert (spec["route"]["mode"], spec["route"]["kind"]) == ("Gateway", "HTTPRoute")
    assert spec["route"]["parentRefs"] == [{"name": "public"}], "a default inside a list would differ at every apply"
    assert "rollout" not in spec


@pytest.mark.parametrize("case", [case for case in ALL_BAD if case.refusal], ids=lambda case: case.sentence)
def test_a_fault_is_refused_with_its_message(case: BadInput, cluster: Cluster) -> None:
    with pytest.raises(RefusedError) as refused:
        cluster.rehearse(case.build())
    assert str(case.refusal) in str(refused.value)


@pytest.mark.parametrize("case", [case for case in ALL_BAD if not case.refusal], ids=lambda case: case.sentence)
def test_a_fault_that_only_the_operator_sees_is_accepted_here(case: BadInput, cluster: Cluster) -> None:
    cluster.rehearse(case.build())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.port", 8080),
        ("spec.port", "http"),
        ("metadata.name", "a" * 45),
        ("spec.replicas", 0),
        ("spec.route", {"mode": "Replicas"}),
        ("spec.rollout.steps", [{"weight": 5}, {"pause": {"for": "1h"}}, {"weight": 100}]),
        ("spec.rollout.steps", [{"weight": weight} for weight in range(1, 21)]),
        ("spec.rollout.bake", "0s"),
        ("spec.rollout", {"strategy": "Shadow"}),
        ("spec.rollout", {"strategy": "Shadow", "shadow": {"percent": 1, "hold": "1s", "scoring": [CHECK]}}),
        ("spec.rollout.analysis.falseAlarm", "0.001"),
        ("spec.template.metadata", {"creationTimestamp": None, "annotations": {"a": "b"}}),
        ("spec.template.spec.volumes", [{"name": "cache", "emptyDir": {}}]),
    ],
    ids=str,
)
def test_what_is_right_is_accepted(path: str, value: Any, cluster: Cluster) -> None:
    cluster.rehearse(change(load_example("modeldeployment-minimal"), path, value))


@pytest.mark.parametrize(("path", "value"), GOOD_POLICIES, ids=str)
def test_a_policy_that_is_right_is_accepted(path: str, value: Any, cluster: Cluster) -> None:
    obj = change(change(load_example(EXAMPLE), "spec.triggerPolicy", None), path, value)
    stored = cluster.rehearse(obj)
    assert _missing(obj["spec"] | {"triggerPolicy": {}}, stored["spec"] | {"triggerPolicy": {}}, "spec") == []


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        ("spec.address", "http://user:secret@prometheus:9090", "spec.address"),
        ("spec.address", "file:///etc/passwd", "spec.address"),
        ("spec.scrapeInterval", "500ms", "at least 1s"),
        ("spec.gatewayLabels", {"job": ""}, "spec.gatewayLabels.job"),
        ("spec.gatewayLabels", {f"l{number}": "x" for number in range(9)}, "must have at most 8 items"),
        ("spec.timeout", "0s", "longer than 0s"),
    ],
)
def test_a_faulty_provider_is_refused(path: str, value: Any, refusal: str, cluster: Cluster) -> None:
    with pytest.raises(RefusedError, match=refusal):
        cluster.rehearse(change(load_example("metricsprovider"), path, value))


def test_a_revision_cannot_be_changed_but_labelled(cluster: Cluster) -> None:
    cluster.apply(REVISION)
    stored = cluster.apply(change(REVISION, "metadata.labels", {"a": "b"}))
    assert stored["spec"] == REVISION["spec"]
    for path, value in (("spec.number", 2), ("spec.content.template", {}), ("spec.content.more", 1)):
        with pytest.raises(RefusedError, match="cannot be changed"):
            cluster.apply(change(REVISION, path, value))


def test_nothing_is_taken_out_of_the_history_of_a_revision(cluster: Cluster) -> None:
    cluster.apply(REVISION)
    entries = [{"at": f"2026-11-23T10:1{number}:00.000Z", "action": "command.accepted"} for number in range(3)]
    where = ("mrev", REVISION["metadata"]["name"], "-n", REVISION["metadata"]["namespace"])

    def write(history: list[dict[str, str]] | None) -> None:
        # As the operator: where its chart has been installed by another test, nobody else may.
        operator = ("--as=system:serviceaccount:serinus-system:serinus", "--as-group=system:masters")
        patch = json.dumps({"status": {"history": history}})
        cluster.run("patch", *where, "--subresource=status", "--type=merge", "-p", patch, *operator)

    write(entries[:2])
    write(entries)
    for shorter in (entries[1:], [], None):
        with pytest.raises(RefusedError, match="nothing is taken out of it"):
            write(shorter)
    stored = json.loads(cluster.run("get", *where, "-o", "json"))
    assert [one["at"] for one in stored["status"]["history"]] == [one["at"] for one in entries]


RUN: dict[str, Any] = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "RetrainRun",
    "metadata": {"name": "fraud-1a2b3c4d", "namespace": "ml"},
    "spec": {
        "policy": {"name": "fraud", "uid": "p1", "generation": 3, "digest": "a" * 64},
        "number": 1,
        "modelDeployment": "fraud",
        "reasons": [{"trigger": "accuracy", "at": "2026-11-23T10:00:00Z"}],
        "decidedAt": "2026-11-23T10:00:00Z",
        "plan": {name: CONTRACT[name] for name in ("template", "gates", "results", "promotion")},
        "templateDigest": "b" * 64,
    },
}
APPROVAL: dict[str, Any] = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "ModelApproval",
    "metadata": {"name": "fraud-ada", "namespace": "ml"},
    "spec": {"run": "fraud-1a2b3c4d", "digest": f"sha256:{'d' * 64}", "approver": "ada"},
}


@pytest.mark.parametrize(
    ("record", "path", "value"),
    [
        (RUN, "spec.number", 2),
        (RUN, "spec.plan.template.spec", {}),
        (RUN, "spec.plan.gates", []),
        (APPROVAL, "spec.decision", "Reject"),
        (APPROVAL, "spec.approver", "bob"),
    ],
    ids=str,
)
def test_a_record_cannot_be_changed_but_labelled(
    record: dict[str, Any], path: str, value: Any, cluster: Cluster
) -> None:
    stored = cluster.apply(record)
    assert _missing(record["spec"], stored["spec"], "spec") == []
    cluster.apply(change(record, "metadata.labels", {"a": "b"}))
    with pytest.raises(RefusedError, match="is a record: its spec cannot be changed"):
        cluster.apply(change(record, path, value))


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        ("spec.run", REMOVE, "spec.run: Required value"),
        ("spec.digest", "latest", "spec.digest"),
        ("spec.approver", "", "should be at least 1 chars long"),
        ("spec.decision", "Maybe", "Unsupported value"),
    ],
)
def test_a_faulty_approval_is_refused(path: str, value: Any, refusal: str, cluster: Cluster) -> None:
    with pytest.raises(RefusedError, match=refusal):
        cluster.rehearse(change(APPROVAL, path, value))


def test_the_scale_of_a_deployment_is_its_replicas(cluster: Cluster) -> None:
    cluster.apply(load_example("modeldeployment-minimal"))
    cluster.run("scale", "mdep", "fraud", "-n", "ml", "--replicas=7")
    assert cluster.run("get", "mdep", "fraud", "-n", "ml", "-o", "jsonpath={.spec.replicas}") == "7"


def test_a_status_keeps_everything_and_two_writers_share_its_conditions(cluster: Cluster) -> None:
    cluster.apply(load_example("modeldeployment-minimal"))
    moment = "2026-11-23T10:12:00.000Z"
    for manager, kind in (("one", "Ready"), ("two", "Available")):
        condition = {"type": kind, "status": "True", "reason": "Serving", "message": "", "lastTransitionTime": moment}
        partial = {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "fraud", "namespace": "ml"},
            "status": {"conditions": [condition]},
        }
        # As the operator: where its chart has been installed by another test, nobody else may.
        operator = ("--as=system:serviceaccount:serinus-system:serinus", "--as-group=system:masters")
        cluster.apply(partial, "--server-side", "--subresource=status", f"--field-manager={manager}", *operator)
    stored = json.loads(cluster.run("get", "mdep", "fraud", "-n", "ml", "-o", "json"))
    assert {each["type"] for each in stored["status"]["conditions"]} == {"Ready", "Available"}


def test_the_default_columns_tell_where_the_release_stands(cluster: Cluster) -> None:
    cluster.apply(load_example("modeldeployment-minimal"))
    heading = cluster.run("get", "mdep", "-n", "ml").splitlines()[0].split()
    assert heading == ["NAME", "PHASE", "STABLE", "CANARY", "WEIGHT", "STEP", "READY", "AGE"]


def test_the_default_columns_of_a_policy_tell_where_the_loop_stands(cluster: Cluster) -> None:
    cluster.apply(load_example(EXAMPLE))
    heading = cluster.run("get", "rtp", "-n", "ml").splitlines()[0].split()
    assert heading == ["NAME", "MODEL", "PHASE", "STATE", "VALUE", "SAMPLES", "NEXT", "AGE"]


@pytest.mark.parametrize(
    "field",
    [
        "modeldeployment.spec.rollout.steps.weight",
        "modelrevision.spec",
        "metricsprovider",
        "retrainpolicy.spec.gates.versusChampion",
        "retrainrun.spec",
        "modelapproval.spec",
    ],
)
def test_kubectl_explains_the_contract(field: str, cluster: Cluster) -> None:
    assert "DESCRIPTION:\n    <empty>" not in cluster.run("explain", field)


def _missing(written: Any, stored: Any, path: str) -> list[str]:
    """Return the paths of what was written and is not stored."""
    if isinstance(written, dict):
        return [
            each
            for key, value in written.items()
            for each in (_missing(value, stored[key], f"{path}.{key}") if key in stored else [f"{path}.{key}"])
        ]
    if isinstance(written, list) and len(written) == len(stored):
        return [
            each for index, value in enumerate(written) for each in _missing(value, stored[index], f"{path}[{index}]")
        ]
    return [] if written == stored else [path]
