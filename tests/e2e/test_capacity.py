"""No free GPU is neither a failure nor a reason to move traffic: the release waits, says so, and goes on by itself."""

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import list_weights
from tests.traffic.runner import Traffic


@pytest.mark.cluster
def test_a_release_waits_for_a_gpu_with_the_schedulers_words_and_goes_on_when_there_is_one(model: Model) -> None:
    model.cluster.set_capacity(nvidia_com__gpu="1")
    # A deadline that would long have passed if its clock did not stand still.
    model.spec["rollout"]["progressDeadline"] = "20s"
    model.spec |= {"replicas": 1, "accelerator": {"resource": "nvidia.com/gpu", "count": 1}}
    model.apply("v1")
    model.await_reason("Serving")
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        model.await_reason("WaitingForCapacity")
        assert "Insufficient nvidia.com/gpu" in model.condition("Ready")["message"]
        waiting = model.candidate()
        assert waiting is not None
        stopped = model.status()["candidate"]["clockStoppedAt"]
        wait_for("twice the deadline has passed", lambda: age(traffic) > 40, model.explain, 90)
        assert model.reason() == "WaitingForCapacity"
        assert model.status()["candidate"]["clockStoppedAt"] == stopped
        assert list_weights(route.changes, waiting) == []
        model.cluster.set_capacity(nvidia_com__gpu="2")
        model.await_reason("Serving")
        assert model.stable() == waiting
    assert count(traffic.answers).explain_lost() == ""


def age(traffic: Traffic) -> float:
    """Seconds of traffic so far."""
    traffic.read()
    return traffic.answers[-1].sent - traffic.answers[0].sent if traffic.answers else 0.0
