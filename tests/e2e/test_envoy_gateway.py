"""The promises on a second gateway: Envoy Gateway counts a backend by itself, by its place, if it has a filter."""

import pytest

from tests.e2e.test_metrics import LATENCY, judge_by, serve
from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import list_weights

SPLIT = {"name": "errors", "errorRatio": {"maxRegression": "1.2", "source": "Gateway"}}


def backends(model: Model) -> list[tuple[str, int]]:
    """Names and weights of the backends as they stand in the route, and that each has a filter of its own."""
    rule = model.get("httproute")["spec"]["rules"][0]
    assert all(backend["filters"] for backend in rule["backendRefs"])
    return [(backend["name"], backend["weight"]) for backend in rule["backendRefs"]]


@pytest.mark.cluster
def test_releases_climb_one_after_the_other_by_what_envoy_counts_and_keep_their_places(envoy_model: Model) -> None:
    model = envoy_model
    model.spec["rollout"]["analysis"]["metrics"] = [SPLIT]
    model.apply("v1")
    model.await_reason("Serving")
    first = model.stable()
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        second = model.await_weight(20)
        wait_for("the split is confirmed", lambda: model.reason("TrafficVerified") == "SplitAsAsked", model.explain)
        model.await_reason("Serving")
        assert model.stable() == second
        assert list_weights(route.changes, second) == [20, 50, 100]
        left = [(first, 0), (second, 100)]
        wait_for("the end of the drain, which moves no backend", lambda: backends(model) == left, model.explain)
        model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "10s"}, {"weight": 50, "hold": "2s"}]
        model.apply("v3")
        third = model.await_weight(20)
        assert backends(model) == [(third, 20), (second, 80)], "the newcomer takes the free place"
        model.await_reason("Serving", patience=90)
        assert model.stable() == third
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.own_failures == 0


@pytest.mark.cluster
def test_a_bad_release_goes_back_by_what_envoy_counts(envoy_model: Model) -> None:
    model = envoy_model
    model.spec["rollout"]["analysis"]["metrics"] = [SPLIT]
    serve(model)
    old = model.stable()
    with model.traffic() as traffic:
        model.apply("v2", faults=0.5)
        model.await_reason("RolledBack")
        assert "errors" in model.condition("Ready")["message"]
        wait_for("the end of the drain", lambda: backends(model) == [(old, 100)], model.explain)
        # The gateway's counters of that place are those of the bad one no more.
        model.apply("v3")
        model.await_weight(50)
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.of("v2").failures > 0


@pytest.mark.cluster
def test_a_slower_release_goes_back_by_envoys_own_histogram(envoy_model: Model) -> None:
    model = envoy_model
    judge_by(model, {**LATENCY, "latency": {"maxRegression": "1.2", "source": "Gateway"}})
    serve(model, DELAY=0.02)
    with model.traffic() as traffic:
        wait_for("400 answers", lambda: traffic.read() or len(traffic.answers) > 400, lambda: "")
        model.apply("v2", behaviour={"DELAY": 0.06})
        model.await_reason("RolledBack")
    assert "latency" in model.condition("Ready")["message"]
    assert count(traffic.answers).explain_lost() == ""
