"""The command annotation of a policy, obeyed. What it asks of the decision is kept for that; the rest is done here."""

from dataclasses import replace

from serinus.api import reasons
from serinus.api import retrainreasons as words
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import TriggerReason
from serinus.api.status import CommandOutcome, LastCommand
from serinus.core.plan import Event
from serinus.core.retrain import commands
from serinus.core.retrain.events import Event as Told
from serinus.core.retrain.events import remember_key, take_event
from serinus.core.retrain.groups import COMMAND
from serinus.core.retrain.policypass import Pass
from serinus.core.retrain.policyview import CancelRun, PolicySnapshot


def obey_command(s: PolicySnapshot, spec: RetrainPolicySpec, p: Pass) -> Pass:
    """Read a new command; the same text is never read twice."""
    if not s.command or (s.status.last_command is not None and s.status.last_command.text == s.command):
        return p
    parsed = commands.parse_command(s.command, s.command_by)
    match parsed:
        case commands.Wrong(verb, message):
            return answer_command(s, p, (verb, ""), "Refused", message)
        case commands.Retrain():
            return _take_retrain(s, p, parsed)
        case commands.Cancel(run, note):
            return _cancel(s, p, run, note)
        case commands.ReleaseDigest(digest, reason):
            return _release(s, p, digest, reason)
        case Told():
            return _take_event(s, spec, p, parsed)


def _take_retrain(s: PolicySnapshot, p: Pass, asked: commands.Retrain) -> Pass:
    if not _was_answered(s, COMMAND, asked.sentence):
        return replace(p, retrain=asked)
    p = p.update(handled_keys=remember_key(p.status.handled_keys, asked.mark))
    return answer_command(s, p, ("retrain", asked.key), "Accepted", "a run was started")


def _take_event(s: PolicySnapshot, spec: RetrainPolicySpec, p: Pass, event: Told) -> Pass:
    taken = take_event(spec.triggers, p.states, p.status.handled_keys, event, s.now)
    known = {one.name: one for one in p.states}
    states = tuple(
        known.get(one.name, one) if one.state == "Firing" and _was_answered(s, one.name, one.message) else one
        for one in taken.states
    )
    p = replace(p.update(handled_keys=taken.keys), states=states)
    return answer_command(s, p, ("event", event.key), taken.outcome, taken.message)


def _was_answered(s: PolicySnapshot, trigger: str, message: str) -> bool:
    """Whether a run was made for this very reason by a pass that did not get to say so."""
    text = TriggerReason(trigger=trigger, at=s.now, message=message).message
    reasons_told = (reason for run in s.untold.values() for reason in run.reasons)
    return any(one.trigger == trigger and one.message == text for one in reasons_told)


def _cancel(s: PolicySnapshot, p: Pass, run: str, note: str) -> Pass:
    record = next((one for one in s.runs if one.name == run), None)
    if record is None:
        return answer_command(s, p, ("cancel", run), "Refused", f"there is no RetrainRun {run} of this policy")
    if record.is_over or record.phase == "Observing":
        where = "has ended" if record.is_over else "has been promoted; undo it at the ModelDeployment"
        return answer_command(s, p, ("cancel", run), "Ignored", f"{run} {where}")
    why = "cancelled by command" + (f" of {s.command_by}" if s.command_by else "") + (f": {note}" if note else "")
    p = replace(p, before=(*p.before, CancelRun(run, why)))
    return answer_command(s, p, ("cancel", run), "Accepted", "it ends, and what trains is removed")


def _release(s: PolicySnapshot, p: Pass, digest: str, reason: str) -> Pass:
    kept = tuple(one for one in p.status.quarantined if one.digest != digest)
    if len(kept) == len(p.status.quarantined):
        return answer_command(s, p, ("release", digest), "Ignored", f"{digest} is not in quarantine")
    by = f" by {s.command_by}" if s.command_by else ""
    p = p.update(quarantined=kept).tell(Event(words.RELEASED, f"{digest}{by}: {reason}"))
    return answer_command(s, p, ("release", digest), "Accepted", "it may be served again")


def answer_command(s: PolicySnapshot, p: Pass, asked: tuple[str, str], outcome: CommandOutcome, message: str) -> Pass:
    """Record what became of a command, `asked` being its verb and what it was about."""
    command = LastCommand(
        text=s.command or "",
        verb=asked[0],
        revision=asked[1],
        at=s.now,
        by=s.command_by,
        outcome=outcome,
        message=message,
    )
    p = p.update(last_command=command)
    if outcome == "Accepted":
        return p
    return p.tell(Event(reasons.COMMAND_REFUSED, f"{s.command!r}: {message}", warning=outcome == "Refused"))
