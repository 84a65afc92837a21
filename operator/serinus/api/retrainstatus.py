"""Status of a RetrainPolicy: what its triggers have seen, which run is under way, what may not be served. It stays
under 8 KiB with up to eight triggers, and under 16 KiB whatever there is."""

from typing import Annotated, Final, Literal

from pydantic import Field

from serinus.api.meta import Condition, Message, ObservedGeneration, StatusModel, Text, Time, Word
from serinus.api.resource import list_map
from serinus.api.status import Count, LastCommand, ModelUri, Name

TriggerStateName = Literal["Unknown", "Clear", "Pending", "Firing", "Latched"]
"""Unknown: no value that counts. Clear: well, or armed. Pending: bad, not for long enough. Firing: asks for a run.
Latched: has been answered by a run and asks again only after it has cleared."""

DIGEST_PATTERN: Final = r"^[a-z0-9]{2,16}:[0-9a-f]{32,128}$"
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, max_length=160)]
"""An algorithm and hex digits, such as sha256:9f86d0…"""
Figure = Annotated[str, Field(max_length=32)]
"""A number as a string."""


class TriggerReason(StatusModel):
    """Why a run was asked for: one trigger, and what it saw."""

    trigger: Word
    """Name of the trigger, or `command`. Key of the list."""
    kind: Word | None = None
    """Its kind: metric, schedule, newData, event, rolledBack or command."""
    value: Figure | None = None
    """Last value of a metric."""
    threshold: Figure | None = None
    """The value that it passed."""
    samples: Count | None = None
    """Rows behind the value."""
    window_end: Time | None = None
    """End of the last window that was bad."""
    first_bad_at: Time | None = None
    """End of the first window that was bad: when the degradation was first seen."""
    at: Time
    """When it fired."""
    message: Text | None = None
    """The same as a sentence, with the query."""
    by: Name | None = None
    """Who asked, for a command or an event."""


class TriggerState(StatusModel):
    """Where one trigger stands."""

    name: Word
    """Name of the trigger. Key of the list."""
    state: TriggerStateName = "Unknown"
    """Unknown, Clear, Pending, Firing or Latched."""
    reason: Word = ""
    """Why it is unknown: NoData, InsufficientData, LabelsMissing, Warmup or ProviderNotReady."""
    value: Figure | None = None
    """Last value that counted."""
    samples: Count | None = None
    """Rows behind it."""
    windows: Count = 0
    """Bad windows in a row that do not overlap; while it is latched or firing, good ones."""
    since: Time | None = None
    """Since when it is in this state."""
    first_bad_at: Time | None = None
    """End of the first of the bad windows."""
    last_window_end: Time | None = None
    """End of the last window that counted."""
    known_at: Time | None = None
    """When a value was last had."""
    baseline: Figure | None = None
    """newData: rows at the last training."""
    last_fired: Time | None = None
    """When it last fired; schedule: the time of the calendar that it last stood for."""
    message: Text = ""
    """What it saw, as a sentence."""


class SignalSummary(StatusModel):
    """The trigger that is nearest to firing, for the columns of kubectl get."""

    name: Word = ""
    """Name of the trigger."""
    state: TriggerStateName = "Unknown"
    """Its state."""
    value: Figure | None = None
    """Its last value."""
    samples: Count | None = None
    """Rows behind that value."""


class PendingRun(StatusModel):
    """A run that is asked for and cannot start yet."""

    reasons: Annotated[tuple[TriggerReason, ...], Field(max_length=16, json_schema_extra=list_map("trigger"))] = ()
    """Everything that asked for it."""
    since: Time
    """Since when."""
    waits_for: Word = ""
    """What it waits for: Cooldown, BudgetExhausted, Blackout, ConcurrencyForbid, Recommended or Suspended."""


class LastRun(StatusModel):
    """The run that ended last."""

    name: Name
    """Name of the RetrainRun."""
    outcome: Word
    """How it ended."""
    finished_at: Time
    """When it ended."""


