"""Why pods are not there yet: each cause has a reason of its own."""

from datetime import UTC, datetime
from typing import Any

import pytest

from serinus.api import reasons
from serinus.core.observe import observe_workload
from serinus.core.snapshot import Waiting
from tests.core.world import World, spec

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

Raw = dict[str, Any]


def _pod(status: Raw) -> Raw:
    return {"metadata": {"name": "m-1"}, "spec": {"nodeName": "gpu-1"}, "status": status}


def _container(state: Raw, restarts: int = 0) -> Raw:
    return {"containerStatuses": [{"name": "model", "ready": False, "restartCount": restarts, "state": state}]}


UNREADY = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}


@pytest.mark.parametrize(
    ("status", "reason", "hopeless"),
    [
        (_container({"waiting": {"reason": "ImagePullBackOff"}}), reasons.IMAGE_PULL_FAILED, False),
        (_container({"waiting": {"reason": "CrashLoopBackOff"}}, 2), reasons.CRASH_LOOPING, False),
        (_container({"waiting": {"reason": "CrashLoopBackOff"}}, 3), reasons.CRASH_LOOPING, True),
        (_container({"running": {}}, 3), reasons.CRASH_LOOPING, True),
        (
            {"conditions": [{"type": "Ready", "status": "False", "message": "node is not ready"}]},
            reasons.NODE_LOST,
            False,
        ),
        ({"reason": "NodeLost"}, reasons.NODE_LOST, False),
    ],
)
def test_each_cause_has_its_own_reason(status: Raw, reason: str, hopeless: bool) -> None:
    waiting = observe_workload({}, [_pod(status)], {}, wanted=None, now=NOW).waiting
    assert waiting is not None
    assert (waiting.reason, waiting.hopeless) == (reason, hopeless)


def _loader(state: Raw, restarts: int = 0, last: Raw | None = None) -> Raw:
    loader = {"name": "serinus-loader", "restartCount": restarts, "state": state, "lastState": last or {}}
    return {"initContainerStatuses": [loader], "containerStatuses": [{"name": "model", "state": {"waiting": {}}}]}


def _ended(code: int, message: str = "said") -> Raw:
    return {"terminated": {"exitCode": code, "message": message}}


BACKOFF = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("status", "reason", "hopeless"),
    [
        (_loader({"running": {}}), reasons.MODEL_LOADING, False),
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
    ready = {"conditions": [{"type": "Ready", "status": "True"}], **_container({"running": {}})}
    ready["containerStatuses"][0]["ready"] = True
    for status in (ready, {}, {"conditions": [UNREADY]}):
        assert observe_workload({}, [_pod(status)], {}, wanted=None, now=NOW).waiting is None
