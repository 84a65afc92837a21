"""`spec.rollout.analysis`: what is measured during a rollout, and what a bad answer may cost.

Fields that a preset fills in are None here; `serinus.api.presets` makes them concrete.
"""

from typing import Annotated, Literal

from pydantic import Field

from serinus.api.meta import RATIO_PATTERN, Duration, Model, Ratio
from serinus.api.metricspec import Factor, MetricSpec
from serinus.api.resource import Rule, list_map, with_rules
from serinus.api.rules import longer_than_0s, well_formed

OnInconclusive = Literal["Hold", "Rollback", "Proceed"]
AnalysisMode = Literal["Enforce", "Rehearse"]
OnDegradation = Literal["Alert", "Rollback"]

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


class WatchSpec(Model):
    """Judging after promotion, when the old revision is gone: a slow change against what the bake showed."""

    for_: Annotated[Duration, Field(alias="for", json_schema_extra=with_rules(longer_than_0s("for")))]
    """How long the promoted revision is watched, for example 24h. The metrics are read all the while."""
    on_degradation: OnDegradation = "Alert"
    """Alert raises the condition Degrading and an Event. Rollback also returns to the revision before, while it is
    inside the rollback window. Default: Alert."""
    max_regression: Factor = "1.5"
    """How many times the ratio that the bake showed is still allowed: a factor of at least 1, as a string.
    Default: "1.5"."""


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
    must_detect: Factor | None = None
    """The regression that the requests so far must have been able to show (with 90 % power) before the candidate gets
    100 percent: a factor of at least 1, as a string, for example "3". Until then the rollout holds. Default: none; the
    smallest regression that would have been seen is reported either way."""
    watch: WatchSpec | None = None
    """Judging after promotion. Default: none; a settled object costs no query."""
    metrics: (
        Annotated[tuple[MetricSpec, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name"))] | None
    ) = None
    """What is compared. They share the `falseAlarm` budget. Default: one metric `errors`, an errorRatio with
    maxRegression "1.2"."""
