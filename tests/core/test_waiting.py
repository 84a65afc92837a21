"""Why pods are not there yet: each cause has a reason of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serinus.api import reasons
from serinus.core.observe import observe_workload
from serinus.core.snapshot import Waiting, Workload
from tests.core.world import World, spec

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
A_MINUTE_AGO = "2026-11-23T09:59:00Z"

Raw = dict[str, Any]


def _pod(status: Raw, **metadata: Any) -> Raw:
    return {"metadata": {"name": "m-1", **metadata}, "spec": {"nodeName": "gpu-1"}, "status": status}


def _container(state: Raw, restarts: int = 0, ready: bool = False) -> Raw:
    return {"containerStatuses": [{"name": "model", "ready": ready, "restartCount": restarts, "state": state}]}


def _conditions(**conditions: str) -> Raw:
    listed = [{"type": t, "status": s, "lastTransitionTime": A_MINUTE_AGO} for t, s in conditions.items()]
    return {"conditions": listed}


def _observe(*pods: Raw, deployment: Raw | None = None, now: datetime = NOW) -> Workload:
    return observe_workload(deployment or {}, pods, {}, wanted=None, now=now)


def _waiting(*pods: Raw, deployment: Raw | None = None) -> Waiting:
    waiting = _observe(*pods, deployment=deployment).waiting
    assert waiting is not None
    return waiting


NO_GPU = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/5 nodes: no GPU"}
    ]
}
CRASHED = _container({"waiting": {"reason": "CrashLoopBackOff"}}, 3)
ON_A_LOST_NODE = {**_conditions(Ready="False", ContainersReady="True"), **_container({"running": {}}, ready=True)}


@pytest.mark.parametrize(
    ("status", "reason", "hopeless"),
    [
        (_container({"waiting": {"reason": "ImagePullBackOff"}}), reasons.IMAGE_PULL_FAILED, False),
        (_container({"waiting": {"reason": "CrashLoopBackOff"}}, 2), reasons.CRASH_LOOPING, False),
        (_container({"waiting": {"reason": "CreateContainerConfigError"}}), reasons.CRASH_LOOPING, False),
        (CRASHED, reasons.CRASH_LOOPING, True),
        (_container({"running": {}}, 3), reasons.CRASH_LOOPING, True),
        (ON_A_LOST_NODE, reasons.NODE_LOST, False),
        ({"reason": "NodeLost"}, reasons.NODE_LOST, False),
    ],
)
def test_each_cause_has_its_own_reason(status: Raw, reason: str, hopeless: bool) -> None:
    waiting = _waiting(_pod(status))
    assert (waiting.reason, waiting.hopeless, waiting.stops_clock) == (reason, hopeless, False)


def test_no_gpu_is_said_in_the_schedulers_words_and_stops_the_clock() -> None:
    assert _waiting(_pod(NO_GPU)) == Waiting(reasons.WAITING_FOR_CAPACITY, "0/5 nodes: no GPU", stops_clock=True)


def test_a_pod_that_a_queue_holds_back_stops_the_clock_and_names_gate_and_queue() -> None:
    gated = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}
    pod = _pod(gated, labels={"kueue.x-k8s.io/queue-name": "gpu-team"})
    pod["spec"] = {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}
    waiting = _waiting(pod)
    assert (waiting.reason, waiting.stops_clock) == (reasons.SCHEDULING_GATED, True)
    assert "kueue.x-k8s.io/admission in the queue gpu-team" in waiting.message


def test_a_fault_of_the_revision_itself_is_told_before_a_lack_of_room_and_a_quota() -> None:
    assert _waiting(_pod(NO_GPU), _pod(CRASHED)).hopeless
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
    deployment = {"status": {"conditions": [refused]}}
    assert _waiting(_pod(CRASHED), deployment=deployment).reason == reasons.CRASH_LOOPING
    assert _waiting(_pod(NO_GPU), deployment=deployment).reason == reasons.QUOTA_EXCEEDED


def test_the_worst_of_several_crashing_pods_is_told() -> None:
    once = _container({"waiting": {"reason": "CrashLoopBackOff"}}, 1)
    assert _waiting(_pod(once), _pod(CRASHED)).hopeless


def test_a_crash_says_how_it_ended_and_where_to_look() -> None:
    status = _container({"waiting": {"reason": "CrashLoopBackOff"}}, 2)
    status["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    message = _waiting(_pod(status)).message
    assert "exit code 137 (OOMKilled), see kubectl logs m-1 -c model --previous" in message


def test_a_pod_on_its_way_out_tells_nothing() -> None:
    assert _observe(_pod(CRASHED, deletionTimestamp=A_MINUTE_AGO)).waiting is None
    assert _observe(_pod({"phase": "Failed", **CRASHED})).waiting is None


PLACED = _conditions(PodScheduled="True", Ready="False")
LOADING = _container({"running": {"startedAt": A_MINUTE_AGO}})
FETCHING_MODEL = {
    "initContainerStatuses": [{"name": "serinus-loader", "state": {"running": {"startedAt": A_MINUTE_AGO}}}],
    **_container({"waiting": {"reason": "PodInitializing"}}),
}
FETCHING = {
    "initContainerStatuses": [{"name": "fetch", "state": {"running": {"startedAt": A_MINUTE_AGO}}}],
    **_container({"waiting": {"reason": "PodInitializing"}}),
}


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (
            _container({"waiting": {"reason": "ContainerCreating"}}),
            reasons.CONTAINER_CREATING,
            "container model of m-1 is being made: its image is pulled, its volumes are mounted",
        ),
        (FETCHING, reasons.POD_INITIALIZING, "init container fetch of m-1 runs"),
        (FETCHING_MODEL, reasons.LOADING_MODEL, "the loader is putting the model into m-1"),
        (LOADING, reasons.LOADING_MODEL, "container model of m-1 runs and is not ready: its model is loading"),
    ],
)
def test_a_long_start_says_what_it_is_at_and_since_when(status: Raw, reason: str, said: str) -> None:
    waiting = _waiting(_pod({**PLACED, **status}))
    assert (waiting.reason, waiting.stops_clock, waiting.hopeless) == (reason, False, False)
    assert waiting.message == f"{said}, since 09:59:00Z"


def test_a_short_start_is_not_worth_a_word_until_it_becomes_a_long_one() -> None:
    pod = _pod({**PLACED, **LOADING})
    early = _observe(pod, now=NOW - timedelta(seconds=55))
    assert early.waiting is None
    assert early.tells_at == NOW - timedelta(seconds=50)
    assert _observe(pod, now=early.tells_at).waiting is not None


def _loader(state: Raw, restarts: int = 0, last: Raw | None = None) -> Raw:
    loader = {"name": "serinus-loader", "restartCount": restarts, "state": state, "lastState": last or {}}
    return {"initContainerStatuses": [loader], "containerStatuses": [{"name": "model", "state": {"waiting": {}}}]}


def _ended(code: int, message: str = "said") -> Raw:
    return {"terminated": {"exitCode": code, "message": message}}


BACKOFF = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("status", "reason", "hopeless"),
    [
        (_loader({"waiting": {"reason": "ErrImagePull"}}), reasons.IMAGE_PULL_FAILED, False),
        (_loader(_ended(65)), reasons.VERIFICATION_FAILED, True),
        (_loader(BACKOFF, 1, _ended(65)), reasons.VERIFICATION_FAILED, True),
        (_loader(_ended(1)), reasons.MODEL_NOT_LOADED, False),
        (_loader({"running": {}}, 2, _ended(1)), reasons.MODEL_NOT_LOADED, False),
        (_loader(BACKOFF, 3, _ended(1)), reasons.MODEL_NOT_LOADED, True),
        (_loader(BACKOFF, 9, _ended(75)), reasons.MODEL_NOT_LOADED, False),
    ],
)
def test_each_trouble_of_the_loader_has_its_own_reason(status: Raw, reason: str, hopeless: bool) -> None:
    waiting = observe_workload({}, [_pod(status)], {}, wanted=None, now=NOW).waiting
    assert waiting is not None
    assert (waiting.reason, waiting.hopeless) == (reason, hopeless)
    if reason in (reasons.VERIFICATION_FAILED, reasons.MODEL_NOT_LOADED):
        assert "said" in waiting.message


def test_a_model_that_is_not_what_was_asked_for_is_rejected_at_once() -> None:
    world = World(spec("m:1"))
    world.settle()
    altered = Waiting(reasons.VERIFICATION_FAILED, "the model has no signature", stops_clock=False, hopeless=True)
    rejected = world.apply("m:2")
    world.frozen_pods[rejected] = altered
    world.settle()
    assert world.condition("Stalled") == reasons.VERIFICATION_FAILED
    assert world.status.rejected is not None
    assert "the model has no signature" in world.status.rejected.message
    assert all(rejected not in weights for weights in world.weights)


def test_a_first_model_that_is_not_what_was_asked_for_needs_a_person() -> None:
    world = World(spec("m:1"))
    world.frozen_pods[world.wanted] = Waiting(reasons.VERIFICATION_FAILED, "altered", stops_clock=False, hopeless=True)
    world.settle()
    assert world.ready() == ("False", reasons.VERIFICATION_FAILED)
    assert world.condition("Stalled") == reasons.VERIFICATION_FAILED


def test_a_loader_that_is_done_or_has_not_begun_says_nothing() -> None:
    for status in (_loader(_ended(0)), _loader({"waiting": {"reason": "PodInitializing"}}), _loader({})):
        assert observe_workload({}, [_pod(status)], {}, wanted=None, now=NOW).waiting is None


def test_a_pod_that_is_ready_or_just_scheduled_waits_for_nothing() -> None:
    ready = {**_conditions(Ready="True", ContainersReady="True", PodScheduled="True"), **LOADING}
    ready["containerStatuses"] = [{**LOADING["containerStatuses"][0], "ready": True}]
    gate_of_its_own = {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}
    held_by_it = {"conditions": [gate_of_its_own, {"type": "ContainersReady", "status": "True"}]}
    for status in (ready, {}, PLACED, {"conditions": [{"type": "Ready", "status": "False"}]}, held_by_it):
        assert _observe(_pod(status)).waiting is None