class ModelState(StatusModel):
    """A model that a run made, or the first one."""

    uri: ModelUri
    """Its address."""
    digest: Annotated[str, Field(max_length=160)] | None = None
    """What pins it."""
    run: Name | None = None
    """The RetrainRun that made it; none for the first one."""
    since: Time | None = None
    """Since when it is what it is."""
    snapshot: Annotated[str, Field(max_length=256)] | None = None
    """The data that it was trained on."""
    source: Annotated[str, Field(max_length=256)] | None = None
    """Revision of the code that trained it."""


class Quarantined(StatusModel):
    """A digest that is not served again."""

    digest: Annotated[str, Field(max_length=160)]
    """The digest. Key of the list."""
    run: Name | None = None
    """The run that made it."""
    reason: Word
    """Why, in one word."""
    evidence: Text = ""
    """Why, with the numbers."""
    at: Time
    """Since when."""
    until: Time | None = None
    """Until when; none: until it is released."""
    scope: Literal["Deployment", "Model"] = "Deployment"
    """Deployment or Model: for whom."""


class BudgetState(StatusModel):
    """What has been spent within the window of the budget."""

    runs: Count = 0
    """Runs started."""
    accelerator_seconds: Count = 0
    """Seconds times accelerators, with what a run under way may still use."""
    remaining_runs: Count | None = None
    """Runs that may still be started."""
    remaining_accelerator_seconds: Count | None = None
    """Seconds times accelerators that may still be used."""
    free_at: Time | None = None
    """When a run may be started again, where none may now."""


class SuppressedCount(StatusModel):
    """How often something kept a run from starting."""

    reason: Word
    """What. Key of the list."""
    count: Count = 0
    """How often."""


class RetrainPolicyStatus(StatusModel):
    """What the operator observed, and where the loop stands."""

    observed_generation: ObservedGeneration = None
    """The metadata.generation that this status is about."""
    phase: Word | None = None
    """Idle, Armed, Cooldown, Running, AwaitingApproval, Suspended or Blocked; for the columns of kubectl get."""
    signal: SignalSummary | None = None
    """The trigger that is nearest to firing."""
    triggers: Annotated[tuple[TriggerState, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Where each trigger stands."""
    runs: Count = 0
    """How many runs there have been; the next one's name is made from it."""
    active_run: Name | None = None
    """The run under way."""
    pending_run: PendingRun | None = None
    """A run that is asked for and cannot start yet."""
    last_run: LastRun | None = None
    """The run that ended last."""
    consecutive_failures: Count = 0
    """Runs in a row that ended without success."""
    cooldown_until: Time | None = None
    """Until when no trigger starts a run."""
    next_schedule_time: Time | None = None
    """When the calendar fires next."""
    next_evaluation_time: Time | None = None
    """When a metric is looked at next."""
    budget: BudgetState | None = None
    """What has been spent within the window of the budget."""
    champion: ModelState | None = None
    """The model that serves, or is to serve until a candidate takes over."""
    candidate: ModelState | None = None
    """The model of a run that is being released."""
    last_trained: ModelState | None = None
    """The model that was trained last, whatever became of it."""
    quarantined: Annotated[tuple[Quarantined, ...], Field(max_length=20, json_schema_extra=list_map("digest"))] = ()
    """Digests that are not served again."""
    handled_keys: Annotated[tuple[Annotated[str, Field(max_length=32)], ...], Field(max_length=64)] = ()
    """What the events and commands that were taken in last are known by (16 hex digits of SHA-256 over what they are
    and their key): one that comes again is passed over."""
    rolled_back: Name | None = None
    """ModelRevision that was taken back last because a degradation began with it: no revision is taken back twice."""
    suppressed: Annotated[tuple[SuppressedCount, ...], Field(max_length=16, json_schema_extra=list_map("reason"))] = ()
    """How often something kept a run from starting."""
    recommendation: Message | None = None
    """What would be done, in the modes Observe and Recommend."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))] = ()
    """Ready (the policy works as written), SignalHealthy, Triggered, Suppressed, BudgetAvailable, TemplateValid,
    PromotionHeld and LastRunSucceeded."""
    last_command: LastCommand | None = None
    """The command annotation that was read last."""
