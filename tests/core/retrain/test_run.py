"""The life of a run: every way through it, and every way out of it."""

from datetime import timedelta
from typing import Any

import pytest

from serinus.api import retrainreasons as words
from serinus.api.runstatus import TERMINAL, GateResult
from serinus.core.retrain.approval import Approved, Ballot, Expired, Rejected, Waiting
from serinus.core.retrain.outcome import ChildView
from serinus.core.retrain.runview import Fate, Handed
from serinus.core.snapshot import Problem
from tests.core.retrain.runworld import CHAMPION, DIGEST, START, RunWorld, plan, results


def phases(world: RunWorld) -> list[str]:
    return [one.phase for one in world.status.transitions]


def stable(**changes: Any) -> Fate:
    return Fate(**({"revision": "fraud-2", "phase": "Stable", "promoted_at": START + timedelta(minutes=20)} | changes))


def test_a_good_run_goes_the_whole_way() -> None:
    world = RunWorld()
    assert world.train() == "Promoting"
    assert world.status.promotion is not None
    assert world.status.promotion.before == "models:/fraud/7"
    world.seen["fate"] = Fate("fraud-2", "Candidate", message="25%")
    world.settle()
    assert "fraud-2 is being released: 25%" in str(world.status.message)
    world.seen["fate"] = stable()
    assert world.later(minutes=10) == "Observing"
    world.seen["cleared_at"] = world.now
    assert world.later(minutes=59) == "Observing"
    assert world.later(minutes=2) == "Succeeded"
    assert phases(world)[-1] == "Succeeded"
    assert world.status.recovery_seconds == (30 + 20) * 60
    assert world.status.accelerator_seconds == 2 * 600
    stages = {one.stage: one.seconds for one in world.status.stages}
    assert stages["detect"] == 1800
    assert stages["train"] == 600
    assert (world.created, world.deleted) == (1, 0)
    assert world.events[-1] == words.BAKED


def test_a_terminal_run_never_changes_its_outcome() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = Fate("fraud-2", "Rejected", "AnalysisFailed", "errors 4% of 1,000")
    assert world.settle() == "RolledBack"
    before, writes = world.status, world.writes
    world.seen["fate"] = stable()
    world.seen["cancel"] = "too late"
    world.child = ChildView("Failed", "BackoffLimitExceeded")
    assert world.later(hours=100) == "RolledBack"
    assert (world.status, world.writes) == (before, writes)
    assert "errors 4% of 1,000" in str(world.status.message)


@pytest.mark.parametrize(
    ("child", "phase", "reason"),
    [
        (ChildView("Failed", "BackoffLimitExceeded", "it says no"), "Failed", words.TRAINING_FAILED),
        (ChildView("Errored", "Evicted", "the node went"), "Failed", words.TRAINING_ERROR),
        (ChildView("Absent"), "Lost", words.CHILD_LOST),
    ],
)
def test_a_training_that_does_not_succeed_ends_the_run(child: ChildView, phase: str, reason: str) -> None:
    world = RunWorld()
    world.settle()
    world.child = ChildView("Running", started_at=world.now)
    world.settle()
    world.child = child
    assert world.later(minutes=5) == phase
    assert world.status.reason == reason
    assert world.created == 1, "no second training"


def test_queued_and_running_have_clocks_of_their_own() -> None:
    world = RunWorld()
    world.settle()
    assert world.later(minutes=9) == "Queued"
    world.child = ChildView("Running", started_at=world.now)
    assert world.settle() == "Training"
    assert world.later(minutes=59) == "Training", "activeDeadline runs from the beginning of the training"
    assert world.later(minutes=2) == "Failed"
    assert world.status.reason == words.TRAINING_TIMEOUT
    assert world.deleted == 1, "what trains must not go on using accelerators"


def test_a_child_that_never_begins_is_given_up_and_removed() -> None:
    world = RunWorld()
    world.settle()
    world.child = ChildView("Queued", "WaitingForQuota", "no GPU left")
    assert world.later(minutes=11) == "Failed"
    assert world.status.reason == words.QUEUE_TIMEOUT
    assert "no GPU left" in str(world.status.message)
    assert world.deleted == 1


