"""All traffic in one move: BlueGreen judges it in the bake, Direct judges nothing; both keep stable until the end."""

from typing import Any

from serinus.api.status import EvidenceState
from serinus.core.judge import Verdict
from tests.core.test_approval import serving
from tests.core.world import World, judged


def rollout(strategy: str, **more: Any) -> dict[str, Any]:
    return {"strategy": strategy, "drain": "5s", "progressDeadline": "60s", "analysis": {"maxHold": "60s"}, **more}


def test_blue_green_has_everything_ready_before_one_move_and_keeps_the_way_back() -> None:
    world = serving()
    old = world.wanted
    new = world.apply("m:2", replicas=3, rollout=rollout("BlueGreen", bake="20s"))
    world.settle()
    world.run(2)
    assert world.weights[-1] == {new: 100}
    assert {frozenset(weights.items()) for weights in world.weights} == {
        frozenset({(old, 100)}),
        frozenset({(new, 100)}),
    }
    assert world.workloads[new].wanted == 3
    assert world.workloads[old].wanted == 3
    assert world.ready() == ("False", "Baking")
    world.run(40)
    assert world.ready() == ("True", "Serving")
    assert world.workloads[old].wanted == 0


def test_blue_green_moves_nothing_before_the_whole_candidate_is_there() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BlueGreen"))
    world.frozen_pods[new] = None
    world.run(30)
    assert world.status.candidate is not None
    assert world.status.candidate.weight == 0
    assert world.workloads[new].wanted == 2


def test_blue_green_goes_back_when_the_bake_shows_it_bad() -> None:
    world = serving()
    old = world.wanted
    world.apply("m:2", rollout=rollout("BlueGreen", bake="60s"))
    world.run(5)
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert world.route.weights == {old: 100}
    assert world.workloads[old].ready == 2
    assert world.ready() == ("False", "RolledBack")


def test_blue_green_waits_for_metrics_and_for_an_approval_before_promotion() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BlueGreen", approval={"required": "BeforePromotion"}))
    world.judge = lambda world: judged(Verdict.CANNOT_MEASURE)
    world.run(30)
    assert world.ready() == ("False", "AwaitingApproval")
    world.command = f"approve {new}"
    world.run(5)
    assert world.ready() == ("False", "Holding")
    world.judge = lambda world: judged()
    world.settle()
    assert world.route.weights == {new: 100}


def test_all_traffic_at_once_needs_a_measure_first() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BlueGreen", bake="5s"))
    seen = 0.0
    world.judge = lambda world: judged(evidence=(EvidenceState(metric="errors", stable_total=seen),))
    world.run(30)
    assert world.ready() == ("False", "Holding")
    said = next(c.message for c in world.status.conditions if c.type == "Ready")
    assert said == "stable has answered 0 requests, 200 are needed as a measure before all traffic moves at once"
    seen = 200.0
    world.run(2)
    assert world.route.weights == {new: 100}


def test_a_person_may_order_it_without_a_measure() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BlueGreen", bake="5s"))
    world.judge = lambda world: judged(evidence=())
    world.run(2)
    world.command = f"promote {new}"
    world.run(5)
    assert world.route.weights == {new: 100}


def test_direct_asks_no_metrics_and_does_not_bake() -> None:
    world = serving()
    old = world.wanted
    new = world.apply("m:2", rollout=rollout("Direct"))
    world.judge = lambda world: None
    world.run(2)
    assert world.ready() == ("True", "Serving")
    assert world.route.weights == {new: 100}
    assert world.workloads[old].wanted == 2, "its last requests may still be under way"
    world.run(5)
    assert world.workloads[old].wanted == 0


def test_who_shares_the_traffic_until_the_promotion_drains_after_it() -> None:
    world = serving()
    old = world.wanted
    steps = [{"weight": 50, "hold": "5s"}]
    world.apply("m:2", rollout={"steps": steps, "bake": "20s", "drain": "5s", "holdback": 10})
    world.run(26)
    assert world.ready() == ("True", "Serving")
    assert world.workloads[old].wanted == 2
    world.run(5)
    assert world.workloads[old].wanted == 0


def test_direct_with_pods_that_never_come_leaves_stable_alone() -> None:
    world = serving()
    old = world.wanted
    new = world.apply("m:2", rollout=rollout("Direct"))
    world.judge = lambda world: None
    world.frozen_pods[new] = None
    world.run(90)
    assert world.ready() == ("False", "RolledBack")
    assert world.route.weights == {old: 100}


def find_testers(world: World) -> Any:
    return world.sides.get("Testers")


def test_testers_reach_the_candidate_while_there_is_one() -> None:
    world = serving()
    world.apply("m:2", rollout={**rollout("BlueGreen"), "testers": {"headers": [{"name": "x", "value": "y"}]}})
    world.judge = lambda world: judged(Verdict.CANNOT_MEASURE)
    world.run(5)
    assert find_testers(world).target == world.wanted
    assert world.route.weights.get(world.wanted, 0) == 0
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert find_testers(world).target is None, "the way of testers stays, and leads to stable"
    world.apply("m:1", rollout=rollout("BlueGreen"))
    world.settle()
    assert find_testers(world) is None


def test_testers_leave_a_bad_candidate_before_anything_else_is_done() -> None:
    world = serving()
    old = world.wanted
    hands = {"headers": [{"name": "x", "value": "y"}], "cookie": {"name": "side"}}
    world.apply("m:2", rollout={**rollout("BlueGreen", bake="60s"), "testers": hands})
    world.run(5)
    world.log.clear()
    world.judge = lambda world: judged(Verdict.BAD)
    world.pass_once()
    names = [entry if isinstance(entry, str) else type(entry).__name__ for entry in world.log]
    assert names.index("ApplySide") < names.index("status")
    assert find_testers(world).target is None, "a cookie is cleared by a route that leads to stable"
    assert world.route.weights == {old: 100}


def test_testers_of_a_promoted_revision_wait_for_the_service_of_the_name() -> None:
    world = serving()
    old = world.wanted
    hands = {"headers": [{"name": "x", "value": "y"}]}
    new = world.apply("m:2", rollout={**rollout("BlueGreen", bake="5s", drain="10s"), "testers": hands})
    while world.status.stable.revision == old:
        world.run(1)
    assert find_testers(world).target == new, "the Service may still lead to the replaced pods"
    world.run(30)
    assert find_testers(world).target is None


def test_a_preview_host_leads_to_the_candidate_and_otherwise_to_stable() -> None:
    world = serving()
    route = {"parentRefs": [{"name": "public"}], "preview": {"hostnames": ["next.example.com"]}}
    new = world.apply("m:2", route=route, rollout=rollout("BlueGreen", approval={"required": "BeforeTraffic"}))
    world.run(5)
    assert world.ready() == ("False", "AwaitingApproval")
    assert world.sides["Preview"].target == new
    world.command = f"abort {new}"
    world.settle()
    assert world.sides["Preview"].target is None
