"""The audit record of a release: lines for the log, and what is added to the history of a ModelRevision.

This is the one place where it is built. It looks only at what was decided, and says nothing that is not in it: who is
behind a change of the spec the API server knows, and the operator does not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from serinus.api import reasons
from serinus.api.audit import AuditFigure, AuditLine, BySource, HistoryEntry
from serinus.api.meta import ANNOTATION_COMMAND
from serinus.api.podtemplate import child
from serinus.api.status import AnalysisSummary, CheckState, LastCommand
from serinus.core.plan import Action, Event, MarkRevision, NoteRevision, Plan
from serinus.core.snapshot import Snapshot

Raw = Mapping[str, Any]

LONGEST: Final = 2048

_MOVES: Final = {
    reasons.ROLLOUT_STARTED: "release.started",
    reasons.DEPLOYING: "release.started",
    reasons.WEIGHT_RAISED: "release.advanced",
    reasons.BAKING: "release.advanced",
    reasons.SHADOWING: "release.advanced",
    reasons.SWAPPING: "release.advanced",
    reasons.SWAPPED: "release.advanced",
    reasons.APPROVED: "release.approved",
    reasons.UNDONE: "release.undone",
    reasons.SLOW_DEGRADATION: "release.degraded",
}
_MARKED: Final = {"Stable": "release.promoted", "Rejected": "release.rejected", "Superseded": "release.superseded"}
_BY_VERB: Final = {
    "abort": {"release.aborted"},
    "approve": {"release.approved"},
    "retry": {"release.started"},
    "undo": {"release.undone", "release.started"},
    "promote": {"release.advanced", "release.promoted"},
    "skip-step": {"release.advanced"},
    "resume": {"release.advanced"},
}
"""What a command brings about, where that happens in the same pass."""
_UNJUDGED: Final = frozenset({"release.started", "release.state"})
_KEPT: Final = frozenset(
    {
        "release.started",
        "release.approved",
        "release.promoted",
        "release.rejected",
        "release.aborted",
        "release.undone",
        "release.superseded",
        "command.accepted",
    }
)
"""What the history of a ModelRevision keeps."""


@dataclass(frozen=True)
class Subject:
    """The object that lines are about, and the programs that wrote to it last."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    spec_manager: str | None = None
    command_manager: str | None = None

    def line(self, action: str, reason: str, message: str, by_source: BySource, **known: Any) -> AuditLine:
        """A line about it; the field manager is told where somebody else wrote what led to it."""
        managers = {"spec": self.spec_manager, "command-by": self.command_manager}
        return AuditLine(
            action=action,
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            generation=self.generation,
            reason=reason,
            message=flatten(message),
            by_source=by_source,
            manager=managers.get(by_source),
            **known,
        )


def read_subject(raw: Raw, kind: str) -> Subject:
    """Who a raw object is. Total: an object without managed fields has no managers."""
    metadata = child(raw, "metadata")
    return Subject(
        kind=kind,
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
        generation=int(metadata.get("generation") or 0),
        spec_manager=find_manager(raw, "f:spec"),
        command_manager=find_manager(raw, "f:metadata", "f:annotations", f"f:{ANNOTATION_COMMAND}"),
    )


def find_manager(raw: Raw, *path: str) -> str | None:
    """The field manager that wrote a field last, as metadata.managedFields tell; None where they do not."""
    found = [
        (str(entry.get("time") or ""), str(entry.get("manager") or ""))
        for entry in child(raw, "metadata").get("managedFields") or ()
        if isinstance(entry, Mapping) and not entry.get("subresource") and _owns(entry.get("fieldsV1"), path)
    ]
    return max(found)[1][:128] or None if found else None


def _owns(fields: object, path: tuple[str, ...]) -> bool:
    for step in path:
        if not isinstance(fields, Mapping) or step not in fields:
            return False
        fields = fields[step]
    return True


