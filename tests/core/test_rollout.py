"""The life of a release, told as stories."""

from dataclasses import replace
from datetime import timedelta

import pytest

from serinus.api import reasons
from serinus.core.judge import Verdict
from serinus.core.plan import ApplyRoute, ApplyService, ApplyWorkload
from serinus.core.snapshot import Check, Problem, RouteView, Waiting
from tests.core.world import CutOffError, World, judged, spec


def first(**changes: object) -> World:
    """A world in which the first revision serves."""
    world = World(spec(**changes))
    world.settle()
    assert world.ready() == ("True", reasons.SERVING)
    return world


def test_the_first_revision_serves_as_soon_as_its_pods_are_ready() -> None:
    world = World(spec())
    world.pass_once()
    assert world.condition("Ready") == reasons.DEPLOYING
    assert world.weights == []
    world.pods_come()
    world.settle()
    assert world.route.weights == {world.wanted: 100}
    assert world.services[world.name] == world.wanted
    assert world.ready() == ("True", reasons.SERVING)


def test_a_good_revision_climbs_its_steps_and_is_promoted_after_the_bake() -> None:
    world = first()
    old = world.wanted
    new = world.apply("m:2")
    world.settle()
    world.run(19)
    assert [w.get(new) for w in world.weights if new in w] == [5, 50]
    world.run(3)
    assert world.route.weights == {new: 100}
    assert world.status.stable is not None
    assert world.status.stable.revision == old, "stable only changes after the bake"
    assert world.workloads[old].wanted == 2, "the old revision keeps its size through the bake"
    world.run(20)
    assert world.status.stable.revision == new
    assert world.workloads[old].wanted == 0
    assert world.workloads[new].wanted == 2
    assert (world.revisions[new].phase, world.revisions[old].phase) == ("Stable", "Retired")
    assert world.ready() == ("True", reasons.SERVING)
    assert world.services[world.name] == new


def test_a_five_step_rollout_costs_at_most_twenty_writes() -> None:
    steps = [{"weight": w, "hold": "10s"} for w in (5, 25, 50, 75)]
    rollout = {"steps": steps, "bake": "20s", "drain": "10s"}  # as in the presets, the shorter one
    world = first(rollout=rollout)
    world.log.clear()
    world.apply("m:2", rollout=rollout)
    world.settle()
    world.run(90)
    assert world.ready() == ("True", reasons.SERVING)
    assert len(world.log) <= 20, world.log


def test_a_settled_object_costs_nothing() -> None:
    world = first()
    world.log.clear()
    world.run(600, step=30)
    assert world.log == []


def test_bad_goes_back_route_first_then_selector_then_memory_then_status() -> None:
    world = first()
    old = world.wanted
    new = world.apply("m:2")
    world.settle()
    assert world.route.weights == {old: 95, new: 5}
    world.judge = lambda w: judged(Verdict.BAD, first_bad_at=w.now - timedelta(seconds=2))
    world.log.clear()
    world.pass_once()
    kinds = [type(a).__name__ if a != "status" else a for a in world.log]
    assert kinds[:4] == ["ApplyRoute", "ApplyService", "MarkRevision", "status"]
    assert world.log[0] == ApplyRoute({old: 100})
    assert world.log[1] == ApplyService(new, old)
    assert world.revisions[new].phase == "Rejected"
    assert world.ready() == ("False", reasons.ROLLED_BACK)
    assert world.condition("Stalled") == reasons.ANALYSIS_FAILED
    assert world.workloads[new].wanted == 1, "pods stay until they have drained"
    world.judge = lambda w: None
    world.run(6)
    assert world.workloads[new].wanted == 0
    world.log.clear()
    world.run(100, step=10)
    assert world.log == [], "the same revision is not tried again"


def test_bad_goes_back_however_unready_everything_is() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.settle()
    for name in (old, new):
        world.workloads[name] = replace(world.workloads[name], ready=0, settled=0)
    world.route = replace(world.route, accepted=False)
    world.problems = (Problem(reasons.GATEWAY_NOT_FOUND, "gone"),)
    world.spec = world.spec.model_copy(update={"paused": True})
    world.judge = lambda w: judged(Verdict.BAD)
    world.pass_once()
    assert world.route.weights == {old: 100}


