"""The audit record of the retraining loop; see `serinus.core.audit` for what it holds. The RetrainRun itself is the
record that stays."""

from collections.abc import Mapping
from typing import Any, Final

from serinus.api import reasons
from serinus.api import retrainreasons as words
from serinus.api.audit import AuditFigure, AuditLine, BySource
from serinus.api.runstatus import TERMINAL, ApprovalRecord, GateResult
from serinus.core.audit import Subject, build_command_line, flatten, new_command, read_subject
from serinus.core.plan import Event
from serinus.core.retrain.groups import COMMAND
from serinus.core.retrain.policyview import CreateRun, OrderRollback, PolicyPlan, PolicySnapshot
from serinus.core.retrain.runview import RunPlan, RunSnapshot

Raw = Mapping[str, Any]

_ACTIONS: Final = {
    words.TRIGGER_FIRED: "retrain.triggered",
    words.TRIGGER_CLEARED: "retrain.triggered",
    words.RETRAIN_STARTED: "retrain.started",
    words.ROLLBACK_ORDERED: "retrain.rollback-ordered",
    words.QUARANTINED: "retrain.quarantined",
    words.RELEASED: "retrain.released",
}


def build_policy_lines(raw: Raw, s: PolicySnapshot, plan: PolicyPlan) -> tuple[AuditLine, ...]:
    """What one pass over a RetrainPolicy did: the command that was answered first, then each transition."""
    subject = read_subject(raw, "RetrainPolicy")
    command = new_command(s.status.last_command, plan.status.last_command)
    lines = []
    if command is not None:
        # What it was about stands where a release has its revision.
        about = {"cancel": "run", "release": "digest"}.get(command.verb)
        known = {about: command.revision} if about is not None else {}
        lines.append(build_command_line(subject, command, **known))
    for event in plan.events:
        action = _ACTIONS.get(event.reason)
        if action is not None:
            lines.append(_tell(subject, s, plan, event, action))
    return tuple(lines)


def _tell(subject: Subject, s: PolicySnapshot, plan: PolicyPlan, event: Event, action: str) -> AuditLine:
    known: dict[str, Any] = {}
    source: BySource = "operator"
    if action == "retrain.started":
        made = next((one for one in plan.before if isinstance(one, CreateRun)), None)
        run = made.name if made is not None else plan.status.active_run
        spec = made.spec if made is not None else s.untold.get(run or "")
        known = {"run": run, "record": f"RetrainRun/{run}", "by": spec.requester if spec is not None else None}
        if spec is not None and any(one.trigger == COMMAND for one in spec.reasons):
            source = "command-by"
        elif known["by"] is not None:
            source = "event"
    elif action == "retrain.rollback-ordered":
        ordered = next((one for one in (*plan.before, *plan.after) if isinstance(one, OrderRollback)), None)
        known = {} if ordered is None else {"revision": ordered.revision, "record": f"ModelRevision/{ordered.revision}"}
    elif action == "retrain.quarantined":
        known = {"digest": event.message.split(": ", 1)[0]}
    elif action == "retrain.released" and plan.status.last_command is not None:
        last, source = plan.status.last_command, "command-by"
        known = {"digest": last.revision, "by": last.by, "command": last.text}
    return subject.line(action, event.reason, event.message, source, **known)


def build_run_lines(raw: Raw, s: RunSnapshot, plan: RunPlan) -> tuple[AuditLine, ...]:
    """What one pass over a RetrainRun did: approvals that were read, then each phase that was entered."""
    subject = read_subject(raw, "RetrainRun")
    status = plan.status
    known: dict[str, Any] = {"run": s.name}
    if status.model is not None:
        known["digest"] = status.model.digest
    if status.promotion is not None:
        known["revision"] = status.promotion.revision
    counted = {one.name: one.counted for one in s.status.approvals}
    lines = [
        _tell_approval(subject, one, known)
        for one in status.approvals
        if counted.get(one.name, object()) != one.counted
    ]
    evidence = tuple(_gate(one) for one in status.gates if one.verdict != "Running")
    for event in plan.events:
        action = "retrain.ended" if status.phase in TERMINAL else "retrain.phase"
        about = {**known, "evidence": evidence, "record": f"RetrainRun/{s.name}"}
        lines.append(subject.line(action, event.reason, event.message or event.reason, "operator", **about))
    return tuple(lines)


def _tell_approval(subject: Subject, one: ApprovalRecord, known: Mapping[str, Any]) -> AuditLine:
    says = "retrain.approved" if one.decision == "Approve" else "retrain.disapproved"
    action = says if one.counted else "retrain.approval-ignored"
    reason = reasons.APPROVED if one.decision == "Approve" else words.APPROVAL_REJECTED
    reason = reason if one.counted else "NotCounted"
    about = {**known, "by": one.approver, "record": f"ModelApproval/{one.name}"}
    return subject.line(action, reason, one.message or one.decision, "approval", **about)


def _gate(one: GateResult) -> AuditFigure:
    return AuditFigure(
        metric=one.name,
        verdict=one.verdict,
        candidate=_with_samples(one),
        stable=str(one.champion or ""),
        limit=one.bound,
    )


def _with_samples(one: GateResult) -> str:
    if one.value is None:
        return flatten(one.message)
    return f"{one.value} of {one.samples}" if one.samples is not None else str(one.value)
