"""The operator keeps nothing to itself: killed at any time, it goes on from status, and nobody notices."""

import time

import pytest

from tests.cluster.serinus import kill_operator, start_operator
from tests.support.model import Model
from tests.traffic.answers import count
from tests.traffic.route import list_weights


@pytest.mark.cluster
def test_a_release_goes_on_after_the_operator_was_killed_in_the_middle(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    with model.traffic() as traffic, model.route_watch() as route:
        model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "2s"}, {"weight": 50, "hold": "20s"}]
        model.apply("v2")
        new = model.await_weight(20)
        started = model.status()["candidate"]["startedAt"]
        kill_operator(model.cluster)
        start_operator(model.cluster)
        assert model.status()["candidate"]["startedAt"] == started
        model.await_reason("Serving", patience=90)
        assert list_weights(route.changes, new) == [20, 50, 100]
    assert count(traffic.answers).explain_lost() == ""
    told = model.events()
    assert len(told) == len(set(told)), told


@pytest.mark.cluster
def test_a_bad_release_that_nobody_watched_is_taken_back_when_the_operator_returns(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    with model.traffic():
        model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "5m"}]
        model.apply("v2", behaviour={"FAULTS_AFTER": 20.0})
        bad = model.await_weight(20)
        kill_operator(model.cluster)
        # They begin 20 s after the start of its pods: enough failures for a verdict, seen by nobody.
        time.sleep(25)
        assert model.weights()[bad] == 20
        start_operator(model.cluster)
        model.await_reason("RolledBack")
        assert model.weights().get(bad, 0) == 0
    assert model.stable() == stable