def test_a_candidate_without_a_ready_pod_has_no_traffic_until_its_pods_are_back() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.settle()
    assert world.route.weights == {old: 95, new: 5}
    world.workloads[new] = replace(world.workloads[new], ready=0, settled=0)
    world.pass_once()
    assert world.route.weights == {old: 100}
    assert world.ready() == ("False", reasons.CANARY_PROGRESSING), "it is not rejected for that"
    world.run(2)
    assert world.route.weights == {old: 95, new: 5}


def test_pods_that_are_ready_but_new_to_the_gateway_keep_their_traffic() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.settle()
    world.workloads[new] = replace(world.workloads[new], settled=0)
    world.pass_once()
    assert world.route.weights == {old: 95, new: 5}


def test_where_stable_has_no_ready_pod_either_the_traffic_stays_as_it_is() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.settle()
    for name in (old, new):
        world.workloads[name] = replace(world.workloads[name], ready=0, settled=0)
    world.pass_once()
    assert world.route.weights == {old: 95, new: 5}


def test_unknown_metrics_hold_and_never_reject() -> None:
    world = first()
    new = world.apply("m:2")
    world.settle()
    world.judge = lambda w: judged(Verdict.CANNOT_MEASURE)
    world.run(600, step=5)
    assert world.route.weights[new] == 5
    assert world.ready() == ("False", reasons.HOLDING)
    assert world.condition("MetricsHealthy") == reasons.UNREACHABLE
    world.judge = lambda w: judged()
    world.run(60)
    assert world.ready() == ("True", reasons.SERVING)


def test_unknown_metrics_do_not_even_start() -> None:
    world = first()
    world.judge = lambda w: judged(Verdict.CANNOT_MEASURE)
    new = world.apply("m:2")
    world.run(30)
    assert new not in world.route.weights


@pytest.mark.parametrize(
    ("choice", "ends"),
    [("Hold", reasons.HOLDING), ("Rollback", reasons.ROLLED_BACK), ("Proceed", reasons.SERVING)],
)
def test_after_max_hold_the_users_choice_decides(choice: str, ends: str) -> None:
    rollout = {
        "steps": [{"weight": 5, "hold": "10s"}],
        "bake": "5s",
        "analysis": {"maxHold": "30s", "onInconclusive": choice},
    }
    world = first(rollout=rollout)
    world.apply("m:2", rollout=rollout)
    world.settle()
    world.judge = lambda w: judged(Verdict.NOT_ENOUGH_EVIDENCE)
    world.run(120)
    assert world.ready()[1] == ends


def test_a_split_that_differs_holds() -> None:
    world = first()
    new = world.apply("m:2")
    world.judge = lambda w: judged(traffic=Check("False", reasons.SPLIT_DIFFERS, "differs"))
    world.run(60)
    assert world.route.weights[new] == 5
    assert world.ready() == ("False", reasons.HOLDING)


def test_a_new_revision_in_mid_run_sends_traffic_to_stable_first() -> None:
    world = first()
    old, second = world.wanted, world.apply("m:2")
    world.settle()
    third = world.apply("m:3")
    world.log.clear()
    world.pass_once()
    assert world.log[0] == ApplyRoute({old: 100})
    assert world.revisions[second].phase == "Superseded"
    world.run(80)
    assert world.status.stable is not None
    assert world.status.stable.revision == third
    assert world.workloads[second].wanted == 0


def test_putting_the_promoted_spec_back_is_an_abort() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.settle()
    world.apply("m:1")
    world.settle()
    assert world.route.weights == {old: 100}
    assert world.ready() == ("True", reasons.SERVING)
    assert world.revisions[new].phase == "Rejected"


