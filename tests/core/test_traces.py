"""Behind a gateway whose proxies hear of a weight before they know the backend, a trace of weight goes before."""

from dataclasses import replace

from serinus.core.judge import Verdict
from tests.core.test_approval import serving
from tests.core.world import World, judged

ROLLOUT = {"steps": [{"weight": 50, "hold": "10s"}], "bake": "20s", "drain": "10s"}


def behind_envoy() -> tuple[World, str]:
    world = serving()
    world.route = replace(world.route, by_place=True)
    return world, world.wanted


def test_the_first_step_is_a_trace_until_the_gateway_knows_the_candidate() -> None:
    world, old = behind_envoy()
    new = world.apply("m:2", rollout=ROLLOUT)
    world.settle()
    assert world.status.candidate is not None
    assert (world.route.weights, world.route.traces) == ({old: 100}, (new,))
    world.run(3)
    assert (world.route.weights, world.route.traces) == ({old: 50, new: 50}, ())


def test_nobody_is_shown_a_candidate_that_waits_not_even_by_a_trace() -> None:
    world, old = behind_envoy()
    world.apply("m:2", rollout={**ROLLOUT, "approval": {"required": "BeforeTraffic"}})
    world.run(10)
    assert world.ready() == ("False", "AwaitingApproval")
    assert (world.route.weights, world.route.traces) == ({old: 100}, ())


def test_stable_keeps_a_trace_through_the_bake_and_so_the_way_back_is_one_move() -> None:
    world, old = behind_envoy()
    new = world.apply("m:2", rollout=ROLLOUT)
    world.run(18)
    assert (world.route.weights, world.route.traces) == ({new: 100}, (old,))
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert (world.route.weights, world.route.traces) == ({old: 100}, ())
    assert world.weights[-2:] == [{new: 100}, {old: 100}]


def test_nothing_is_left_behind_at_the_end() -> None:
    world, old = behind_envoy()
    new = world.apply("m:2", rollout=ROLLOUT)
    world.run(45)
    assert world.ready() == ("True", "Serving")
    assert (world.route.weights, world.route.traces) == ({new: 100}, ())
    assert world.workloads[old].wanted == 0


def test_all_at_once_begins_with_a_trace_too() -> None:
    world, old = behind_envoy()
    new = world.apply("m:2", rollout={"strategy": "Direct", "drain": "5s"})
    world.judge = lambda world: None
    world.settle()
    assert world.weights[-1] == {old: 100}
    world.run(5)
    assert world.weights[-1] == {new: 100}


def test_elsewhere_no_trace_is_needed() -> None:
    world = serving()
    new = world.apply("m:2", rollout=ROLLOUT)
    world.settle()
    assert (world.route.weights.get(new), world.route.traces) == (50, ())
