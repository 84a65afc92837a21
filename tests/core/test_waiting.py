"""Why pods are not there yet: each cause has a reason of its own."""

from datetime import UTC, datetime
from typing import Any

import pytest

from serinus.api import reasons
from serinus.core.observe import observe_workload

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


def test_a_pod_that_is_ready_or_just_scheduled_waits_for_nothing() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}], **_container({"running": {}})}
    ready["containerStatuses"][0]["ready"] = True
    for status in (ready, {}, {"conditions": [UNREADY]}):
        assert observe_workload({}, [_pod(status)], {}, wanted=None, now=NOW).waiting is None
