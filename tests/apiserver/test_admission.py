"""Admission as the chart brings it, on a real API server: who may write what of ours, and who is not held up."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.cluster import Cluster, release
from tests.support.admission import (
    ACCOUNT,
    await_policies,
    build_role,
    try_as,
)
from tests.support.authors import (
    HOST,
    JOB,
    RAY_POD,
    SERVICE,
    SPACE,
    build,
    build_model,
    build_policy,
    list_pod_fields,
    secured,
    with_container,
    with_pod,
)
from tests.support.model import wait_for

Raw = dict[str, Any]
pytestmark = pytest.mark.apiserver

OPEN = "opened"
"""A namespace in which the platform team allows more."""
WRITE = "get,list,create,update,patch,delete"
OURS = ("serinus.dev", "modeldeployments,retrainpolicies", WRITE)
SCALE = ("serinus.dev", "modeldeployments/scale", "get,update,patch")
RIGHTS = {
    "deployments": ("apps", "deployments", "create"),
    "services": ("", "services", "create"),
    "httproutes": ("gateway.networking.k8s.io", "httproutes", "create"),
    "jobs": ("batch", "jobs", "create"),
}
DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture(scope="module")
def guarded(served_control_plane: Cluster) -> Iterator[Cluster]:
    """tara may make everything that the operator makes; of paul, dora, sven, rita and jack each lacks one right."""
    cluster = served_control_plane
    namespaces: list[Raw] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": OPEN,
                "annotations": {
                    "serinus.dev/allowed-pod-fields": "hostPath, capabilities",
                    "serinus.dev/allowed-service-accounts": "trainer,reader",
                },
            },
        },
    ]
    lacking = {"paul": tuple(RIGHTS), "dora": ("deployments",), "sven": ("services",)}
    lacking |= {"rita": ("httproutes",), "jack": ("jobs",), "tara": ()}
    roles = [
        one
        for user, lacks in lacking.items()
        for one in build_role(user, SPACE, [user], [OURS, *(RIGHTS[right] for right in RIGHTS if right not in lacks)])
    ]
    roles += build_role("tara", OPEN, ["tara"], [OURS, *RIGHTS.values()])
    roles += build_role("reader", SPACE, ["rosa"], [OURS, *RIGHTS.values(), ("", "secrets,configmaps", "get")])
    policies = ("serinus.dev", "retrainpolicies", WRITE)
    roles += build_role("trainer", SPACE, ["nora"], [policies, *RIGHTS.values()])
    statuses = "modeldeployments/status,retrainpolicies/status,retrainruns/status,modelrevisions/status"
    records = ("serinus.dev", f"modelrevisions,retrainruns,{statuses}", WRITE)
    roles += build_role("forger", SPACE, ["mallory", ACCOUNT], [OURS, records])
    roles += build_role("scaler", SPACE, ["hal"], [SCALE, ("serinus.dev", "modeldeployments", "get")])
    roles += build_role("steward", SPACE, ["ada"], [("serinus.dev", "modelapprovals", "create,get,update,patch")])
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": namespaces}))
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": roles}))
    await_policies(cluster)
    wait_for("the roles", lambda: try_as(cluster, "tara", build_model()) == "", lambda: "")
    yield cluster
    cluster.kubectl("delete", "namespace", SPACE, OPEN, "--wait=false")


class Refusal(NamedTuple):
    """One write that must be refused, with these words."""

    user: str
    body: Raw
    words: tuple[str, ...]


MODEL, POLICY = build_model(), build_policy()
VALIDATED = build_model(rollout={"validation": [{"name": "golden", "job": JOB}]})
GATED = build_policy(gates=[{"name": "check", "kind": "Metric", "job": JOB, "min": "0.9"}])
NAMED = "git"
PULL = {"target": "PullRequest", "pullRequest": {"secret": NAMED, "edits": [{"file": "a.yaml", "path": "spec.x"}]}}
RAY = {"apiVersion": "ray.io/v1", "kind": "RayJob"}
RAY_HEAD = {**RAY, "spec": {"rayClusterSpec": {"headGroupSpec": {"template": RAY_POD}}}}
RAY_WORKER = {**RAY, "spec": {"rayClusterSpec": {"workerGroupSpecs": [{"template": RAY_POD}]}}}
FLOW = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
FLOW_STEP = {**FLOW, "spec": {"templates": [{"name": "t", "container": RAY_POD["spec"]["containers"][0]}]}}
FLOW_PATCH = {**FLOW, "spec": {"podSpecPatch": '{"hostNetwork": true}', "templates": []}}
FLOW_ACCOUNT = {**FLOW, "spec": {"serviceAccountName": "admin", "templates": []}}

AUTHORS = {
    "no Deployments": Refusal("dora", MODEL, ("spec.template: dora may not create deployments.apps in", SPACE)),
    "no Services": Refusal("sven", MODEL, ("spec.route: sven may not create services in namespace",)),
    "no routes": Refusal("rita", MODEL, ("rita may not create httproutes.gateway.networking.k8s.io", "Replicas")),
    "no routes of that kind": Refusal(
        "tara",
        build_model(route={**MODEL["spec"]["route"], "kind": "GRPCRoute"}),
        ("tara may not create grpcroutes.gateway.networking.k8s.io",),
    ),
    "no pools": Refusal(
        "tara",
        build_model(
            route={**MODEL["spec"]["route"], "backend": {"kind": "InferencePool", "endpointPicker": {"name": "epp"}}}
        ),
        ("spec.route.backend.kind: tara may not create inferencepools.inference.networking.k8s.io",),
    ),
    "no Jobs for validation": Refusal("jack", VALIDATED, ("spec.rollout.validation: jack may not create jobs.batch",)),
    "no Jobs to train": Refusal("jack", POLICY, ("spec.template: jack may not create jobs.batch in namespace",)),
    "no Jobs for gates": Refusal("jack", GATED, ("jobs.batch",)),
    "no Rays to train": Refusal(
        "tara", build_policy(template={**RAY, "spec": {}}), ("tara may not create rayjobs.ray.io",)
    ),
    "a kind that nobody lists": Refusal(
        "tara",
        build_policy(template={"apiVersion": "v1", "kind": "Pod", "spec": {}}),
        ("spec.template.kind: v1/Pod must be a kind that the admin allows: batch/v1/Job",),
    ),
    "another's model to return": Refusal(
        "nora",
        build_policy(mode="Automatic"),
        ("spec.modelDeploymentRef: nora may not undo modeldeployments.serinus.dev fraud",),
    ),
    "a Secret that he may not read": Refusal(
        "tara", build_policy(promotion=PULL), ("spec.promotion.pullRequest.secret: tara may not get Secret git",)
    ),
    "a ConfigMap that he may not read": Refusal(
        "tara",
        build_policy(data={"snapshotFrom": {"configMap": {"configMap": "hidden", "key": "k"}}}),
        ("spec.data.snapshotFrom.configMap: tara may not get ConfigMap hidden",),
    ),
    "a body that he may not read": Refusal(
        "tara",
        build_model(rollout={"warmup": {"bodyFrom": {"configMap": "hidden", "key": "k"}}}),
        ("spec.rollout.warmup.bodyFrom.configMap: tara may not get ConfigMap hidden",),
    ),
}
"""Nobody has made or read through the operator what he could not make or read himself."""

POD_FIELDS = {
    f"{body['kind']}: {name}": Refusal("tara", changed, (words,))
    for body in (MODEL, POLICY)
    for name, (changed, words) in list_pod_fields(body).items()
}
DOORS = {
    "validation": (
        "rollout",
        {"validation": [{"name": "v", "job": {"template": RAY_POD}}]},
        "validation[v].job.template",
    ),
    "scoring": (
        "rollout",
        {"strategy": "Shadow", "shadow": {"scoring": [{"name": "s", "job": {"template": RAY_POD}}]}},
        "shadow.scoring[s].job.template",
    ),
}
OTHER_PODS = {
    **{
        name: Refusal(
            "tara", build_model(**{field: value}), (f"spec.rollout.{at}.spec.containers[r]", "privileged: true")
        )
        for name, (field, value, at) in DOORS.items()
    },
    "gate": Refusal(
        "tara",
        build_policy(gates=[{"name": "g", "kind": "Metric", "min": "0", "job": {"template": RAY_POD}}]),
        ("spec.gates[g].job.template.spec.containers[r].securityContext.privileged: true",),
    ),
    "ray head": Refusal("probe", build_policy(template=RAY_HEAD), ("headGroupSpec.template.spec.containers[r]",)),
    "ray worker": Refusal("probe", build_policy(template=RAY_WORKER), ("workerGroupSpecs[].template.spec",)),
    "workflow step": Refusal("probe", build_policy(template=FLOW_STEP), ("templates[].container[r]", "privileged")),
    "workflow patch": Refusal("probe", build_policy(template=FLOW_PATCH), ("spec.template.spec.podSpecPatch",)),
    "workflow account": Refusal("probe", build_policy(template=FLOW_ACCOUNT), ("admin is not allowed",)),
}
REFUSALS = {**AUTHORS, **POD_FIELDS, **OTHER_PODS}
MASTERS = "--as-group=system:masters"


@pytest.mark.parametrize("case", REFUSALS)
def test_nobody_gets_through_the_operator_what_he_could_not_make(guarded: Cluster, case: str) -> None:
    user, body, words = REFUSALS[case]
    said = try_as(guarded, user, body, *((MASTERS,) if user == "probe" else ()))
    for word in words:
        assert word in said


SPARK_POD: Raw = {"spec": {"containers": [{"name": "s", "image": "s:1"}]}}
SPARK = {"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication"}
QUIET_SPARK: Raw = {
    "type": "Python",
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "driver": {
        "cores": 1,
        "serviceAccount": "default",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 185},
        "podSecurityContext": {"fsGroup": 185, "seccompProfile": {"type": "RuntimeDefault"}},
        "ports": [{"name": "ui", "containerPort": 4040}],
        "template": {**SPARK_POD, "metadata": {"labels": {"team": "a"}}},
    },
    "executor": {
        "instances": 2,
        "securityContext": None,
        "template": None,
        "sidecars": [{"name": "l", "image": "l:1"}],
    },
}
SPARKS: dict[str, tuple[Raw, str]] = {
    "privileged": ({"securityContext": {"privileged": True}}, "securityContext.privileged: true"),
    "escalation": (
        {"securityContext": {"allowPrivilegeEscalation": True}},
        "securityContext.allowPrivilegeEscalation: true",
    ),
    "capabilities": ({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}, "securityContext.capabilities.add"),
    "procMount": ({"securityContext": {"procMount": "Unmasked"}}, "securityContext.procMount"),
    "hostProcess": (
        {"securityContext": {"windowsOptions": {"hostProcess": True}}},
        "securityContext.windowsOptions.hostProcess: true",
    ),
    "hostProcess of the pod": (
        {"podSecurityContext": {"windowsOptions": {"hostProcess": True}}},
        "podSecurityContext.windowsOptions.hostProcess: true",
    ),
    "hostNetwork": ({"hostNetwork": True}, "hostNetwork: true"),
    "hostNetwork beside a field that Spark does not know": ({"hostNetwork": True, "spec": {}}, "hostNetwork: true"),
    "sidecar": ({"sidecars": RAY_POD["spec"]["containers"]}, "sidecars[r].securityContext.privileged: true"),
    "container of the template": (
        {"template": RAY_POD},
        "template.spec.containers[r].securityContext.privileged: true",
    ),
    "volume of the template": (
        {"template": {"spec": {**SPARK_POD["spec"], "volumes": [HOST]}}},
        "template.spec.volumes[host].hostPath",
    ),
    "account": ({"serviceAccount": "admin"}, "serviceAccountName: admin is not allowed"),
    "account of the template": (
        {"template": {"spec": {**SPARK_POD["spec"], "serviceAccountName": "admin"}}},
        "template.spec.serviceAccountName: admin is not allowed",
    ),
}


@pytest.fixture(scope="module")
def spark(guarded: Cluster) -> Iterator[Cluster]:
    """SparkApplications may train, and what they may have is asked for."""
    values = release.load_values(guarded)
    kinds = [*values["training"]["kinds"], f"{SPARK['apiVersion']}/{SPARK['kind']}"]
    release.upgrade(guarded, {**values, "training": {"kinds": kinds}})
    body = build_policy(template={**SPARK, "spec": {}})
    wait_for("Spark", lambda: try_as(guarded, "probe", body, MASTERS) == "", lambda: "")
    yield guarded
    release.upgrade(guarded, values)


@pytest.mark.parametrize("role", ["driver", "executor"])
@pytest.mark.parametrize("case", SPARKS)
def test_drivers_and_executors_are_pods_and_containers_in_one(spark: Cluster, case: str, role: str) -> None:
    fields, words = SPARKS[case]
    spec = {**QUIET_SPARK, role: {**QUIET_SPARK[role], **fields}}
    said = try_as(spark, "probe", build_policy(template={**SPARK, "spec": spec}), MASTERS)
    assert f"spec.template.spec.{role}.{words}" in said


def test_a_spark_application_that_asks_for_nothing_passes(spark: Cluster) -> None:
    assert try_as(spark, "probe", build_policy(template={**SPARK, "spec": QUIET_SPARK}), MASTERS) == ""


def test_what_people_may_they_may(guarded: Cluster) -> None:
    plain = (MODEL, POLICY, VALIDATED, GATED)
    quiet = with_pod(
        secured(MODEL, privileged=False, allowPrivilegeEscalation=False, capabilities={"drop": ["ALL"]}),
        serviceAccountName="default",
        hostNetwork=False,
        volumes=[{"name": "tmp", "emptyDir": {}}],
    )
    empty = with_container(with_pod(MODEL, volumes=None, initContainers=None, hostNetwork=None), securityContext=None)
    for body in (*plain, quiet, empty):
        assert try_as(guarded, "tara", body) == ""
    assert try_as(guarded, "nora", build_policy(mode="Automatic", actionOrder=["Retrain"])) == ""
    assert try_as(guarded, "nora", POLICY) == ""
    replicas = build_model(route=SERVICE)
    assert try_as(guarded, "rita", replicas) == ""
    body_of = {"warmup": {"bodyFrom": {"configMap": "body", "key": "k"}}}
    assert try_as(guarded, "rosa", build_model(rollout=body_of)) == ""
    assert try_as(guarded, "rosa", build_policy(promotion=PULL)) == ""


def test_a_platform_team_opens_a_namespace(guarded: Cluster) -> None:
    def there(body: Raw) -> Raw:
        return {**body, "metadata": {**body["metadata"], "namespace": OPEN}}

    for body in (with_pod(MODEL, volumes=[HOST]), secured(MODEL, capabilities={"add": ["IPC_LOCK"]})):
        assert try_as(guarded, "tara", there(body)) == ""
    assert try_as(guarded, "tara", there(with_pod(POLICY, serviceAccountName="trainer"))) == ""
    said = try_as(guarded, "tara", there(with_pod(MODEL, serviceAccountName="admin")))
    assert "admin is not allowed; allowed are default, trainer, reader" in said
    assert "hostNetwork: true" in try_as(guarded, "tara", there(with_pod(MODEL, hostNetwork=True)))


def test_who_may_not_make_them_may_still_stop_label_and_remove_them(guarded: Cluster) -> None:
    named = {"kept": build_model("kept"), "held": build_policy("held")}
    for body in named.values():
        assert try_as(guarded, "tara", body, dry=False) == ""
    for body, change in ((named["kept"], {"paused": True, "replicas": 0}), (named["held"], {"suspend": True})):
        assert try_as(guarded, "paul", {**body, "spec": {**body["spec"], **change}}, verb="apply") == ""
        labelled = {**body, "metadata": {**body["metadata"], "labels": {"team": "a"}}}
        assert try_as(guarded, "paul", labelled, verb="apply") == ""
    for body in (with_container(named["kept"], image="m:2"), with_container(named["held"], image="t:2")):
        assert "paul may not create" in try_as(guarded, "paul", body, verb="apply")
    scale = ("scale", "modeldeployment", "kept", "--replicas=3", "-n", SPACE, "--as=hal")
    assert guarded.kubectl(*scale, check=False).stderr == ""
    assert guarded.get("modeldeployment", "kept", "-n", SPACE)["spec"]["replicas"] == 3
    for kind, name in (("modeldeployment", "kept"), ("retrainpolicy", "held")):
        guarded.kubectl("delete", kind, name, "-n", SPACE, "--as=paul", timeout=30)


OF_FRAUD = ("-l", "serinus.dev/deployment=fraud")
STATUSES = ("modeldeployment", "retrainpolicy")


def test_only_the_operator_says_what_the_operator_says(guarded: Cluster) -> None:
    for body in (build_model("fraud", route=SERVICE), build_policy("fraud")):
        assert try_as(guarded, "tara", body, dry=False) == ""
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": {"phase": "Stable"}}), "-n", SPACE)
    for kind in STATUSES:
        forged = guarded.kubectl("patch", kind, "fraud", *patch, "--as=mallory", check=False).stderr
        assert "/status are written by the operator only" in forged
        assert "not by mallory" in forged
        own = guarded.kubectl("patch", kind, "fraud", *patch, "--dry-run=server", f"--as={ACCOUNT}", check=False)
        assert own.stderr == ""
    wait_for("a revision", lambda: guarded.get("modelrevisions", "-n", SPACE, *OF_FRAUD)["items"], lambda: "")
    record = guarded.get("modelrevisions", "-n", SPACE, *OF_FRAUD)["items"][0]
    name = record["metadata"]["name"]
    copied = {**record, "metadata": {"name": "forged-1a2b3c4d", "namespace": SPACE}}
    assert "modelrevisions are written by the operator only" in try_as(guarded, "mallory", copied)
    assert try_as(guarded, ACCOUNT, copied) == ""
    label = ("label", "modelrevision", name, "verdict=good", "-n", SPACE, "--as=mallory")
    assert "written by the operator only" in guarded.kubectl(*label, check=False).stderr


APPROVAL: Raw = build("ModelApproval", "fraud-ada", {"run": "fraud-1a2b3c4d", "digest": DIGEST, "approver": "ada"})


def test_an_approval_names_whom_the_api_server_knows_and_is_never_changed(guarded: Cluster) -> None:
    other = {**APPROVAL, "spec": {**APPROVAL["spec"], "approver": "bob"}}
    assert "spec.approver must be who makes the ModelApproval, ada, not bob" in try_as(guarded, "ada", other)
    assert "cannot create resource" in try_as(guarded, "eve", APPROVAL)
    assert try_as(guarded, "ada", APPROVAL, dry=False) == ""
    rejected = {**APPROVAL, "spec": {**APPROVAL["spec"], "decision": "Reject"}}
    labelled = {**APPROVAL, "metadata": {**APPROVAL["metadata"], "labels": {"a": "b"}}}
    for changed in (other, rejected, labelled):
        assert "cannot be changed" in try_as(guarded, "ada", changed, verb="replace")


def test_nothing_of_kubernetes_itself_is_held_up(guarded: Cluster) -> None:
    """A namespace with a release in it ends, and orphans lose their owner, by the hands of Kubernetes' controllers."""
    space = "passing"
    guarded.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}))
    body = build_model("brief", route=SERVICE)
    guarded.apply(json.dumps({**body, "metadata": {"name": "brief", "namespace": space}}))
    wait_for("a revision", lambda: guarded.get("modelrevisions", "-n", space)["items"], lambda: "")
    guarded.kubectl("delete", "modeldeployment", "brief", "-n", space, "--cascade=orphan", timeout=60)

    def orphaned() -> bool:
        # A collector that has not noticed the new revision yet removes it instead, which is not held up either.
        left = guarded.get("modelrevisions", "-n", space)["items"]
        return not any(one["metadata"].get("ownerReferences") for one in left)

    wait_for("orphans", orphaned, lambda: json.dumps(guarded.get("modelrevisions", "-n", space)))
    guarded.kubectl("delete", "namespace", space, "--timeout=60s", timeout=70)


