"""Rehearsal, holdback, suspicion, and what happens after promotion."""

from datetime import timedelta

from serinus.api import reasons
from serinus.api.status import EvidenceState
from serinus.core.judge import Verdict
from tests.core.world import World, judged, spec

WATCH = {"for": "1h"}


def serving(**rollout: object) -> World:
    world = World(spec("m:1", rollout=rollout))
    world.settle()
    world.settle()
    return world


def promoted(**rollout: object) -> tuple[World, str, str]:
    """A world in which a second revision was promoted."""
    world = serving(**rollout)
    old = world.wanted
    new = world.apply("m:2", rollout=rollout)
    world.judge = lambda w: judged(evidence=(EvidenceState(metric="errors", candidate_total=1000),))
    world.settle()
    world.run(1200, step=10)
    assert world.status.candidate is None
    assert world.status.stable is not None
    assert world.status.stable.revision == new
    return world, old, new


STEPS = [{"weight": 20, "hold": "10s"}, {"weight": 50, "hold": "10s"}]


def test_a_rehearsal_says_what_it_would_have_done_and_does_nothing() -> None:
    rollout = {"steps": STEPS, "bake": "10s", "analysis": {"mode": "Rehearse"}}
    world = serving(**rollout)
    new = world.apply("m:2", rollout=rollout)
    world.judge = lambda w: judged(Verdict.BAD)
    world.settle()
    world.run(10)
    candidate = world.status.candidate
    assert candidate is not None
    assert candidate.weight >= 20
    assert (candidate.rehearsed or "").startswith(f"would have rolled back {new} at 10:0")
    assert "the judge says Bad" in (candidate.rehearsed or "")
    world.run(120)
    assert world.status.stable is not None
    assert world.status.stable.revision == new
    assert world.events.count(reasons.WOULD_HAVE_ROLLED_BACK) == 1
    assert "rehearsed: would have rolled back" in (world.revisions[new].message or "")


def test_a_rehearsal_waits_for_no_metrics() -> None:
    rollout = {"steps": STEPS, "bake": "10s", "analysis": {"mode": "Rehearse"}}
    world = serving(**rollout)
    new = world.apply("m:2", rollout=rollout)
    world.judge = lambda w: judged(Verdict.CANNOT_MEASURE)
    world.settle()
    world.run(120)
    assert world.status.stable is not None
    assert world.status.stable.revision == new


def test_holdback_keeps_a_share_on_the_old_revision_during_the_bake() -> None:
    rollout = {"steps": STEPS, "bake": "30s", "holdback": 5}
    world = serving(**rollout)
    old, new = world.wanted, world.apply("m:2", rollout=rollout)
    world.settle()
    world.run(25)
    assert world.status.candidate is not None
    assert world.status.candidate.phase == "Baking"
    assert world.route.weights == {old: 5, new: 95}
    world.run(60)
    assert world.route.weights == {new: 100}
    assert world.status.stable is not None
    assert world.status.stable.weight == 100


def test_a_bad_verdict_during_a_held_back_bake_goes_back() -> None:
    rollout = {"steps": STEPS, "bake": "30s", "holdback": 5}
    world = serving(**rollout)
    old = world.wanted
    world.apply("m:2", rollout=rollout)
    world.settle()
    world.run(25)
    world.judge = lambda w: judged(Verdict.BAD)
    world.settle()
    assert world.route.weights == {old: 100}


def test_a_suspicion_holds_even_where_the_user_would_go_on() -> None:
    rollout = {"steps": STEPS, "bake": "10s", "analysis": {"maxHold": "20s", "onInconclusive": "Proceed"}}
    world = serving(**rollout)
    new = world.apply("m:2", rollout=rollout)
    world.settle()
    world.judge = lambda w: judged(Verdict.NOT_ENOUGH_EVIDENCE, suspicious=True)
    world.run(300, step=5)
    assert world.status.candidate is not None
    assert world.route.weights[new] == 20
    assert world.ready() == ("False", reasons.HOLDING)


def test_without_a_watch_nothing_is_kept_for_it() -> None:
    world, _, _ = promoted(steps=STEPS, bake="10s")
    assert world.status.stable is not None
    assert world.status.stable.watch_until is None
    assert world.status.stable.baseline == ()


def test_a_slow_change_raises_a_condition_and_is_told_once() -> None:
    world, _, new = promoted(steps=STEPS, bake="10s", analysis={"watch": WATCH})
    assert world.status.stable is not None
    assert world.status.stable.baseline[0].candidate_total == 1000
    world.watcher = lambda w: judged(Verdict.BAD)
    world.run(30)
    assert world.condition("Degrading") == reasons.SLOW_DEGRADATION
    assert world.events.count(reasons.SLOW_DEGRADATION) == 1
    assert world.status.stable.revision == new, "an alert moves no traffic"
    assert world.ready() == ("True", reasons.SERVING)


def test_a_slow_change_goes_back_where_that_is_allowed() -> None:
    world, old, new = promoted(steps=STEPS, bake="10s", analysis={"watch": {**WATCH, "onDegradation": "Rollback"}})
    world.watcher = lambda w: judged(Verdict.BAD)
    world.settle()
    world.watcher = lambda w: judged()
    world.run(60)
    assert world.route.weights == {old: 100}
    assert world.revisions[new].phase == "Rejected"
    assert world.ready() == ("False", reasons.ROLLED_BACK)


def test_the_watch_ends() -> None:
    world, _, _ = promoted(steps=STEPS, bake="10s", analysis={"watch": WATCH})
    world.now += timedelta(hours=2)
    world.watcher = lambda w: judged(Verdict.BAD)
    world.settle()
    assert world.condition("Degrading") is None


def test_unknown_metrics_during_the_watch_change_nothing() -> None:
    world, _, new = promoted(steps=STEPS, bake="10s", analysis={"watch": {**WATCH, "onDegradation": "Rollback"}})
    world.watcher = lambda w: judged(Verdict.CANNOT_MEASURE)
    world.run(60)
    assert world.route.weights == {new: 100}
    assert world.ready() == ("True", reasons.SERVING)
