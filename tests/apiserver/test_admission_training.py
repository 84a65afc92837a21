"""What admission sees of the kinds that train, on a real API server: every field that makes pods, in any shape."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import Cluster, release
from tests.support import authors
from tests.support.admission import await_policies, build_role, try_as
from tests.support.authors import HOST, RAY_POD
from tests.support.model import wait_for

Raw = dict[str, Any]
pytestmark = pytest.mark.apiserver

SPACE = "training"
MASTERS = "--as-group=system:masters"
KINDS = {
    "Job": "batch/v1",
    "JobSet": "jobset.x-k8s.io/v1alpha2",
    "TrainJob": "trainer.kubeflow.org/v1alpha1",
    "PyTorchJob": "kubeflow.org/v1",
    "MPIJob": "kubeflow.org/v2beta1",
    "Experiment": "kubeflow.org/v1beta1",
    "RayJob": "ray.io/v1",
    "Workflow": "argoproj.io/v1alpha1",
    "SparkApplication": "sparkoperator.k8s.io/v1beta2",
    "AppWrapper": "workload.codeflare.dev/v1beta2",
    "Thing": "own.example/v1",
}
VOLCANO = "batch.volcano.sh/v1alpha1"
BAD = {"securityContext": {"privileged": True}}
NAMED = {"name": "c", "image": "c:1", **BAD}
PRIVILEGED = "securityContext.privileged: true"
ADMIN = {"serviceAccountName": "admin"}
FOREIGN = "serviceAccountName: admin is not allowed"
JOB_OF_PODS = {"template": {"spec": {"template": RAY_POD}}}


def build_policy(name: str = "fraud", **spec: Any) -> Raw:
    body = authors.build_policy(name, **spec)
    return {**body, "metadata": {"name": name, "namespace": SPACE}}


def wrap(kind: str, spec: Raw, api: str | None = None) -> Raw:
    return {"template": {"apiVersion": api or KINDS.get(kind, "v1"), "kind": kind, "metadata": {}, "spec": spec}}


def steps(**template: Any) -> Raw:
    return {"templates": [{"name": "ok", "container": {"image": "c:1"}}, {"name": "t", **template}]}


PATCH = {"replicatedJobs": [{"name": "ok"}, {"name": "node", **JOB_OF_PODS}]}
PATCHES = [{"manager": "a"}, {"manager": "b", "trainingRuntimeSpec": {"template": {"spec": PATCH}}}]
GC = {"outputs": {"artifacts": [{"name": "ok"}, {"name": "a", "artifactGC": ADMIN}]}}
TRIAL = {"trialTemplate": {"trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": RAY_POD}}}}
RAYS = {"headGroupSpec": {"template": {"spec": {}}}, "workerGroupSpecs": [{"template": RAY_POD}]}
TORCH = {"pytorchReplicaSpecs": {"Master": {"template": {"spec": {}}}, "Worker": {"template": RAY_POD}}}
DOORS: dict[str, tuple[str, Raw, str]] = {
    "defaults": ("Workflow", {"templateDefaults": {"container": NAMED}}, f"templateDefaults.container[c].{PRIVILEGED}"),
    "patch of the defaults": (
        "Workflow",
        {"templateDefaults": {"podSpecPatch": "{}"}},
        "templateDefaults.podSpecPatch",
    ),
    "account of the defaults": ("Workflow", {"templateDefaults": ADMIN}, f"templateDefaults.{FOREIGN}"),
    "container set": (
        "Workflow",
        steps(containerSet={"containers": [NAMED]}),
        f"templates[].containerSet.containers[c].{PRIVILEGED}",
    ),
    "script": ("Workflow", steps(script=NAMED), f"templates[].script[c].{PRIVILEGED}"),
    "volume of a step": ("Workflow", steps(volumes=[HOST]), "templates[].volumes[host].hostPath"),
    "patch of a step": ("Workflow", steps(podSpecPatch="{}"), "templates[].podSpecPatch"),
    "account of a step": ("Workflow", steps(**ADMIN), f"templates[].{FOREIGN}"),
    "account of a step's executor": ("Workflow", steps(executor=ADMIN), f"templates[].executor.{FOREIGN}"),
    "account of the executor": ("Workflow", {"executor": ADMIN}, f"spec.template.spec.executor.{FOREIGN}"),
    "patch of the cleaner": ("Workflow", {"artifactGC": {"podSpecPatch": "{}"}}, "artifactGC.podSpecPatch"),
    "account of the cleaner": ("Workflow", {"artifactGC": ADMIN}, f"artifactGC.{FOREIGN}"),
    "account of one artifact's cleaner": ("Workflow", steps(**GC), f"outputs.artifacts[].artifactGC.{FOREIGN}"),
    "inline step": ("Workflow", steps(steps=[[{"name": "i", "inline": {"container": NAMED}}]]), "templates[][t]"),
    "inline task": ("Workflow", steps(dag={"tasks": [{"name": "i", "inline": {"script": NAMED}}]}), "stands inline"),
    "autoscaler": ("RayJob", {"rayClusterSpec": {"autoscalerOptions": BAD}}, f"autoscalerOptions.{PRIVILEGED}"),
    "worker": ("RayJob", {"rayClusterSpec": RAYS}, "rayClusterSpec.workerGroupSpecs[].template.spec.containers[r]"),
    "submitter": ("RayJob", {"submitterPodTemplate": RAY_POD}, "submitterPodTemplate.spec.containers[r]"),
    "trial": ("Experiment", TRIAL, "trialTemplate.trialSpec.spec.template.spec.containers[r]"),
    "trial of another kind": (
        "Experiment",
        {"trialTemplate": {"trialSpec": {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": TORCH}}},
        "trialSpec.spec.pytorchReplicaSpecs.Worker.template.spec.containers[r]",
    ),
    "collector of metrics": (
        "Experiment",
        {"metricsCollectorSpec": {"collector": {"kind": "Custom", "customCollector": NAMED}}},
        f"metricsCollectorSpec.collector.customCollector.{PRIVILEGED}",
    ),
    "override": (
        "TrainJob",
        {"podTemplateOverrides": [{"spec": {"initContainers": [NAMED]}}]},
        f"podTemplateOverrides[].spec.initContainers[c].{PRIVILEGED}",
    ),
    "account of an override": (
        "TrainJob",
        {"podTemplateOverrides": [{"spec": ADMIN}]},
        f"podTemplateOverrides[].spec.{FOREIGN}",
    ),
    "older override": ("TrainJob", {"podSpecOverrides": [{"volumes": [HOST]}]}, "podSpecOverrides[].volumes[host]"),
    "patch of the runtime": (
        "TrainJob",
        {"runtimePatches": PATCHES},
        "runtimePatches[].trainingRuntimeSpec.template.spec.replicatedJobs[].template.spec.template.spec.containers[r]",
    ),
    "more patches than are looked at": (
        "TrainJob",
        {"runtimePatches": [PATCHES[1]] * 17},
        "spec.template.spec.runtimePatches: at most 16",
    ),
    "replicated job": ("JobSet", {"replicatedJobs": [{"name": "n", **JOB_OF_PODS}]}, "replicatedJobs[].template.spec"),
    "replica": ("PyTorchJob", TORCH, "pytorchReplicaSpecs.Worker.template.spec.containers[r]"),
    "launcher": ("MPIJob", {"mpiReplicaSpecs": {"Launcher": {"template": RAY_POD}}}, "mpiReplicaSpecs.Launcher"),
    "wrapped pod": ("AppWrapper", {"components": [wrap("Pod", RAY_POD["spec"])]}, "components[].template.spec.cont"),
    "wrapped job": (
        "AppWrapper",
        {"components": [wrap("Service", {}), wrap("Job", {"template": RAY_POD}, "batch/v1")]},
        "components[].template.spec.template.spec.containers[r]",
    ),
    "wrapped rays": (
        "AppWrapper",
        {"trialTemplate": {"trialSpec": {"spec": {}}}, "components": [wrap("RayCluster", RAYS, "ray.io/v1")]},
        "components[].template.spec.workerGroupSpecs[].template.spec.containers[r]",
    ),
    "kind of one's own": ("Thing", {"template": RAY_POD}, f"template.spec.containers[r].{PRIVILEGED}"),
}
"""By what makes the pod: the kind, its spec, and what a refusal says."""
SHAPES: dict[str, tuple[str, Raw]] = {
    "no workers": ("RayJob", {"rayClusterSpec": {"headGroupSpec": {"template": {}}, "workerGroupSpecs": None}}),
    "no rays": ("RayJob", {"rayClusterSpec": None, "submitterPodTemplate": None}),
    "nothing of a workflow": (
        "Workflow",
        {"templates": None, "templateDefaults": None, "artifactGC": None, "executor": None},
    ),
    "steps": (
        "Workflow",
        {
            "serviceAccountName": "default",
            "templates": [
                {"name": "a", "steps": [[{"name": "s", "template": "b"}]], "container": None, "outputs": None},
                {"name": "b", "containerSet": {"containers": [{"name": "c", "image": "c:1"}]}},
                {"name": "d", "dag": {"tasks": [{"name": "s", "template": "b", "inline": None}]}},
                {"name": "e", "outputs": {"artifacts": [{"name": "x", "artifactGC": {"strategy": "Never"}}]}},
            ],
        },
    ),
    "no driver": ("SparkApplication", {"driver": None, "executor": {"sidecars": None}}),
    "no trial": ("Experiment", {"trialTemplate": {"trialSpec": None, "configMap": {}}, "metricsCollectorSpec": None}),
    "no overrides": ("TrainJob", {"podTemplateOverrides": None, "runtimePatches": [{"manager": "a"}]}),
    "overrides": ("TrainJob", {"podTemplateOverrides": [{"spec": {"containers": [{"name": "node", "env": []}]}}]}),
    "no replicas": ("PyTorchJob", {"pytorchReplicaSpecs": {"Worker": None}}),
    "lists of words": ("Thing", {"tasks": ["a"], "templates": ["b"], "replicatedJobs": [1], "runtimePatches": ["c"]}),
    "objects where others have lists": ("Thing", {"components": {}, "tasks": {"a": 1}, "workerGroupSpecs": {"n": 1}}),
    "words where others have objects": (
        "Thing",
        {"template": "name", "driver": "x", "executor": "y", "rayClusterSpec": "z", "jobTemplate": "j", "volumes": "v"},
    ),
    "words where others have containers": ("Thing", {"containers": ["a"], "securityContext": "s", "volumes": ["v"]}),
}
"""What has the names of fields with pods, and none: the kind and its spec."""


@pytest.fixture(scope="module")
def guarded(served_control_plane: Cluster) -> Iterator[Cluster]:
    """Every kind may train. olga may patch models but not undo, and ulla may."""
    cluster = served_control_plane
    space: Raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    write = "get,create,update,patch"
    common = [("serinus.dev", "retrainpolicies", write), ("batch", "jobs", "create"), ("", "configmaps", "list")]
    roles = [
        *build_role("olga", SPACE, ["olga"], [*common, ("serinus.dev", "modeldeployments", "patch")]),
        *build_role("ulla", SPACE, ["ulla"], [*common, ("serinus.dev", "modeldeployments", "patch,undo")]),
        *build_role("reader", SPACE, ["rosa"], [*common, ("", "configmaps", "get")]),
    ]
    for body in (space, *roles):
        cluster.apply(json.dumps(body))
    values = release.load_values(cluster)
    kinds = [*(f"{api}/{kind}" for kind, api in KINDS.items()), f"{VOLCANO}/Job"]
    release.upgrade(cluster, {**values, "training": {"kinds": kinds}})
    await_policies(cluster)
    body = build_policy(template={"apiVersion": VOLCANO, "kind": "Job", "spec": {}})
    wait_for("the kinds", lambda: try_as(cluster, "probe", body, MASTERS) == "", lambda: "")
    yield cluster
    release.upgrade(cluster, values)
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


def train(kind: str, spec: Raw) -> Raw:
    return build_policy(template={"apiVersion": KINDS[kind], "kind": kind, "spec": spec})


@pytest.mark.parametrize("case", DOORS)
def test_each_field_that_makes_pods_is_looked_at(guarded: Cluster, case: str) -> None:
    kind, spec, words = DOORS[case]
    assert words in try_as(guarded, "probe", train(kind, spec), MASTERS)


def test_a_task_of_volcano_is_looked_at(guarded: Cluster) -> None:
    template = {"apiVersion": VOLCANO, "kind": "Job", "spec": {"tasks": [{"template": RAY_POD}]}}
    said = try_as(guarded, "probe", build_policy(template=template), MASTERS)
    assert "spec.template.spec.tasks[].template.spec.containers[r]" in said


@pytest.mark.parametrize("case", SHAPES)
def test_a_field_of_such_a_name_may_be_empty_or_mean_something_else(guarded: Cluster, case: str) -> None:
    kind, spec = SHAPES[case]
    assert try_as(guarded, "probe", train(kind, spec), MASTERS) == ""


def test_a_large_workflow_stays_within_the_cost_that_the_api_server_allows(guarded: Cluster) -> None:
    quiet = {"image": "c:1", "ports": [{"containerPort": 80}], "securityContext": {"runAsUser": 1}}
    many = [
        {
            "name": f"t{n}",
            "container": {"name": "c", **quiet},
            "sidecars": [{"name": f"s{m}", **quiet} for m in range(3)],
        }
        for n in range(100)
    ]
    assert try_as(guarded, "probe", train("Workflow", {"templates": many}), MASTERS) == ""
    many.append({"name": "last", "container": NAMED})
    assert f"templates[].container[c].{PRIVILEGED}" in try_as(
        guarded, "probe", train("Workflow", {"templates": many}), MASTERS
    )
    full = [{"manager": f"m{n}", "trainingRuntimeSpec": {"template": {"spec": _jobs(16)}}} for n in range(16)]
    assert try_as(guarded, "probe", train("TrainJob", {"runtimePatches": full}), MASTERS) == ""


def _jobs(count: int) -> Raw:
    pod = {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "b"}]}]}}
    return {"replicatedJobs": [{"name": f"j{n}", "template": {"spec": {"template": pod}}} for n in range(count)]}


def test_who_may_not_undo_may_not_have_it_undone(guarded: Cluster) -> None:
    refusal = "spec.modelDeploymentRef: olga may not undo modeldeployments.serinus.dev fraud"
    assert refusal in try_as(guarded, "olga", build_policy(mode="Automatic"))
    for body in (build_policy(), build_policy(mode="Observe"), build_policy(mode="Automatic", actionOrder=["Retrain"])):
        assert try_as(guarded, "olga", body) == ""
    named = build_policy("returning", mode="Automatic")
    assert try_as(guarded, "ulla", named, dry=False) == ""
    metric = {"query": 'model_quality{metric="f1"}', "fireBelow": "0.9", "window": "6h"}
    changes: tuple[Raw, ...] = ({"triggers": [{"name": "bad", "metric": metric}]}, {"blameWindow": "100h"})
    for change in changes:
        changed = {**named, "spec": {**named["spec"], **change}}
        assert refusal in try_as(guarded, "olga", changed, verb="apply")
        assert try_as(guarded, "ulla", changed, verb="apply") == ""
    for stop in ({"suspend": True}, {"mode": "Observe"}, {"actionOrder": ["Retrain"]}):
        assert try_as(guarded, "olga", {**named, "spec": {**named["spec"], **stop}}, verb="apply") == ""
    recommending = build_policy("recommending")
    assert try_as(guarded, "olga", recommending, dry=False) == ""
    armed = {**recommending, "spec": {**recommending["spec"], "mode": "Automatic"}}
    assert refusal in try_as(guarded, "olga", armed, verb="apply")


def test_who_may_not_read_the_config_map_may_still_stop_the_policy(guarded: Cluster) -> None:
    data = {"snapshotFrom": {"configMap": {"configMap": "snapshot", "key": "k"}}}
    body = build_policy("snapshot", data=data)
    refusal = "spec.data.snapshotFrom.configMap: olga may not get ConfigMap"
    assert refusal in try_as(guarded, "olga", body)
    assert try_as(guarded, "rosa", body, dry=False) == ""
    assert try_as(guarded, "olga", {**body, "spec": {**body["spec"], "suspend": True}}, verb="apply") == ""
    data["snapshotFrom"]["configMap"]["configMap"] = "another"
    assert refusal in try_as(guarded, "olga", body, verb="apply")
