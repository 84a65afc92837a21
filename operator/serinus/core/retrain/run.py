"""The life of a RetrainRun, one pass at a time: what is seen now decides in which phase it is.

    Pending -> Queued -> Training -> Collecting -> Validating -> AwaitingApproval -> Promoting -> Observing -> an end

An end is final: whatever its child, an approval or the canary say afterwards changes no outcome. What has not been
shown is never taken as shown: a child that is gone, results that are missing and gates without evidence end a run."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from serinus.api import retrainreasons as words
from serinus.api.runstatus import TERMINAL, RetrainRunStatus, RunPhase
from serinus.core.plan import Event
from serinus.core.retrain.fit import fit_run_status
from serinus.core.retrain.kinds import find_kind
from serinus.core.retrain.runmoves import enter, since
from serinus.core.retrain.runrelease import (
    advance_awaiting,
    advance_observing,
    advance_promoting,
    advance_validating,
)
from serinus.core.retrain.runstatus import build_conditions, measure_stages
from serinus.core.retrain.runtraining import advance_collecting, advance_pending, advance_queued, advance_training
from serinus.core.retrain.runview import (
    CreateChild,
    DeleteChild,
    DeleteGateJobs,
    RunAction,
    RunGateJob,
    RunPlan,
    RunSnapshot,
)

EVIDENCE: Final = timedelta(minutes=10)
"""How long a query of a gate may be unanswered; then its evidence is missing."""


_STEPS: Final[Mapping[RunPhase, Callable[[RunSnapshot, RetrainRunStatus], RetrainRunStatus]]] = {
    "Pending": advance_pending,
    "Queued": advance_queued,
    "Training": advance_training,
    "Collecting": advance_collecting,
    "Validating": advance_validating,
    "AwaitingApproval": advance_awaiting,
    "Promoting": advance_promoting,
    "Observing": advance_observing,
}


def decide_run(s: RunSnapshot) -> RunPlan:
    """Where the run stands, and what is to be done. Total and pure; time is `s.now`."""
    before = s.status
    if before.phase in TERMINAL:
        status = _note_restored(s, before)
        return RunPlan(status, status != before, after=_clear_up(s, status), wake_at=None)
    r = before if before.phase is not None else enter(s, before, "Pending", words.CREATED, "the run is recorded")
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
    # A status must always be writable, whatever others have put into it: validated, texts are cut to what is allowed.
    r = fit_run_status(RetrainRunStatus.model_validate(r.model_dump()))
    return RunPlan(
        status=r,
        write_status=r != before,
        before=_makings(s, r),
        after=_clear_up(s, r),
        events=_tell(before, r),
        wake_at=_wake_at(s, r),
    )


def _exit(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus | None:
    """What ends a run whatever its phase; a candidate that is stable already cannot be cancelled."""
    handed = r.promotion is not None and r.promotion.at is not None
    is_stable = handed and s.fate is not None and s.fate.phase == "Stable"
    if s.cancel is not None and r.phase != "Observing" and not is_stable:
        return enter(s, r, "Cancelled", words.CANCELLED, s.cancel)
    return None


def _note_restored(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """The one thing that is still written after the end, and that changes no outcome."""
    if s.restored and r.promotion is not None and r.promotion.restored_at is None:
        return r.model_copy(update={"promotion": r.promotion.model_copy(update={"restored_at": s.now})})
    return r


def _makings(s: RunSnapshot, r: RetrainRunStatus) -> tuple[RunAction, ...]:
    if r.phase == "Pending" and s.child is not None and s.child.state == "Absent":
        return (CreateChild(),)
    if r.phase == "Validating":
        running = s.missing_jobs & {one.name for one in r.gates if one.verdict == "Running"}
        return tuple(RunGateJob(gate) for gate in s.spec.plan.gates if gate.name in running)
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
    asked = {one.name for one in s.spec.plan.gates if one.query is not None}
    if r.phase == "Validating" and any(one.verdict == "Running" and one.name in asked for one in r.gates):
        moments.append(since(r, "Validating", s.now) + EVIDENCE)
    # A moment that has passed and changed nothing would be one forever.
    return min((one for one in moments if one is not None and one > s.now), default=None)


def evidence_is_late(s_now: datetime, status: RetrainRunStatus) -> bool:
    """Whether queries of gates have gone without an answer for so long that their evidence counts as missing."""
    return s_now >= since(status, "Validating", s_now) + EVIDENCE
