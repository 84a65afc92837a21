"""A Job as the operator makes it, accepted by the real API server, and its status as the real controller writes it."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from serinus.core.retrain.child import build_child
from serinus.core.retrain.gatejobs import build_gate_job
from serinus.core.retrain.outcome import ChildView, observe_child
from serinus.core.retrain.results import find_termination_message
from tests.cluster import Cluster
from tests.core.retrain.build import JOB, build_run
from tests.core.retrain.test_gatejobs import GATE, MODEL
from tests.support.model import wait_for

pytestmark = pytest.mark.apiserver

Raw = dict[str, Any]
NAMESPACE = "training-job"
LEFT = '{"model": {"uri": "models:/fraud/7"}}'


@pytest.fixture(scope="module")
def cluster(control_plane: Cluster) -> Iterator[Cluster]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    yield control_plane
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def make(cluster: Cluster, name: str, **spec: Any) -> Raw:
    """Make a run's child. Its node is no real one, so nothing runs; what happens to its pod is told by the test."""
    template = copy.deepcopy(JOB)
    template["spec"] |= spec
    built = build_child(build_run(template), name, "r1", NAMESPACE)
    del built["metadata"]["ownerReferences"]  # the run is not there, and the garbage collector would notice
    # The simulated kubelet takes no pod that asks for this.
    built["spec"]["template"]["spec"]["nodeSelector"] = {"training": "never"}
    cluster.kubectl("create", "-f", "-", input=json.dumps(built))
    return template


def observe(cluster: Cluster, template: Raw, name: str) -> ChildView:
    job = json.loads(cluster.kubectl("get", "job", name, "-n", NAMESPACE, "-o", "json").stdout)
    return observe_child(job, template, pods=pods_of(cluster, name))


def pods_of(cluster: Cluster, name: str) -> list[Raw]:
    selector = f"serinus.dev/retrain-run={name}"
    found: list[Raw] = json.loads(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "json").stdout)[
        "items"
    ]
    return found


def await_state(cluster: Cluster, template: Raw, name: str, state: str, reason: str = "") -> ChildView:
    def look() -> ChildView | None:
        view = observe(cluster, template, name)
        return view if view.state == state and (not reason or view.reason == reason) else None

    return wait_for(f"{state} {reason}", look, lambda: str(observe(cluster, template, name)), 30)


def end_pod(cluster: Cluster, name: str, code: int) -> None:
    """What a kubelet would say of a pod that has ended."""
    pod = wait_for("a pod", lambda: next(iter(pods_of(cluster, name)), None), lambda: "")["metadata"]["name"]
    times = {"startedAt": "2026-11-23T10:00:00Z", "finishedAt": "2026-11-23T10:05:00Z"}
    end = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "message": LEFT, **times}
    status = {
        "phase": "Succeeded" if code == 0 else "Failed",
        "startTime": "2026-11-23T10:00:00Z",
        "containerStatuses": [
            {
                "name": "train",
                "image": "t",
                "imageID": "t",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": end},
            }
        ],
    }
    patch = json.dumps({"status": status})
    cluster.kubectl("patch", "pod", pod, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch)


def test_a_job_waits_for_room_then_succeeds_and_leaves_its_results(cluster: Cluster) -> None:
    template = make(cluster, "fraud-1a2b3c4d")
    view = await_state(cluster, template, "fraud-1a2b3c4d", "Queued", "WaitingForCapacity")
    assert "node" in view.message
    end_pod(cluster, "fraud-1a2b3c4d", 0)
    view = await_state(cluster, template, "fraud-1a2b3c4d", "Succeeded")
    assert view.started_at is not None
    assert view.finished_at is not None
    assert find_termination_message(pods_of(cluster, "fraud-1a2b3c4d")) == LEFT


def test_a_verdict_is_not_tried_again(cluster: Cluster) -> None:
    template = make(cluster, "fraud-2a2b3c4d")
    end_pod(cluster, "fraud-2a2b3c4d", 1)
    view = await_state(cluster, template, "fraud-2a2b3c4d", "Failed")
    assert view.reason == "BackoffLimitExceeded"
    assert view.finished_at is not None
    assert len(pods_of(cluster, "fraud-2a2b3c4d")) == 1
    assert find_termination_message(pods_of(cluster, "fraud-2a2b3c4d")) is None


def test_a_job_that_a_queue_holds_waits(cluster: Cluster) -> None:
    template = make(cluster, "fraud-3a2b3c4d", suspend=True)
    view = await_state(cluster, template, "fraud-3a2b3c4d", "Queued", "JobSuspended")
    assert view.message == "Job suspended"


def test_the_job_of_a_gate_is_accepted(cluster: Cluster) -> None:
    job = build_gate_job(build_run(), GATE, MODEL, run_name="fraud-1a2b3c4d", owner_uid="r1", namespace=NAMESPACE)
    cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(job))
