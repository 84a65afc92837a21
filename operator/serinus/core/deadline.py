"""The progress deadline: how long pods may take to come. It runs only while pods are missing and somebody but a person
or the cluster's owner could bring them. And the shorter patience with pods that come and end again."""

from dataclasses import replace
from datetime import timedelta

from serinus.api import reasons
from serinus.api.status import CandidateState
from serinus.core.gates import find_hold, needed_pods
from serinus.core.release import Release
from serinus.core.snapshot import Snapshot

TOLERANCE = 0.1
"""A deadline that is off by less than this share of its length is not worth a write to set right."""

CRASH_PATIENCE = timedelta(seconds=60)
"""How long containers may end again and again."""


def note_crashes(s: Snapshot, r: Release) -> Release:
    """Take down since when containers of the candidate end; what runs for a moment in between is no end of it."""
    candidate = r.candidate
    if candidate is None:
        return r
    well = s.workload(candidate.revision).ready >= needed_pods(s, candidate)
    since = None if well else candidate.crashing_since
    if not well and since is None and is_crashing(s, candidate):
        since = s.now
    if since == candidate.crashing_since:
        return r
    return replace(r, candidate=candidate.model_copy(update={"crashing_since": since}))


def is_crashing(s: Snapshot, candidate: CandidateState) -> bool:
    waiting = s.workload(candidate.revision).waiting
    return waiting is not None and waiting.reason == reasons.CRASH_LOOPING


def run_clock(s: Snapshot, r: Release) -> Release:
    """Let the clock stand still while nobody but the cluster's owner, or a person, can make progress; start it anew
    when pods begin to be missing."""
    candidate = r.candidate
    if candidate is None:
        return r
    waiting = s.workload(candidate.revision).waiting
    if candidate.phase == "Swapping":
        # Nobody serves: whatever is missing, there is no time to wait for it.
        return r
    stopped = candidate.paused or s.spec.paused or (waiting is not None and waiting.stops_clock) or _held(s, candidate)
    update: dict[str, object] = {}
    if stopped and candidate.clock_stopped_at is None:
        update = {"clock_stopped_at": s.now}
    elif not stopped and candidate.clock_stopped_at is not None:
        update = {"clock_stopped_at": None}
        if candidate.deadline_at is not None:
            update["deadline_at"] = candidate.deadline_at + (s.now - candidate.clock_stopped_at)
    elif is_lack_new(s, candidate) and candidate.deadline_at is not None:
        fresh = s.now + s.rollout.progress_deadline
        if abs(fresh - candidate.deadline_at) > s.rollout.progress_deadline * TOLERANCE:
            update = {"deadline_at": fresh}
    return replace(r, candidate=candidate.model_copy(update=update)) if update else r


def _held(s: Snapshot, candidate: CandidateState) -> bool:
    """Whether people hold it back: for want of an approval, or by the calendar."""
    if candidate.phase == "Baking":
        return False
    hold = find_hold(s, candidate)
    return hold is not None and hold.reason in (reasons.AWAITING_APPROVAL, reasons.FROZEN)


def is_lack_new(s: Snapshot, candidate: CandidateState) -> bool:
    """Whether a candidate with traffic lacks pods only as of now: more have just become necessary, or some were lost
    that were there when the status was last written. A step may have lasted for hours, so the deadline of its pods says
    nothing about these."""
    if candidate.phase in ("Pending", "Swapping"):
        return False
    work, needed = s.workload(candidate.revision), needed_pods(s, candidate)
    return work.ready < needed and (work.wanted < needed or candidate.ready_replicas >= needed)
