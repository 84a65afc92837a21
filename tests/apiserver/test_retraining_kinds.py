"""Kinds that others run: their controllers cannot be had here, so a scripted fake writes what they would. Everything
else is real, and the kinds are installed after the operator has started."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from serinus.api.meta import format_time
from tests.apiserver.conftest import Surroundings
from tests.support.loop import FIRST, Loop, build_results, digest
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

WORKFLOW: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "spec": {
        "entrypoint": "train",
        "templates": [
            {"name": "train", "container": {"image": "train:1", "env": [{"name": "EPOCHS", "value": "3"}]}},
            {"name": "evaluate", "script": {"image": "evaluate:1", "source": "pass"}},
        ],
    },
}
RAY_JOB: dict[str, Any] = {
    "apiVersion": "ray.io/v1",
    "kind": "RayJob",
    "spec": {
        "entrypoint": "python train.py",
        "rayClusterSpec": {
            "headGroupSpec": {"template": {"spec": {"containers": [{"name": "head", "image": "train:1"}]}}},
        },
    },
}


def build_crd(group: str, version: str, kind: str, *, status: bool) -> dict[str, Any]:
    """A kind that takes anything; Argo's has no status subresource."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [served | ({"subresources": {"status": {}}} if status else {})],
        },
    }


@pytest.fixture(scope="module")
def kinds(surroundings: Surroundings) -> Iterator[None]:
    crds = [
        build_crd("argoproj.io", "v1alpha1", "Workflow", status=False),
        build_crd("ray.io", "v1", "RayJob", status=True),
    ]
    names = [f"crd/{crd['metadata']['name']}" for crd in crds]
    cluster = surroundings.cluster
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": crds}))
    cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    yield
    cluster.kubectl("delete", *names, "--wait=false")


@pytest.fixture
def loop(model: Model, kinds: None) -> Loop:
    loop = Loop(model)
    loop.spec |= {
        "template": WORKFLOW,
        "results": {"from": "ChildStatus", "path": "status.outputs.parameters[name=results].value"},
    }
    return loop


def play(loop: Loop, kind: str, name: str, **status: Any) -> None:
    """What its controller would write."""
    where = ("--subresource=status",) if kind == "rayjob" else ()
    patch = json.dumps({"status": status})
    loop.cluster.kubectl("patch", kind, name, "-n", loop.namespace, "--type=merge", *where, "-p", patch)


def exists(loop: Loop, kind: str, name: str) -> bool:
    found = loop.cluster.kubectl("get", kind, name, "-n", loop.namespace, "--ignore-not-found", "-o", "name")
    return bool(found.stdout.strip())


def start(loop: Loop, number: int = 1) -> str:
    loop.command(f"retrain test-{number}")
    return loop.await_run(number)


def read_environment(holder: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in holder["env"]}


def test_a_workflow_tells_its_results_in_its_status_and_goes_on_as_it_began(loop: Loop) -> None:
    first = loop.serve_first()
    run = start(loop)
    assert loop.phase(run) == "Queued", "nobody has looked at it yet"
    made = loop.cluster.get("workflow", run, "-n", loop.namespace)
    train, evaluate = made["spec"]["templates"]
    for holder in (train["container"], evaluate["script"]):
        told = read_environment(holder)
        assert (told["SERINUS_RUN"], told["SERINUS_CHAMPION_DIGEST"]) == (run, FIRST)
        assert told["SERINUS_DEADLINE"] > loop.run(run)["spec"]["decidedAt"]
    assert read_environment(train["container"])["EPOCHS"] == "3"
    assert made["spec"]["podMetadata"]["labels"]["serinus.dev/retrain-run"] == run
    play(loop, "workflow", run, phase="Running", startedAt=format_time(datetime.now(UTC)))
    loop.await_phase(run, "Training")

    gate = {"name": "f1", "kind": "Metric", "value": "metrics.f1", "min": "0.99"}
    template = WORKFLOW | {"spec": {**WORKFLOW["spec"], "entrypoint": "evaluate"}}
    loop.apply(gates=[gate], template=template)
    loop.await_policy("the edit", lambda s: s["observedGeneration"] == 2)
    text = json.dumps(build_results("a"))
    play(loop, "workflow", run, phase="Succeeded", outputs={"parameters": [{"name": "results", "value": text}]})
    status = loop.await_phase(run, "Succeeded", 60)
    assert status["gates"][0]["bound"] == ">= 0.90"
    assert status["model"]["digest"] == digest("a")
    assert loop.model.stable() != first

    again = start(loop, 2)
    assert loop.cluster.get("workflow", again, "-n", loop.namespace)["spec"]["entrypoint"] == "evaluate"


def test_ends_that_are_no_success_say_which(loop: Loop) -> None:
    loop.serve_first()
    for number, (phase, reason) in enumerate((("Failed", "TrainingFailed"), ("Error", "TrainingError")), start=1):
        run = start(loop, number)
        play(loop, "workflow", run, phase="Running")
        play(loop, "workflow", run, phase=phase, message=f"step 2 said {phase}")
        status = loop.await_phase(run, "Failed")
        assert status["reason"] == reason
        assert f"step 2 said {phase}" in status["message"]
        # Its controller says otherwise later: an end is final.
        play(loop, "workflow", run, phase="Succeeded")
    assert {loop.phase(one["metadata"]["name"]) for one in loop.runs()} == {"Failed"}


def test_a_ray_job_whose_cluster_works_on_after_the_failure_is_removed(loop: Loop) -> None:
    loop.spec |= {"template": RAY_JOB, "results": {"from": "ConfigMap"}}
    loop.serve_first()
    run = start(loop)
    made = loop.cluster.get("rayjob", run, "-n", loop.namespace)
    head = made["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]
    assert read_environment(head["spec"]["containers"][0])["SERINUS_RUN"] == run
    assert head["metadata"]["labels"]["serinus.dev/retrain-run"] == run
    play(loop, "rayjob", run, jobDeploymentStatus="Running", jobStatus="RUNNING")
    loop.await_phase(run, "Training")
    play(loop, "rayjob", run, jobDeploymentStatus="Failed", jobStatus="RUNNING", reason="DeadlineExceeded")
    status = loop.await_phase(run, "Failed")
    assert status["reason"] == "TrainingError"
    assert "DeadlineExceeded" in status["message"]
    wait_for("it is gone", lambda: not exists(loop, "rayjob", run), loop.explain)


def test_a_queue_that_never_moves_ends_the_run_and_removes_the_child(loop: Loop) -> None:
    loop.spec["queueTimeout"] = "15s"
    loop.serve_first()
    run = start(loop)
    play(loop, "workflow", run, phase="Pending", message="too many workflows are already running")
    status = loop.await_phase(run, "Failed")
    assert status["reason"] == "QueueTimeout"
    assert "15s" in status["message"]
    assert "too many workflows" in status["message"]
    assert "startedAt" not in status
    wait_for("it is gone", lambda: not exists(loop, "workflow", run), loop.explain)
