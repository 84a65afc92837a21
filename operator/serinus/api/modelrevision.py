"""ModelRevision: the immutable record of one revision, with verdict and evidence. Written by the operator only."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from serinus.api.audit import History
from serinus.api.meta import NAME_MAX_LENGTH, Message, Model, StatusModel, Time, Word
from serinus.api.resource import Column, Resource, Rule, list_map, with_rules
from serinus.api.rollout import FreeForm
from serinus.api.status import AnalysisSummary, CheckState, EvidencePoint, EvidenceState, Verdict

RevisionPhase = Literal["Candidate", "Stable", "Rejected", "Retired", "Superseded"]

_IMMUTABLE = Rule("self == oldSelf", "a ModelRevision is a record: its spec cannot be changed")
_APPEND_ONLY = Rule(
    "!has(oldSelf.history) || (has(self.history) && self.history.size() >= oldSelf.history.size())",
    "status.history is a record: nothing is taken out of it",
)


class RevisionCause(Model):
    """What led to the revision."""

    generation: Annotated[int, Field(ge=0)]
    """metadata.generation of the ModelDeployment that asked for it; the API server's audit log has who made that."""
    manager: Annotated[str, Field(max_length=128)] | None = None
    """Field manager that had written the spec last: a program such as kubectl-edit, not a person."""


class ModelRevisionSpec(Model):
    """What the revision consists of."""

    model_config = ConfigDict(json_schema_extra=with_rules(_IMMUTABLE))

    model_deployment: Annotated[str, Field(min_length=1, max_length=NAME_MAX_LENGTH)]
    """Name of the ModelDeployment that it belongs to."""
    number: Annotated[int, Field(ge=1)]
    """How many revisions there have been up to this one, counted from 1."""
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$", max_length=8)]
    """First 8 hex digits of the digest; part of the names of its Deployment and Service."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    """SHA-256 of the canonical JSON of `content`: equal content is the same revision."""
    content: FreeForm
    """What is served: pod template, model, accelerator and serving settings."""
    loader: FreeForm | None = None
    """Image and environment of the loader as the admin had them configured when the revision was made. It keeps them;
    they are not part of the digest."""
    reference: Annotated[str, Field(max_length=1024)] | None = None
    """The model reference as it was written when the revision was made. While the revision serves, or is being
    released, the same text means the same model; not part of the digest."""
    cause: RevisionCause | None = None
    """What led to it; not part of the digest."""


class ModelRevisionStatus(StatusModel):
    """What became of the revision."""

    model_config = ConfigDict(json_schema_extra=with_rules(_APPEND_ONLY))

    phase: RevisionPhase | None = None
    """Candidate (being released), Stable (serves), Rejected (rolled back or never ready), Retired (replaced) or
    Superseded (another revision came before it was done)."""
    reason: Word | None = None
    """Why, in one word."""
    message: Message | None = None
    """Why, with the numbers."""
    started_at: Time | None = None
    """When its release began."""
    promoted_at: Time | None = None
    """When it was promoted."""
    rejected_at: Time | None = None
    """When it was rejected."""
    retired_at: Time | None = None
    """When another revision replaced it."""
    validation: Annotated[tuple[CheckState, ...], Field(max_length=20, json_schema_extra=list_map("name"))] = ()
    """What the checks before any traffic found."""
    verdict: Verdict | None = None
    """The judge's last word on it."""
    evidence: Annotated[tuple[EvidenceState, ...], Field(max_length=16, json_schema_extra=list_map("metric"))] = ()
    """What each metric had seen at the end."""
    analysis: Annotated[tuple[AnalysisSummary, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """The judge's findings at the end, metric by metric."""
    series: Annotated[tuple[EvidencePoint, ...], Field(max_length=64)] = ()
    """How the evidence came about, look by look, oldest first. Thinned to stay under 8 KiB; looks of an operator that
    was restarted in between are missing."""
    history: History = ()
    """Who did what to it, oldest first; docs/audit.md. Thinned to stay under 32 entries and 8 KiB: the first entry and
    the latest are kept, messages of those between go first."""


MODEL_REVISION: Final = Resource(
    kind="ModelRevision",
    plural="modelrevisions",
    short_name="mrev",
    scope="Namespaced",
    description="The immutable record of one revision of a ModelDeployment: content, digest, verdict, evidence and"
    " times. The operator writes it.",
    spec=ModelRevisionSpec,
    status=ModelRevisionStatus,
    columns=(
        Column("Deployment", ".spec.modelDeployment", description="ModelDeployment that it belongs to."),
        Column("Number", ".spec.number", "integer", description="Number of the revision, from 1."),
        Column("Phase", ".status.phase", description="What became of it."),
        Column("Verdict", ".status.verdict", description="The judge's last word."),
        Column("Reason", ".status.reason", description="Why, in one word."),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Digest", ".spec.digest", priority=1, description="SHA-256 of the content."),
        Column("Message", ".status.message", priority=1, description="Why, with numbers."),
    ),
)