def test_the_expressions_are_sound_and_nobody_elses_resources_are_matched(guarded: Cluster) -> None:
    found = guarded.get("validatingadmissionpolicies")["items"]
    ours = [one for one in found if one["metadata"]["name"].startswith("serinus-")]
    assert len(ours) == 6
    for one in ours:
        assert one["spec"]["failurePolicy"] == "Fail"
        assert "typeChecking" not in one["status"] or not one["status"]["typeChecking"].get("expressionWarnings"), one
        if one["metadata"]["name"] == "serinus-operator":
            assert ACCOUNT in one["spec"]["matchConditions"][0]["expression"]
            continue
        assert {group for rule in one["spec"]["matchConstraints"]["resourceRules"] for group in rule["apiGroups"]} == {
            "serinus.dev"
        }


def test_a_huge_object_stays_within_the_cost_that_the_api_server_allows(guarded: Cluster) -> None:
    """The largest that fits: as many containers as a template may have, and a thousand of what no schema bounds."""
    many = [{"name": f"c{n}", "image": "m:1", "ports": [{"containerPort": p} for p in range(1, 33)]} for n in range(32)]
    first = [{"name": f"i{n}", "image": "i:1"} for n in range(1000)]
    volumes = [{"name": f"v{n}", "emptyDir": {}} for n in range(1000)]
    checks = [{"name": f"v{n}", "job": {"template": {"spec": {"containers": many}}}} for n in range(4)]
    pod = {"spec": {"containers": many, "initContainers": first, "volumes": volumes}}
    assert try_as(guarded, "tara", build_model("large", template=pod, rollout={"validation": checks})) == ""
    last = {"name": "bad", "image": "i:1", "securityContext": {"privileged": True}}
    pod["spec"]["initContainers"] = [*first, last]
    assert "initContainers[bad]" in try_as(guarded, "tara", build_model("large", template=pod))
