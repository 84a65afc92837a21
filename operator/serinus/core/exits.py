"""When a candidate must leave: asked before anything else, and depending on nothing else.

No rule here looks at the readiness of either side, at the route's acceptance, at an approval, a pause or a freeze: none
of them may ever stand between a bad model and stable."""

from collections.abc import Callable

from serinus.api import reasons
from serinus.api.meta import format_duration
from serinus.api.status import CandidateState
from serinus.core.commands import find_abort
from serinus.core.deadline import CRASH_PATIENCE, is_crashing, is_lack_new
from serinus.core.gates import needed_pods
from serinus.core.judge import Verdict
from serinus.core.release import Exit, Release
from serinus.core.schemas import find_breaks, is_incompatible
from serinus.core.snapshot import Snapshot
from serinus.core.validation import find_validation_exit, swap_deadline

_NAMED = 8
"""Features that a message names."""

Rule = Callable[[Snapshot, Release, CandidateState], Exit | None]


def find_exit(s: Snapshot, r: Release) -> Exit | None:
    """The first rule that makes the candidate leave, if any."""
    if r.candidate is None:
        return None
    for rule in RULES:
        found = rule(s, r, r.candidate)
        if found is not None:
            return found
    return None


def judged_bad(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    judgement = s.judgement
    if judgement is None or judgement.verdict is not Verdict.BAD or r.stable is None or s.rollout.mode == "Rehearse":
        return None
    return Exit(reasons.ANALYSIS_FAILED, judgement.message)


def rejected_already(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    """Its ModelRevision says Rejected while the status still calls it candidate: a rollback was cut off in between."""
    record = s.revisions.get(candidate.revision)
    if record is None or not record.rejected:
        return None
    return Exit(reasons.ANALYSIS_FAILED, record.message or "rejected before the operator was restarted")


def aborted(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    return find_abort(s, candidate)


def spec_put_back(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    """People took the candidate out of the spec: the promoted one put back is an abort, another one supersedes it."""
    if not s.spec_readable or s.wanted.name == candidate.revision:
        return None
    undoing = candidate.returning and s.is_rejected(s.wanted.name)
    if undoing:
        return None
    if r.stable is not None and s.wanted.name == r.stable.revision:
        return Exit(reasons.ABORTED, f"the spec asks for stable {r.stable.revision} again")
    return Exit(reasons.SUPERSEDED, f"{candidate.revision} is superseded by {s.wanted.name}", remember=False)


def hopeless(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    """A container that has ended that often, or for so long, will end again, and a model that is not what was asked for
    will not become so: nobody waits for the deadline."""
    work, needed = s.workload(candidate.revision), needed_pods(s, candidate)
    if r.stable is None or work.waiting is None or work.ready >= needed:
        return None
    since = candidate.crashing_since
    too_long = is_crashing(s, candidate) and since is not None and s.now >= since + CRASH_PATIENCE
    if not work.waiting.hopeless and not too_long:
        return None
    message = f"{work.ready} of {needed} pods of {candidate.revision} ready: {work.waiting.message}"
    return Exit(work.waiting.reason, message)


def breaks_callers(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    """Its feature schema does not take what stable's takes."""
    if r.stable is None or not is_incompatible(s, r.stable.revision, candidate):
        return None
    broken = find_breaks(s, r.stable.revision, candidate.revision)
    named = "; ".join(broken[:_NAMED]) + (f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else "")
    message = f"the feature schema of {candidate.revision} breaks callers of {r.stable.revision}: {named}"
    return Exit(reasons.SCHEMA_INCOMPATIBLE, f"{message}; it had no traffic")


def fails_first_requests(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    """A model that answers its first requests with errors is not shown to anybody. One that is shown already is judged
    by what it answers to them; pods that join later only get no traffic."""
    work, needed = s.workload(candidate.revision), needed_pods(s, candidate)
    if candidate.traffic_since is not None:
        return None
    if r.stable is None or work.warming is None or not work.warming.hopeless or work.settled >= needed:
        return None
    return Exit(reasons.WARMUP_FAILED, f"{candidate.revision}: {work.warming.message}")


def deadline_exceeded(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    if r.stable is None or candidate.deadline_at is None or candidate.clock_stopped_at is not None:
        return None
    work, needed = s.workload(candidate.revision), needed_pods(s, candidate)
    if candidate.phase == "Swapping":
        return _swap_too_long(s, candidate, work.settled, needed)
    if work.ready >= needed or s.now < candidate.deadline_at or is_lack_new(s, candidate):
        return None
    return Exit(reasons.DEADLINE_EXCEEDED, _tell_late(s, candidate, work.ready, needed))


def _swap_too_long(s: Snapshot, candidate: CandidateState, settled: int, needed: int) -> Exit | None:
    """The deadline of its pods, and, once they are there, so much longer as its checks may take."""
    deadline = swap_deadline(s, candidate) if settled >= needed else candidate.deadline_at
    if deadline is None or s.now < deadline:
        return None
    if settled < needed:
        return Exit(reasons.DEADLINE_EXCEEDED, _tell_late(s, candidate, settled, needed))
    message = f"{candidate.revision} has not passed its checks in time, or they could not be made"
    return Exit(reasons.DEADLINE_EXCEEDED, message)


def _tell_late(s: Snapshot, candidate: CandidateState, have: int, needed: int) -> str:
    waiting = s.workload(candidate.revision).waiting
    why = f": {waiting.message}" if waiting else ""
    within = format_duration(s.rollout.progress_deadline)
    return f"{have} of {needed} pods of {candidate.revision} ready within {within}{why}"


def stuck_in_between(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    """In place nobody serves until the candidate does, so nobody waits until the object is put right."""
    if r.stable is None or candidate.phase != "Swapping" or candidate.returning or not s.problems:
        return None
    problem = s.problems[0]
    message = f"{problem.message}; nobody served, so {r.stable.revision} is brought back until that is put right"
    return Exit(problem.reason, message, remember=False)


def held_too_long(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    if s.rollout.on_inconclusive != "Rollback" or candidate.hold_since is None or r.stable is None:
        return None
    if s.now < candidate.hold_since + s.rollout.max_hold:
        return None
    why = s.judgement.message if s.judgement else "the metrics have not been read"
    return Exit(reasons.INCONCLUSIVE, f"no verdict within {format_duration(s.rollout.max_hold)}: {why}")


def failed_validation(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    return find_validation_exit(s, r, candidate)


RULES: tuple[Rule, ...] = (
    judged_bad,  # the metrics say so
    rejected_already,  # a rollback was begun and must be finished
    aborted,  # a person says so
    failed_validation,  # a check before any traffic says so
    spec_put_back,  # the spec says so
    fails_first_requests,  # its first answers are errors
    breaks_callers,  # its feature schema says so
    hopeless,  # its pods end again and again, or their model is not what was asked for
    stuck_in_between,  # something is wrong with the object, and nobody serves
    deadline_exceeded,  # its pods never came
    held_too_long,  # nobody could tell, and the user chose to go back then
)
