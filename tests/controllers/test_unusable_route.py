"""A spec.route that must not be put into force leaves the route in the shape it has; only the weights go on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from serinus.api.presets import resolve_rollout
from serinus.api.route import RouteSpec
from serinus.controllers.routes import look_at_gateways
from serinus.controllers.wakeup import claims_of
from serinus.engine.store import Key, Store
from serinus.kube.errors import Invalid
from tests.controllers.stage import Stage, model_deployment
from tests.fakes.kube import Write

Raw = dict[str, Any]
ROUTE: Raw = {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": ["fraud.example.com"]}
MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "shadow", "port": 80}}}
UNUSABLE = {
    "GatewayUnsupported": {**ROUTE, "rules": [{"filters": [MIRROR]}]},
    "GatewayNotFound": {**ROUTE, "parentRefs": [{"name": "nowhere", "namespace": "gateways"}]},
    "RouteConflict": {**ROUTE, "hostnames": ["elder.example.com"]},
}
GRPC: Raw = {**ROUTE, "kind": "GRPCRoute"}
POOLS: Raw = {**ROUTE, "backend": {"kind": "InferencePool", "endpointPicker": {"name": "epp"}}}
ALL = [*UNUSABLE.items(), ("GatewayUnsupported", GRPC), ("GatewayUnsupported", POOLS)]


@pytest.fixture
async def stage():
    stage = Stage()
    stage.kube.put({**model_deployment(route=UNUSABLE["RouteConflict"]), "metadata": {"name": "elder"}})
    elder = Key("ModelDeployment", "ml", "elder")
    claims = claims_of({"metadata": {"namespace": "ml"}, "spec": {"route": UNUSABLE["RouteConflict"]}})
    stage.claims.put(elder, claims, datetime(2020, 1, 1, tzinfo=UTC))
    yield stage
    await stage.analyst.close()


async def serve_first(stage: Stage) -> str:
    stage.apply(model_deployment())
    await stage.settle()
    return str(stage.object()["status"]["stable"]["revision"])


def shape(stage: Stage) -> Raw:
    """The route without its backends."""
    spec = stage.object("HTTPRoute")["spec"]
    rules = [{name: value for name, value in rule.items() if name != "backendRefs"} for rule in spec["rules"]]
    return {**spec, "rules": rules}


@pytest.mark.parametrize(("reason", "route"), ALL)
async def test_it_is_told_and_the_route_keeps_its_shape(stage: Stage, reason: str, route: Raw) -> None:
    stable = await serve_first(stage)
    before = shape(stage)
    stage.apply(model_deployment(route=route))
    await stage.settle()
    assert stage.condition("Stalled") == ("True", reason)
    assert shape(stage) == before
    assert stage.weights() == {stable: 100}


@pytest.mark.parametrize(("reason", "route"), ALL)
async def test_a_rollback_sets_the_weights_all_the_same(stage: Stage, reason: str, route: Raw) -> None:
    stable = await serve_first(stage)
    stage.apply(model_deployment("m:2"))
    await stage.settle()
    stage.meter.serve(stable, 1000)
    await stage.run(1)
    bad = str(stage.object()["status"]["candidate"]["revision"])
    before = shape(stage)
    stage.apply(model_deployment("m:2", route=route))
    stage.meter.serve(stable, 4000)
    stage.meter.serve(bad, 500, 500)
    await stage.run(1)
    assert stage.object("ModelRevision", bad)["status"]["reason"] == "AnalysisFailed"
    assert stage.weights() == {stable: 100}
    assert shape(stage) == before


@pytest.mark.parametrize(("reason", "route"), ALL)
async def test_a_route_that_was_removed_is_not_made_anew_and_nothing_runs_hot(
    stage: Stage, reason: str, route: Raw
) -> None:
    await serve_first(stage)
    stage.apply(model_deployment(route=route))
    stage.kube.remove("HTTPRoute", "ml", "fraud")
    await stage.settle()
    assert stage.condition("Stalled") == ("True", reason)
    assert ("HTTPRoute", "ml", "fraud") not in stage.kube.objects


async def test_a_rollback_does_not_need_a_route_that_the_api_server_takes(stage: Stage) -> None:
    stable = await serve_first(stage)
    stage.apply(model_deployment("m:2"))
    await stage.settle()
    stage.meter.serve(stable, 1000)
    await stage.run(1)
    bad = str(stage.object()["status"]["candidate"]["revision"])
    wrong = {"type": "RequestHeaderModifier"}

    def refuse(write: Write) -> Invalid | None:
        route = write.verb == "apply" and write.kind == "HTTPRoute"
        filters = write.body["spec"]["rules"][0].get("filters") if route else None
        return Invalid("filters[0] has nothing to modify", status=422) if filters else None

    stage.kube.fault = refuse
    stage.apply(model_deployment("m:2", route={**ROUTE, "rules": [{"filters": [wrong]}]}))
    stage.meter.serve(stable, 4000)
    stage.meter.serve(bad, 500, 500)
    for _ in range(3):
        stage.clock.advance(1.0)
        await stage.read_metrics()
        await stage.turn()
    assert stage.weights() == {stable: 100}
    assert stage.condition("Stalled") == ("True", "InvalidSpec")


def test_a_gateway_where_the_operator_does_not_look_is_not_called_missing() -> None:
    spec = RouteSpec.model_validate(ROUTE)
    messages = []
    for namespaces in ((), ("ml", "gateways"), ("ml",)):
        found = look_at_gateways(Store(namespaces=namespaces), "ml", spec, resolve_rollout(None))
        messages += [one.message for one in found.problems]
    field = "spec.route.parentRefs[0]:"
    assert messages[0] == messages[1] == f"{field} there is no Gateway gateways/public"
    assert messages[2].startswith(f"{field} this operator does not look into namespace gateways: add it")
