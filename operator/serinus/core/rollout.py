"""One decision: from a snapshot to a plan.

The order is fixed and is the promise: first whether the candidate must leave, which depends on nothing else; then
everything else.

    leave?  ->  obey command  ->  start  ->  advance or finish  ->  drain  ->  actions, conditions, status

Deciding twice on the same snapshot gives the same plan. Every deadline is a moment in the status, so that a restart
neither shortens nor lengthens a step."""

import math
from dataclasses import replace
from datetime import timedelta

from serinus.api import reasons
from serinus.api.meta import LABEL_REVISION, Condition
from serinus.api.status import CandidateState, EvidenceState, ModelDeploymentStatus, StableState
from serinus.core.commands import obey_command, promoted_before
from serinus.core.conditions import Situation, assess_situation, build_conditions
from serinus.core.deadline import note_crashes, run_clock
from serinus.core.exits import find_exit
from serinus.core.findings import is_open, without_words
from serinus.core.gates import find_bake_hold, find_first_hold, find_hold
from serinus.core.inplace import begin_swap, note_service
from serinus.core.judge import Verdict
from serinus.core.people import frozen
from serinus.core.plan import Event, Plan
from serinus.core.release import (
    Hold,
    Release,
    enter_step,
    leave_candidate,
    load_release,
    promote_candidate,
    start_candidate,
)
from serinus.core.render import render_actions
from serinus.core.shadow import begin_shadow, is_shadow_next, is_shadowing, tell_passed
from serinus.core.snapshot import Snapshot
from serinus.core.steps import full_size, next_step
from serinus.core.telling import tell_situation
from serinus.core.validation import note_validation
from serinus.core.waiting import SAID_BY_OTHERS
from serinus.core.wake import find_wake
from serinus.core.watching import watch_stable

EVIDENCE_STEP = math.log(4)
"""Evidence that grew by this factor since it was last written is written again, so that a restart keeps it."""

REFRESH = timedelta(seconds=30)
"""Figures that only people look at (ready pods, say) are written at most this often."""


def decide(s: Snapshot) -> Plan:
    """The plan for one ModelDeployment at one moment. Total: never raises for anything that a snapshot can hold."""
    r = note_validation(s, note_crashes(s, run_clock(s, load_release(s))))
    leaving = find_exit(s, r)
    if leaving is not None:
        r = leave_candidate(s, r, leaving)
    r = rehearse(s, r)
    r = obey_command(s, r)
    r = watch_stable(s, r)
    if not s.problems and not s.resolving:
        r = start_if_wanted(s, r)
        r = advance(s, r)
    elif r.candidate is not None and r.candidate.returning:
        # A way back waits for nothing that is wrong with the way on.
        r = advance(s, r)
    r = note_service(s, r)
    r = end_drains(s, r)
    return build_plan(s, r)


def rehearse(s: Snapshot, r: Release) -> Release:
    """Note the first moment at which a rehearsed candidate would have been rolled back."""
    candidate, judgement = r.candidate, s.judgement
    if candidate is None or judgement is None or s.rollout.mode != "Rehearse" or candidate.rehearsed is not None:
        return r
    if judgement.verdict is not Verdict.BAD:
        return r
    message = f"would have rolled back {candidate.revision} at {s.now:%H:%M:%SZ} because {judgement.message}"
    r = replace(r, candidate=candidate.model_copy(update={"rehearsed": message}))
    return r.told(Event(reasons.WOULD_HAVE_ROLLED_BACK, message, warning=True))


def start_if_wanted(s: Snapshot, r: Release) -> Release:
    """The revision in the spec becomes the candidate, unless it serves, is the candidate, or was rejected."""
    wanted = s.wanted.name
    if r.candidate is not None or (r.stable is not None and r.stable.revision == wanted):
        return r
    if r.rejected is not None and r.rejected.revision == wanted:
        return r
    retried = any(mark.name == wanted and mark.phase == "Candidate" for mark in r.marks)
    if s.is_rejected(wanted) and not retried:
        return r
    returning = r.stable is not None and any(x.name == wanted for x in promoted_before(s, r.stable.revision))
    freeze = frozen(s, f"{wanted} has not been started")
    if freeze is not None and r.stable is not None and not returning:
        return replace(r, hold=freeze)
    return start_candidate(s, r, wanted, returning=returning)


