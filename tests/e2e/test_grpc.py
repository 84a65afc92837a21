"""The promises for gRPC: a call that fails has HTTP status 200, and whoever fails calls is rolled back all the same.

Envoy Gateway tells statuses by backend; Traefik does not, so there the pods' own counters judge."""

from typing import Any

import pytest

from tests.e2e.test_metrics import serve
from tests.support.model import Model
from tests.traffic.answers import count
from tests.traffic.route import list_weights

pytestmark = pytest.mark.cluster


def judge_by_statuses(model: Model) -> str:
    """Judge by who can tell statuses; where that is counted."""
    source = "Gateway" if model.gateway == "envoy" else "Runtime"
    errors: dict[str, Any] = {"name": "errors", "errorRatio": {"maxRegression": "1.2", "source": source}}
    model.spec["rollout"]["analysis"]["metrics"] = [errors]
    return source


def test_a_good_release_climbs_and_no_call_is_lost(grpc_model: Model) -> None:
    model = grpc_model
    judge_by_statuses(model)
    serve(model)
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        second = model.await_weight(20)
        (port,) = model.get("service", second)["spec"]["ports"]
        assert port["appProtocol"] == "kubernetes.io/h2c"
        model.await_reason("Serving")
        assert model.stable() == second
        assert list_weights(route.changes, second) == [20, 50, 100]
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.own_failures == 0
    assert tally.of("v2").requests > 0
    assert not model.cluster.get("httproutes", "-n", model.namespace)["items"]


def test_a_release_whose_calls_fail_goes_back(grpc_model: Model) -> None:
    model = grpc_model
    judge_by_statuses(model)
    serve(model)
    old = model.stable()
    with model.traffic() as traffic:
        model.apply("v2", faults=0.5)
        model.await_reason("RolledBack")
        assert "errors" in model.condition("Ready")["message"]
        assert model.weights() == {old: 100}
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.of("v2").failures > 0
