"""`spec.rollout.analysis`: what is measured during a rollout, and what a bad answer may cost.

Fields that a preset fills in are None here; `serinus.api.presets` makes them concrete.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import DECIMAL_PATTERN, METRIC_NAME_PATTERN, RATIO_PATTERN, DecimalString, Duration, Model, Ratio
from serinus.api.resource import Rule, list_map, with_rules
from serinus.api.rules import well_formed

OnInconclusive = Literal["Hold", "Rollback", "Proceed"]
AnalysisMode = Literal["Enforce", "Rehearse"]

AT_LEAST_ONE = Rule(
    well_formed(DECIMAL_PATTERN, "double(self) >= 1.0"),
    'maxRegression must be a factor of at least 1, for example "1.2"',
    says="'maxRegression must be a factor of at least 1, for example \"1.2\", not ' + self",
)
"""Below 1 a release that changes nothing would have to be rolled back."""

MaxRegression = Annotated[DecimalString, Field(json_schema_extra=with_rules(AT_LEAST_ONE))]
Query = Annotated[str, Field(min_length=1, max_length=2048)]

_ONE_LIMIT = Rule(
    "has(self.maxRegression) != has(self.max)",
    "set exactly one of maxRegression (against the stable revision) and max (absolute)",
)
_ONE_KIND = Rule(
    "[has(self.errorRatio), has(self.latency), has(self.ratio), has(self.gauge)].filter(given, given).size() == 1",
    "set exactly one of errorRatio, latency, ratio and gauge",
)
_SOME_BOUND = Rule("has(self.min) || has(self.max)", "set min, max or both")


class ErrorRatioMetric(Model):
    """Share of requests answered with an error, counted by the gateway or by the model server."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_LIMIT))

    max_regression: MaxRegression | None = None
    """How many times the error ratio of the stable revision, measured over the same time, is still allowed:
    a factor of at least 1, as a string, for example "1.2". More than that, once proven, rolls back."""
    max: Ratio | None = None
    """The error ratio that is allowed at all, whatever the stable revision does: "2%" or "0.02"."""


class LatencyMetric(Model):
    """Share of slow answers at several bounds, from the histogram of the gateway or of the model server."""

    max_regression: MaxRegression
    """How many times the stable revision's share of slow answers is still allowed: a factor of at least 1, as a
    string, for example "1.2"."""


class RatioMetric(Model):
    """A ratio of two counters of your own, for example wrong answers among those with feedback."""

    bad: Query
    """Selector of the counter of bad outcomes; the operator adds namespace and revision."""
    total: Query
    """Selector of the counter of all outcomes."""
    max_regression: MaxRegression
    """How many times the ratio of the stable revision is still allowed: a factor of at least 1, as a string."""
    label_delay: Duration | None = None
    """How long the truth about an answer takes to arrive, for example 10m: outcomes are credited that much later.
    Default: no delay."""


class GaugeMetric(Model):
    """A value that is already computed elsewhere, for example a drift score. Prefer counters: they decide sooner."""

    model_config = ConfigDict(json_schema_extra=with_rules(_SOME_BOUND))

    query: Query
    """Selector of the gauge; the operator adds namespace and revision."""
    min: DecimalString | None = None
    """Lowest value that is allowed, a number as a string."""
    max: DecimalString | None = None
    """Highest value that is allowed, a number as a string."""


class MetricSpec(Model):
    """One thing that is compared between the candidate and the stable revision."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_KIND))

    name: Annotated[str, Field(pattern=METRIC_NAME_PATTERN, max_length=63)]
    """Your name for it, unique in the list; it appears in status, conditions and events."""
    error_ratio: ErrorRatioMetric | None = None
    """Share of requests that were answered with an error."""
    latency: LatencyMetric | None = None
    """Share of answers that were slow."""
    ratio: RatioMetric | None = None
    """Ratio of two counters of your own."""
    gauge: GaugeMetric | None = None
    """A ready-made value, judged against absolute bounds."""


_FALSE_ALARM = Rule(
    well_formed(
        RATIO_PATTERN,
        "self.endsWith('%')"
        " ? double(self.replace('%', '')) > 0.0 && double(self.replace('%', '')) < 100.0"
        " : double(self) > 0.0 && double(self) < 1.0",
    ),
    'falseAlarm must lie between 0 and 100%, both excluded, for example "1%"',
    says="'falseAlarm must lie between 0 and 100%, both excluded, for example \"1%\", not ' + self",
)


class AnalysisSpec(Model):
    """How the candidate is judged."""

    provider: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of the MetricsProvider that answers the queries. Default: `default`. If there is none of that name, the
    rollout holds with reason ProviderNotFound."""
    false_alarm: Annotated[Ratio, Field(json_schema_extra=with_rules(_FALSE_ALARM))] | None = None
    """Probability that a good release is rolled back, over the whole rollout and all metrics together: "1%" or
    "0.01". Smaller needs more requests before a bad release is recognised. Default: 1%."""
    min_requests: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    """Requests that the candidate must have answered within a step before the step may end. Too few of them hold the
    rollout; `maxHold` says for how long. Default: from the preset (Cautious 500, Standard 200, Fast 50)."""
    max_hold: Duration | None = None
    """How long a step may go on past its time while evidence is missing; then `onInconclusive` applies.
    Default: from the preset (Cautious 1h, Standard 30m, Fast 15m)."""
    on_inconclusive: OnInconclusive | None = None
    """What happens after `maxHold` without enough evidence: Hold waits for evidence or for a person, Rollback returns
    to the stable revision, Proceed takes the next step unproven. Default: Hold."""
    mode: AnalysisMode | None = None
    """Enforce acts on the verdict. Rehearse only reports what it would have done: use it to gain trust.
    Default: Enforce."""
    metrics: (
        Annotated[tuple[MetricSpec, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name"))] | None
    ) = None
    """What is compared. They share the `falseAlarm` budget. Default: one metric `errors`, an errorRatio with
    maxRegression "1.2"."""