def advance(s: Snapshot, r: Release) -> Release:
    """One step further, if every gate is open; else the reason why not."""
    candidate = r.candidate
    if candidate is None:
        return r
    if r.stable is None or full_size(s, candidate) == 0:
        return _advance_without_traffic(s, r, candidate)
    if candidate.phase == "Baking":
        hold = find_bake_hold(s, candidate)
        return promote_candidate(s, r) if hold is None else _held(s, r, candidate, hold)
    hold = find_hold(s, candidate)
    if hold is not None:
        return _held(s, r, candidate, hold)
    if candidate.in_place and candidate.phase == "Pending":
        return begin_swap(s, r, candidate)
    if is_shadow_next(s, candidate):
        return begin_shadow(s, r, candidate)
    return enter_step(s, r, next_step(s, candidate), after=tell_passed(s, candidate))


def _advance_without_traffic(s: Snapshot, r: Release, candidate: CandidateState) -> Release:
    """The first revision, or one that replaces a model at zero: nothing to compare with, nobody to protect."""
    work = s.workload(candidate.revision)
    if work.ready >= 1 or full_size(s, candidate) == 0:
        hold = find_first_hold(s, candidate)
        return promote_candidate(s, r) if hold is None else replace(r, hold=hold)
    waiting = work.waiting
    message = waiting.message if waiting else f"waiting for the first pods of {candidate.revision}"
    return replace(r, hold=Hold(waiting.reason if waiting else reasons.DEPLOYING, message))


def _held(s: Snapshot, r: Release, candidate: CandidateState, hold: Hold) -> Release:
    since = candidate.hold_since
    if hold.inconclusive:
        since = since or s.now
    elif s.judgement is not None and s.judgement.verdict is Verdict.GOOD:
        since = None
    return replace(r, hold=hold, candidate=candidate.model_copy(update={"hold_since": since}))


def end_drains(s: Snapshot, r: Release) -> Release:
    return replace(r, draining=tuple(d for d in r.draining if d.until > s.now))


def build_plan(s: Snapshot, r: Release) -> Plan:
    rendering = render_actions(s, r)
    situation = assess_situation(s, r)
    status = build_status(s, r, situation)
    events = (*r.events, *tell_situation(s, r, situation))
    written = must_write(s, status)
    # Autoscalers read the number of pods and people what the scheduler says: neither is held back for ever.
    late = s.status_written_at if not written and _told(s.status) != _told(status) else None
    return Plan(
        before=rendering.before,
        status=status,
        write_status=written,
        after=rendering.after,
        events=events,
        wake_at=find_wake(s, r, None if late is None else late + REFRESH),
    )


def build_status(s: Snapshot, r: Release, situation: Situation) -> ModelDeploymentStatus:
    """The whole status after this pass."""
    judgement = s.judgement
    candidate, stable = r.candidate, r.stable
    if candidate is not None:
        work = s.workload(candidate.revision)
        update: dict[str, object] = {"replicas": work.current, "ready_replicas": work.ready}
        before = s.status.candidate
        kept = before is not None and before.revision == candidate.revision
        begins_anew = is_shadowing(before) and not is_shadowing(candidate)
        if judgement is not None and stable is not None and kept and not begins_anew:
            update |= {"verdict": judgement.verdict.value, "evidence": judgement.evidence or candidate.evidence}
        candidate = candidate.model_copy(update=update)
    if stable is not None:
        work = s.workload(stable.revision)
        weight = 100 - (candidate.weight if candidate is not None else 0)
        stable = stable.model_copy(update={"replicas": work.current, "ready_replicas": work.ready, "weight": weight})
    leader = candidate if stable is None or (candidate is not None and candidate.phase == "Baking") else stable
    return ModelDeploymentStatus(
        observed_generation=s.generation,
        phase=situation.phase,
        replicas=leader.replicas if leader is not None else 0,
        selector=_select_serving(stable, candidate),
        model=s.model,
        stable=stable,
        candidate=candidate,
        rejected=r.rejected,
        draining=r.draining,
        analysis=judgement.summaries if judgement is not None else s.status.analysis,
        conditions=build_conditions(s, r, situation),
        last_command=r.last_command,
    )


