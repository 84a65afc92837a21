"""A route of another kind takes over without a gap, also on a gateway that gives each host to one kind only."""

import pytest

from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver


def routes(model: Model) -> set[str]:
    listed = model.cluster.get("httproutes,grpcroutes", "-n", model.namespace)["items"]
    return {item["kind"] for item in listed}


def test_from_httproute_to_grpcroute_and_back_in_mid_release(model: Model) -> None:
    model.spec["rollout"] |= {"steps": [{"weight": 50, "hold": "5m"}], "bake": "1s"}
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.apply("v2")
    new = model.await_weight(50)
    before = model.get("httproute")["metadata"]["uid"]
    for kind in ("GRPCRoute", "HTTPRoute"):
        model.spec["route"]["kind"] = kind
        model.apply("v2")
        wait_for(f"the {kind} alone", lambda kind=kind: routes(model) == {kind}, model.explain)
        assert model.weights() == {stable: 50, new: 50}
        (port,) = model.get("service", stable)["spec"]["ports"]
        assert port.get("appProtocol") == ("kubernetes.io/h2c" if kind == "GRPCRoute" else None)
    assert model.get("httproute")["metadata"]["uid"] != before
    model.command(f"abort {new}")
    wait_for("stable has it all", lambda: model.weights() == {stable: 100}, model.explain)


def test_a_host_of_somebody_elses_httproute_is_not_given_up_for_a_grpcroute(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.cluster.apply(
        f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: of-the-shop, namespace: {model.namespace}}}
spec:
  parentRefs: [{{name: public, namespace: gateways}}]
  hostnames: [{model.host}]
  rules: [{{matches: [{{path: {{type: PathPrefix, value: /shop}}}}], backendRefs: [{{name: shop, port: 80}}]}}]
"""
    )
    model.spec["route"]["kind"] = "GRPCRoute"
    model.apply("v1")
    model.await_reason("RouteConflict", patience=30)
    assert f"{model.namespace}/of-the-shop" in model.condition("Stalled")["message"]
    rules = model.get("httproute")["spec"]["rules"]
    assert [(ref["name"], ref["weight"]) for ref in rules[0]["backendRefs"]] == [(stable, 100)]
    model.cluster.kubectl("delete", "httproute", "of-the-shop", "-n", model.namespace)
    wait_for("the GRPCRoute alone", lambda: routes(model) == {"GRPCRoute"}, model.explain)
    model.await_reason("Serving")


def test_the_kind_goes_with_the_model(model: Model) -> None:
    model.spec["route"]["kind"] = "GRPCRoute"
    model.apply("v1")
    model.await_reason("Serving")
    model.cluster.kubectl("delete", "modeldeployment", model.name, "-n", model.namespace)
    wait_for("nothing is left", lambda: not routes(model), lambda: str(routes(model)))
