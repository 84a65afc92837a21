"""The life of a RetrainRun, one pass at a time: what is seen now decides in which phase it is.

    Pending -> Queued -> Training -> Collecting -> Validating -> AwaitingApproval -> Promoting -> Observing -> an end

An end is final: whatever its child, an approval or the canary say afterwards changes no outcome. What has not been
shown is never taken as shown: a child that is gone, results that are missing and gates without evidence end a run."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from serinus.api import reasons
from serinus.api import retrainreasons as words
from serinus.api.meta import format_duration, parse_duration
from serinus.api.retrainstatus import (
    TERMINAL,
    ChildReference,
    PromotionState,
    RetrainRunStatus,
    RunModel,
    RunPhase,
    Transition,
)
from serinus.core.plan import Event
from serinus.core.retrain.approval import Approved, Expired, Rejected
from serinus.core.retrain.gates import gates_verdict
from serinus.core.retrain.kinds import find_kind
from serinus.core.retrain.results import Fault, Results, compare_digests
from serinus.core.retrain.runstatus import build_conditions, measure_stages
from serinus.core.retrain.runview import (
    CreateChild,
    DeleteChild,
    DeleteGateJobs,
    Fate,
    Handed,
    RunAction,
    RunGateJob,
    RunPlan,
    RunSnapshot,
)
from serinus.core.snapshot import Problem

COLLECT: Final = timedelta(minutes=5)
"""How long results may be missing after the training has ended."""
EVIDENCE: Final = timedelta(minutes=10)
"""How long a query of a gate may be unanswered; then its evidence is missing."""


def decide_run(s: RunSnapshot) -> RunPlan:
    """Where the run stands, and what is to be done. Total and pure; time is `s.now`."""
    before = s.status
    if before.phase in TERMINAL:
        status = _note_restored(s, before)
        return RunPlan(status, status != before, after=_clear_up(s, status), wake_at=None)
    r = before if before.phase is not None else _enter(s, before, "Pending", words.CREATED, "the run is recorded")
    for _ in range(len(_STEPS) + 1):
        assert r.phase is not None  # noqa: S101
        if r.phase in TERMINAL:
            break
        after = _exit(s, r) or _STEPS[r.phase](s, r)
        if after.phase == r.phase:
            r = after
            break
        r = after
    if r.phase in TERMINAL and r.finished_at is None:
        r = r.model_copy(update={"finished_at": s.now, "deadline_at": None, "stages": measure_stages(s, r)})
    r = r.model_copy(update={"observed_generation": s.generation})
    r = r.model_copy(update={"conditions": build_conditions(before.conditions, r, s.generation, s.now)})
    return RunPlan(
        status=r,
        write_status=r != before,
        before=_makings(s, r),
        after=_clear_up(s, r),
        events=_tell(before, r),
        wake_at=_wake_at(s, r),
        stages={one.stage: float(one.seconds) for one in r.stages} if r.phase in TERMINAL else {},
    )


def _exit(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus | None:
    """What ends a run whatever its phase; a candidate that is stable already cannot be cancelled."""
    if s.cancel is not None and r.phase != "Observing":
        return _enter(s, r, "Cancelled", words.CANCELLED, s.cancel)
    return None


def _pending(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    if s.child_problem is not None:
        return _enter(s, r, "Failed", words.CHILD_REFUSED, s.child_problem.message)
    if s.child is None or s.child.state == "Absent":
        deadline = s.spec.decided_at + parse_duration(s.spec.plan.queue_timeout)
        if s.now >= deadline:
            message = f"what trains could not be made within queueTimeout {s.spec.plan.queue_timeout}"
            return _enter(s, r, "Failed", words.QUEUE_TIMEOUT, message)
        return r.model_copy(update={"deadline_at": deadline})
    reference = _refer_to_child(s)
    r = r.model_copy(update={"child": reference})
    what = f"{reference.kind} {reference.name}"
    return _enter(s, r, "Queued", words.QUEUED, f"{what} waits for its turn")


def _queued(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    lost = _find_loss(s, r)
    if lost is not None or s.child is None:
        return lost or r
    if s.child.state == "Queued":
        # From the last time that it was put into a queue: one that was preempted waits anew.
        deadline = r.deadline_at or s.now + parse_duration(s.spec.plan.queue_timeout)
        if s.now >= deadline:
            message = f"did not begin within queueTimeout {s.spec.plan.queue_timeout}: {s.child.message or 'queued'}"
            return _enter(s, r, "Failed", words.QUEUE_TIMEOUT, message)
        return r.model_copy(update={"deadline_at": deadline, "queued_reason": s.child.reason or None})
    started = s.child.started_at or s.now
    r = r.model_copy(update={"started_at": started, "queued_reason": None})
    return _enter(s, r, "Training", words.TRAINING, "the training has begun")


def _training(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    lost = _find_loss(s, r)
    if lost is not None or s.child is None:
        return lost or r
    child = s.child
    if child.state in ("Failed", "Errored"):
        reason = words.TRAINING_FAILED if child.state == "Failed" else words.TRAINING_ERROR
        message = ": ".join(part for part in (child.reason, child.message) if part) or "the child says no more"
        return _enter(s, _account(s, r), "Failed", reason, message)
    if child.state == "Succeeded":
        return _enter(s, _account(s, r), "Collecting", words.COLLECTING, "the training has ended; its results are read")
    deadline = (r.started_at or s.now) + parse_duration(s.spec.plan.active_deadline)
    if s.now >= deadline:
        message = f"took longer than activeDeadline {s.spec.plan.active_deadline}"
        return _enter(s, _account(s, r), "Failed", words.TRAINING_TIMEOUT, message)
    if child.state == "Queued":
        # Put back into its queue: the admitted time is over, and so is the clock that belongs to it.
        return _enter(s, r, "Queued", words.QUEUED, f"waits for its turn again: {child.message or child.reason}")
    return r.model_copy(update={"deadline_at": deadline})


def _collecting(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    deadline = _since(r, "Collecting", s.now) + COLLECT
    results = s.results
    if isinstance(results, Fault):
        return _enter(s, r, "Failed", words.RESULTS_INVALID, results.message)
    if not isinstance(results, Results):
        lost = _find_loss(s, r)
        if lost is not None:
            return lost
        if s.now >= deadline:
            why = results.message if isinstance(results, Problem) else "there are none"
            message = f"no results within {format_duration(COLLECT)} after the training had ended: {why}"
            return _enter(s, r, "Failed", words.RESULTS_MISSING, message)
        return r.model_copy(update={"deadline_at": deadline})
    if isinstance(s.pinned, Problem) and s.now < deadline:
        return r.model_copy(update={"deadline_at": deadline, "message": s.pinned.message})
    model = _read_model(results)
    text = s.results_text or ""
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else None
    r = r.model_copy(update={"model": model, "results_digest": digest})
    return _refuse(s, r, model, results) or _enter(
        s, r, "Validating", words.VALIDATING, f"the gates look at {model.uri}"
    )


def _refuse(s: RunSnapshot, r: RetrainRunStatus, model: RunModel, results: Results) -> RetrainRunStatus | None:
    """Candidates that no gate need look at."""
    mismatch = compare_digests(model.digest, s.pinned) if isinstance(s.pinned, str) else None
    if mismatch is not None:
        return _enter(s, r, "Rejected", words.DIGEST_MISMATCH, f"{model.uri}: {mismatch.message}")
    if s.spec.plan.data.require_pinned and results.unpinned:
        message = f"the results lack {', '.join(results.unpinned)}, and data.requirePinned is set"
        return _enter(s, r, "Rejected", words.NOT_PINNED, message)
    if s.held_digest is not None:
        return _enter(s, r, "Rejected", words.QUARANTINED, f"{model.digest} is held: {s.held_digest}")
    champion = s.spec.champion
    if champion is not None and champion.digest is not None and champion.digest == model.digest:
        return _enter(s, r, "Skipped", words.NOTHING_NEW, f"{model.digest} serves already")
    return None


def _validating(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    r = r.model_copy(update={"gates": s.gates})
    verdict = gates_verdict(s.gates)
    if verdict == "Running":
        return r.model_copy(update={"deadline_at": None})
    if verdict == "Blocked":
        blocking = [g for g in s.gates if g.verdict in ("Failed", "Missing") and g.severity == "Block"]
        return _enter(s, r, "Rejected", words.GATES_FAILED, "; ".join(f"{g.name}: {g.message}" for g in blocking))
    required = s.spec.plan.approval.required
    warned = [g.name for g in s.gates if g.verdict == "Warned"]
    if required == "Always" or (required == "OnWarn" and verdict == "Warned"):
        why = f"; warned: {', '.join(warned)}" if warned else ""
        digest = r.model.digest if r.model else None
        if digest is None:
            message = "it has no digest, and an approval must say what it approves"
            return _enter(s, r, "Rejected", words.NOT_PINNED, message)
        message = f"waits for a ModelApproval of run {s.name} and digest {digest}{why}"
        return _enter(s, r, "AwaitingApproval", words.AWAITING_DECISION, message)
    passed = sum(g.verdict == "Passed" for g in s.gates)
    return _enter(s, r, "Promoting", words.PROMOTING, f"{passed} of {len(s.gates)} gates passed")


def _awaiting(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    ballot = s.ballot
    if ballot is None:
        return r
    r = r.model_copy(update={"approvals": ballot.records})
    match ballot.outcome:
        case Approved(by):
            return _enter(s, r, "Promoting", words.PROMOTING, f"approved by {', '.join(by)}")
        case Rejected(by, reason):
            return _enter(s, r, "Rejected", words.APPROVAL_REJECTED, f"rejected by {by}: {reason or 'no reason given'}")
        case Expired(message):
            return _enter(s, r, "Rejected", words.APPROVAL_EXPIRED, message)
        case waiting:
            return r.model_copy(update={"deadline_at": waiting.expires_at, "message": waiting.message})


def _promoting(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    promotion = r.promotion or PromotionState(target=s.spec.plan.promotion.target)
    if s.held_digest is not None and s.fate is None:
        return _enter(s, r, "Rejected", words.QUARANTINED, f"its digest is held: {s.held_digest}")
    expires = _since(r, "Promoting", s.now) + parse_duration(s.spec.plan.promotion.expires_after)
    if promotion.at is None and s.now >= expires:
        message = f"not handed over within promotion.expiresAfter {s.spec.plan.promotion.expires_after}: {r.message}"
        return _enter(s, r, "Rejected", words.PROMOTION_EXPIRED, message)
    if promotion.at is None and s.promotion_held is not None:
        return _wait(r, promotion, f"held: {s.promotion_held}")
    if promotion.at is None:
        handed = _hand_over(s, promotion)
        if isinstance(handed, str):
            return _wait(r, promotion, handed)
        if handed is None:
            assert isinstance(s.handed, Problem)  # noqa: S101
            return _enter(s, r, "Failed", words.PROMOTION_REFUSED, s.handed.message)
        promotion = handed
    elif isinstance(s.handed, Handed) and s.handed.closed:
        message = f"{s.handed.reference} was closed without being merged"
        return _enter(s, r.model_copy(update={"promotion": promotion}), "Rejected", words.PULL_REQUEST_CLOSED, message)
    r = r.model_copy(update={"promotion": promotion})
    return _follow(s, r, promotion)


def _hand_over(s: RunSnapshot, promotion: PromotionState) -> PromotionState | str | None:
    """The promotion with what was handed over; a text that says what it waits for; None where it is refused."""
    champion = s.spec.champion
    if promotion.target == "Direct":
        if not s.followed:
            policy, deployment = s.spec.policy.name, s.spec.model_deployment
            return f"waits for spec.model.from.retrainPolicy: {policy} in ModelDeployment {deployment}"
        return promotion.model_copy(update={"at": s.now, "before": champion.uri if champion else None})
    match s.handed:
        case Handed(reference, before):
            return promotion.model_copy(update={"at": s.now, "reference": reference, "before": before})
        case Problem() as problem if problem.reason == words.PROMOTION_REFUSED:
            return None
        case Problem(_, message):
            return message
        case _:
            return "being handed over"


def _follow(s: RunSnapshot, r: RetrainRunStatus, promotion: PromotionState) -> RetrainRunStatus:
    """What the ModelDeployment makes of the candidate."""
    handed_at, fate = promotion.at or s.now, s.fate
    if fate is not None and fate.phase == "Rejected":
        return _roll_back(s, r, promotion, fate)
    if fate is not None and fate.phase in ("Stable", "Retired"):
        stable_at = fate.promoted_at or s.now
        promotion = promotion.model_copy(update={"revision": fate.revision, "stable_at": stable_at, "message": None})
        r = r.model_copy(update={"promotion": promotion})
        return _enter(s, r, "Observing", words.OBSERVING, f"{fate.revision} is stable")
    if promotion.target == "Alias" and not s.followed and fate is None:
        # Nobody here serves by the alias, so no canary speaks for it.
        promotion = promotion.model_copy(update={"stable_at": handed_at})
        r = r.model_copy(update={"promotion": promotion})
        return _enter(s, r, "Observing", words.OBSERVING, f"{promotion.reference} leads to it; nobody canaries it here")
    expires = handed_at + parse_duration(s.spec.plan.promotion.expires_after)
    if s.now >= expires:
        message = f"not stable within promotion.expiresAfter {s.spec.plan.promotion.expires_after}"
        return _enter(s, r, "Rejected", words.PROMOTION_EXPIRED, message)
    if fate is None:
        where = promotion.reference or f"ModelDeployment {s.spec.model_deployment}"
        return _wait(r, promotion, f"handed over; waits for {where}", expires)
    promotion = promotion.model_copy(update={"revision": fate.revision})
    return _wait(r, promotion, f"{fate.revision} is being released: {fate.message or 'the canary decides'}", expires)


def _observing(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    promotion = r.promotion or PromotionState(target=s.spec.plan.promotion.target)
    fate, stable_at = s.fate, promotion.stable_at or s.now
    if s.cleared_at is not None and r.recovery_seconds is None:
        r = r.model_copy(update={"recovery_seconds": _recovery(s)})
    if fate is not None and fate.phase == "Rejected":
        return _roll_back(s, r, promotion, fate)
    if fate is not None and fate.phase in ("Retired", "Superseded"):
        return _enter(s, r, "Superseded", words.REPLACED, f"{fate.revision} was replaced: {fate.message}")
    bake = s.spec.plan.observation.bake
    ends = stable_at + parse_duration(bake)
    if s.now >= ends:
        return _enter(s, r, "Succeeded", words.BAKED, f"stable for {bake}")
    return r.model_copy(update={"deadline_at": ends})


_STEPS: Final[Mapping[RunPhase, Callable[[RunSnapshot, RetrainRunStatus], RetrainRunStatus]]] = {
    "Pending": _pending,
    "Queued": _queued,
    "Training": _training,
    "Collecting": _collecting,
    "Validating": _validating,
    "AwaitingApproval": _awaiting,
    "Promoting": _promoting,
    "Observing": _observing,
}
_ORDER: Final = tuple(_STEPS)


def _enter(s: RunSnapshot, r: RetrainRunStatus, phase: RunPhase, reason: str, message: str) -> RetrainRunStatus:
    """The status in another phase; the first time that a phase began is kept."""
    known = {one.phase for one in r.transitions}
    transitions = r.transitions if phase in known else (*r.transitions, Transition(phase=phase, at=s.now))
    update = {"phase": phase, "reason": reason, "message": message, "transitions": transitions, "deadline_at": None}
    return r.model_copy(update=update)


def _wait(
    r: RetrainRunStatus, promotion: PromotionState, message: str, deadline: datetime | None = None
) -> RetrainRunStatus:
    promotion = promotion.model_copy(update={"message": message})
    return r.model_copy(update={"promotion": promotion, "message": message, "deadline_at": deadline})


def _since(r: RetrainRunStatus, phase: RunPhase, otherwise: datetime) -> datetime:
    return next((one.at for one in r.transitions if one.phase == phase), otherwise)


def _find_loss(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus | None:
    """A child that is gone, or another one of its name."""
    if s.child is None or r.child is None or s.child.state != "Absent":
        return None
    why = s.child.message or "it was removed"
    message = f"{r.child.kind} {r.child.name} is gone before its results were read: {why}"
    return _enter(s, r, "Lost", words.CHILD_LOST, message)


def _refer_to_child(s: RunSnapshot) -> ChildReference:
    template = s.spec.plan.template
    return ChildReference(
        api_version=str(template.get("apiVersion")), kind=str(template.get("kind")), name=s.name, uid=s.child_uid
    )


def _account(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """When the training ended, and what it used."""
    ended = (s.child.finished_at if s.child is not None else None) or s.now
    started = r.started_at or ended
    seconds = max((ended - started).total_seconds(), 0.0)
    return r.model_copy(update={"trained_at": ended, "accelerator_seconds": round(seconds * s.spec.accelerators)})


def _read_model(results: Results) -> RunModel:
    return RunModel(
        uri=results.uri,
        digest=results.digest,
        snapshot=results.snapshot,
        snapshot_digest=results.snapshot_digest,
        source=results.source,
        signature=results.signature,
        registry_run=results.registry_run,
    )


def _roll_back(s: RunSnapshot, r: RetrainRunStatus, promotion: PromotionState, fate: Fate) -> RetrainRunStatus:
    promotion = promotion.model_copy(update={"revision": fate.revision, "message": fate.message})
    r = r.model_copy(update={"promotion": promotion})
    if fate.reason == reasons.ABORTED:
        return _enter(s, r, "Cancelled", words.CANCELLED, f"{fate.revision}: {fate.message}")
    return _enter(s, r, "RolledBack", words.CANARY_ROLLED_BACK, f"{fate.revision}: {fate.reason}: {fate.message}")


def _recovery(s: RunSnapshot) -> int | None:
    first = min((one.first_bad_at for one in s.spec.reasons if one.first_bad_at is not None), default=None)
    if first is None or s.cleared_at is None:
        return None
    return max(round((s.cleared_at - first).total_seconds()), 0)


def _note_restored(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """The one thing that is still written after the end, and that changes no outcome."""
    if s.restored and r.promotion is not None and r.promotion.restored_at is None:
        return r.model_copy(update={"promotion": r.promotion.model_copy(update={"restored_at": s.now})})
    return r


def _makings(s: RunSnapshot, r: RetrainRunStatus) -> tuple[RunAction, ...]:
    if r.phase == "Pending" and s.child is not None and s.child.state == "Absent":
        return (CreateChild(),)
    if r.phase == "Validating":
        running = {one.name for one in r.gates if one.verdict == "Running"}
        return tuple(RunGateJob(gate) for gate in s.spec.plan.gates if gate.job is not None and gate.name in running)
    return ()


def _clear_up(s: RunSnapshot, r: RetrainRunStatus) -> tuple[RunAction, ...]:
    """A child that nobody waits for any more must not go on using accelerators."""
    if r.phase not in TERMINAL:
        return ()
    actions: list[RunAction] = []
    child = s.child
    if child is not None and child.state != "Absent" and r.phase != "Lost":
        kind = find_kind(s.spec.plan.template)
        lingers = r.phase != "Succeeded" and kind is not None and kind.lingers
        if not child.leaving and (not child.ended or child.may_still_run or lingers):
            actions.append(DeleteChild())
    if any(one.verdict == "Running" for one in r.gates):
        actions.append(DeleteGateJobs())
    return tuple(actions)


def _tell(before: RetrainRunStatus, r: RetrainRunStatus) -> tuple[Event, ...]:
    if r.phase == before.phase or r.phase is None:
        return ()
    warning = r.phase in TERMINAL and r.phase not in ("Succeeded", "Skipped", "Superseded")
    return (Event(r.reason or r.phase, r.message or "", warning=warning),)


def _wake_at(s: RunSnapshot, r: RetrainRunStatus) -> datetime | None:
    moments = [r.deadline_at, s.held_until if r.phase == "Promoting" else None]
    if r.phase == "Validating" and any(one.verdict == "Running" for one in r.gates):
        moments.append(_since(r, "Validating", s.now) + EVIDENCE)
    return min((one for one in moments if one is not None), default=None)


def evidence_is_late(s_now: datetime, status: RetrainRunStatus) -> bool:
    """Whether queries of gates have gone without an answer for so long that their evidence counts as missing."""
    return s_now >= _since(status, "Validating", s_now) + EVIDENCE