def test_a_kind_that_is_not_allowed_fails_with_its_name() -> None:
    world = RunWorld(seen={"child_problem": Problem(words.CHILD_REFUSED, "batch/v1 CronJob is not among the kinds")})
    assert world.settle() == "Failed"
    assert world.created == 0


def test_results_that_never_come_are_no_success() -> None:
    world = RunWorld(text=None)
    assert world.train() == "Collecting"
    assert "TerminationMessage" in str(world.status.message)
    assert world.later(minutes=6) == "Failed"
    assert world.status.reason == words.RESULTS_MISSING


@pytest.mark.parametrize(
    ("text", "phase", "reason"),
    [
        ("not JSON", "Failed", words.RESULTS_INVALID),
        (results(model__digest=None), "Rejected", words.NOT_PINNED),
        (results(data__digest=None), "Rejected", words.NOT_PINNED),
        (results(source=None), "Rejected", words.NOT_PINNED),
        (results(metrics__f1=0.5), "Rejected", words.GATES_FAILED),
        (results(metrics=None), "Rejected", words.GATES_FAILED),
        (results(model__digest=CHAMPION), "Skipped", words.NOTHING_NEW),
    ],
)
def test_what_the_results_say_decides(text: str, phase: str, reason: str) -> None:
    world = RunWorld(text=text)
    assert world.train() == phase
    assert world.status.reason == reason
    assert world.status.promotion is None


def test_a_digest_in_quarantine_is_not_promoted() -> None:
    world = RunWorld(seen={"held_digest": "errors 4%"})
    assert world.train() == "Rejected"
    assert world.status.reason == words.QUARANTINED


def test_a_registry_with_another_digest_is_believed() -> None:
    world = RunWorld(seen={"pinned": "sha256:" + "b" * 64})
    assert world.train() == "Rejected"
    assert world.status.reason == words.DIGEST_MISMATCH


def test_cancelled_in_mid_run_nothing_is_left() -> None:
    world = RunWorld()
    world.settle()
    world.child = ChildView("Running", started_at=world.now)
    world.settle()
    world.seen["cancel"] = "cancelled by command"
    assert world.settle() == "Cancelled"
    assert world.deleted == 1


def test_a_candidate_that_is_stable_is_not_cancelled() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = stable()
    world.settle()
    world.seen["cancel"] = "too late"
    assert world.settle() == "Observing"


ASKED = {"approval": {"required": "Always"}}


@pytest.mark.parametrize(
    ("outcome", "phase", "reason"),
    [
        (Approved(("ann",)), "Promoting", words.PROMOTING),
        (Rejected("bob", "smells"), "Rejected", words.APPROVAL_REJECTED),
        (Expired("0 of 1"), "Rejected", words.APPROVAL_EXPIRED),
        (Waiting("0 of 1", START + timedelta(days=3)), "AwaitingApproval", words.AWAITING_DECISION),
    ],
)
def test_people_decide_where_they_are_asked(outcome: Any, phase: str, reason: str) -> None:
    world = RunWorld(plan=plan(**ASKED))
    assert world.train() == "AwaitingApproval"
    world.seen["ballot"] = Ballot(outcome)
    assert world.settle() == phase
    assert world.status.reason == reason


def test_a_warning_asks_people_only_where_that_is_wanted() -> None:
    gate = {"name": "f1", "kind": "Metric", "value": "metrics.f1", "min": "0.99", "severity": "Warn"}
    assert RunWorld(plan=plan(gates=[gate])).train() == "Promoting"
    assert RunWorld(plan=plan(gates=[gate], approval={"required": "OnWarn"})).train() == "AwaitingApproval"
    assert RunWorld(plan=plan(approval={"required": "OnWarn"})).train() == "Promoting"