def test_a_rejected_revision_starts_again_only_when_retried() -> None:
    world = first()
    new = world.apply("m:2")
    world.settle()
    world.judge = lambda w: judged(Verdict.BAD)
    world.settle()
    world.judge = lambda w: judged()
    world.apply("m:1")
    world.run(10)
    world.apply("m:2")
    world.run(10)
    assert world.status.candidate is None
    world.command = f"retry {new}"
    world.settle()
    assert world.status.candidate is not None
    assert world.status.candidate.step == 1
    assert world.status.last_command is not None
    assert world.status.last_command.outcome == "Accepted"
    assert world.services[new] == new, "its Service leads to its own pods again"
    world.run(60)
    assert world.ready() == ("True", reasons.SERVING)


def test_returning_inside_the_rollback_window_skips_the_steps() -> None:
    world = first()
    old = world.wanted
    world.apply("m:2")
    world.settle()
    world.run(60)
    world.weights.clear()
    world.apply("m:1")
    world.settle()
    assert world.weights == [{old: 100}]
    world.run(30)
    assert world.ready() == ("True", reasons.SERVING)


def test_undo_returns_to_the_previous_revision_and_remembers() -> None:
    world = first()
    old = world.wanted
    new = world.apply("m:2")
    world.settle()
    world.run(60)
    world.command = f"undo {new}"
    world.settle()
    assert world.route.weights == {old: 100}
    world.run(40)
    assert world.status.stable is not None
    assert world.status.stable.revision == old
    assert world.ready() == ("False", reasons.ROLLED_BACK)
    assert world.workloads[new].wanted == 0
    assert world.revisions[new].phase == "Rejected"
    assert world.events.count(reasons.UNDONE) == 1


def test_pause_holds_resume_goes_on() -> None:
    world = first()
    new = world.apply("m:2")
    world.settle()
    world.command = f"pause {new}"
    world.run(100, step=5)
    assert world.route.weights[new] == 5
    assert world.ready() == ("False", reasons.PAUSED)
    world.command = f"resume {new}"
    world.run(60)
    assert world.ready() == ("True", reasons.SERVING)


def test_a_pause_step_waits_for_a_person_and_rolls_back_all_the_same() -> None:
    rollout = {"steps": [{"weight": 5, "hold": "5s"}, {"pause": {}}, {"weight": 50, "hold": "5s"}], "bake": "5s"}
    world = first(rollout=rollout)
    old, new = world.wanted, world.apply("m:2", rollout=rollout)
    world.run(4000, step=20)
    assert world.ready() == ("False", reasons.PAUSED)
    assert world.events.count(reasons.PAUSED) == 1
    assert world.route.weights[new] == 5
    world.judge = lambda w: judged(Verdict.BAD)
    world.settle()
    assert world.route.weights == {old: 100}


@pytest.mark.parametrize(("verb", "weight"), [("skip-step", 50), ("promote", 100)])
def test_skip_step_and_promote_need_pods_but_no_evidence(verb: str, weight: int) -> None:
    world = first()
    new = world.apply("m:2")
    world.settle()
    world.judge = lambda w: judged(Verdict.NOT_ENOUGH_EVIDENCE)
    world.command = f"{verb} {new}"
    world.settle()
    assert world.route.weights[new] == weight


def test_a_pause_step_with_a_time_goes_on_by_itself() -> None:
    rollout = {"steps": [{"weight": 5, "hold": "5s"}, {"pause": {"for": "30s"}}], "bake": "5s"}
    world = first(rollout=rollout)
    world.apply("m:2", rollout=rollout)
    world.run(25)
    assert world.ready() == ("False", reasons.PAUSED)
    world.run(40)
    assert world.ready() == ("True", reasons.SERVING)


def test_a_command_for_another_revision_is_ignored_and_said() -> None:
    world = first()
    world.apply("m:2")
    world.command = "promote m-00000000"
    world.settle()
    assert world.status.last_command is not None
    assert world.status.last_command.outcome == "Ignored"


def test_abort_by_command_rejects() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.settle()
    world.command = f"abort {new} looks odd"
    world.settle()
    assert world.route.weights == {old: 100}
    assert world.condition("Stalled") == reasons.ABORTED
    assert world.status.last_command is not None
    assert world.status.last_command.outcome == "Accepted"


