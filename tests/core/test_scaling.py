"""Replicas belong to whoever scales: what a release does with them, and what it never does."""

from dataclasses import replace

import pytest

from serinus.api import reasons
from serinus.api.status import CandidateState
from serinus.core.judge import Verdict
from serinus.core.plan import ApplyWorkload
from serinus.core.snapshot import Waiting
from tests.core.world import World, judged, spec

NO_GPU = Waiting(reasons.WAITING_FOR_CAPACITY, "Insufficient nvidia.com/gpu", stops_clock=True)
CRASHING = Waiting(reasons.CRASH_LOOPING, "CrashLoopBackOff after 1 restarts", stops_clock=False)
PAUSED = {"steps": [{"weight": 50, "hold": "5s"}, {"pause": {}}], "bake": "20s", "drain": "5s"}


def first(replicas: int = 4, **rollout: object) -> World:
    settings = {key: value for key, value in {**PAUSED, **rollout}.items() if value is not None}
    world = World(spec(replicas=replicas, rollout=settings))
    world.settle()
    assert world.ready() == ("True", reasons.SERVING)
    return world


def change(world: World) -> tuple[str, str]:
    """A new image; names of the old revision and the new one."""
    old = world.wanted
    template = {"spec": {"containers": [{"name": "m", "image": "m:2", "ports": [{"containerPort": 80}]}]}}
    world.spec = world.spec.model_copy(update={"template": template})
    world.generation += 1
    return old, world.wanted


def release(world: World) -> tuple[str, str]:
    """The same, up to the pause at 50 percent."""
    old, new = change(world)
    world.settle()
    world.run(10)
    return old, new


def scale(world: World, replicas: int) -> None:
    """As the scale subresource does."""
    world.spec = world.spec.model_copy(update={"replicas": replicas})
    world.generation += 1
    world.settle()


def promote(world: World, revision: str) -> None:
    world.command = f"promote {revision}"
    world.settle()
    assert candidate_of(world).phase == "Baking"


def candidate_of(world: World) -> CandidateState:
    assert world.status.candidate is not None
    return world.status.candidate


def stable_of(world: World) -> str:
    assert world.status.stable is not None
    return world.status.stable.revision


def sizes(world: World, *names: str) -> list[int]:
    return [world.workloads[name].wanted for name in names]


def test_an_autoscaler_sees_the_pods_of_whoever_has_a_share_of_the_requests() -> None:
    world = first()
    assert (world.status.selector, world.status.replicas) == (f"serinus.dev/revision={world.wanted}", 4)
    old, new = release(world)
    assert world.status.selector == f"serinus.dev/revision in ({old},{new})"
    assert world.status.replicas == 4, "spec.replicas is about stable, whatever the candidate has"
    promote(world, new)
    assert world.status.selector == f"serinus.dev/revision={new}", "stable has nothing to do in the bake"
    world.run(30)
    assert world.ready() == ("True", reasons.SERVING)
    assert (world.status.selector, world.status.replicas) == (f"serinus.dev/revision={new}", 4)


def test_a_rollback_gives_the_autoscaler_stable_again_in_the_same_write() -> None:
    world = first()
    old, _ = release(world)
    world.judge = lambda w: judged(Verdict.BAD)
    world.pass_once()
    assert (world.status.selector, world.status.replicas) == (f"serinus.dev/revision={old}", 4)


def test_a_first_revision_can_be_selected_before_it_serves() -> None:
    world = World(spec())
    world.pass_once()
    assert world.status.selector == f"serinus.dev/revision={world.wanted}"


def test_a_scale_down_in_mid_run_waits_for_its_end() -> None:
    world = first()
    old, new = release(world)
    scale(world, 1)
    assert sizes(world, old, new) == [4, 1]
    promote(world, new)
    assert sizes(world, old, new) == [4, 1], "the candidate has the size that is asked for, stable that of before"
    world.run(30)
    assert sizes(world, old, new) == [0, 1]


def test_a_scale_up_in_mid_run_is_honoured_and_kept() -> None:
    world = first()
    old, new = release(world)
    scale(world, 6)
    assert sizes(world, old, new) == [6, 3]
    scale(world, 2)
    assert sizes(world, old, new) == [6, 2]


def test_stable_is_brought_back_to_its_size_where_another_hand_has_shrunk_it() -> None:
    world = first()
    old, _ = release(world)
    scale(world, 1)
    world.workloads[old] = replace(world.workloads[old], wanted=1)
    world.settle()
    assert sizes(world, old) == [4]


def test_a_rejected_candidate_is_never_scaled_up_again() -> None:
    world = first()
    old, new = release(world)
    world.command = f"abort {new}"
    world.settle()
    scale(world, 8)
    assert sizes(world, old, new) == [8, 2], "it drains, and does not grow"
    world.run(10)
    world.log.clear()
    for size in (3, 9, 1):
        scale(world, size)
        assert sizes(world, old, new) == [size, 0]
    assert [a for a in world.log if isinstance(a, ApplyWorkload) and a.name == new] == []


