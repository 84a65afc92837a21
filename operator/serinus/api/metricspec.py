"""`spec.rollout.analysis.metrics[]`: one thing that is compared between candidate and stable revision."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import DECIMAL_PATTERN, METRIC_NAME_PATTERN, DecimalString, Duration, Model, Ratio
from serinus.api.resource import Rule, with_rules
from serinus.api.rules import well_formed
from serinus.api.signals import GaugeSignal, LatencySignal, RatioSignal

MetricSource = Literal["Auto", "Gateway", "Runtime"]

AT_LEAST_ONE = Rule(
    well_formed(DECIMAL_PATTERN, "double(self) >= 1.0"),
    'must be a factor of at least 1, for example "1.2"',
    says="'must be a factor of at least 1, for example \"1.2\", not ' + self",
)
"""Below 1 a release that changes nothing would have to be rolled back."""

Factor = Annotated[DecimalString, Field(json_schema_extra=with_rules(AT_LEAST_ONE))]
Query = Annotated[str, Field(min_length=1, max_length=2048)]

_ONE_LIMIT = Rule(
    "has(self.maxRegression) != has(self.max)",
    "set exactly one of maxRegression (against the stable revision) and max (absolute)",
)
_ONE_KIND = Rule(
    "[has(self.errorRatio), has(self.latency), has(self.ratio), has(self.histogram), has(self.gauge)]"
    ".filter(given, given).size() == 1",
    "set exactly one of errorRatio, latency, ratio, histogram and gauge",
)
_SOME_BOUND = Rule(
    "has(self.min) || has(self.max) || has(self.maxRise) || has(self.maxFall)",
    "set at least one of min, max, maxRise and maxFall",
)
_ONE_VALUE = Rule("has(self.query) != has(self.of)", "set exactly one of query (your own) and of (by profile)")


class ErrorRatioMetric(Model):
    """Share of requests answered with an error, counted by the gateway or by the model server."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_LIMIT))

    max_regression: Factor | None = None
    """How many times the error ratio of the stable revision, measured over the same time, is still allowed:
    a factor of at least 1, as a string, for example "1.2". More than that, once proven, rolls back."""
    max: Ratio | None = None
    """The error ratio that is allowed at all, whatever the stable revision does: "2%" or "0.02"."""
    of: RatioSignal | None = None
    """What counts as bad: Errors (failed requests) or Aborts (answers that were broken off, where the model server
    counts them). Default: Errors."""
    source: MetricSource | None = None
    """Who counts: Gateway, Runtime (the model server named in spec.runtime), or Auto: the gateway if it can tell the
    revisions apart, else the model server. Default: Auto."""


class LatencyMetric(Model):
    """Share of slow answers at several bounds, from the histogram of the gateway or of the model server."""

    max_regression: Factor
    """How many times the stable revision's share of slow answers is still allowed: a factor of at least 1, as a
    string, for example "1.2"."""
    of: LatencySignal | None = None
    """What is timed: Latency (the whole answer), or of a language model TimeToFirstToken, InterTokenLatency or
    QueueTime. Default: Latency."""
    source: MetricSource | None = None
    """Who measures: Gateway, Runtime (the model server named in spec.runtime), or Auto: the gateway if it can, else the
    model server. Default: Auto."""


class RatioMetric(Model):
    """A ratio of two counters of your own, for example wrong answers among those with feedback."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_LIMIT))

    bad: Query
    """Selector of the counter of bad outcomes, for example `feedback_total{verdict="wrong"}`: no rate(), no range. The
    operator adds the matchers namespace and pod, which must not stand here, and counts. `{{namespace}}`,
    `{{deployment}}` and `{{revision}}` may stand inside the value of a label."""
    total: Query
    """Selector of the counter of all outcomes, by the same rules as `bad`."""
    max_regression: Factor | None = None
    """How many times the ratio of the stable revision is still allowed: a factor of at least 1, as a string."""
    max: Ratio | None = None
    """The ratio that is allowed at all, whatever the stable revision does: "2%" or "0.02"."""
    label_delay: Duration | None = None
    """How long the truth about an answer takes to arrive, for example 10m: no step ends sooner. Default: no delay."""
    min_outcomes: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Outcomes of the candidate that must be known within a step before it may end. Default: 20."""


class HistogramMetric(Model):
    """Share of high values at several bounds of a histogram of your own."""

    query: Query
    """Selector of the classic histogram, with or without `_bucket`: no matcher on le, no rate(), no range. The operator
    adds the matchers namespace and pod, which must not stand here."""
    max_regression: Factor
    """How many times the stable revision's share of high values is still allowed: a factor of at least 1, as a
    string."""


class GaugeMetric(Model):
    """A value that is already computed elsewhere, for example a drift score. Prefer counters: they decide sooner."""

    model_config = ConfigDict(json_schema_extra=with_rules(_SOME_BOUND, _ONE_VALUE))

    query: Query | None = None
    """Selector of the gauge with one series for each pod, or an expression that yields one number, for example
    `avg(drift_score)`. The operator adds the matchers namespace and pod to every selector; they must not stand here.
    Not allowed: subqueries, `@`, ranges and offsets beyond 1h, and functions that make a number of nothing, such as
    vector() or absent(). `{{namespace}}`, `{{deployment}}` and `{{revision}}` may stand inside the value of a label."""
    of: GaugeSignal | None = None
    """A gauge of the model server named in spec.runtime instead of a query: QueueDepth or CacheUse."""
    min: DecimalString | None = None
    """Lowest value that is allowed on average, a number as a string."""
    max: DecimalString | None = None
    """Highest value that is allowed on average, a number as a string."""
    max_rise: DecimalString | None = None
    """How far the candidate's value may lie above stable's on average, a number as a string."""
    max_fall: DecimalString | None = None
    """How far the candidate's value may lie below stable's on average, a number as a string, for example "0.01" for an
    accuracy."""


class MetricSpec(Model):
    """One thing that is compared between the candidate and the stable revision."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_KIND))

    name: Annotated[str, Field(pattern=METRIC_NAME_PATTERN, max_length=63)]
    """Your name for it, unique in the list; it appears in status, conditions and events."""
    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Its share of the `falseAlarm` budget in proportion to those of the other metrics: more weight finds a fault in
    this metric sooner, and in the others later. Default: 1."""
    error_ratio: ErrorRatioMetric | None = None
    """Share of requests that were answered with an error."""
    latency: LatencyMetric | None = None
    """Share of answers that were slow."""
    ratio: RatioMetric | None = None
    """Ratio of two counters of your own."""
    histogram: HistogramMetric | None = None
    """Histogram of your own."""
    gauge: GaugeMetric | None = None
    """A ready-made value, judged against bounds or against stable."""