def test_no_capacity_stops_the_clock_and_says_the_schedulers_words() -> None:
    world = first()
    new = world.apply("m:2")
    words = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    world.frozen_pods[new] = Waiting(reasons.WAITING_FOR_CAPACITY, words, stops_clock=True)
    world.run(1000, step=10)
    assert world.ready() == ("False", reasons.WAITING_FOR_CAPACITY)
    assert words in next(c.message for c in world.status.conditions if c.type == "Ready")
    assert new not in world.route.weights
    del world.frozen_pods[new]
    world.run(60)
    assert world.ready() == ("True", reasons.SERVING)


def test_pods_that_never_come_end_at_the_deadline() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.frozen_pods[new] = Waiting(reasons.DEPLOYING, "ErrImagePull: no such image", stops_clock=False)
    world.run(50)
    assert world.status.candidate is not None
    world.run(20)
    assert world.condition("Stalled") == reasons.DEADLINE_EXCEEDED
    assert world.route.weights == {old: 100}
    assert world.workloads[new].wanted == 0


LONG_STEPS = {
    "steps": [{"weight": 20, "hold": "10m"}, {"weight": 60, "hold": "10m"}],
    "bake": "10m",
    "progressDeadline": "60s",
}


def test_pods_that_crash_again_and_again_are_not_waited_for() -> None:
    world = World(spec())
    world.settle()
    old = world.wanted
    new = world.apply("m:2")
    world.frozen_pods[new] = Waiting(reasons.CRASH_LOOPING, "after 2 restarts", stops_clock=False)
    world.run(5)
    assert world.status.candidate is not None
    world.frozen_pods[new] = Waiting(reasons.CRASH_LOOPING, "after 3 restarts", stops_clock=False, hopeless=True)
    world.run(2)
    assert world.status.candidate is None
    assert world.status.rejected is not None
    assert world.status.rejected.reason == reasons.CRASH_LOOPING
    assert world.route.weights == {old: 100}


def test_a_step_may_last_longer_than_the_deadline_of_its_pods() -> None:
    world = first(replicas=5, rollout=LONG_STEPS)
    world.apply("m:2", replicas=5, rollout=LONG_STEPS)
    world.run(1900, step=10)
    assert world.ready() == ("True", reasons.SERVING)
    assert reasons.DEADLINE_EXCEEDED not in world.events


def test_pods_lost_in_the_middle_of_a_step_get_the_whole_deadline_to_return() -> None:
    world = first(replicas=5, rollout=LONG_STEPS)
    old, new = world.wanted, world.apply("m:2", replicas=5, rollout=LONG_STEPS)
    world.run(300)
    world.frozen_pods[new] = Waiting(reasons.DEPLOYING, "CrashLoopBackOff", stops_clock=False)
    world.run(50)
    assert world.status.candidate is not None
    del world.frozen_pods[new]
    world.run(300)
    assert world.route.weights == {old: 40, new: 60}
    world.frozen_pods[new] = Waiting(reasons.DEPLOYING, "CrashLoopBackOff", stops_clock=False)
    world.run(50)
    assert world.status.candidate is not None
    world.run(20)
    assert world.condition("Stalled") == reasons.DEADLINE_EXCEEDED
    assert world.route.weights == {old: 100}


def test_scaled_to_zero() -> None:
    world = first()
    world.apply("m:1", replicas=0)
    world.settle()
    assert world.ready() == ("True", reasons.SCALED_TO_ZERO)
    assert world.condition("Available") == reasons.SCALED_TO_ZERO


def test_history_keeps_to_its_limit() -> None:
    world = first(revisionHistoryLimit=2)
    for number in range(2, 7):
        world.apply(f"m:{number}", revisionHistoryLimit=2)
        world.settle()
        world.run(60)
    assert len(world.revisions) == 3
    assert set(world.workloads) == set(world.revisions)


