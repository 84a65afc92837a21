"""Before its first step a candidate gets mirrored requests; nobody sees an answer of it before it is known to be
good."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serinus.api.status import EvidenceState
from serinus.core.judge import Verdict
from serinus.core.plan import ApplyRoute
from serinus.core.snapshot import Check, Mirror
from tests.core.test_approval import serving
from tests.core.test_validation import begin, check, end
from tests.core.world import CutOffError, World, judged

AWAY = Check("False", "SplitDiffers", "3 requests mirrored for 1,000")


def rollout(**more: Any) -> dict[str, Any]:
    base = {
        "strategy": "Shadow",
        "shadow": {"hold": "30s"},
        "steps": [{"weight": 20, "hold": "10s"}],
        "bake": "10s",
        "drain": "5s",
        "progressDeadline": "60s",
        "analysis": {"maxHold": "60s"},
    }
    return {**base, **more}


def release(**more: Any) -> tuple[World, str, str]:
    """A world with a candidate in its shadow time; names of stable and candidate."""
    world = serving()
    old = world.wanted
    new = world.apply("m:2", rollout=rollout(**more))
    world.run(3)
    return world, old, new


def phase(world: World) -> str | None:
    return world.status.candidate.phase if world.status.candidate else None


def routes(world: World) -> list[ApplyRoute]:
    return [entry for entry in world.log if isinstance(entry, ApplyRoute)]


def test_requests_are_mirrored_first_and_then_it_is_a_canary() -> None:
    world, old, new = release()
    assert phase(world) == "Shadowing"
    assert world.status.phase == "Shadowing"
    assert world.ready() == ("False", "Shadowing")
    assert (world.route.weights, world.route.mirror) == ({old: 100}, Mirror(new, 100))
    world.run(30)
    assert (world.route.weights, world.route.mirror) == ({old: 80, new: 20}, None)
    world.run(40)
    assert world.ready() == ("True", "Serving")
    assert (world.route.weights, world.route.mirror) == ({new: 100}, None)
    assert [r for r in routes(world) if r.mirror and new in r.weights] == [], "never both at once"


def test_it_lasts_at_least_as_long_as_asked_and_says_what_has_been_seen() -> None:
    world, _, _ = release(shadow={"hold": "30s", "percent": 50})
    said = next(c.message for c in world.status.conditions if c.type == "Ready")
    assert said.startswith("50% of the requests are mirrored to")
    world.judge = lambda world: judged(Verdict.NOT_ENOUGH_EVIDENCE)
    world.run(1)
    said = next(c.message for c in world.status.conditions if c.type == "Ready")
    assert said.endswith("so far the judge says NotEnoughEvidence")
    world.judge = lambda world: judged()
    world.run(25)
    assert phase(world) == "Shadowing"
    world.run(10)
    assert phase(world) == "Progressing"
    assert world.route.mirror is None


@pytest.mark.parametrize(("percent", "replicas", "pods"), [(100, 4, 4), (50, 4, 2), (10, 4, 1)])
def test_the_candidate_is_sized_for_the_share_that_is_mirrored(percent: int, replicas: int, pods: int) -> None:
    world = serving()
    new = world.apply("m:2", replicas=replicas, rollout=rollout(shadow={"hold": "30s", "percent": percent}))
    world.run(5)
    assert world.workloads[new].wanted == pods


def test_bad_takes_the_mirror_away_first_and_rejects() -> None:
    world, old, new = release()
    world.log.clear()
    world.judge = lambda world: judged(Verdict.BAD)
    world.pass_once()
    assert world.log[0] == ApplyRoute({old: 100})
    world.settle()
    rejected = world.status.rejected
    assert rejected is not None
    assert (rejected.revision, rejected.reason) == (new, "AnalysisFailed")
    assert rejected.message == "the judge says Bad; it had mirrored requests only, no client saw its answers to them"
    assert all(new not in weights for weights in world.weights)
    assert world.workloads[new].wanted == 0
    assert world.services[new] == new, "mirrored requests must not be led to stable, which has answered them already"


@pytest.mark.parametrize("cut", range(8))
def test_a_rejection_that_is_cut_off_is_finished(cut: int) -> None:
    world, old, new = release()
    world.judge = lambda world: judged(Verdict.BAD)
    world.cut_after = cut
    try:
        world.settle()
    except CutOffError:
        assert world.route.mirror is None or cut == 0
    world.cut_after = None
    world.settle()
    assert (world.route.weights, world.route.mirror) == ({old: 100}, None)
    assert world.status.rejected is not None
    assert world.status.rejected.revision == new


@pytest.mark.parametrize("cut", range(8))
def test_a_first_step_that_is_cut_off_never_gives_more_than_the_status_says(cut: int) -> None:
    world, _, new = release()
    world.now += timedelta(seconds=40)
    world.cut_after = cut
    try:
        world.settle()
    except CutOffError:
        candidate = world.status.candidate
        assert candidate is not None
        assert world.route.weights.get(new, 0) <= candidate.weight
    world.cut_after = None
    world.settle()
    assert (world.route.weights[new], world.route.mirror) == (20, None)


@pytest.mark.parametrize(
    "judgement",
    [
        None,
        judged(Verdict.CANNOT_MEASURE),
        judged(Verdict.NOT_ENOUGH_EVIDENCE),
        judged(traffic=AWAY),
    ],
)
def test_unknown_holds_and_never_leads_to_a_first_step(judgement: Any) -> None:
    world, old, new = release()
    world.judge = lambda world: judgement
    world.run(300, step=10)
    assert world.ready() == ("False", "Holding")
    assert (world.route.weights, world.route.mirror) == ({old: 100}, Mirror(new, 100))


def test_nothing_is_mirrored_before_the_checks_and_an_approval() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout(validation=[check()], approval={"required": "BeforeTraffic"}))
    world.run(5)
    assert world.ready() == ("False", "Validating")
    end(world, f"{new}-cases", '{"recall": 0.95}')
    world.run(30)
    assert world.ready() == ("False", "AwaitingApproval")
    assert not any(route.mirror for route in routes(world))
    world.command = f"approve {new}"
    world.run(3)
    assert world.route.mirror == Mirror(new, 100)
    world.run(80)
    assert world.ready() == ("True", "Serving"), "one approval is enough"


def scored(**more: Any) -> tuple[World, str, str]:
    world, old, new = release(
        validation=[check()], shadow={"hold": "30s", "scoring": [check("agreement", **more)]}, approval=None
    )
    end(world, f"{new}-cases", '{"recall": 0.95}')
    world.run(2)
    assert world.route.mirror == Mirror(new, 100)
    assert f"{new}-agreement" not in world.checks, "scored at the end"
    world.run(32)
    return world, old, new


def test_scoring_comes_at_the_end_and_opens_the_way() -> None:
    world, _, new = scored()
    job = f"{new}-agreement"
    begin(world, job)
    world.run(100)
    assert world.ready() == ("False", "Shadowing")
    assert world.route.mirror == Mirror(new, 100)
    end(world, job, '{"recall": 0.99}')
    world.run(3)
    assert world.route.weights[new] == 20
    assert world.status.candidate is not None
    found = [(one.name, one.outcome) for one in world.status.candidate.validation]
    assert found == [("cases", "Passed"), ("agreement", "Passed")]


def test_scoring_that_fails_rejects_with_the_numbers() -> None:
    world, old, new = scored()
    end(world, f"{new}-agreement", '{"recall": 0.4}')
    world.settle()
    rejected = world.status.rejected
    assert rejected is not None
    assert rejected.reason == "ValidationFailed"
    assert "agreement: recall 0.4, at least 0.9 is asked for; it had mirrored requests only" in rejected.message
    assert (world.route.weights, world.route.mirror) == ({old: 100}, None)


def test_scoring_that_says_nothing_holds() -> None:
    world, old, new = scored()
    end(world, f"{new}-agreement", "hello")
    world.run(100)
    assert world.ready() == ("False", "ValidationInconclusive")
    assert world.route.weights == {old: 100}


def test_scoring_that_only_warns_rejects_nobody() -> None:
    world, _, new = scored(severity="Warn")
    end(world, f"{new}-agreement", '{"recall": 0.4}')
    world.run(3)
    assert world.route.weights[new] == 20
    assert "ValidationWarned" in world.events


def test_the_first_step_begins_with_evidence_of_its_own() -> None:
    world, _, _ = release()
    world.judge = lambda world: judged(evidence=(EvidenceState(metric="errors", candidate_total=5000),))
    world.run(1)
    world.now += timedelta(seconds=40)
    plan = world.pass_once()
    assert plan.status.candidate is not None
    assert plan.status.candidate.phase == "Progressing"
    assert plan.status.candidate.evidence == ()
    assert plan.status.candidate.verdict is None


@pytest.mark.parametrize(("verb", "weight"), [("skip-step", 20), ("promote", 100)])
def test_a_person_may_end_the_shadow_time(verb: str, weight: int) -> None:
    world, _, new = release()
    world.command = f"{verb} {new}"
    world.run(2)
    assert (world.route.weights[new], world.route.mirror) == (weight, None)


def test_a_pause_keeps_the_mirror_and_a_rollback_does_not_wait_for_it() -> None:
    world, old, new = release()
    world.command = f"pause {new}"
    world.run(100)
    assert world.ready() == ("False", "Paused")
    assert world.route.mirror == Mirror(new, 100)
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert (world.route.weights, world.route.mirror) == ({old: 100}, None)


def test_a_newer_revision_takes_the_mirror_over_and_an_abort_removes_it() -> None:
    world, old, new = release()
    newer = world.apply("m:3", rollout=rollout())
    world.run(3)
    assert world.route.mirror == Mirror(newer, 100)
    assert world.workloads[new].wanted == 0
    world.command = f"abort {newer}"
    world.settle()
    assert (world.route.weights, world.route.mirror) == ({old: 100}, None)


def test_a_strategy_that_is_changed_in_between_ends_it() -> None:
    world, _, new = release()
    world.apply("m:2", rollout=rollout(strategy="Canary", shadow=None))
    world.settle()
    assert (world.route.weights[new], world.route.mirror) == (20, None)


def test_a_share_that_is_changed_in_between_is_put_into_force() -> None:
    world, _, new = release()
    world.apply("m:2", rollout=rollout(shadow={"hold": "30s", "percent": 10}))
    world.settle()
    assert world.route.mirror == Mirror(new, 10)


def test_a_mirror_that_another_hand_removes_comes_back() -> None:
    world, _, new = release()
    world._write(ApplyRoute(dict(world.route.weights)))
    world.settle()
    assert world.route.mirror == Mirror(new, 100)


def test_nothing_is_mirrored_to_a_service_that_the_gateway_may_not_know() -> None:
    world, old, new = release()
    pods = world.workloads[new]
    del world.services[new]
    world.workloads[new] = replace(pods, ready=0, settled=0)
    world.pass_once()
    assert (world.route.weights, world.route.mirror) == ({old: 100}, None)
    world.pass_once()
    assert world.services[new] == new
    assert world.route.mirror is None, "the Service is there, its pods are not known to be reachable"
    world.workloads[new] = pods
    world.settle()
    assert world.route.mirror == Mirror(new, 100)


def test_not_even_a_trace_of_real_requests_comes_before_the_first_step() -> None:
    world, old, new = release()
    world.route = replace(world.route, by_place=True)
    world.run(20)
    assert world.route.mirror == Mirror(new, 100)
    assert (world.route.weights, world.route.traces) == ({old: 100}, ())
    while world.route.mirror is not None:
        world.run(1)
    assert (world.route.weights, world.route.traces) == ({old: 100}, (new,))
    world.run(3)
    assert world.route.weights == {old: 80, new: 20}


def test_pods_that_come_and_go_do_not_move_the_mirror() -> None:
    world, _, new = release()
    world.log.clear()
    world.workloads[new] = replace(world.workloads[new], ready=0, settled=0)
    world.pass_once()
    assert world.route.mirror == Mirror(new, 100)
    assert routes(world) == []


def test_first_revisions_and_returns_have_nothing_to_be_mirrored() -> None:
    world = serving()
    old = world.wanted
    new = world.apply("m:2", rollout=rollout())
    world.run(100)
    assert world.route.weights == {new: 100}
    world.log.clear()
    world.apply("m:1", rollout=rollout())
    world.run(60)
    assert world.route.weights == {old: 100}
    assert not any(route.mirror for route in routes(world))


def test_without_steps_of_its_own_it_takes_those_of_the_preset() -> None:
    world, _, new = release(steps=None, shadow=None, preset="Fast")
    assert world.route.mirror == Mirror(new, 100)
    world.run(62)
    assert world.route.weights[new] == 20
