"""What people hold back: pauses, freeze windows and approvals. None of it ever holds back a rollback."""

from serinus.api import reasons
from serinus.api.meta import spell_command
from serinus.api.status import CandidateState
from serinus.core.freeze import find_freeze
from serinus.core.release import Hold
from serinus.core.snapshot import Snapshot
from serinus.core.steps import FULL, full_size, is_pause_step, next_step, weight_of_step


def not_paused(s: Snapshot, candidate: CandidateState) -> Hold | None:
    if s.spec.paused:
        return Hold(reasons.PAUSED, f"spec.paused is true; {candidate.revision} stays at {candidate.weight}%")
    if not candidate.paused or (
        candidate.next_at is not None and is_pause_step(s.rollout, candidate.step) and s.now >= candidate.next_at
    ):
        return None
    until = (
        f" until {candidate.next_at:%H:%M:%SZ}"
        if candidate.next_at and is_pause_step(s.rollout, candidate.step)
        else ""
    )
    why = candidate.pause_reason or "paused"
    return Hold(reasons.PAUSED, f"{candidate.revision} stays at {candidate.weight}%: {why}{until}")


def not_frozen(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """A return is a way back, and no freeze stands before that."""
    return None if candidate.returning else frozen(s, f"{candidate.revision} stays at {candidate.weight}%")


def frozen(s: Snapshot, what: str) -> Hold | None:
    """The freeze in force, if any, as the reason why `what`."""
    freeze = find_freeze(s.rollout.freezes, s.now)
    if freeze is None:
        return None
    if freeze.until is None:
        ends = "that has no end within a year: shorten its duration or change its cron"
    else:
        ends = f"until {freeze.until:%Y-%m-%d %H:%M:%SZ}"
    return Hold(reasons.FROZEN, f"{what}: freeze {freeze.cron!r} {ends}", until=freeze.until)


def approved(s: Snapshot, candidate: CandidateState) -> Hold | None:
    required = s.rollout.approval
    if required == "Never" or candidate.approved_at is not None or candidate.returning:
        return None
    full = weight_of_step(s.rollout, next_step(s, candidate)) >= FULL or _is_alone(s)
    if required == "BeforePromotion" and not full:
        return None
    if required == "BeforeTraffic" and candidate.weight > 0:
        return None
    before = "its first request" if candidate.weight == 0 else "it gets all traffic"
    command = spell_command("modeldeployment", s.name, s.namespace, f"approve {candidate.revision}", named=True)
    return Hold(reasons.AWAITING_APPROVAL, f"{candidate.revision} needs approval before {before}: {command}")


def _is_alone(s: Snapshot) -> bool:
    """Whether the candidate takes everything at once, because nothing serves that it could share with."""
    return s.status.stable is None or full_size(s, s.status.candidate) == 0
