"""A GRPCRoute instead of an HTTPRoute and a pool instead of a Service, from the objects in the cluster and back."""

from typing import Any

import pytest

from serinus.engine.feed import Feed
from tests.controllers.stage import KEY, Stage, model_deployment

Raw = dict[str, Any]
ROUTE: Raw = {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": ["fraud.example.com"]}
GRPC: Raw = {**ROUTE, "kind": "GRPCRoute"}
POOLS: Raw = {**ROUTE, "backend": {"kind": "InferencePool", "endpointPicker": {"name": "epp"}}}
CONFLICT = {"type": "Accepted", "status": "False", "reason": "HostnameConflict", "message": ""}


@pytest.fixture
async def stage(request: pytest.FixtureRequest):
    stage = Stage(namespaces=getattr(request, "param", ()))
    stage.kube.put(
        {
            "kind": "GatewayClass",
            "metadata": {"name": "traefik"},
            "spec": {"controllerName": "example.com/gateway"},
            "status": {"supportedFeatures": [{"name": "HTTPRoute"}, {"name": "GRPCRoute"}]},
        }
    )
    yield stage
    await stage.analyst.close()


async def serve(stage: Stage, route: Raw) -> str:
    stage.apply(model_deployment(route=route))
    await stage.settle()
    assert stage.condition("Ready") == ("True", "Serving")
    return str(stage.object()["status"]["stable"]["revision"])


def kinds(stage: Stage) -> set[str]:
    return {kind for kind, _, name in stage.kube.objects if kind in ("HTTPRoute", "GRPCRoute") and name == KEY.name}


def routes_written(stage: Stage) -> list[tuple[str, str]]:
    return [(write.verb, write.kind) for write in stage.kube.writes if write.kind in ("HTTPRoute", "GRPCRoute")]


@pytest.mark.parametrize(("before", "after"), [(ROUTE, GRPC), (GRPC, ROUTE)])
async def test_the_new_route_is_there_and_accepted_before_the_old_one_goes(
    stage: Stage, before: Raw, after: Raw
) -> None:
    stable = await serve(stage, before)
    old, new = ("GRPCRoute" if route is GRPC else "HTTPRoute" for route in (before, after))
    stage.kube.writes.clear()
    stage.apply(model_deployment(route=after))
    for _ in range(5):
        await stage.turn()
    assert kinds(stage) == {old, new}, "nobody has accepted the new one yet"
    assert stage.weights(new) == {stable: 100}
    stage.world_follows()
    await stage.settle()
    assert kinds(stage) == {old, new}, "its proxies may not know it yet"
    wait = await stage.turn()
    assert wait is not None
    assert 1 < wait < 2.1
    await stage.run(2)
    assert kinds(stage) == {new}
    assert routes_written(stage) == [("apply", new), ("delete", old)]
    assert stage.condition("Ready") == ("True", "Serving")
    ports = stage.object("Service", stable)["spec"]["ports"]
    assert [port.get("appProtocol") for port in ports] == (["kubernetes.io/h2c"] if after is GRPC else [None])


def refuse(stage: Stage) -> None:
    """Say as a gateway that takes one kind of route for each host."""
    for kind in ("HTTPRoute", "GRPCRoute"):
        raw = stage.kube.objects.get((kind, KEY.namespace, KEY.name))
        if raw is not None and kind == "GRPCRoute":
            stage.kube.put({**raw, "status": {"parents": [{"conditions": [CONFLICT]}]}})


async def test_a_gateway_that_takes_one_kind_for_each_host_gets_the_old_one_out_of_the_way(stage: Stage) -> None:
    await serve(stage, ROUTE)
    stage.apply(model_deployment(route=GRPC))
    for _ in range(3):
        await stage.turn()
    refuse(stage)
    await stage.settle()
    assert kinds(stage) == {"GRPCRoute"}


async def test_if_the_host_is_somebody_elses_too_the_old_route_stays_and_it_is_said(stage: Stage) -> None:
    stable = await serve(stage, ROUTE)
    metadata = {"name": "of-the-shop", "namespace": "shop"}
    stage.kube.put({"kind": "HTTPRoute", "metadata": metadata, "spec": {**ROUTE, "rules": []}})
    stage.apply(model_deployment(route=GRPC))
    for _ in range(3):
        await stage.turn()
    refuse(stage)
    for _ in range(4):
        await stage.turn()
    assert kinds(stage) == {"HTTPRoute", "GRPCRoute"}
    assert stage.weights("HTTPRoute") == {stable: 100}
    assert stage.condition("Stalled") == ("True", "RouteConflict")
    message = next(c["message"] for c in stage.object()["status"]["conditions"] if c["type"] == "Stalled")
    assert "shop/of-the-shop" in message


@pytest.mark.parametrize("stage", [(KEY.namespace, "gateways")], indirect=True)
async def test_an_operator_of_some_namespaces_looks_at_home_alone(stage: Stage) -> None:
    await serve(stage, ROUTE)
    anywhere, asked = stage.kube.list, set()

    async def noting(resource: Any, namespace: str = "", label_selector: str | None = None) -> Any:
        asked.add(namespace)
        return await anywhere(resource, namespace, label_selector)

    stage.kube.list = noting  # type: ignore[method-assign]
    stage.apply(model_deployment(route=GRPC))
    for _ in range(3):
        await stage.turn()
    refuse(stage)
    await stage.settle()
    assert kinds(stage) == {"GRPCRoute"}
    assert asked == {KEY.namespace}


async def test_a_route_of_that_name_that_is_not_ours_is_left_alone(stage: Stage) -> None:
    await serve(stage, ROUTE)
    foreign = {"kind": "GRPCRoute", "metadata": {"name": KEY.name, "namespace": KEY.namespace}, "spec": {"rules": []}}
    stage.kube.put(foreign)
    stage.apply(model_deployment(route=GRPC))
    for _ in range(4):
        await stage.turn()
    assert stage.object("GRPCRoute")["spec"] == {"rules": []}
    assert stage.condition("Stalled") == ("True", "NameConflict")
    assert "HTTPRoute" in kinds(stage)


@pytest.mark.parametrize(("kind", "route"), [("GRPCRoute", GRPC), ("InferencePool", POOLS)])
async def test_a_kind_that_the_cluster_has_not_is_said_and_found_once_it_is_there(
    stage: Stage, kind: str, route: Raw
) -> None:
    stable = await serve(stage, ROUTE)
    asked: list[Any] = []
    stage.wakeup._add = asked.append  # type: ignore[method-assign,assignment]
    feed = Feed(stage.store, stage.wakeup.notify, stage.wakeup.notify_kind)
    feed.on_list(kind, [], "", served=False)
    assert asked == [KEY]
    stage.apply(model_deployment(route=route))
    await stage.settle()
    assert stage.condition("Stalled") == ("True", "GatewayUnsupported")
    assert kinds(stage) == {"HTTPRoute"}
    assert stage.weights() == {stable: 100}
    asked.clear()
    feed.on_list(kind, [], "5")
    feed.on_list(kind, [], "6")
    assert asked == [KEY], "only news wakes anybody"
    await stage.settle()
    assert stage.condition("Ready") == ("True", "Serving")
    if route is GRPC:
        await stage.run(3)
        assert kinds(stage) == {"GRPCRoute"}
    else:
        assert stage.object("InferencePool", stable)["spec"]["endpointPickerRef"]["name"] == "epp"
        refs = stage.object("HTTPRoute")["spec"]["rules"][0]["backendRefs"]
        assert [(ref["kind"], ref["name"], ref["weight"]) for ref in refs] == [("InferencePool", stable, 100)]


async def test_pools_go_once_no_route_leads_to_them(stage: Stage) -> None:
    stable = await serve(stage, POOLS)
    assert ("InferencePool", KEY.namespace, stable) in stage.kube.objects
    stage.apply(model_deployment(route=ROUTE))
    await stage.settle()
    assert ("InferencePool", KEY.namespace, stable) not in stage.kube.objects
    assert stage.object("HTTPRoute")["spec"]["rules"][0]["backendRefs"][0]["kind"] == "Service"


async def test_a_model_that_is_deleted_leaves_both_kinds_on_stable(stage: Stage) -> None:
    stable = await serve(stage, GRPC)
    route = stage.object("GRPCRoute")
    refs = [{"name": stable, "weight": 80}, {"name": "fraud-other", "weight": 20}]
    stage.kube.put({**route, "spec": {**route["spec"], "rules": [{"backendRefs": refs}]}})
    raw = stage.object()
    raw["status"]["candidate"] = {"revision": "fraud-other", "weight": 20}
    stage.kube.put({**raw, "metadata": {**raw["metadata"], "deletionTimestamp": "2026-11-23T10:00:00Z"}})
    await stage.turn()
    assert {name: weight for name, weight in stage.weights("GRPCRoute").items() if weight} == {stable: 100}


async def test_side_routes_change_their_kind_too(stage: Stage) -> None:
    await serve(stage, {**ROUTE, "preview": {"hostnames": ["next.example.com"]}})
    assert stage.object("HTTPRoute", "fraud-preview")
    stage.apply(model_deployment(route={**GRPC, "preview": {"hostnames": ["next.example.com"]}}))
    await stage.settle()
    assert stage.object("GRPCRoute", "fraud-preview")["spec"]["hostnames"] == ["next.example.com"]
    assert ("HTTPRoute", KEY.namespace, "fraud-preview") not in stage.kube.objects


async def test_in_mid_release_neither_kind_keeps_the_bad_ones_share(stage: Stage) -> None:
    stable = await serve(stage, ROUTE)
    stage.apply(model_deployment("m:2"))
    for _ in range(3):
        await stage.run(1)
        stage.meter.serve(stable, 100)
    bad = str(stage.object()["status"]["candidate"]["revision"])
    stage.apply(model_deployment("m:2", route=GRPC))
    for _ in range(4):
        await stage.turn()
    assert kinds(stage) == {"HTTPRoute", "GRPCRoute"}
    assert stage.weights("GRPCRoute") == stage.weights("HTTPRoute")
    before = stage.object()
    command = {"serinus.dev/command": f"abort {bad}"}
    stage.kube.put({**before, "metadata": {**before["metadata"], "annotations": command}})
    for _ in range(3):
        await stage.turn()
    assert stage.weights("GRPCRoute") == stage.weights("HTTPRoute") == {stable: 100}
