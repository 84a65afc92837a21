"""Routes of kind GRPCRoute, InferencePools, and the way from one to the other without a gap."""

from dataclasses import replace

import pytest

from serinus.core.plan import ApplyPool, ApplyRoute, ApplyService, DeleteFormerRoute, DeletePool
from serinus.core.snapshot import PoolView
from tests.core.world import World, spec

PARENT = {"parentRefs": [{"name": "public"}]}
GRPC = {**PARENT, "kind": "GRPCRoute"}
POOLS = {**PARENT, "backend": {"kind": "InferencePool", "endpointPicker": {"name": "epp"}}}


def serve(**changes: object) -> World:
    world = World(spec(**changes))
    world.settle()
    assert world.ready() == ("True", "Serving")
    return world


def canary(world: World, **changes: object) -> str:
    """A candidate at 5 %; its name."""
    new = world.apply("m:2", **changes)
    world.settle()
    world.run(2)
    assert world.route.weights.get(new) == 5
    return new


def ask_for(world: World, **changes: object) -> None:
    """Another route for what serves."""
    world.spec = spec(world.spec.template["spec"]["containers"][0]["image"], **changes)
    world.generation += 1


def place(world: World, kind: type) -> int:
    return next(i for i, action in enumerate(world.log) if isinstance(action, kind))


def test_services_behind_a_grpcroute_speak_h2c_and_others_say_nothing() -> None:
    world = serve(route=GRPC)
    new = canary(world, route=GRPC)
    assert world.h2c == {"m", world.status.stable.revision, new}
    assert serve().h2c == set()


def test_the_protocol_of_the_services_changes_before_the_route_and_back_after_it() -> None:
    world = serve()
    stable = world.status.stable.revision
    world.log.clear()
    ask_for(world, route=GRPC)
    # The old one is still there, the new one not yet.
    world.route = replace(world.route, exists=False, former={stable: 100}, accepted=None)
    world.settle()
    assert world.h2c == {"m", stable}
    assert place(world, ApplyService) < place(world, ApplyRoute)
    assert world.route.former == {stable: 100}, "nobody has accepted the new one"
    world.route = replace(world.route, accepted=True, replaces_former=True)
    world.settle()
    assert world.route.former is None
    ask_for(world)
    world.route = replace(world.route, exists=False, former={stable: 100}, replaces_former=False)
    world.log.clear()
    world.settle()
    assert not any(isinstance(action, ApplyService) for action in world.log)
    assert world.h2c == {"m", stable}, "a GRPCRoute still leads to them"
    world.route = replace(world.route, replaces_former=True)
    world.settle()
    assert world.route.former is None
    assert world.h2c == set()


def test_a_change_of_kind_in_mid_release_keeps_the_share_and_a_rollback_takes_it_on_both() -> None:
    world = serve()
    stable = world.status.stable.revision
    new = canary(world)
    split = dict(world.route.weights)
    ask = spec("m:2", route=GRPC)
    world.spec, world.generation = ask, world.generation + 1
    world.route = replace(world.route, exists=False, former=split)
    world.judge = lambda world: None
    world.pass_once()
    assert ApplyRoute(split) in world.log
    world.log.clear()
    world.command, world.now = f"abort {new}", world.now
    world.settle()
    assert world.route.weights == {stable: 100}
    assert world.route.former == {stable: 100}
    assert not any(isinstance(action, DeleteFormerRoute) for action in world.log)


def test_the_former_route_alone_with_other_weights_is_put_right() -> None:
    world = serve()
    stable = world.status.stable.revision
    world.route = replace(world.route, former={stable: 80, "m-other": 20})
    world.settle()
    assert world.route.former == {stable: 100}


def test_each_revision_has_its_pool_before_a_route_leads_to_it() -> None:
    world = serve(route=POOLS)
    stable = world.status.stable.revision
    new = canary(world, route=POOLS)
    assert world.pools == {stable: PoolView(stable), new: PoolView(new)}
    first_split = next(i for i, a in enumerate(world.log) if isinstance(a, ApplyRoute) and new in a.weights)
    assert world.log.index(ApplyPool(new, new)) < first_split


def test_a_rollback_turns_the_pool_of_the_candidate_too() -> None:
    world = serve(route=POOLS)
    stable = world.status.stable.revision
    new = canary(world, route=POOLS)
    world.command = f"abort {new}"
    world.settle()
    assert world.pools[new] == PoolView(stable)
    assert world.services[new] == stable
    order = [type(a).__name__ for a in world.log if isinstance(a, ApplyRoute | ApplyPool)][-2:]
    assert order == ["ApplyRoute", "ApplyPool"]
    world.command = f"retry {new}"
    world.settle()
    assert world.pools[new] == PoolView(new)


def test_on_the_way_to_pools_the_pool_comes_first_and_on_the_way_back_it_goes_last() -> None:
    world = serve()
    stable = world.status.stable.revision
    world.log.clear()
    ask_for(world, route=POOLS)
    world.route = replace(world.route, in_shape=False)
    world.settle()
    assert place(world, ApplyPool) < place(world, ApplyRoute)
    world.log.clear()
    ask_for(world)
    world.route = replace(world.route, in_shape=False)
    world.settle()
    assert world.pools == {}
    assert place(world, ApplyRoute) < world.log.index(DeletePool(stable))


@pytest.mark.parametrize("route", [GRPC, POOLS])
def test_what_cannot_be_put_into_force_touches_neither_services_nor_pools(route: dict[str, object]) -> None:
    world = serve()
    ask_for(world, route=route)
    world.usable = False
    world.log.clear()
    world.settle()
    assert [action for action in world.log if action != "status"] == []


def test_pools_stay_while_nobody_knows_whether_they_are_wanted() -> None:
    world = serve(route=POOLS)
    ask_for(world)
    world.usable = False
    world.settle()
    assert set(world.pools) == {world.status.stable.revision}