def _select_serving(stable: StableState | None, candidate: CandidateState | None) -> str | None:
    """Whose use an autoscaler must add up to know what all requests cost: of every revision that has a share of them.
    Stable alone would look idle while its share moves away."""
    states = [state for state in (stable, candidate) if state is not None]
    names = [state.revision for state in states if state.weight > 0] or [state.revision for state in states[:1]]
    if len(names) > 1:
        return f"{LABEL_REVISION} in ({','.join(names)})"
    return f"{LABEL_REVISION}={names[0]}" if names else None


def must_write(s: Snapshot, status: ModelDeploymentStatus) -> bool:
    """Whether this status is worth a write.

    A transition always is. Figures that move with every scrape never are by themselves, except evidence that has grown
    a lot; figures for people (pods, wording) are, now and then."""
    old = s.status
    if _essence(old) != _essence(status):
        return True
    if _evidence_grew(old, status):
        return True
    if _figures(old) == _figures(status):
        return False
    return s.status_written_at is None or s.now - s.status_written_at >= REFRESH


def _essence(status: ModelDeploymentStatus) -> object:
    quiet: dict[str, object] = {"replicas": 0, "ready_replicas": 0}
    stable = status.stable.model_copy(update=quiet) if status.stable else None
    candidate = status.candidate
    if candidate is not None:
        # Nobody notices a candidate in its shadow time but by what is said of it.
        verdict = candidate.verdict if is_shadowing(candidate) else None
        quiet |= {"validation": tuple(without_words(one) for one in candidate.validation)}
        candidate = candidate.model_copy(update={**quiet, "evidence": (), "verdict": verdict, "hold_since": None})
    conditions = tuple((c.type, *_gist(c), c.observed_generation) for c in status.conditions)
    rest = {"stable": stable, "candidate": candidate, "analysis": (), "conditions": (), "replicas": 0}
    return status.model_copy(update=rest), conditions


_SAID = frozenset(
    {
        reasons.WARMING_UP,
        reasons.ACCESS_DENIED,
        reasons.INVALID_SPEC,
        reasons.INVALID_SCHEMA,
        reasons.LOOKUP_FAILED,
        reasons.CONFIG_MAP_NOT_FOUND,
        reasons.MODEL_NOT_FOUND,
        reasons.REGISTRY_REFUSED,
        reasons.MODEL_NOT_LOADED,
    }
)
"""Where the message is news by itself: it changes seldom, and a person who puts things right waits for it."""


def _gist(condition: Condition) -> tuple[str, ...]:
    """What of a condition is a transition. At every step the measuring begins anew; only that it goes wrong is news."""
    measured = condition.type in (reasons.METRICS_HEALTHY, reasons.TRAFFIC_VERIFIED)
    if measured and condition.status != "False":
        return ()
    said = (condition.message,) if condition.reason in _SAID else ()
    return (condition.status, condition.reason, *said)


def _figures(status: ModelDeploymentStatus) -> object:
    held = () if status.candidate else tuple((c.type, c.message) for c in status.conditions)
    return (_told(status), held)


def _told(status: ModelDeploymentStatus) -> object:
    states = [state for state in (status.stable, status.candidate) if state is not None]
    said = [c.message for c in status.conditions if c.reason in SAID_BY_OTHERS]
    said += [one.message for one in status.candidate.validation if is_open(one)] if status.candidate else []
    return (status.replicas, [(state.replicas, state.ready_replicas) for state in states], said)


def _evidence_grew(old: ModelDeploymentStatus, new: ModelDeploymentStatus) -> bool:
    if new.candidate is None or old.candidate is None:
        return False
    before = {e.metric: _peak(e) for e in old.candidate.evidence}
    return any(_peak(e) >= max(before.get(e.metric, 0.0), 0.0) + EVIDENCE_STEP for e in new.candidate.evidence)


def _peak(evidence: EvidenceState) -> float:
    return max((float(log) for lane in evidence.lanes for log in lane.logs), default=0.0)