def flatten(message: str) -> str:
    """A message as one line of at most 2048 characters."""
    text = " ".join(message.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def build_release_lines(raw: Raw, s: Snapshot, plan: Plan) -> tuple[AuditLine, ...]:
    """What one pass over a ModelDeployment did: the command that was answered first, then each transition."""
    subject = read_subject(raw, "ModelDeployment")
    command = new_command(s.status.last_command, plan.status.last_command)
    marks = {mark.message: mark for mark in plan.before if isinstance(mark, MarkRevision)}
    lines = [] if command is None else [build_command_line(subject, command, revision=command.revision or None)]
    told = (event for event in plan.events if event.reason != reasons.COMMAND_REFUSED)
    transitions = (
        _transition(subject, s, plan, event, mark=marks.get(event.message), command=command) for event in told
    )
    return (*lines, *transitions)


def new_command(before: LastCommand | None, after: LastCommand | None) -> LastCommand | None:
    """The command that was answered in this pass, if one was."""
    return after if after is not None and (before is None or before.text != after.text) else None


def build_command_line(subject: Subject, command: LastCommand, **about: str | None) -> AuditLine:
    """The line that says what became of a command."""
    action = f"command.{command.outcome.lower()}"
    reason = command.verb or "unknown"
    known = {**about, "by": command.by, "command": command.text}
    return subject.line(action, reason, command.message or command.text, "command-by", **known)


def _transition(
    subject: Subject, s: Snapshot, plan: Plan, event: Event, *, mark: MarkRevision | None, command: LastCommand | None
) -> AuditLine:
    action = _action_of(event, mark)
    states = (plan.status.candidate, s.status.candidate, plan.status.stable)
    revision = mark.name if mark is not None else next((one.revision for one in states if one is not None), None)
    known: dict[str, Any] = {"revision": revision, "record": revision and f"ModelRevision/{revision}"}
    ordered = command is not None and command.outcome == "Accepted" and action in _BY_VERB.get(command.verb, ())
    if ordered and command is not None:
        known |= {"by": command.by, "command": command.text}
    if action not in _UNJUDGED and s.judgement is not None:
        known |= {"verdict": s.judgement.verdict.value}
        known |= {"evidence": tuple(_figure(one) for one in s.judgement.summaries)}
    if mark is not None and mark.validation:
        known["evidence"] = (*known.get("evidence", ()), *(_check(one) for one in mark.validation))
    source: BySource = "command-by" if ordered else _source_of(action, event, s, plan)
    return subject.line(action, event.reason, event.message, source, **known)


def _action_of(event: Event, mark: MarkRevision | None) -> str:
    if mark is not None and event.reason == reasons.UNDONE:
        return "release.undone"
    if mark is not None and mark.phase == "Rejected" and event.reason == reasons.ABORTED:
        return "release.aborted"
    if mark is not None and mark.phase in _MARKED:
        return _MARKED[mark.phase]
    return _MOVES.get(event.reason, "release.state")


def _source_of(action: str, event: Event, s: Snapshot, plan: Plan) -> BySource:
    """Who it was where no command was: people change the spec, and everything else the operator does by itself."""
    if action == "release.started":
        returned = any(one.reason == reasons.SLOW_DEGRADATION for one in plan.events)
        return "operator" if returned or _is_followed(s) else "spec"
    if action == "release.aborted" or event.reason == reasons.SUPERSEDED:
        return "operator" if _is_followed(s) else "spec"
    return "operator"


def _is_followed(s: Snapshot) -> bool:
    """Whether another model is wanted because a RetrainPolicy has one, and nobody has touched the spec."""
    source = s.spec.model.from_ if s.spec.model is not None else None
    follows = source is not None and source.retrain_policy is not None
    return follows and s.status.observed_generation == s.generation and s.status.model != s.model


def _figure(one: AnalysisSummary) -> AuditFigure:
    return AuditFigure(
        metric=one.name,
        verdict=one.verdict,
        candidate=one.candidate,
        stable=one.stable,
        limit=one.limit,
        evidence=one.evidence,
    )


def _check(one: CheckState) -> AuditFigure:
    return AuditFigure(metric=one.name, verdict=one.outcome, candidate=flatten(one.message))


def keep_history(plan: Plan, lines: tuple[AuditLine, ...], s: Snapshot) -> Plan:
    """The plan that also writes down on each ModelRevision what was done to it. It stands before the status write: what
    cannot be recorded is tried again, and the levers that take traffic away come first. A revision that is only just
    being recorded says itself, by its `spec.cause`, how it came about."""
    entries: dict[str, list[HistoryEntry]] = {}
    told = {(line.revision, line.command) for line in lines if line.action.startswith("release.") and line.command}
    for line in lines:
        twice = line.action == "command.accepted" and (line.revision, line.command) in told
        if line.revision is not None and line.action in _KEPT and line.revision in s.revisions and not twice:
            entries.setdefault(line.revision, []).append(_entry(line, s.now))
    before: list[Action] = []
    for action in plan.before:
        noted = tuple(entries.pop(action.name, ())) if isinstance(action, MarkRevision) else ()
        before.append(replace(action, entries=noted) if isinstance(action, MarkRevision) and noted else action)
    notes = (NoteRevision(name, tuple(noted)) for name, noted in entries.items())
    return replace(plan, before=(*before, *notes))


def _entry(line: AuditLine, now: datetime) -> HistoryEntry:
    return HistoryEntry(
        at=now, action=line.action, reason=line.reason, message=line.message, by=line.by, by_source=line.by_source
    )
