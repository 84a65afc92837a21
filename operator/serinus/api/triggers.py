"""`spec.triggers` of a RetrainPolicy: what may ask for a retraining.

Every trigger has a name and is of exactly one kind. What a metric must show is written in whole windows: evaluations
that share their rows are one observation (Bartlett's argument; see docs/retraining.md for measured false alarms)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import CRON_PATTERN, METRIC_NAME_PATTERN, DecimalString, Duration, Model, Ratio
from serinus.api.resource import Rule, list_map, with_rules
from serinus.api.rules import longer_than_0s

Signal = Literal["Drift", "Quality", "Business"]
OnNoData = Literal["Alert", "Ignore"]
Query = Annotated[str, Field(min_length=1, max_length=2048)]
TriggerName = Annotated[str, Field(pattern=METRIC_NAME_PATTERN, max_length=63)]

_ONE_LIMIT = Rule("has(self.fireAbove) != has(self.fireBelow)", "set exactly one of fireAbove and fireBelow")
_CLEAR_BELOW = Rule(
    "!has(self.clearBelow) || (has(self.fireAbove) && double(self.clearBelow) <= double(self.fireAbove))",
    "clearBelow belongs to fireAbove and must not be above it",
    ".clearBelow",
)
_CLEAR_ABOVE = Rule(
    "!has(self.clearAbove) || (has(self.fireBelow) && double(self.clearAbove) >= double(self.fireBelow))",
    "clearAbove belongs to fireBelow and must not be below it",
    ".clearAbove",
)
_FOR_COVERS_WINDOW = Rule(
    "!has(self.for) || duration(self.for) >= duration(self.window)",
    "for must be at least as long as window: evaluations closer together share their rows and count as one",
    ".for",
)
_DRIFT_NEEDS_SAMPLES = Rule(
    "!has(self.signal) || self.signal != 'Drift' || has(self.minSamples)",
    "signal Drift needs minSamples: a drift score of few rows is high by chance",
    ".minSamples",
)
_ONE_KIND = Rule(
    "[has(self.metric), has(self.schedule), has(self.newData), has(self.event), has(self.rolledBack)]"
    ".filter(given, given).size() == 1",
    "set exactly one of metric, schedule, newData, event and rolledBack",
)
_SOME_NEW_DATA = Rule(
    "has(self.minNewRows) || has(self.minNewShare)", "set minNewRows, minNewShare, or both: how much data is new"
)


class SampleFloor(Model):
    """How much a value must rest on before it counts."""

    query: Query
    """PromQL of the number of rows behind the value, one series."""
    value: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Smallest number of rows. With fewer the trigger neither fires nor clears."""


class CoverageFloor(Model):
    """How many of the labels must have come before a quality counts."""

    query: Query
    """PromQL of the share of predictions whose label is known (0 to 1), one series."""
    value: Ratio
    """Smallest share, for example "80%". With less the trigger neither fires nor clears."""


