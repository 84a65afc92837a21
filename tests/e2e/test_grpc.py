"""The promises for gRPC: a call that fails has HTTP status 200, and whoever fails calls is rolled back all the same.

Envoy Gateway tells statuses by backend; Traefik does not, so there the pods' own counters judge."""

from typing import Any

import pytest

from tests.e2e.test_metrics import serve
from tests.support.model import Model, wait_for
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


def test_a_route_of_another_kind_takes_over_and_no_request_is_lost(both_model: Model) -> None:
    """But for the hundredths of a second in which Envoy's proxies have heard of a new route and not of its backends."""
    model = both_model
    serve(model)
    with model.traffic() as traffic:
        for kind in ("GRPCRoute", "HTTPRoute"):
            model.spec["route"]["kind"] = kind
            model.apply("v1")
            wait_for(f"the {kind} alone", lambda kind=kind: list_kinds(model) == [kind], model.explain)
            seen = len(traffic.answers)
            wait_for(
                "100 answers by it", lambda seen=seen: traffic.read() or len(traffic.answers) > seen + 100, str, 20
            )
            model.await_reason("Serving")
    tally = count(traffic.answers)
    lost = [answer for answer in tally.lost if not (model.gateway == "envoy" and answer.status == 500)]
    assert lost == []
    assert len(tally.lost) <= 10
    assert tally.of("v1").requests == tally.requests - len(tally.lost)


def list_kinds(model: Model) -> list[str]:
    return [item["kind"] for item in model.cluster.get("httproutes,grpcroutes", "-n", model.namespace)["items"]]
