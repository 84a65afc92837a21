"""Status of a ModelDeployment: what people and tools read, and the whole memory of the state machine.

Nothing that a decision needs may be kept anywhere else. Small: all of it stays under 8 KiB.
"""

from typing import Annotated, Literal

from pydantic import Field

from serinus.api.meta import Condition, Message, ObservedGeneration, StatusModel, Text, Time, Word, shorten_to
from serinus.api.resource import list_map

Verdict = Literal["Good", "NotEnoughEvidence", "CannotMeasure", "Bad"]
CandidatePhase = Literal["Pending", "Swapping", "Shadowing", "Progressing", "Baking"]
CheckOutcome = Literal["Pending", "Running", "Passed", "Failed", "Unknown"]
CommandOutcome = Literal["Accepted", "Refused", "Ignored"]

Count = Annotated[int, Field(ge=0)]
ModelUri = Annotated[str, Field(max_length=1152)]
"""A reference of the spec with a digest behind it."""
Name = Annotated[str, Field(max_length=253), shorten_to(253)]
Percent = Annotated[int, Field(ge=0, le=100)]


class LaneState(StatusModel):
    """One running test of a metric."""

    bound: Annotated[str, Field(max_length=32)] | None = None
    """Latency in seconds beyond which an answer counts as bad; absent where failures are counted."""
    logs: Annotated[tuple[Annotated[str, Field(max_length=32)], ...], Field(max_length=16)] = ()
    """State of the sequential test: natural logarithm of the evidence for each effect size tested, numbers as
    strings."""
    candidate_bad: Count = 0
    """Answers of the candidate that were bad."""
    stable_bad: Count = 0
    """Answers of the stable revision that were bad, in the same time."""


class EvidenceState(StatusModel):
    """What one metric has seen since the candidate got its first request."""

    metric: Word
    """Name of the metric. Key of the list."""
    candidate_total: Count = 0
    """Requests that the candidate answered."""
    stable_total: Count = 0
    """Requests that the stable revision answered in the same time."""
    exposure: Count = 0
    """Seconds of testing, in tenths."""
    lanes: Annotated[tuple[LaneState, ...], Field(max_length=6)] = ()
    """The running tests: one, or one for each latency bound."""
    margin: Annotated[str, Field(max_length=32)] | None = None
    """The regression that was allowed, where stable's own pods differ so much that the user's was widened."""
    dispersion: Annotated[str, Field(max_length=32)] | None = None
    """How many times the variance of stable's failures exceeds that of failures that come one by one, where it does."""
    first_bad_at: Time | None = None
    """When a bad answer of the candidate was first seen."""
    as_of: Time | None = None
    """Time of the newest sample that is counted here; later samples are still to come."""


class EvidenceFigure(StatusModel):
    """One metric at one look."""

    metric: Word
    """Name of the metric."""
    verdict: Verdict | None = None
    """Good, NotEnoughEvidence, CannotMeasure or Bad."""
    candidate: Annotated[str, Field(max_length=32)] | None = None
    """The candidate's value so far; absent where unknown."""
    stable: Annotated[str, Field(max_length=32)] | None = None
    """Stable's value over the same time; absent where unknown."""
    samples: Count = 0
    """Requests of the candidate that the value is made of."""
    evidence: Annotated[str, Field(max_length=32)] = ""
    """The e-value against the candidate."""
    threshold: Annotated[str, Field(max_length=32)] = ""
    """The e-value that rolls back."""


class EvidencePoint(StatusModel):
    """One look at the metrics."""

    at: Time
    """When it was taken."""
    weight: Percent = 0
    """Percent of the requests that the candidate had."""
    metrics: Annotated[tuple[EvidenceFigure, ...], Field(max_length=17)] = ()
    """What each metric said."""


