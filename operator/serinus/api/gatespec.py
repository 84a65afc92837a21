"""`spec.gates` of a RetrainPolicy: what a candidate must show before it may be promoted."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import METRIC_NAME_PATTERN, DecimalString, Duration, Model
from serinus.api.podtemplate import JobTemplate
from serinus.api.resource import Rule, with_rules
from serinus.api.rules import longer_than_0s
from serinus.api.triggers import Query
from serinus.api.validation import Severity

GateKind = Literal[
    "DataQuality",
    "Schema",
    "Metric",
    "Slice",
    "Fairness",
    "Robustness",
    "Safety",
    "Latency",
    "Size",
    "Signature",
    "Custom",
]
Direction = Literal["HigherIsBetter", "LowerIsBetter"]
OnMissing = Literal["Block", "Warn"]
RESULT_PATTERN: Final = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,7}$"
ResultPath = Annotated[str, Field(pattern=RESULT_PATTERN, max_length=128)]
"""Dotted path into the results of the training, such as metrics.f1."""

_ONE_SOURCE = Rule(
    "[has(self.value), has(self.query), has(self.job)].filter(given, given).size() <= 1",
    "set at most one of value, query and job: where the gate's number comes from",
)
_NEEDS_SOURCE = Rule(
    "self.kind in ['Schema', 'Signature'] || has(self.value) || has(self.query) || has(self.job)",
    "set one of value, query and job: only the kinds Schema and Signature know where to look by themselves",
)
_NEEDS_BOUND = Rule(
    "self.kind in ['Schema', 'Signature'] || has(self.job) || has(self.min) || has(self.max)"
    " || has(self.versusChampion)",
    "set min, max or versusChampion: what the value must be",
)
_BY_ITSELF = Rule(
    "!(self.kind in ['Schema', 'Signature']) || (!has(self.value) && !has(self.query) && !has(self.min)"
    " && !has(self.max) && !has(self.versusChampion))",
    "the kinds Schema and Signature have no number: leave out value, query, min, max and versusChampion",
)
_SLICES = Rule(
    "self.kind == 'Slice' ? has(self.value) : (!has(self.slices) || size(self.slices) == 0) && !has(self.minSamples)",
    "kind Slice needs value, an object of slices in the results; slices and minSamples belong to it alone",
)
_IDENTITY = Rule("!has(self.identity) || self.kind == 'Signature'", "identity belongs to kind Signature", ".identity")
_NO_QUERY_VERSUS = Rule(
    "!has(self.versusChampion) || !has(self.query)",
    "versusChampion needs value or job: a query has one answer, and nobody says which model it is about",
    ".versusChampion",
)
_MIN_BELOW_MAX = Rule(
    "!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
    "min must not be above max: nothing would pass",
    ".min",
    says="'min must not be above max, which is ' + self.max + ', and is ' + self.min",
)
_TIMEOUT = Rule("!has(self.timeout) || has(self.job)", "timeout belongs to job", ".timeout")
_ONE_CHANGE = Rule("has(self.absolute) != has(self.relative)", "set exactly one of absolute and relative")


class ChampionBound(Model):
    """What is allowed against the champion, which must have been evaluated on the same data."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_CHANGE))

    absolute: DecimalString | None = None
    """Smallest allowed change, in the value's own unit: "-0.005" allows a value that is lower by that much, "0.01"
    asks for one that is better by that much. With LowerIsBetter it is the largest allowed change."""
    relative: DecimalString | None = None
    """The same as a share of the champion's value: "-0.02" allows two percent less."""


class GateJob(Model):
    """A Job that looks at the candidate's model."""

    template: JobTemplate
    """Pod template of the Job. Its containers find in the environment: SERINUS_RUN, SERINUS_GATE, SERINUS_MODEL_URI,
    SERINUS_MODEL_DIGEST, SERINUS_CHAMPION_URI, SERINUS_CHAMPION_DIGEST and SERINUS_DATA_SNAPSHOT. Exit code 0:
    measured; the termination message, a flat JSON object, has the number under the gate's name or under `value`, and
    the champion's under `champion`, unless the gate has no bounds. 75: trouble of the infrastructure, tried again.
    64: the Job itself is wrong. Any other: the gate fails. What could not be carried out is missing evidence."""


class Gate(Model):
    """One thing that a candidate must show."""

    model_config = ConfigDict(
        json_schema_extra=with_rules(
            _ONE_SOURCE,
            _NEEDS_SOURCE,
            _NEEDS_BOUND,
            _BY_ITSELF,
            _SLICES,
            _IDENTITY,
            _NO_QUERY_VERSUS,
            _MIN_BELOW_MAX,
            _TIMEOUT,
        )
    )

    name: Annotated[str, Field(pattern=METRIC_NAME_PATTERN, max_length=40)]
    """Your name for the gate, unique in the list."""
    kind: GateKind
    """What it is about. It decides what is better where nothing is said (Latency, Size, Fairness, Safety and
    DataQuality: lower), what is read (Slice: every entry of an object of slices; Schema: the results' `schema` against
    the feature schema of the ModelDeployment; Signature: the results' `signature`), and how it is told."""
    value: ResultPath | None = None
    """Where the number stands in the results of the training, for example metrics.f1; alone, or with its samples as
    {"value": 0.93, "samples": 4000}. The champion's is read at `champion.` and the same path."""
    query: Query | None = None
    """PromQL of the number, one series. It is confined to this namespace."""
    job: GateJob | None = None
    """A Job that finds out."""
    min: DecimalString | None = None
    """Smallest value that passes, a number as a string."""
    max: DecimalString | None = None
    """Largest value that passes, a number as a string."""
    versus_champion: ChampionBound | None = None
    """What is allowed against the champion. Where there is no champion yet it is passed over; where there is one and
    its value is missing, or the results compare with another model (champion.digest), evidence is missing."""
    direction: Direction | None = None
    """Which values are better. Default: by kind."""
    min_samples: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Slice: slices with fewer samples are reported and not judged; where none has as many, evidence is missing."""
    slices: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=128)], ...], Field(max_length=32)] = ()
    """Slice: slices that must be there. Default: with versusChampion those that the champion had."""
    identity: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Signature: whom the results' `signature.identity` must name. It is the training that says so: where that is not
    enough, a Job can verify, and a ModelDeployment does so before its pods start (model.verify)."""
    severity: Severity | None = None
    """Block rejects the candidate; Warn only tells, and asks for an approval where approval.required is OnWarn.
    Default: Block."""
    on_missing: OnMissing | None = None
    """What missing evidence means: Block fails the gate, Warn only tells. Default: Block."""
    timeout: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("timeout")))] | None = None
    """Longest time for the Job, retries included. Default: 30m."""
