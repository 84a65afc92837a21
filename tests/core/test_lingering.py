"""Behind a gateway that forgets a backend before it hears of the route, who loses all weight keeps a trace of it."""

from dataclasses import replace

from serinus.core.judge import Verdict
from tests.core.test_approval import serving
from tests.core.world import World, judged

ROLLOUT = {"steps": [{"weight": 50, "hold": "10s"}], "bake": "20s", "drain": "10s"}


def behind_envoy() -> tuple[World, str]:
    world = serving()
    world.route = replace(world.route, by_place=True)
    return world, world.wanted


def test_stable_lingers_through_the_bake_while_it_can_answer() -> None:
    world, old = behind_envoy()
    new = world.apply("m:2", rollout=ROLLOUT)
    world.run(15)
    assert (world.route.weights, world.route.lingering) == ({new: 100}, (old,))
    assert world.workloads[old].ready == 2
    world.run(30)
    assert world.ready() == ("True", "Serving")
    assert (world.route.weights, world.route.lingering) == ({new: 100}, ())
    assert world.workloads[old].wanted == 0


def test_a_bad_candidate_lingers_until_it_has_drained_and_stable_answers_for_it() -> None:
    world, old = behind_envoy()
    new = world.apply("m:2", rollout=ROLLOUT)
    world.run(5)
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert (world.route.weights, world.route.lingering) == ({old: 100}, (new,))
    assert world.services[new] == old
    world.run(10)
    assert (world.route.weights, world.route.lingering) == ({old: 100}, ())
    names = [type(entry).__name__ for entry in world.log if not isinstance(entry, str)]
    assert names[-1] == "ApplyWorkload", "its pods stay until the route has left them"


def test_elsewhere_nothing_lingers() -> None:
    world = serving()
    world.apply("m:2", rollout=ROLLOUT)
    world.run(15)
    assert world.route.lingering == ()
