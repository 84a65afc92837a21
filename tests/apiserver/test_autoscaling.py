"""A real HorizontalPodAutoscaler owns the replicas of a ModelDeployment, and no release fights it.

metrics-server reads the use of simulated pods, which follows the route: CPU for all requests together is what a test
says, so an autoscaler that looks at the right pods asks for the same number whoever serves."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.apiserver.conftest import Surroundings
from tests.apiserver.load import Load
from tests.bench.audit import Write, read_log
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

PER_POD = 50
"""Millicores that the autoscaler wants each pod to use: half of what it asks for."""
FIGURES = 22
"""Seconds in which metrics-server has new figures of every pod for certain: it needs two looks, 10 s apart."""
PATIENCE = 60.0
OPERATOR, AUTOSCALER = "serinus/", "kube-controller-manager/"


@pytest.fixture
def scaled(model: Model, surroundings: Surroundings) -> Iterator[Model]:
    """A model whose manifest says nothing of replicas, as in Git, in a cluster with metrics-server."""
    model.spec.pop("replicas")
    surroundings.cluster.add_metrics_server()
    yield model
    surroundings.cluster.remove_metrics_server()


def apply(model: Model, version: str) -> None:
    def ask_for_cpu(template: dict[str, Any]) -> None:
        template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": f"{2 * PER_POD}m"}}

    model.apply(version, change=ask_for_cpu)


def autoscale(model: Model) -> None:
    """An HPA as anybody would write it, but for its haste."""
    at_once = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 1}]}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": model.name, "namespace": model.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "serinus.dev/v1alpha1", "kind": "ModelDeployment", "name": model.name},
            "minReplicas": 1,
            "maxReplicas": 8,
            "metrics": [{"type": "Resource", "resource": cpu}],
            "behavior": {"scaleUp": at_once, "scaleDown": at_once},
        },
    }
    model.cluster.apply(json.dumps(body))


def load_for(pods: int) -> int:
    """Millicores for which so many pods are asked for, however much the measuring is off: a little less than they are
    wanted to use.
    """
    return pods * PER_POD * 95 // 100


def replicas(model: Model) -> int:
    return int(model.get()["spec"]["replicas"])


def explain(model: Model) -> str:
    """What the autoscaler has done and why, and what it was told by whom."""
    told = [
        e["message"]
        for e in model.cluster.get("events", "-n", model.namespace)["items"]
        if "rescale" in e["reason"].lower()
    ]
    use = model.cluster.kubectl("top", "pods", "-n", model.namespace, check=False).stdout
    return "\n".join([json.dumps(model.get("hpa")["status"]), *told, use, json.dumps(model.status(), indent=1)])


def await_replicas(model: Model, number: int) -> None:
    wait_for(f"{number} replicas asked for", lambda: replicas(model) == number, lambda: explain(model), PATIENCE)


def await_pods(model: Model, revision: str, number: int) -> None:
    wait_for(f"{number} pods of {revision}", lambda: len(model.pods(revision)) == number, model.explain)


def is_scaling(model: Model) -> bool:
    """Whether the autoscaler has figures of the pods that it looks at."""
    conditions = model.get("hpa")["status"].get("conditions") or []
    return any(c["type"] == "ScalingActive" and c["status"] == "True" for c in conditions)


def writes_of(model: Model, agent: str, began: float) -> list[Write]:
    time.sleep(0.5)  # the audit log is written in batches
    writes = read_log(model.cluster.audit_log, agent, began, time.time())
    return [write for write in writes.objects if write.namespace == model.namespace]


def rescales(model: Model, began: float) -> list[Write]:
    return [w for w in writes_of(model, AUTOSCALER, began) if w.resource == "modeldeployments/scale"]


def specs_written_by_the_operator(model: Model) -> list[Write]:
    written = writes_of(model, OPERATOR, 0)
    return [w for w in written if w.resource in ("modeldeployments", "modeldeployments/scale")]


def test_a_pause_an_abort_and_load_that_comes_and_goes(scaled: Model) -> None:
    model = scaled
    model.spec["rollout"]["steps"] = [{"weight": 50, "hold": "2s"}, {"pause": {}}]
    apply(model, "v1")
    model.await_reason("Serving")
    stable = model.stable()
    assert replicas(model) == 1
    with Load(model, load_for(4)) as load:
        autoscale(model)
        await_replicas(model, 4)
        await_pods(model, stable, 4)
        model.await_reason("Serving")

        # The manifest from Git leaves replicas alone.
        apply(model, "v2")
        model.await_reason("Paused")
        candidate = model.candidate()
        assert candidate is not None
        wait_for("half of the traffic", lambda: model.weights().get(candidate) == 50, model.explain)
        model.await_reason("Paused")
        assert (replicas(model), len(model.pods(stable)), len(model.pods(candidate))) == (4, 4, 2)
        assert model.status()["selector"] == f"serinus.dev/revision in ({stable},{candidate})"

        # However long it stands there, nobody has anything to write.
        time.sleep(3)
        began = time.time()
        time.sleep(FIGURES)
        assert is_scaling(model)
        assert rescales(model, began) == [], explain(model)
        assert writes_of(model, OPERATOR, began) == [], explain(model)

        # Less load: the autoscaler asks for less, and stable keeps what it had.
        before = model.pods(stable)
        load.total = load_for(2)
        await_replicas(model, 2)
        time.sleep(3)
        assert model.pods(stable) == before
        assert model.weights() == {stable: 50, candidate: 50}

        # The run ends, and with it the pin.
        model.command(f"abort {candidate}")
        model.await_reason("RolledBack")
        await_pods(model, stable, 2)
        await_pods(model, candidate, 0)

        # More load than ever is none of the candidate's business any more.
        began = time.time()
        load.total = load_for(6)
        await_replicas(model, 6)
        await_pods(model, stable, 6)
        resized = [w.name for w in writes_of(model, OPERATOR, began) if w.resource == "deployments"]
        assert set(resized) == {stable}
        assert len(resized) == len(rescales(model, began))
        assert model.get("deployment", candidate)["spec"]["replicas"] == 0
    assert specs_written_by_the_operator(model) == []


def test_a_whole_release_under_constant_load_changes_no_number(scaled: Model) -> None:
    model = scaled
    model.spec["rollout"] |= {"steps": [{"weight": 50, "hold": f"{FIGURES}s"}], "bake": f"{FIGURES}s"}
    apply(model, "v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.cluster.kubectl("scale", "modeldeployment", model.name, "-n", model.namespace, "--replicas=4")
    await_pods(model, stable, 4)
    with Load(model, load_for(4)):
        autoscale(model)
        wait_for("the autoscaler has figures", lambda: is_scaling(model), model.explain, PATIENCE)
        began = time.time()
        apply(model, "v2")
        model.await_reason("Baking", patience=90)
        candidate = model.candidate()
        assert model.status()["selector"] == f"serinus.dev/revision={candidate}"
        wait_for("the bake is over", lambda: model.candidate() is None, model.explain)
        model.await_reason("Serving")
        assert model.stable() == candidate
        assert len(model.pods(model.stable())) == 4
        assert is_scaling(model)
        assert rescales(model, began) == [], explain(model)
    assert replicas(model) == 4
    assert specs_written_by_the_operator(model) == []


def test_git_hands_replicas_over_once_an_autoscaler_has_written_them(model: Model) -> None:
    model.apply("v1")
    body = {key: value for key, value in model.get().items() if key in ("apiVersion", "kind", "spec")}
    name = f"{model.name}-in-git"
    body["metadata"] = {"name": name, "namespace": model.namespace}
    body["spec"] |= {"paused": True, "route": {"mode": "Replicas"}}

    def sync() -> None:
        model.cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(body))

    sync()
    model.cluster.kubectl("scale", "modeldeployment", name, "-n", model.namespace, "--replicas=5")
    del body["spec"]["replicas"]
    sync()
    assert model.get(name=name)["spec"]["replicas"] == 5
