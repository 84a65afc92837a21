"""What cannot go on until a person acts says so in every tool, moves no traffic, and goes on once it is put right."""

import json
from typing import Any

import pytest

from tests.kstatus import assess_health, assess_kstatus
from tests.support.model import Model, wait_for

Raw = dict[str, Any]
pytestmark = pytest.mark.apiserver
LENIENT = [{"name": "errors", "errorRatio": {"maxRegression": "1000000"}}]
GATEWAY_API = "gateway.networking.k8s.io/v1"


def await_refusal(model: Model, reason: str) -> str:
    """Wait until the model is stuck for this reason, as every tool reads it; the message."""
    model.await_reason(reason, patience=30)
    obj = model.get()
    conditions = {condition["type"]: condition for condition in obj["status"]["conditions"]}
    assert conditions["Stalled"]["status"] == "True"
    assert conditions["Stalled"]["reason"] == reason
    assert "Reconciling" not in conditions
    assert {c["observedGeneration"] for c in conditions.values()} == {obj["metadata"]["generation"]}
    assert (assess_kstatus(obj), assess_health(obj)) == ("Failed", "Degraded")
    told = [line for line in model.await_events(reason) if line.startswith(f"{reason}:")]
    assert len(told) == len(set(told)), told
    return str(conditions["Stalled"]["message"])


def apply(model: Model, *objects: Raw) -> None:
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def serve_first(model: Model) -> str:
    model.spec["rollout"] |= {"steps": [{"weight": 50, "hold": "1s"}], "bake": "1s"}
    model.apply("v1")
    model.await_reason("Serving")
    return model.stable()


def test_a_policy_that_does_not_exist_is_named_and_nothing_is_released(model: Model) -> None:
    stable = serve_first(model)
    model.apply("v2", model={"from": {"retrainPolicy": "fraud"}})
    assert "spec.model.from" in await_refusal(model, "ModelNotFound")
    assert model.candidate() is None
    assert model.weights() == {stable: 100}
    assert len(model.cluster.get("modelrevisions", "-n", model.namespace)["items"]) == 1
    model.apply("v2")
    model.await_reason("Serving")
    assert model.stable() != stable


def test_a_provider_that_does_not_exist_is_named(model: Model) -> None:
    stable = serve_first(model)
    analysis = {**model.spec["rollout"]["analysis"], "provider": "nowhere"}
    model.apply("v2", rollout={**model.spec["rollout"], "analysis": analysis})
    assert "nowhere" in await_refusal(model, "ProviderNotFound")
    assert model.weights() == {stable: 100}
    model.apply("v2")
    model.await_reason("Serving")


def test_a_filter_that_the_gateway_does_not_know_is_refused_before_any_request_meets_it(model: Model) -> None:
    poor = f"poor-{model.namespace}"
    apply(
        model,
        {
            "apiVersion": GATEWAY_API,
            "kind": "GatewayClass",
            "metadata": {"name": poor},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": GATEWAY_API,
            "kind": "Gateway",
            "metadata": {"name": poor, "namespace": "gateways"},
            "spec": {"gatewayClassName": poor, "listeners": [{"name": "web", "port": 8000, "protocol": "HTTP"}]},
        },
    )
    status = {"status": {"supportedFeatures": [{"name": "HTTPRoute"}, {"name": "HTTPRouteRequestTimeout"}]}}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
    model.cluster.kubectl("patch", "gatewayclass", poor, *patch)
    parent = {"parentRefs": [{"name": poor, "namespace": "gateways"}]}
    model.spec["route"] |= parent
    try:
        stable = serve_first(model)
        routed = model.get("httproute")["spec"]
        mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "shadow", "port": 80}}}
        model.apply("v1", route={**model.spec["route"], "rules": [{"filters": [mirror]}]})
        message = await_refusal(model, "GatewayUnsupported")
        assert "spec.route.rules[0].filters[0]" in message
        assert "HTTPRouteRequestMirror" in message
        assert model.get("httproute")["spec"] == routed
        model.apply("v1", route={**model.spec["route"], "rules": [{"timeouts": {"request": "2s"}}]})
        model.await_reason("Serving")
        assert model.get("httproute")["spec"]["rules"][0]["timeouts"] == {"request": "2s"}
        assert model.stable() == stable
    finally:
        model.cluster.kubectl("delete", "modeldeployment", model.name, "-n", model.namespace)
        model.cluster.kubectl("delete", "gateway", poor, "-n", "gateways")
        model.cluster.kubectl("delete", "gatewayclass", poor)


def test_two_on_one_host_are_no_race_the_older_one_serves(model: Model) -> None:
    older, younger = model.name, "latecomer"
    stable = serve_first(model)
    model.name = younger
    model.apply("v1")
    assert f"{model.namespace}/{older}" in await_refusal(model, "RouteConflict")
    assert not model.cluster.get("httproutes", "-n", model.namespace, f"--field-selector=metadata.name={younger}")[
        "items"
    ]
    model.name = older
    assert model.reason() == "Serving"
    assert model.weights() == {stable: 100}
    model.cluster.kubectl("delete", "modeldeployment", older, "-n", model.namespace)
    model.name = younger
    model.await_reason("Serving")