def test_a_blackout_holds_the_promotion_and_nothing_else() -> None:
    world = RunWorld(seen={"promotion_held": "blackout '0 0 * * *'", "held_until": START + timedelta(hours=3)})
    assert world.train() == "Promoting"
    assert world.status.promotion is not None
    assert world.status.promotion.at is None
    assert world.turn().wake_at == START + timedelta(hours=3)
    world.seen.clear()
    world.settle()
    assert world.status.promotion.at == world.now


def test_nothing_is_handed_to_a_deployment_that_does_not_follow() -> None:
    world = RunWorld(followed=False)
    assert world.train() == "Promoting"
    assert world.status.promotion is not None
    assert world.status.promotion.at is None
    assert "spec.model.from.retrainPolicy" in str(world.status.message)


PULL: dict[str, Any] = {
    "promotion": {
        "target": "PullRequest",
        "pullRequest": {"secret": "git", "edits": [{"file": "m.yaml", "path": "a"}]},
    }
}


def test_a_pull_request_is_followed_to_its_end() -> None:
    world = RunWorld(plan=plan(**PULL))
    assert world.train() == "Promoting"
    world.seen["handed"] = Handed("https://git.example/pr/1", "models:/fraud/7")
    world.settle()
    assert world.status.promotion is not None
    assert world.status.promotion.reference == "https://git.example/pr/1"
    world.seen["handed"] = Handed("https://git.example/pr/1", closed=True)
    assert world.settle() == "Rejected"
    assert world.status.reason == words.PULL_REQUEST_CLOSED


def test_a_pull_request_that_nobody_merges_expires() -> None:
    world = RunWorld(plan=plan(**PULL), seen={"handed": Handed("https://git.example/pr/1")})
    assert world.train() == "Promoting"
    assert world.later(hours=169) == "Rejected"
    assert world.status.reason == words.PROMOTION_EXPIRED


def test_what_may_not_be_handed_over_is_said_and_what_is_away_is_waited_for() -> None:
    world = RunWorld(plan=plan(**PULL), seen={"handed": Problem("RegistryAway", "git.example does not answer")})
    assert world.train() == "Promoting"
    assert "does not answer" in str(world.status.message)
    world.seen["handed"] = Problem(words.PROMOTION_REFUSED, "the token is refused")
    assert world.settle() == "Failed"


def test_a_model_that_is_replaced_while_it_is_observed_is_superseded() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = stable()
    assert world.settle() == "Observing"
    world.seen["fate"] = stable(phase="Retired")
    assert world.settle() == "Superseded"


def test_a_return_after_the_promotion_is_a_rollback() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = stable()
    world.settle()
    world.seen["fate"] = stable(phase="Rejected", reason="SlowDegradation", message="undone")
    assert world.settle() == "RolledBack"


def test_an_abort_by_a_person_is_no_verdict_on_the_model() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = Fate("fraud-2", "Rejected", "Aborted", "aborted by command")
    assert world.settle() == "Cancelled"


def test_a_settled_run_writes_nothing() -> None:
    world = RunWorld()
    world.train()
    writes = world.writes
    for _ in range(5):
        world.turn()
    assert world.writes == writes


def test_every_end_has_a_time_conditions_and_no_deadline() -> None:
    world = RunWorld(text="no")
    world.train()
    assert world.status.phase in TERMINAL
    assert world.status.finished_at == world.now
    assert world.status.deadline_at is None
    conditions = {one.type: one.status for one in world.status.conditions}
    assert conditions == {"Ready": "False", "Stalled": "True"}
    assert len(world.status.model_dump_json()) < 8192
    assert DIGEST not in str(world.status.message)


def test_one_that_is_preempted_waits_anew() -> None:
    world = RunWorld()
    world.settle()
    world.child = ChildView("Running", started_at=world.now)
    world.later(minutes=9)
    world.child = ChildView("Queued", "Preempted", "another one was more important")
    assert world.later(minutes=9) == "Queued"
    assert world.later(minutes=9) == "Queued", "queueTimeout begins anew"
    assert world.later(minutes=2) == "Failed"


def test_a_candidate_that_nobody_follows_expires() -> None:
    world = RunWorld(followed=False)
    world.train()
    assert world.later(hours=169) == "Rejected"
    assert world.status.reason == words.PROMOTION_EXPIRED