def test_problems_stop_progress_and_leave_what_serves_alone() -> None:
    world = first()
    old = world.wanted
    world.apply("m:2")
    world.problems = (Problem(reasons.PROVIDER_NOT_FOUND, "no provider"),)
    world.run(30)
    assert world.route.weights == {old: 100}
    assert world.condition("Stalled") == reasons.PROVIDER_NOT_FOUND
    world.problems = ()
    world.run(60)
    assert world.ready() == ("True", reasons.SERVING)


def test_a_weight_lost_by_hand_comes_back_only_on_known_metrics() -> None:
    world = first()
    old, new = world.wanted, world.apply("m:2")
    world.settle()
    world.route = RouteView(exists=True, weights={old: 100}, accepted=True)
    world.judge = lambda w: None
    world.settle()
    assert world.route.weights == {old: 100}
    world.judge = lambda w: judged()
    world.settle()
    assert world.route.weights == {old: 95, new: 5}


def test_stable_never_shrinks_while_a_candidate_is_there() -> None:
    world = first()
    old = world.wanted
    world.apply("m:2", replicas=1)
    world.settle()
    assert world.workloads[old].wanted == 2
    world.run(60)
    assert sum(w.wanted for w in world.workloads.values()) == 1


def test_a_change_to_pod_counts_removes_the_route() -> None:
    world = first()
    world.apply("m:1", route={"mode": "Replicas"})
    world.settle()
    assert world.route.exists is False
    assert world.services["m"] == world.wanted


def test_a_record_that_was_deleted_comes_back() -> None:
    world = first()
    del world.revisions[world.wanted]
    world.settle()
    assert world.revisions[world.wanted].phase == "Stable"


def story(world: World, bad: bool) -> None:
    world.apply("m:2")
    if bad:
        world.judge = lambda w: judged(Verdict.BAD if w.route.weights.get(w.wanted) else Verdict.GOOD)
    world.settle()
    world.run(70)


@pytest.mark.parametrize("bad", [False, True])
def test_cut_off_after_any_write_it_ends_the_same(bad: bool) -> None:
    whole = first()
    whole.log.clear()
    story(whole, bad)
    for cut in range(len(whole.log)):
        world = first()
        world.log.clear()
        world.cut_after = cut
        while True:
            try:
                if world.wanted == build_old():
                    world.apply("m:2")
                if bad:
                    world.judge = lambda w: judged(Verdict.BAD if w.route.weights.get(w.wanted) else Verdict.GOOD)
                world.settle()
                world.run(100)
                break
            except CutOffError:
                world.cut_after = None
                world.pods_come()
        assert world.cut_after is None, f"cut {cut} was never reached"
        assert world.route.weights == whole.route.weights, cut
        assert world.ready() == whole.ready(), cut
        assert {n: w.wanted for n, w in world.workloads.items()} == {n: w.wanted for n, w in whole.workloads.items()}
        assert {n: r.phase for n, r in world.revisions.items()} == {n: r.phase for n, r in whole.revisions.items()}


def build_old() -> str:
    return World(spec()).wanted


def test_without_a_gateway_pod_counts_split_and_rollback_is_one_selector() -> None:
    world = first(replicas=4, route={"mode": "Replicas"})
    old = world.wanted
    assert world.services["m"] == old
    new = world.apply("m:2", replicas=4, route={"mode": "Replicas"})
    world.settle()
    assert world.services["m"] == "*"
    assert (world.workloads[old].wanted, world.workloads[new].wanted) == (4, 1)
    world.judge = lambda w: judged(Verdict.BAD)
    world.log.clear()
    world.pass_once()
    assert world.log[0] == ApplyService("m", old)
    world.run(20)
    assert ApplyWorkload(new, 0) in world.log


def test_a_return_waits_for_nothing_that_is_wrong_with_the_way_on() -> None:
    """ConfigMaps of the spec that are gone, say: what is returned to has its own."""
    world = first()
    old = world.wanted
    new = world.apply("m:2")
    world.run(60)
    assert world.route.weights == {new: 100}
    world.problems = (Problem("ConfigMapNotFound", "there is no ConfigMap 'features' here"),)
    world.readable = False
    world.command = f"undo {new}"
    world.run(5)
    assert world.route.weights == {old: 100}
