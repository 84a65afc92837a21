"""The vocabulary of the audit record: the keys of an audit line, and the actions it may tell.

Machines match on these words (docs/audit.md): a key or an action may be added, never renamed or given another meaning
without a new `AUDIT_VERSION`.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from serinus.api.meta import StatusModel, Text, Time, Word, shorten_to

AUDIT_VERSION: Final = "serinus.dev/v1"
AUDIT_EVENT: Final = "audit"
"""Key `event` of every audit line, and of no other line."""
AUDIT_LOGGER: Final = "serinus.audit"

BySource = Literal["command-by", "approval", "event", "spec", "operator"]

ACTIONS: Final = {
    "release.started": "A revision became the candidate: its release began, was retried, or is a way back.",
    "release.advanced": "The candidate got its next share of the requests, mirrored ones and the bake included.",
    "release.approved": "A person agreed that the candidate goes on.",
    "release.promoted": "The candidate is the stable revision.",
    "release.rejected": "The candidate was taken off traffic by a rule: metrics, checks, deadline, pods, model.",
    "release.aborted": "A person ended the release, by command or by putting the promoted spec back.",
    "release.undone": "A person took a promoted revision back.",
    "release.superseded": "The release ended without a verdict: another revision is asked for, or the spec is wrong.",
    "release.degraded": "The promoted revision became worse than its baseline allows; nothing was changed by that.",
    "release.state": "What a release is found in, such as Holding, Paused or WaitingForCapacity; nothing was changed.",
    "command.accepted": "A command annotation was carried out.",
    "command.refused": "A command annotation asked for what is not possible; nothing was changed.",
    "command.ignored": "A command annotation meant what is gone or done; nothing was changed.",
    "retrain.triggered": "A trigger fired, or cleared.",
    "retrain.started": "A RetrainRun was made.",
    "retrain.phase": "A RetrainRun entered another phase.",
    "retrain.ended": "A RetrainRun ended, with its outcome in reason.",
    "retrain.approved": "A ModelApproval was counted, and says Approve.",
    "retrain.disapproved": "A ModelApproval was counted, and says Reject.",
    "retrain.approval-ignored": "A ModelApproval was read and does not count, for the reason in the message.",
    "retrain.rollback-ordered": "A RetrainPolicy told its ModelDeployment to go back a revision.",
    "retrain.quarantined": "The digest of a model is held: it is not served again.",
    "retrain.released": "A person took a digest out of quarantine.",
}
"""Action -> one sentence. All that `AuditLine.action` may be."""


class AuditFigure(BaseModel):
    """One metric as it stood when an action was taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    metric: str
    """Name of the metric, check or gate."""
    verdict: str
    """Good, NotEnoughEvidence, CannotMeasure or Bad; of a check Passed, Failed, Unknown ...; of a gate its verdict."""
    candidate: str = ""
    """The candidate's value, with its sample size."""
    stable: str = ""
    """Value of stable, or of the champion."""
    limit: str = ""
    """What is allowed."""
    evidence: str = ""
    """The e-value against the candidate, and how much of it rolls back."""


class AuditLine(BaseModel):
    """One line of the audit record. Every key stands in every line; what is not known is null."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    audit: str = AUDIT_VERSION
    """Version of this form: serinus.dev/v1."""
    action: str
    """What was done: one of the actions below."""
    kind: str
    """Kind of the object: ModelDeployment, RetrainPolicy or RetrainRun."""
    namespace: str
    """Its namespace."""
    name: str
    """Its name."""
    uid: str
    """Its uid, which no later object of that name has."""
    generation: int
    """Its metadata.generation when it was decided: the API server's audit log has who made it."""
    revision: str | None = None
    """ModelRevision that it is about."""
    run: str | None = None
    """RetrainRun that it is about."""
    digest: str | None = None
    """Digest of the model that it is about, where that is known."""
    reason: str
    """One word, as in the condition and the Event of the same moment (docs/conditions.md); of a command its verb, and
    NotCounted of an approval that does not count."""
    message: str
    """A sentence with the numbers, on one line, at most 2048 characters."""
    by: str | None = None
    """Who is said to have asked for it; null where nobody is, or where it is not known."""
    by_source: BySource
    """How `by` is known: command-by (annotation serinus.dev/command-by), approval (spec.approver of a ModelApproval),
    event (who brought an event), spec (a change of the spec, whose author the operator is not told), operator (it acted
    by itself)."""
    manager: str | None = None
    """Field manager that wrote the spec, or the command annotation, last: a program such as kubectl-edit or
    argocd-controller, not a person."""
    command: str | None = None
    """The command annotation that led to it, as it was written."""
    verdict: str | None = None
    """The judge's word on the candidate at that moment."""
    evidence: tuple[AuditFigure, ...] = ()
    """What the metrics, checks or gates said at that moment."""
    record: str | None = None
    """KIND/NAME of the object in the same namespace that keeps the evidence in full."""


KEYS: Final = {name: " ".join((field.description or "").split()) for name, field in AuditLine.model_fields.items()}
"""Key of an audit line -> what it holds."""


class HistoryEntry(StatusModel):
    """Something that was done to a revision."""

    at: Time
    """When it was done."""
    action: Word
    """What was done, in a word of docs/audit.md."""
    reason: Word = ""
    """Why, in one word."""
    message: Text = ""
    """Why, as a sentence; in full in the Event and in the log. Left out of older entries where room is short."""
    by: Annotated[str, Field(max_length=253), shorten_to(253)] | None = None
    """Who is said to have asked for it."""
    by_source: Word = ""
    """How that is known: command-by, spec or operator."""
    left_out: Annotated[int, Field(ge=0)] | None = None
    """How many entries were left out just before this one; the audit log has them."""


MAX_HISTORY: Final = 32
History = Annotated[tuple[HistoryEntry, ...], Field(max_length=MAX_HISTORY)]