class MetricTrigger(Model):
    """A number in Prometheus that has gone too far for long enough."""

    model_config = ConfigDict(
        json_schema_extra=with_rules(_ONE_LIMIT, _CLEAR_BELOW, _CLEAR_ABOVE, _FOR_COVERS_WINDOW, _DRIFT_NEEDS_SAMPLES)
    )

    query: Query
    """PromQL with one series as its answer. It is confined to this namespace. No answer, NaN, or more than one series
    is unknown: it never fires and never clears."""
    signal: Signal | None = None
    """What it is a sign of. Drift says that the input has changed, which need not harm: unless triggerPolicy says
    otherwise it starts nothing where there is a Quality or Business trigger, and it never rolls a release back.
    Default: Quality."""
    fire_above: DecimalString | None = None
    """The value above which it counts as bad, a number as a string."""
    fire_below: DecimalString | None = None
    """The value below which it counts as bad, a number as a string."""
    clear_below: DecimalString | None = None
    """With fireAbove: it is well again only below this. Default: fireAbove less a fifth of its size."""
    clear_above: DecimalString | None = None
    """With fireBelow: it is well again only above this. Default: a fifth of the way from fireBelow to 1 where
    fireBelow lies between 0 and 1 and there is no compareOffset, else fireBelow and a fourth of its size."""
    window: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("window")))]
    """The time that one value covers, as whoever exports it computes it, for example 1h. Values are looked at once a
    window."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long it must be bad before it fires; at least `window`. Default: window times consecutiveWindows."""
    consecutive_windows: Annotated[int, Field(ge=1, le=100)] | None = None
    """How many windows that do not overlap must be bad in a row, and well in a row before it clears. Where `for` is
    longer than that, as many as fill it. Default: 3 for Drift, 2 for the others."""
    window_end: Query | None = None
    """PromQL of the Unix time, in seconds, at which the window behind the value ended, one series, such as
    model_drift_window_end_timestamp_seconds: values of one window then count once however often they are exported, and
    one that is not renewed any more is known to be old. Default: the time of the look, less labelDelay."""
    min_samples: SampleFloor | None = None
    """Rows that the value must rest on. Default: none; Drift needs it."""
    label_delay: Duration | None = None
    """How long labels take: the query is asked of the time that long ago. Default: 0s."""
    min_label_coverage: CoverageFloor | None = None
    """Share of labels that must be there. Default: none."""
    compare_offset: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("compareOffset")))] | None = (
        None
    )
    """Compare with the same query that long ago, for example 168h for the same hour last week: the limits are then
    about the difference, now minus then. Default: none."""
    on_no_data: OnNoData | None = None
    """What happens when the value has been unknown for three windows: Alert turns the condition SignalHealthy to
    False, Ignore leaves it alone. It never fires either way. Default: Alert."""


class ScheduleTrigger(Model):
    """A calendar."""

    cron: Annotated[str, Field(pattern=CRON_PATTERN, max_length=120)]
    """Five cron fields, for example `0 3 * * 1`. Times that were missed collapse into one."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """IANA name of the time zone. Default: UTC."""
    jitter: Duration | None = None
    """Each policy comes up to this much later than the calendar says, always by the same time. Default: 0s."""
    starting_deadline: Duration | None = None
    """A time that was missed, or has waited for its run, for longer than this is passed over. Default: none is."""


class NewDataTrigger(Model):
    """Data that has come since the last training."""

    model_config = ConfigDict(json_schema_extra=with_rules(_SOME_NEW_DATA))

    query: Query
    """PromQL of a number of rows that only grows, one series. It is confined to this namespace."""
    min_new_rows: Annotated[int, Field(ge=1, le=1_000_000_000_000)] | None = None
    """Rows that must be new since the last training, or since the policy was made."""
    min_new_share: Ratio | None = None
    """Share of new rows among all, for example "10%". Where both are set, both must be reached."""
    every: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("every")))] | None = None
    """How often it is looked at. Default: 15m."""


class EventTrigger(Model):
    """Something that another system tells: by the command annotation, or through the optional receiver."""

    type: Annotated[str, Field(min_length=1, max_length=128)]
    """Type of the event, for example model_version.created."""
    source: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Source that the event must name. Default: any."""


class RolledBackTrigger(Model):
    """The ModelDeployment rolled a revision back."""

    reasons: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=16)] = ()
    """Reasons of a rejection that count, for example AnalysisFailed. A model of this policy that was rolled back never
    counts: training it again would give the same. Default: every reason but Aborted."""


class Trigger(Model):
    """One reason to retrain."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_KIND))

    name: TriggerName
    """Your name for it, unique in the list."""
    metric: MetricTrigger | None = None
    """A number in Prometheus that has gone too far for long enough."""
    schedule: ScheduleTrigger | None = None
    """A calendar."""
    new_data: NewDataTrigger | None = None
    """Data that has come since the last training."""
    event: EventTrigger | None = None
    """Something that another system tells."""
    rolled_back: RolledBackTrigger | None = None
    """The ModelDeployment rolled a revision back."""


class TriggerPolicy(Model):
    """Which triggers must come together."""

    any: Annotated[
        tuple[Annotated[tuple[TriggerName, ...], Field(min_length=1, max_length=16)], ...],
        Field(min_length=1, max_length=16),
    ]
    """Groups of names of triggers. A group is fulfilled while all of its triggers fire; one group is enough."""


Triggers = Annotated[tuple[Trigger, ...], Field(max_length=16, json_schema_extra=list_map("name"))]
