"""The command annotation: `serinus.dev/command: "<verb> <revision> [note or time]"`.

It names the revision it means, so that a late or repeated command is harmless. The operator never removes it; it only
records in `status.lastCommand` what became of it. The same text is never carried out twice: a person who means it again
adds a note."""

from dataclasses import replace

from serinus.api import reasons
from serinus.api.status import CandidateState, LastCommand, RejectedState
from serinus.core.plan import Event, MarkRevision
from serinus.core.release import Exit, Release, start_candidate
from serinus.core.snapshot import RevisionRecord, Snapshot
from serinus.core.steps import is_pause_step

VERBS = ("promote", "approve", "abort", "retry", "pause", "resume", "skip-step", "undo")


def parse_command(text: str) -> tuple[str, str]:
    """Verb and revision of a command; either is empty where the text does not hold it."""
    words = text.split()
    return (words[0] if words else "", words[1] if len(words) > 1 else "")


def is_new_command(s: Snapshot) -> bool:
    return bool(s.command) and (s.status.last_command is None or s.status.last_command.text != s.command)


def find_abort(s: Snapshot, candidate: CandidateState) -> Exit | None:
    """An abort that means this candidate. Asked among the exits, because nothing may stand before it."""
    if not is_new_command(s) or s.command is None:
        return None
    verb, revision = parse_command(s.command)
    if verb != "abort" or revision != candidate.revision:
        return None
    return Exit(reasons.ABORTED, f"aborted by command {s.command!r}")


def obey_command(s: Snapshot, r: Release) -> Release:
    """Carry out a new command, or record why not. Aborts have been carried out before."""
    if not is_new_command(s) or s.command is None:
        return r
    verb, revision = parse_command(s.command)
    after, outcome, message = _carry_out(s, r, verb, revision)
    command = LastCommand(
        text=s.command, verb=verb, revision=revision, at=s.now, by=s.command_by, outcome=outcome, message=message
    )
    after = replace(after, last_command=command)
    if outcome == "Accepted":
        return after
    return after.told(Event(reasons.COMMAND_REFUSED, f"{s.command!r}: {message}", warning=outcome == "Refused"))


_Outcome = tuple[Release, str, str]


def _carry_out(s: Snapshot, r: Release, verb: str, revision: str) -> _Outcome:
    if verb not in VERBS:
        return r, "Refused", f"verb {verb!r} is unknown; known are {', '.join(VERBS)}"
    if not revision:
        return r, "Refused", f"write which revision is meant: {verb} <revision>"
    if verb == "abort":
        return _answer_abort(s, r, revision)
    if verb == "retry":
        return _retry(s, r, revision)
    if verb == "undo":
        return _undo(s, r, revision)
    if r.candidate is None or r.candidate.revision != revision:
        running = "no rollout is running" if r.candidate is None else f"the candidate is {r.candidate.revision}"
        return r, "Ignored", f"{running}, nothing to {verb}"
    if verb == "approve":
        return _approve(s, r, r.candidate)
    return _steer(s, r, r.candidate, verb)


def _approve(s: Snapshot, r: Release, candidate: CandidateState) -> _Outcome:
    if s.rollout.approval == "Never":
        return r, "Ignored", "spec.rollout.approval asks for none"
    if candidate.approved_at is not None:
        return r, "Ignored", f"{candidate.revision} is approved already"
    update = {"approved_at": s.now, "approved_by": s.command_by}
    by = f" by {s.command_by}" if s.command_by else ""
    r = replace(r, candidate=candidate.model_copy(update=update))
    r = r.told(Event(reasons.APPROVED, f"{candidate.revision} is approved{by}"))
    return r, "Accepted", "goes on as soon as everything else is in order"


def _steer(s: Snapshot, r: Release, candidate: CandidateState, verb: str) -> _Outcome:
    at_pause_step = candidate.paused and is_pause_step(s.rollout, candidate.step)
    if verb == "pause":
        update: dict[str, object] = {"paused": True, "pause_reason": "paused by command"}
        message = f"paused at {candidate.weight}%; judging and rollback go on"
    elif verb == "resume" and not candidate.paused:
        return r, "Ignored", f"{candidate.revision} is not paused"
    elif verb == "resume":
        update = {"paused": False, "pause_reason": None}
        message = "goes on"
        if at_pause_step and candidate.phase != "Baking":
            update["forced_step"] = candidate.step + 1
    elif candidate.phase == "Baking":
        return r, "Ignored", f"{candidate.revision} has all traffic already and is baking"
    elif verb == "skip-step":
        update = {"paused": False, "pause_reason": None, "forced_step": candidate.step + 1}
        message = f"step {candidate.step + 1} starts as soon as its pods are ready"
    else:
        update = {"paused": False, "pause_reason": None, "forced_step": len(s.rollout.steps) + 1}
        message = "all traffic as soon as its pods are ready; the bake follows"
    return replace(r, candidate=candidate.model_copy(update=update)), "Accepted", message


def _answer_abort(s: Snapshot, r: Release, revision: str) -> _Outcome:
    # Times in a status are coarser than the clock: that it was rejected just now shows in what was there before.
    if r.rejected is not None and r.rejected.revision == revision and r.rejected != s.status.rejected:
        return r, "Accepted", r.rejected.message
    return r, "Ignored", f"{revision} is not the candidate, nothing to abort"


def _retry(s: Snapshot, r: Release, revision: str) -> _Outcome:
    if revision != s.wanted.name:
        return r, "Refused", f"the spec asks for {s.wanted.name}; only that one can be retried"
    if not s.is_rejected(revision):
        return r, "Ignored", f"{revision} is not rejected"
    mark = MarkRevision(revision, "Candidate", reasons.RETRIED, "retried by command")
    r = replace(r, marks=(*r.marks, mark))
    return start_candidate(s, r, revision, returning=False), "Accepted", "starts again at the first step"


def _undo(s: Snapshot, r: Release, revision: str) -> _Outcome:
    if r.stable is None or r.stable.revision != revision:
        now = "nothing" if r.stable is None else r.stable.revision
        return r, "Refused", f"undo takes back the stable revision, which is {now}"
    if r.candidate is not None:
        return r, "Refused", f"{r.candidate.revision} is being released: abort it instead"
    target = previous_promoted(s, revision)
    if target is None:
        return r, "Refused", f"no earlier revision is inside the rollback window of {s.rollout.rollback_window}"
    message = f"undone by command {s.command!r}: back to {target}"
    mark = MarkRevision(revision, "Rejected", reasons.UNDONE, message)
    rejected = RejectedState(revision=revision, at=s.now, reason=reasons.UNDONE, message=message)
    r = start_candidate(s, replace(r, marks=(*r.marks, mark)), target, returning=True)
    r = r.told(Event(reasons.UNDONE, message, warning=True))
    return replace(r, rejected=rejected), "Accepted", f"{target} takes over as soon as its pods are ready"


def promoted_before(s: Snapshot, stable: str) -> list[RevisionRecord]:
    """Revisions inside the rollback window: the last promoted ones besides `stable`, newest first, rejected ones left
    out.
    """
    promoted = [
        record
        for record in s.revisions.values()
        if record.promoted_at is not None and record.name != stable and not s.is_rejected(record.name)
    ]
    promoted.sort(key=lambda record: (record.promoted_at, record.number), reverse=True)
    return promoted[: s.rollout.rollback_window]


def previous_promoted(s: Snapshot, stable: str) -> str | None:
    promoted = promoted_before(s, stable)
    return promoted[0].name if promoted else None