class StableState(StatusModel):
    """The revision that serves."""

    revision: Name
    """Name of its ModelRevision."""
    weight: Percent = 0
    """Percent of the requests that it gets."""
    replicas: Count = 0
    """Pods that it has."""
    ready_replicas: Count = 0
    """Pods of it that are ready."""
    since: Time | None = None
    """When it was promoted."""
    watch_until: Time | None = None
    """Until when it is watched for a slow change, where that was asked for."""
    baseline: Annotated[tuple[EvidenceState, ...], Field(max_length=16, json_schema_extra=list_map("metric"))] = ()
    """What it showed up to its promotion: the measure while it is watched."""
    down_since: Time | None = None
    """Since when it has no pods because it makes place for another revision (InPlace)."""
    downtime: Word | None = None
    """How long nobody served in the release that it came from or came back from (InPlace), for example 41.3s."""
    degraded_at: Time | None = None
    """When it was found to have become worse than its baseline allows."""
    degraded: Message | None = None
    """What was found then, with the numbers."""


class CheckState(StatusModel):
    """What one check of rollout.validation or rollout.shadow.scoring found."""

    name: Word
    """Name of the check. Key of the list."""
    attempt: Word
    """Which attempt this is about; a changed check or a retry is another one."""
    outcome: CheckOutcome
    """Pending and Running; Passed and Failed are about the model; Unknown: the check could not be run, or did not say
    what it was asked for."""
    job: Name | None = None
    """The Job that ran it: kubectl logs job/NAME. Left out where there are many checks, to keep the status small."""
    message: Text = ""
    """Why, with the numbers; what it waits for, while it does. Cut where there are many checks."""


class CandidateState(StatusModel):
    """The revision that is being released."""

    revision: Name
    """Name of its ModelRevision."""
    phase: CandidatePhase = "Pending"
    """Pending until its pods are ready, Swapping while stable makes place for it (InPlace), Shadowing while it gets
    mirrored requests (Shadow), Progressing through the steps, Baking at 100 percent."""
    weight: Percent = 0
    """Percent of the requests that it gets."""
    replicas: Count = 0
    """Pods that it has."""
    ready_replicas: Count = 0
    """Pods of it that are ready."""
    stable_size: Count = 0
    """Pods that stable had when the release began, and keeps until it is over."""
    crashing_since: Time | None = None
    """Since when containers of it end again and again; none once its pods are ready."""
    step: Count = 0
    """The step it is at, from 1; 0 before the first."""
    steps: Count = 0
    """How many steps there are."""
    started_at: Time | None = None
    """When its release began."""
    step_started_at: Time | None = None
    """When its present step began."""
    traffic_since: Time | None = None
    """When it got its first traffic, or its first mirrored requests."""
    shadowed_at: Time | None = None
    """When it began to get mirrored requests (Shadow)."""
    next_at: Time | None = None
    """When its present step ends at the earliest."""
    deadline_at: Time | None = None
    """When it is rejected if its pods are not ready by then."""
    clock_stopped_at: Time | None = None
    """Since when the deadline's clock stands still (waiting for capacity, an approval or a pause)."""
    hold_since: Time | None = None
    """Since when it waits for evidence past the time of its step."""
    validation: Annotated[tuple[CheckState, ...], Field(max_length=20, json_schema_extra=list_map("name"))] = ()
    """What the checks before any traffic found, those of rollout.shadow.scoring included."""
    paused: bool = False
    """Whether it stands still until a person goes on."""
    pause_reason: Message | None = None
    """Why it stands still."""
    in_place: bool = False
    """Whether it takes the place of stable's pods, so that only one of them has any."""
    downtime: Word | None = None
    """How long nobody served until it did (InPlace), for example 41.3s."""
    returning: bool = False
    """Whether it is a return inside the rollback window, which skips the steps."""
    forced_step: Count = 0
    """The step that a person ordered by command; it starts without asking for evidence. 0: none."""
    approved_at: Time | None = None
    """When a person approved it."""
    approved_by: Name | None = None
    """Who approved it, by the annotation serinus.dev/command-by."""
    bake_until: Time | None = None
    """When the bake ends and it is promoted."""
    rehearsed: Message | None = None
    """In a rehearsal: when the candidate would have been rolled back for the first time, and why."""
    verdict: Verdict | None = None
    """The judge's present word: Good, NotEnoughEvidence and CannotMeasure (both hold), or Bad (rolls back)."""
    evidence: Annotated[tuple[EvidenceState, ...], Field(max_length=16, json_schema_extra=list_map("metric"))] = ()
    """What each metric has seen so far."""


