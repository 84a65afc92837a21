"""A good release is promoted on evidence: step by step, without a second model load, and no client notices."""

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import list_weights


@pytest.mark.cluster
def test_a_good_release_climbs_and_is_promoted_and_no_request_is_lost(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    old = model.stable()
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        new = model.await_weight(20)
        loaded = model.pods(new)
        model.await_reason("Serving")
        assert model.stable() == new
        assert list_weights(route.changes, new) == [20, 50, 100]
        assert loaded
        assert loaded <= model.pods(new), "promotion keeps the pods that run"
        wait_for("the old pods are gone", lambda: not model.pods(old), model.explain)
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.own_failures == 0
    assert tally.of("v2").requests > 0
    told = [line for line in model.events() if new in line]
    assert sorted(line.split(":")[0] for line in told) == [
        "Baking",
        "Promoted",
        "RolloutStarted",
        "WeightRaised",
        "WeightRaised",
    ]
