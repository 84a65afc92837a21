"""Whatever Prometheus answers or does not, a release neither goes on nor goes back by it."""

import pytest

from tests.apiserver.conftest import Surroundings
from tests.support.model import Model, wait_for
from tests.traffic.route import list_weights

FAULTS = {
    "down": "Unreachable",
    "slow": "Timeout",
    "empty": "NoData",
    "nan": "NotANumber",
    "html": "InvalidAnswer",
    "scalar": "InvalidAnswer",
    "vector": "InvalidAnswer",
    "partial": "InvalidAnswer",
    "broken": "Unreachable",
    "stale": "Stale",
}


@pytest.mark.apiserver
def test_every_kind_of_bad_answer_holds_and_is_named(model: Model, surroundings: Surroundings) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "15s"}, {"weight": 50, "hold": "1s"}]
    model.apply("v1")
    model.await_reason("Serving")
    with model.route_watch() as route:
        surroundings.answer("empty")
        model.apply("v2")
        new = wait_for("a candidate", model.candidate, model.explain)
        # The first step needs metrics that can be read; from there on none can.
        surroundings.answer("well")
        model.await_weight(20)
        for word, reason in FAULTS.items():
            surroundings.answer(word)

            def is_named(reason: str = reason) -> bool:
                health = model.condition("MetricsHealthy")
                return (health["status"], health["reason"]) == ("False", reason)

            wait_for(f"{word} is told as {reason}", is_named, model.explain)
            model.await_reason("Holding")
            assert max(list_weights(route.changes, new)) <= 50
            assert not model.status().get("rejected")
        weights = list_weights(route.changes, new)
        surroundings.answer("well")
        model.await_reason("Serving")
        assert model.stable() == new
        assert weights in ([20], [20, 50])
        assert list_weights(route.changes, new) == [20, 50, 100]
