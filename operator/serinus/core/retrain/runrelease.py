"""The second half of a run's life: gates, people, the hand-over, and what the canary makes of it."""

from serinus.api import reasons
from serinus.api import retrainreasons as words
from serinus.api.meta import parse_duration, spell_command
from serinus.api.runstatus import PromotionState, RetrainRunStatus
from serinus.core.retrain.approval import Approved, Expired, Rejected
from serinus.core.retrain.gates import gates_verdict
from serinus.core.retrain.runmoves import enter, since, wait
from serinus.core.retrain.runview import Fate, Handed, RunSnapshot
from serinus.core.snapshot import Problem


def advance_validating(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """Until the gates have spoken."""
    r = r.model_copy(update={"gates": s.gates})
    verdict = gates_verdict(s.gates)
    if verdict == "Running":
        return r.model_copy(update={"deadline_at": None})
    if verdict == "Blocked":
        blocking = [g for g in s.gates if g.verdict in ("Failed", "Missing") and g.severity == "Block"]
        return enter(s, r, "Rejected", words.GATES_FAILED, "; ".join(f"{g.name}: {g.message}" for g in blocking))
    required = s.spec.plan.approval.required
    warned = [g.name for g in s.gates if g.verdict == "Warned"]
    if required == "Always" or (required == "OnWarn" and verdict == "Warned"):
        why = f"; warned: {', '.join(warned)}" if warned else ""
        digest = r.model.digest if r.model else None
        if digest is None:
            message = "it has no digest, and an approval must say what it approves"
            return enter(s, r, "Rejected", words.NOT_PINNED, message)
        message = f"waits for a ModelApproval of run {s.name} and digest {digest}{why}"
        return enter(s, r, "AwaitingApproval", words.AWAITING_DECISION, message)
    passed = sum(g.verdict == "Passed" for g in s.gates)
    return enter(s, r, "Promoting", words.PROMOTING, f"{passed} of {len(s.gates)} gates passed")


def advance_awaiting(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """Until people have agreed, or not."""
    ballot = s.ballot
    if ballot is None:
        return r
    r = r.model_copy(update={"approvals": ballot.records})
    match ballot.outcome:
        case Approved(by):
            return enter(s, r, "Promoting", words.PROMOTING, f"approved by {', '.join(by)}")
        case Rejected(by, reason):
            return enter(s, r, "Rejected", words.APPROVAL_REJECTED, f"rejected by {by}: {reason or 'no reason given'}")
        case Expired(message):
            return enter(s, r, "Rejected", words.APPROVAL_EXPIRED, message)
        case waiting:
            return r.model_copy(update={"deadline_at": waiting.expires_at, "message": waiting.message})


def advance_promoting(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """Until the candidate is stable at its ModelDeployment, or will not be."""
    promotion = r.promotion or PromotionState(target=s.spec.plan.promotion.target)
    if s.held_digest is not None and (s.fate is None or s.fate.is_old):
        return enter(s, r, "Rejected", words.QUARANTINED, f"its digest is held: {s.held_digest}")
    expires = since(r, "Promoting", s.now) + parse_duration(s.spec.plan.promotion.expires_after)
    if promotion.at is None and s.now >= expires:
        message = f"not handed over within promotion.expiresAfter {s.spec.plan.promotion.expires_after}: {r.message}"
        return enter(s, r, "Rejected", words.PROMOTION_EXPIRED, message)
    if promotion.at is None and s.promotion_held is not None:
        return wait(r, promotion, f"held: {s.promotion_held}", expires)
    if promotion.at is None:
        handed = _hand_over(s, promotion)
        if isinstance(handed, str):
            return wait(r, promotion, handed, expires)
        if handed is None:
            assert isinstance(s.handed, Problem)  # noqa: S101
            return enter(s, r, "Failed", words.PROMOTION_REFUSED, s.handed.message)
        promotion = handed
    elif isinstance(s.handed, Handed) and s.handed.closed:
        message = f"{s.handed.reference} was closed without being merged"
        return enter(s, r.model_copy(update={"promotion": promotion}), "Rejected", words.PULL_REQUEST_CLOSED, message)
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
    if fate is not None and fate.phase == "Rejected" and not fate.is_old:
        return _roll_back(s, r, promotion, fate)
    if fate is not None and fate.phase in ("Stable", "Retired"):
        stable_at = fate.promoted_at or s.now
        promotion = promotion.model_copy(update={"revision": fate.revision, "stable_at": stable_at, "message": None})
        r = r.model_copy(update={"promotion": promotion})
        return enter(s, r, "Observing", words.OBSERVING, f"{fate.revision} is stable")
    if promotion.target == "Alias" and not s.followed and fate is None:
        # Nobody here serves by the alias, so no canary speaks for it.
        promotion = promotion.model_copy(update={"stable_at": handed_at})
        r = r.model_copy(update={"promotion": promotion})
        return enter(s, r, "Observing", words.OBSERVING, f"{promotion.reference} leads to it; nobody canaries it here")
    expires = handed_at + parse_duration(s.spec.plan.promotion.expires_after)
    if s.now >= expires:
        message = f"not stable within promotion.expiresAfter {s.spec.plan.promotion.expires_after}"
        return enter(s, r, "Rejected", words.PROMOTION_EXPIRED, message)
    if fate is None:
        where = promotion.reference or f"ModelDeployment {s.spec.model_deployment}"
        return wait(r, promotion, f"handed over; waits for {where}", expires)
    if fate.is_old:
        return wait(r, promotion, _tell_retry(s, fate), expires)
    promotion = promotion.model_copy(update={"revision": fate.revision})
    return wait(r, promotion, f"{fate.revision} is being released: {fate.message or 'the canary decides'}", expires)


def advance_observing(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """Until it has been stable for long enough."""
    promotion = r.promotion or PromotionState(target=s.spec.plan.promotion.target)
    fate, stable_at = s.fate, promotion.stable_at or s.now
    if s.cleared_at is not None and r.recovery_seconds is None:
        r = r.model_copy(update={"recovery_seconds": _recovery(s)})
    if fate is not None and fate.phase == "Rejected":
        return _roll_back(s, r, promotion, fate)
    if fate is not None and fate.phase in ("Retired", "Superseded"):
        return enter(s, r, "Superseded", words.REPLACED, f"{fate.revision} was replaced: {fate.message}")
    if fate is not None and fate.phase != "Stable":
        return r.model_copy(update={"deadline_at": None})
    bake = s.spec.plan.observation.bake
    ends = stable_at + parse_duration(bake)
    if s.now >= ends and fate is None and promotion.revision is not None:
        message = f"{promotion.revision} is gone: nobody can say that it stayed stable for {bake}"
        return enter(s, r, "Superseded", words.REPLACED, message)
    if s.now >= ends:
        return enter(s, r, "Succeeded", words.BAKED, f"stable for {bake}")
    return r.model_copy(update={"deadline_at": ends})


def _roll_back(s: RunSnapshot, r: RetrainRunStatus, promotion: PromotionState, fate: Fate) -> RetrainRunStatus:
    promotion = promotion.model_copy(update={"revision": fate.revision, "message": fate.message})
    r = r.model_copy(update={"promotion": promotion})
    if fate.reason == reasons.ABORTED:
        return enter(s, r, "Cancelled", words.CANCELLED, f"{fate.revision}: {fate.message}")
    return enter(s, r, "RolledBack", words.CANARY_ROLLED_BACK, f"{fate.revision}: {fate.reason}: {fate.message}")


def _tell_retry(s: RunSnapshot, fate: Fate) -> str:
    command = spell_command("modeldeployment", s.spec.model_deployment, s.namespace, f"retry {fate.revision}")
    return (
        f"{fate.revision} was rejected before ({fate.message or fate.reason}), and is released again when somebody"
        f" says so: {command}"
    )


def _recovery(s: RunSnapshot) -> int | None:
    first = min((one.first_bad_at for one in s.spec.reasons if one.first_bad_at is not None), default=None)
    if first is None or s.cleared_at is None:
        return None
    return max(round((s.cleared_at - first).total_seconds()), 0)
