"""The working state of one pass, and the transitions that change it.

`Release` is the part of the status that decides; every transition returns a new one and notes the event that tells it.
Nothing here looks at objects in the cluster: whether a transition is due is asked in `exits`, `commands` and `gates`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serinus.api import reasons
from serinus.api.meta import format_duration, parse_duration
from serinus.api.presets import PauseStep
from serinus.api.status import (
    CandidateState,
    DrainingState,
    LastCommand,
    RejectedState,
    StableState,
)
from serinus.core.plan import Event, MarkRevision
from serinus.core.snapshot import Snapshot
from serinus.core.steps import FULL, weight_of_step


@dataclass(frozen=True)
class Hold:
    """Why a rollout does not advance right now. `inconclusive`: it waits for metrics, `maxHold` counts. `until`: when
    time alone ends it.
    """

    reason: str
    message: str
    inconclusive: bool = False
    until: datetime | None = None


@dataclass(frozen=True)
class Exit:
    """Why a candidate must leave. `remember` makes it Rejected; a superseded one may come back."""

    reason: str
    message: str
    remember: bool = True


@dataclass(frozen=True)
class Release:
    stable: StableState | None
    candidate: CandidateState | None
    rejected: RejectedState | None
    draining: tuple[DrainingState, ...]
    last_command: LastCommand | None
    hold: Hold | None = None
    marks: tuple[MarkRevision, ...] = ()
    events: tuple[Event, ...] = ()

    def told(self, event: Event) -> "Release":
        return replace(self, events=(*self.events, event))


def load_release(s: Snapshot) -> Release:
    """The release as the last status left it."""
    status = s.status
    return Release(status.stable, status.candidate, status.rejected, status.draining, status.last_command)


def start_candidate(s: Snapshot, r: Release, revision: str, *, returning: bool) -> Release:
    """A new candidate at weight 0, with fresh evidence and a fresh deadline."""
    candidate = CandidateState(
        revision=revision,
        steps=len(s.rollout.steps),
        started_at=s.now,
        deadline_at=s.now + s.rollout.progress_deadline,
        returning=returning,
        stable_size=s.workload(r.stable.revision).wanted if r.stable is not None else 0,
        in_place=s.rollout.strategy == "InPlace" and r.stable is not None and s.spec.replicas > 0,
    )
    draining = tuple(d for d in r.draining if d.revision != revision)
    rejected = None if r.rejected is not None and r.rejected.revision == revision else r.rejected
    r = replace(r, candidate=candidate, draining=draining, rejected=rejected, hold=None)
    if r.stable is None:
        return r.told(Event(reasons.DEPLOYING, f"first revision {revision}: waiting for its pods"))
    how = f"{candidate.steps} steps" if candidate.steps else f"all at once ({s.rollout.strategy})"
    how = "inside the rollback window, steps are skipped" if returning else how
    return r.told(Event(reasons.ROLLOUT_STARTED, f"{revision} against stable {r.stable.revision}, {how}"))


def leave_candidate(s: Snapshot, r: Release, exit_: Exit) -> Release:
    """Give all traffic back to stable and let the candidate's pods drain."""
    candidate = r.candidate
    if candidate is None:
        return r
    message = exit_.message
    if r.stable is not None and candidate.weight > 0:
        since = candidate.step_started_at
        took = f" after {(s.now - since).total_seconds():.1f}s at {candidate.weight}%" if since is not None else ""
        message = f"{message}; traffic back on {r.stable.revision}{took}"
    if candidate.phase == "Shadowing":
        message = f"{message}; it had mirrored requests only, no client saw its answers to them"
    until = s.now + (s.rollout.drain if candidate.weight > 0 else timedelta(0))
    draining = (
        *(d for d in r.draining if d.revision != candidate.revision),
        DrainingState(revision=candidate.revision, until=until, in_place=candidate.in_place),
    )
    stable = r.stable
    if stable is not None and candidate.in_place and candidate.phase == "Baking":
        # It served until now; the time before that counts with what comes.
        before = parse_duration(candidate.downtime) if candidate.downtime else timedelta(0)
        stable = stable.model_copy(update={"down_since": s.now - before})
    r = replace(r, stable=stable, candidate=None, draining=draining, hold=None)
    if not exit_.remember:
        mark = MarkRevision(candidate.revision, "Superseded", exit_.reason, message)
        return replace(r, marks=(*r.marks, mark)).told(Event(exit_.reason, message))
    rejected = RejectedState(revision=candidate.revision, at=s.now, reason=exit_.reason, message=message)
    mark = MarkRevision(candidate.revision, "Rejected", exit_.reason, message, s.judgement, candidate.validation)
    r = replace(r, rejected=rejected, marks=(*r.marks, mark))
    return r.told(Event(exit_.reason, message, warning=True))


