"""Unknown is neither good nor bad: without metrics a release stands still, and goes on when they are back."""

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import list_weights


@pytest.mark.cluster
def test_a_release_holds_while_prometheus_is_down_and_then_goes_on(model: Model) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "4s"}, {"weight": 50, "hold": "1s"}]
    model.apply("v1")
    model.await_reason("Serving")
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        new = model.await_weight(20)
        model.cluster.stop_prometheus()
        try:
            model.await_reason("Holding")
            health = model.condition("MetricsHealthy")
            assert (health["status"], health["reason"]) == ("False", "Unreachable"), health
            assert list_weights(route.changes, new) == [20]
        finally:
            model.cluster.start_prometheus()
        wait_for(
            "the metrics are read again",
            lambda: model.condition("MetricsHealthy")["status"] == "True",
            model.explain,
        )
        model.await_reason("Serving")
        assert model.stable() == new
        assert list_weights(route.changes, new) == [20, 50, 100]
    assert count(traffic.answers).explain_lost() == ""