class RejectedState(StatusModel):
    """The revision that was rejected last. Applying it again starts nothing until somebody retries it."""

    revision: Name
    """Name of its ModelRevision."""
    at: Time | None = None
    """When it was rejected."""
    reason: Word = ""
    """Why, in one word."""
    message: Message = ""
    """Why, with the numbers."""


class DrainingState(StatusModel):
    """A revision without traffic whose pods still finish their requests."""

    revision: Name
    """Name of its ModelRevision. Key of the list."""
    until: Time
    """When its pods are removed."""
    in_place: bool = False
    """Whether it has the place that stable needs (InPlace); then its pods go at once."""


class AnalysisSummary(StatusModel):
    """One metric, for people."""

    name: Word
    """Name of the metric. Key of the list."""
    verdict: Verdict
    """Good, NotEnoughEvidence, CannotMeasure or Bad."""
    candidate: Text = ""
    """Value of the candidate with its sample size, for example `0.4% of 1268`."""
    stable: Text = ""
    """Value of the stable revision over the same time."""
    limit: Text = ""
    """What is allowed, for example `1.2x`."""
    evidence: Text = ""
    """Evidence against the candidate, and how much of it rolls back, for example `0.3 of 100`."""
    would_have_seen: Text | None = None
    """Smallest regression that the samples so far would have shown, for example `2.6x`."""
    message: Message | None = None
    """Anything else worth knowing, such as why it cannot be measured."""


class LastCommand(StatusModel):
    """The command annotation that was read last, and what became of it."""

    text: Message
    """The annotation as it was written; the same text is never carried out twice."""
    verb: Word = ""
    """What was asked, for example promote."""
    revision: Name = ""
    """The revision that was meant."""
    at: Time | None = None
    """When it was read."""
    by: Name | None = None
    """Who gave it, by the annotation serinus.dev/command-by; proven only where an admission policy checks that."""
    outcome: CommandOutcome = "Accepted"
    """Accepted (done), Refused (not possible) or Ignored (for a revision that is gone, or already done)."""
    message: Message = ""
    """Why, as a sentence."""


class ResolvedModel(StatusModel):
    """What spec.model.from.uri means: asked once for each text, so that a tag that moves later changes nothing."""

    uri: ModelUri
    """The reference as it was written."""
    resolved: ModelUri
    """The reference that is served; by digest, commit or version where that could be had."""
    digest: Annotated[str, Field(max_length=1024)] | None = None
    """What pins it; none where nothing does, so that the content may change unseen."""
    message: Message | None = None
    """Why it is not pinned."""


class ModelDeploymentStatus(StatusModel):
    """What the operator observed and where the release stands."""

    observed_generation: ObservedGeneration = None
    """The metadata.generation that this status is about."""
    phase: Word | None = None
    """Where the release stands, in a word for the columns of kubectl get. Programs read the conditions instead."""
    replicas: Count | None = None
    """Pods of the revision that spec.replicas is about, for autoscalers: stable, in the bake the candidate."""
    selector: Annotated[str, Field(max_length=512)] | None = None
    """Label selector of the pods that serve, for autoscalers: whichever revisions have a share of the requests."""
    model: ResolvedModel | None = None
    """What spec.model.from.uri means."""
    stable: StableState | None = None
    """The revision that serves."""
    candidate: CandidateState | None = None
    """The revision that is being released, if any."""
    rejected: RejectedState | None = None
    """The revision that was rejected last, if any."""
    draining: Annotated[tuple[DrainingState, ...], Field(max_length=16, json_schema_extra=list_map("revision"))] = ()
    """Revisions without traffic whose pods still finish their requests."""
    analysis: Annotated[tuple[AnalysisSummary, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """The judge's findings, metric by metric."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))] = ()
    """Available (something good serves), Ready (what you asked for serves), Reconciling, Stalled, MetricsHealthy and
    TrafficVerified."""
    last_command: LastCommand | None = None
    """The command annotation that was read last."""