def enter_step(s: Snapshot, r: Release, step: int, after: str = "") -> Release:
    """Move the candidate to a 1-based step; past the last one, or at weight 100, the bake begins. `after` ends the
    sentence that tells it."""
    candidate = r.candidate
    if candidate is None:
        return r
    steps = s.rollout.steps
    weight = weight_of_step(s.rollout, step)
    update: dict[str, object]
    if candidate.phase == "Shadowing":
        # What mirrored requests have shown is no evidence of how the candidate does with real ones.
        candidate = candidate.model_copy(update={"evidence": (), "verdict": None})
    common = candidate.model_copy(
        update={
            "step_started_at": s.now,
            "deadline_at": s.now + s.rollout.progress_deadline,
            "clock_stopped_at": None,
            "hold_since": None,
            "paused": False,
            "pause_reason": None,
            "weight": weight,
            "traffic_since": candidate.traffic_since or (s.now if weight > 0 else None),
            "step": min(step, len(steps)),
        }
    )
    if weight >= FULL:
        share = FULL - holdback_of(s)
        update = {"phase": "Baking", "bake_until": s.now + s.rollout.bake, "next_at": None, "weight": share}
        update["stable_size"] = max(candidate.stable_size, s.spec.replicas)
        r = replace(r, candidate=common.model_copy(update=update), hold=None)
        has = "all traffic" if share == FULL else f"{share}% of the traffic"
        bake = format_duration(s.rollout.bake)
        return r.told(Event(reasons.BAKING, f"{candidate.revision} has {has}; it is promoted after {bake}{after}"))
    here = steps[step - 1]
    update = {"phase": "Progressing"}
    if isinstance(here, PauseStep):
        until = None if here.duration is None else s.now + here.duration
        update |= {"paused": True, "pause_reason": f"step {step} is a pause", "next_at": until}
        return replace(r, candidate=common.model_copy(update=update), hold=None)
    update["next_at"] = s.now + here.hold
    # The pods for the next step are not asked for before this one is over.
    update["deadline_at"] = s.now + here.hold + s.rollout.progress_deadline
    r = replace(r, candidate=common.model_copy(update=update), hold=None)
    message = f"{candidate.revision} gets {weight}%, step {step} of {len(steps)}{after}"
    return r.told(Event(reasons.WEIGHT_RAISED, message))


def holdback_of(s: Snapshot) -> int:
    """Percent that stays on the old revision during the bake. Where pods split the traffic there is no such share."""
    return s.rollout.holdback if s.spec.route.mode == "Gateway" and s.rollout.strategy != "InPlace" else 0


def promote_candidate(s: Snapshot, r: Release) -> Release:
    """The candidate becomes stable: nothing is loaded anew, its pods go on serving; the old revision is retired."""
    candidate = r.candidate
    if candidate is None:
        return r
    work = s.workload(candidate.revision)
    stable = StableState(
        revision=candidate.revision,
        weight=FULL,
        replicas=work.current,
        ready_replicas=work.ready,
        since=s.now,
        downtime=candidate.downtime,
    )
    if s.rollout.watch is not None and s.judgement is not None:
        until = s.now + s.rollout.watch.duration
        stable = stable.model_copy(update={"watch_until": until, "baseline": s.judgement.evidence})
    old = r.stable
    message = f"{candidate.revision} is stable" + ("" if old is None else f"; {old.revision} is retired")
    message += _tell_blindness(s)
    if candidate.approved_by is not None:
        message += f"; approved by {candidate.approved_by}"
    if candidate.rehearsed is not None:
        message = f"{message}; rehearsed: {candidate.rehearsed}"
    marks = [MarkRevision(candidate.revision, "Stable", reasons.PROMOTED, message, s.judgement, candidate.validation)]
    if old is not None and not s.is_rejected(old.revision):
        # One that was undone stays Rejected.
        marks.append(MarkRevision(old.revision, "Retired", reasons.PROMOTED, f"replaced by {candidate.revision}"))
    draining = (*r.draining, *_drain_replaced(s, candidate, old))
    r = replace(r, stable=stable, candidate=None, draining=draining, hold=None, marks=(*r.marks, *marks))
    return r.told(Event(reasons.PROMOTED, message))


def _drain_replaced(s: Snapshot, candidate: CandidateState, old: StableState | None) -> tuple[DrainingState, ...]:
    """The pods of the old revision end their requests: the last of those came when the candidate got all traffic."""
    if old is None or candidate.in_place or candidate.step_started_at is None:
        return ()
    last = candidate.step_started_at if candidate.weight >= FULL else s.now
    until = last + s.rollout.drain
    return (DrainingState(revision=old.revision, until=until),) if until > s.now else ()


def _tell_blindness(s: Snapshot) -> str:
    """The smallest regression of each metric that this rollout would have shown: what was not excluded is said."""
    summaries = s.judgement.summaries if s.judgement is not None else ()
    seen = [f"{one.name} from {one.would_have_seen} on" for one in summaries if one.would_have_seen is not None]
    return f"; it would have shown a regression of {', '.join(seen)}" if seen else ""
