"""A bad release goes back at once, says why in numbers, and is remembered until a person retries it."""

import re

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import find_zero, list_weights


@pytest.mark.cluster
def test_a_bad_release_is_taken_off_traffic_with_the_numbers(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    served_by = model.pods(stable)
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2", faults=0.3)
        bad = str(wait_for("a candidate", model.candidate, model.explain))
        model.await_reason("RolledBack")
        wait_for("the bad pods are gone", lambda: not model.pods(bad), model.explain)
    assert list_weights(route.changes, bad) == [20, 0]
    assert model.stable() == stable
    assert model.pods(stable) == served_by
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    off = find_zero(route.changes, bad)
    assert off is not None
    assert count(a for a in traffic.answers if a.sent > off + 3).of("v2").requests == 0
    for condition in ("Ready", "Stalled"):
        message = model.condition(condition)["message"]
        assert re.search(rf"errors [\d.]+% on {bad} \(\d+ of \d+\) against [\d.]+% on {stable} \(0 of ", message), (
            message
        )
    assert model.get("modelrevision", bad)["status"]["phase"] == "Rejected"


@pytest.mark.cluster
def test_a_rejected_release_stays_rejected_until_it_is_retried(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    with model.traffic():
        model.apply("v2", faults=0.3)
        model.await_reason("RolledBack")
        bad = model.status()["rejected"]["revision"]
        with model.route_watch() as route:
            # The same content beside another number of replicas is the same revision.
            model.apply("v2", faults=0.3, replicas=3)
            wait_for("three stable pods", lambda: len(model.pods(stable)) == 3, model.explain)
            model.await_reason("RolledBack")
            assert not model.candidate()
            assert list_weights(route.changes, bad) == []
            model.command(f"retry {bad}")
            assert model.await_weight(20) == bad
            model.command(f"abort {bad}")
            model.await_reason("RolledBack")
            assert model.weights().get(bad, 0) == 0
    assert model.stable() == stable