JOB_GATE: dict[str, Any] = {
    "name": "attack",
    "kind": "Robustness",
    "job": {"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}},
}


def running_gate() -> RunWorld:
    """A run whose one gate is a Job that is at work."""
    world = RunWorld(plan=plan(gates=[JOB_GATE]))
    world.seen["missing_jobs"] = frozenset({"attack"})
    world.train_until_validating()
    return world


def test_the_job_of_a_gate_is_made_once_and_waited_for_without_looking_again_and_again() -> None:
    world = running_gate()
    assert world.gate_jobs == ["attack"]
    for minutes in (1, 9, 20, 60):
        world.now += timedelta(minutes=minutes)
        decision = world.turn()
        assert not decision.before
        assert decision.wake_at is None or decision.wake_at > world.now
    assert world.status.phase == "Validating"
    assert world.gate_jobs == ["attack"]


def test_a_query_of_a_gate_is_given_up_at_a_time_that_wakes_the_run() -> None:
    gate = {"name": "errors", "kind": "Custom", "query": "up", "max": "1"}
    world = RunWorld(plan=plan(gates=[gate]))
    world.train_until_validating()
    wake_at = world.turn().wake_at
    assert wake_at == world.now + timedelta(minutes=10)
    world.now = wake_at + timedelta(seconds=1)
    assert world.turn().wake_at is None


def test_whatever_others_say_the_status_of_a_run_can_be_written() -> None:
    long = "x" * 5000
    world = RunWorld(plan=plan(gates=[JOB_GATE | {"name": f"g{number}"} for number in range(24)]))
    world.champion = "https://models.example/" + "m" * 1000
    world.settle()
    world.child = ChildView("Queued", long, long)
    world.settle()
    world.child = ChildView("Running", started_at=world.now)
    world.settle()
    world.child = ChildView("Succeeded", started_at=world.now)
    world.seen["gates"] = tuple(
        GateResult(name=f"g{number}", kind="Custom", verdict="Passed", message=long) for number in range(24)
    )
    assert world.settle() == "Promoting"
    world.seen["fate"] = Fate("fraud-2", "Candidate", message=long)
    world.settle()
    assert len(world.status.model_dump_json(by_alias=True, exclude_none=True)) < 16_384
    world.seen["cancel"] = long
    assert world.settle() == "Cancelled"


def test_a_registry_that_is_still_being_asked_is_waited_for() -> None:
    world = RunWorld(seen={"pinned": Problem(words.DIGEST_MISMATCH, "the registry is being asked")})
    assert world.train() == "Collecting"
    world.seen["pinned"] = "sha256:" + "b" * 64
    assert world.settle() == "Rejected"


def test_a_model_that_nobody_serves_any_more_has_not_succeeded() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = stable()
    assert world.settle() == "Observing"
    del world.seen["fate"]
    assert world.later(minutes=10) == "Observing", "its ModelDeployment may be made anew"
    assert world.later(hours=2) == "Superseded"
    assert world.status.reason == words.REPLACED


def test_what_waits_to_be_handed_over_wakes_when_it_expires() -> None:
    world = RunWorld(followed=False)
    assert world.train() == "Promoting"
    assert world.turn().wake_at == world.now + timedelta(hours=168)
    held = RunWorld(seen={"promotion_held": "blackout '0 0 * * *'"})
    held.train()
    assert held.turn().wake_at == held.now + timedelta(hours=168)


def test_a_candidate_that_is_stable_by_now_is_not_cancelled_any_more() -> None:
    world = RunWorld()
    world.train()
    world.seen |= {"fate": stable(), "cancel": "too late"}
    assert world.settle() == "Observing"


def test_an_old_verdict_is_told_and_waited_out() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = Fate("fraud-2", "Rejected", "AnalysisFailed", "errors 4%", is_old=True)
    assert world.settle() == "Promoting"
    assert 'serinus.dev/command="retry fraud-2"' in str(world.status.message)