def test_each_change_of_size_costs_one_write_and_there_is_no_echo() -> None:
    world = first()
    release(world)
    world.log.clear()
    world.run(600, step=10)
    assert world.log == [], "a pause costs nothing"
    scale(world, 5)
    assert [a.replicas for a in world.log if isinstance(a, ApplyWorkload)] == [5, 3]
    world.run(60, step=10)
    world.log.clear()
    world.run(600, step=10)
    assert world.log == []


def test_the_number_of_pods_that_an_autoscaler_reads_is_not_late_for_ever() -> None:
    world = first()
    world.run(60, step=10)
    world.spec = world.spec.model_copy(update={"replicas": 1})
    world.generation += 1
    world.pass_once()
    world.pods_come()
    plan = world.pass_once()
    assert world.status.replicas == 4
    assert plan.wake_at is not None
    world.now = plan.wake_at
    world.pass_once()
    assert world.status.replicas == 1


def test_more_pods_in_the_bake_are_for_the_revision_that_serves() -> None:
    """Where the cluster is full, stable's idle pods are the room that the autoscaler asks for."""
    world = first()
    old, new = release(world)
    promote(world, new)
    scale(world, 6)
    assert sizes(world, old, new) == [4, 6]
    world.workloads[new] = replace(world.workloads[new], ready=4, settled=4, waiting=NO_GPU)
    bake_ends = candidate_of(world).bake_until
    assert bake_ends is not None
    world.now = bake_ends
    world.pass_once()
    world.pass_once()
    assert stable_of(world) == new
    assert sizes(world, old) == [0]


def test_scaled_to_zero_in_mid_run_nothing_is_promoted_unjudged() -> None:
    world = first()
    old, new = release(world)
    world.judge = lambda w: judged(Verdict.NOT_ENOUGH_EVIDENCE)
    scale(world, 0)
    world.run(100)
    assert sizes(world, old, new) == [4, 2]
    assert world.route.weights == {old: 50, new: 50}
    world.command = f"abort {new}"
    world.settle()
    world.run(10)
    assert sizes(world, old, new) == [0, 0]
    assert world.ready()[1] == reasons.ROLLED_BACK


def test_a_model_at_zero_takes_a_new_revision_at_once() -> None:
    world = first()
    scale(world, 0)
    _, new = release(world)
    assert stable_of(world) == new
    scale(world, 2)
    assert sizes(world, new) == [2]


IN_PLACE = {"strategy": "InPlace", "steps": None}


def test_in_place_a_settled_model_follows_its_replicas_down() -> None:
    world = first(**IN_PLACE)
    scale(world, 2)
    assert sizes(world, world.wanted) == [2]


def test_in_place_whoever_serves_keeps_the_size_of_before() -> None:
    world = first(**IN_PLACE)
    old, new = release(world)
    assert candidate_of(world).phase == "Baking"
    assert world.status.selector == f"serinus.dev/revision={new}"
    scale(world, 1)
    assert sizes(world, old, new) == [0, 4]
    world.run(30)
    assert sizes(world, new) == [1]


@pytest.mark.parametrize(("waiting", "ends"), [(NO_GPU, False), (CRASHING, True)])
def test_a_crash_loop_of_a_minute_is_given_up_and_a_lack_of_room_is_not(waiting: Waiting, ends: bool) -> None:
    world = first(progressDeadline="30m")
    old, new = change(world)
    world.frozen_pods[new] = waiting
    world.settle()
    world.run(58)
    assert world.condition("Ready") == waiting.reason
    world.run(4)
    assert (world.status.candidate is None) is ends
    assert world.condition("Stalled") == (reasons.CRASH_LOOPING if ends else None)
    assert world.route.weights == {old: 100}


def test_a_container_that_runs_between_two_ends_still_counts_as_crashing() -> None:
    world = first(progressDeadline="30m")
    _, new = change(world)
    world.frozen_pods[new] = CRASHING
    world.settle()
    world.run(30)
    writes = world.status_writes
    world.frozen_pods[new] = None
    world.run(40)
    assert world.condition("Ready") == reasons.CRASH_LOOPING
    assert world.status_writes <= writes + 1, "which is no news, but for the wording"
    assert candidate_of(world).revision == new, "it runs at this moment"
    world.frozen_pods[new] = CRASHING
    world.run(2)
    assert world.status.candidate is None


def test_pods_that_came_after_a_crash_start_with_a_clean_slate() -> None:
    world = first(progressDeadline="30m")
    _, new = change(world)
    world.frozen_pods[new] = CRASHING
    world.settle()
    world.run(30)
    assert candidate_of(world).crashing_since is not None
    world.frozen_pods.clear()
    world.run(3)
    assert candidate_of(world).crashing_since is None


def test_what_the_scheduler_says_anew_is_told_within_half_a_minute_and_not_more_often() -> None:
    world = first(progressDeadline="30m")
    _, new = change(world)
    world.frozen_pods[new] = NO_GPU
    world.settle()
    writes = world.status_writes
    for second in range(29):
        world.frozen_pods[new] = replace(NO_GPU, message=f"0/5 nodes are available: {second}")
        world.run(1)
    assert world.status_writes == writes
    plan = world.pass_once()
    assert plan.wake_at is not None
    world.now = plan.wake_at
    world.settle()
    assert world.status_writes == writes + 1
    ready = next(one for one in world.status.conditions if one.type == "Ready")
    assert ready.message.endswith("0/5 nodes are available: 28")
