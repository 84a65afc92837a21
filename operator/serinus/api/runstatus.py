"""Status of a RetrainRun: the whole record of one run, from why it was asked for to what became of its candidate.
It stays under 8 KiB with up to eight triggers, and under 16 KiB whatever there is."""

from typing import Annotated, Literal

from pydantic import Field

from serinus.api.meta import Condition, Message, ObservedGeneration, StatusModel, Text, Time, Word, shorten_to
from serinus.api.resource import list_map
from serinus.api.retrainstatus import Figure
from serinus.api.status import Count, ModelUri, Name

RunPhase = Literal[
    "Pending",
    "Queued",
    "Training",
    "Collecting",
    "Validating",
    "AwaitingApproval",
    "Promoting",
    "Observing",
    "Succeeded",
    "Failed",
    "Rejected",
    "RolledBack",
    "Superseded",
    "Cancelled",
    "Lost",
    "Skipped",
]
TERMINAL: frozenset[str] = frozenset(
    {"Succeeded", "Failed", "Rejected", "RolledBack", "Superseded", "Cancelled", "Lost", "Skipped"}
)
GateVerdict = Literal["Passed", "Warned", "Failed", "Missing", "Skipped", "Running"]


class ChildReference(StatusModel):
    """What trains."""

    api_version: Word
    """Its API."""
    kind: Word
    """Its kind."""
    name: Name
    """Its name."""
    uid: Annotated[str, Field(max_length=64)] | None = None
    """Its uid: another object of the same name is not it."""


class Transition(StatusModel):
    """When a phase began."""

    phase: RunPhase
    """The phase. Key of the list."""
    at: Time
    """When it began."""


class GateResult(StatusModel):
    """What one gate found."""

    name: Word
    """Name of the gate. Key of the list."""
    kind: Word
    """Its kind."""
    verdict: GateVerdict
    """Passed, Warned, Failed, Missing (no evidence), Skipped (nothing to compare with) or Running."""
    severity: Word = "Block"
    """Block or Warn."""
    value: Figure | None = None
    """What the candidate showed."""
    champion: Figure | None = None
    """What the champion showed on the same data."""
    bound: Word = ""
    """What is allowed."""
    samples: Count | None = None
    """Samples behind the value."""
    attempts: Count = 0
    """How often its Job was started."""
    message: Text = ""
    """The same as a sentence."""


class ApprovalRecord(StatusModel):
    """What one person said."""

    name: Name
    """The ModelApproval. Key of the list."""
    approver: Name
    """Who says so."""
    decision: Word
    """Approve or Reject."""
    at: Time
    """When it was made."""
    counted: bool = False
    """Whether it counts."""
    message: Text = ""
    """The reason given, or why it does not count."""


class RunModel(StatusModel):
    """The model that was trained, as the training says."""

    uri: ModelUri
    """Its address."""
    digest: Annotated[str, Field(max_length=160)] | None = None
    """What pins it."""
    snapshot: Annotated[str, Field(max_length=256)] | None = None
    """Id of the data that it was trained on."""
    snapshot_digest: Annotated[str, Field(max_length=160)] | None = None
    """Digest of that data."""
    source: Annotated[str, Field(max_length=256)] | None = None
    """Revision of the code that trained it."""
    signature: Annotated[str, Field(max_length=256)] | None = None
    """Who signed it."""
    registry_run: Annotated[str, Field(max_length=128)] | None = None
    """Run of the experiment tracker."""


class PromotionState(StatusModel):
    """How the candidate got, or gets, to production."""

    target: Word = ""
    """Direct, PullRequest or Alias."""
    reference: Annotated[str, Field(max_length=512), shorten_to(512)] | None = None
    """Revision, pull request or alias."""
    before: Annotated[str, Field(max_length=512), shorten_to(512)] | None = None
    """What was there before: the champion's address, or the version that the alias led to."""
    at: Time | None = None
    """When it was handed over."""
    revision: Name | None = None
    """ModelRevision that serves it."""
    stable_at: Time | None = None
    """When that became stable."""
    restored_at: Time | None = None
    """When what was there before was put back, after a rollback: an alias."""
    message: Message | None = None
    """What it waits for, or what the canary said."""


class StageSeconds(StatusModel):
    """How long one stage took."""

    stage: Word
    """detect, decide, queue, train, validate, approve, canary or observe. Key of the list."""
    seconds: Count
    """Seconds."""


class RetrainRunStatus(StatusModel):
    """What became of the attempt. Once it is at an end, nothing here changes any more."""

    observed_generation: ObservedGeneration = None
    """The metadata.generation that this status is about."""
    phase: RunPhase | None = None
    """Where it stands."""
    reason: Word | None = None
    """Why, in one word."""
    message: Message | None = None
    """Why, with the numbers."""
    child: ChildReference | None = None
    """What trains."""
    queued_reason: Text | None = None
    """What it waits for before it begins."""
    transitions: Annotated[tuple[Transition, ...], Field(max_length=16, json_schema_extra=list_map("phase"))] = ()
    """When each phase began."""
    started_at: Time | None = None
    """When the training began."""
    trained_at: Time | None = None
    """When the training ended."""
    deadline_at: Time | None = None
    """When the present phase is given up."""
    finished_at: Time | None = None
    """When the run ended."""
    model: RunModel | None = None
    """The model that was trained."""
    results_digest: Annotated[str, Field(max_length=160)] | None = None
    """SHA-256 of the results as they were read."""
    gates: Annotated[tuple[GateResult, ...], Field(max_length=24, json_schema_extra=list_map("name"))] = ()
    """What each gate found."""
    approvals: Annotated[tuple[ApprovalRecord, ...], Field(max_length=20, json_schema_extra=list_map("name"))] = ()
    """Who agreed, and who did not."""
    promotion: PromotionState | None = None
    """How the candidate gets to production."""
    accelerator_seconds: Count | None = None
    """Accelerators times seconds of the training."""
    stages: Annotated[tuple[StageSeconds, ...], Field(max_length=12, json_schema_extra=list_map("stage"))] = ()
    """How long each stage took; written at the end."""
    recovery_seconds: Count | None = None
    """Seconds from the first bad window to the trigger's clearing."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
    """Ready, Reconciling and Stalled, as tools read them."""