def test_a_model_that_moves_onto_the_host_of_another_stays_where_it_is(model: Model) -> None:
    serve_first(model)
    taken, own = model.host, f"other.{model.host}"
    model.name = "mover"
    model.apply("v1", route={**model.spec["route"], "hostnames": [own]})
    model.await_reason("Serving")
    stable = model.stable()
    model.apply("v1", route={**model.spec["route"], "hostnames": [taken]})
    assert taken in await_refusal(model, "RouteConflict")
    assert model.get("httproute")["spec"]["hostnames"] == [own]
    assert model.weights() == {stable: 100}


def test_a_gateway_that_does_not_exist_takes_the_route_from_nobody(model: Model) -> None:
    stable = serve_first(model)
    routed = model.get("httproute")["spec"]
    model.apply("v2", route={**model.spec["route"], "parentRefs": [{"name": "nowhere", "namespace": "gateways"}]})
    assert "gateways/nowhere" in await_refusal(model, "GatewayNotFound")
    assert model.get("httproute")["spec"] == routed
    assert model.weights() == {stable: 100}


def test_a_bad_canary_leaves_even_while_the_api_server_refuses_the_route_that_is_asked_for(model: Model) -> None:
    stable = serve_first(model)
    steps = [{"weight": 20, "hold": "5m"}]
    model.spec["rollout"] |= {"steps": steps, "analysis": {"minRequests": 20, "metrics": LENIENT}}
    model.apply("v2", faults=0.5)
    bad = model.await_weight(20)
    model.spec["rollout"]["analysis"] = {"minRequests": 20}
    nothing = {"type": "RequestHeaderModifier"}
    model.apply("v2", faults=0.5, route={**model.spec["route"], "rules": [{"filters": [nothing]}]})
    wait_for("stable has it all", lambda: model.weights() == {stable: 100}, model.explain)
    record = wait_for("its record", lambda: model.get("modelrevision", bad).get("status"), model.explain)
    assert record["reason"] == "AnalysisFailed"
    assert "filters[0]" in await_refusal(model, "InvalidSpec")


def test_a_service_of_somebody_else_is_left_alone(model: Model) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": model.name, "namespace": model.namespace},
        "spec": {"selector": {"app": "legacy"}, "ports": [{"port": 80}]},
    }
    apply(model, foreign)
    before = model.get("service")
    model.apply("v1")
    assert f"Service {model.namespace}/{model.name}" in await_refusal(model, "NameConflict")
    assert model.get("service") == before
    model.cluster.kubectl("delete", "service", model.name, "-n", model.namespace)
    model.await_reason("Serving")


def test_a_route_that_the_gateway_refuses_is_told_in_its_words(model: Model) -> None:
    stable = serve_first(model)
    refuse_route(model, "no listener admits this host")
    assert "no listener admits this host" in await_refusal(model, "RouteNotAccepted")
    model.apply("v2")
    new = wait_for("a candidate", model.candidate, model.explain)
    assert "no listener admits this host" in await_refusal(model, "RouteNotAccepted")
    assert model.weights() == {stable: 100}
    accept_route(model)
    model.await_reason("Serving")
    assert model.stable() == new


def test_a_first_revision_that_never_comes_up_is_stuck_and_a_better_one_frees_it(model: Model) -> None:
    limit = {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}
    metadata = {"name": "small", "namespace": model.namespace}
    apply(model, {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": limit})
    model.spec["rollout"]["progressDeadline"] = "3s"
    greedy = {"name": "model", "image": "none", "ports": [{"containerPort": 8080}]}
    greedy |= {"resources": {"limits": {"cpu": "2"}}}
    model.apply("v1", template={"spec": {"containers": [greedy]}})
    message = await_refusal(model, "DeadlineExceeded")
    assert "maximum cpu usage per Container is 1" in message
    assert "nothing to go back to" in message
    assert model.condition("Available")["status"] == "False"
    model.apply("v2")
    model.await_reason("Serving")


def refuse_route(model: Model, words: str) -> None:
    _set_accepted(model, "False", "NotAllowedByListeners", words)


def accept_route(model: Model) -> None:
    _set_accepted(model, "True", "Accepted", "")


def _set_accepted(model: Model, status: str, reason: str, message: str) -> None:
    """Say as the gateway, which has looked at the route before, whether its present generation is accepted."""
    wait_for("the gateway's word", lambda: "status" in model.get("httproute"), model.explain)
    route = model.get("httproute")
    condition = {
        "type": "Accepted",
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": route["metadata"]["generation"],
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    (parent,) = route["status"]["parents"]
    patch = {"status": {"parents": [{**parent, "conditions": [condition]}]}}
    model.cluster.kubectl(
        *("patch", "httproute", model.name, "-n", model.namespace, "--subresource=status", "--type=merge"),
        *("-p", json.dumps(patch)),
    )
