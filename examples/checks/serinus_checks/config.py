"""checks.yaml: which model is asked, with which data, and what is measured."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from .metrics import FAIRNESS, METRICS

Datatype = Literal[
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64", "BYTES"
]
"""The Open Inference Protocol's names; BYTES is text."""

Share = Annotated[float, Field(gt=0, le=1)]
Scalar = int | float | str | bool
Seconds = Annotated[float, Field(gt=0, le=3600)]
ValueName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=63)]
"""Names of values are what `bounds` refers to."""


def _is_known(known: Any) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(sorted(known))}")
        return value

    return AfterValidator(check)


MetricName = Annotated[str, _is_known(METRICS)]
FairnessName = Annotated[str, _is_known(FAIRNESS)]


class Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class Labels(Model):
    """What the two sides of a binary decision are called, in the data and in the answers."""

    positive: Scalar = 1
    """The label that recall, precision and fairness are about."""
    negative: Scalar = 0
    """The label of a score below `target.threshold`."""


class BaseTarget(Model):
    """What both protocols have in common. An answer is a label, a score, or both."""

    label: str | None = None
    """Where the label or value stands: name of an output (OpenInference), key of each answer (JSON). Default: the first
    output, or the answer itself."""
    score: str | None = None
    """Where the score of the positive class stands; roc_auc and the like need it."""
    score_column: Annotated[int, Field(ge=0)] | None = None
    """Which column of a score with several. Default: the second of two."""
    threshold: float = 0.5
    """With a score and no label: from which score on the answer counts as positive."""
    classes: Annotated[tuple[Scalar, ...], Field(min_length=2)] | None = None
    """Labels by column, where the label output holds one number for each class: the highest wins."""
    health_path: Annotated[str, Field(pattern=r"^/")]
    """GET there must be answered, with anything but 5xx, before the first check."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Rows in one request. Latency and robustness send one row each."""
    timeout_seconds: Seconds = 10.0
    """Longest time for one answer."""
    reachable_within_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """How long to try before the target counts as unreachable."""


class OpenInferenceTarget(BaseTarget):
    """POST /v2/models/MODEL/infer."""

    protocol: Literal["OpenInference"]
    model: Annotated[str, Field(min_length=1)]
    """Name of the model in the path."""
    version: str | None = None
    """Version in the path. Default: left to the server."""
    layout: Literal["Columns", "Matrix"] = "Columns"
    """Columns sends one tensor for each feature, Matrix one tensor with a column for each."""
    input: str = "input-0"
    """Name of the tensor, with layout Matrix."""
    datatype: Datatype = "FP64"
    """Datatype of the tensor, with layout Matrix."""
    health_path: Annotated[str, Field(pattern=r"^/")] = "/v2/health/ready"


class JsonTarget(BaseTarget):
    """POST to a path of your own."""

    protocol: Literal["JSON"]
    path: Annotated[str, Field(pattern=r"^/")]
    """Where predictions are asked for."""
    request_key: str | None = "instances"
    """Key that holds the list of rows. null: the body is one row, and each request carries one."""
    response_key: str | None = "predictions"
    """Key that holds the answers, in the order of the rows. null: the body is the answer, or the list of answers."""
    rows: Literal["Objects", "Arrays"] = "Objects"
    """Whether a row is an object by feature or an array in the order of `features`."""
    health_path: Annotated[str, Field(pattern=r"^/")] = "/"

    @model_validator(mode="after")
    def _single_rows_are_objects(self) -> "JsonTarget":
        if self.request_key is None and self.rows == "Arrays":
            raise ValueError("rows must be Objects where requestKey is null")
        return self


class DataSpec(Model):
    """A file with rows."""

    file: Annotated[str, Field(pattern=r"\.(csv|jsonl)$")]
    """CSV with a header or JSON lines; a relative path starts at checks.yaml."""
    label: str | None = None
    """Column with the right answer."""
    id: str | None = None
    """Column that names a row in the log. Default: its number."""


class BaseCheck(Model):
    name: ValueName
    """Your name for the check; the names of its values begin with it."""
    data: str
    """One of `data`."""


class SchemaCheck(BaseCheck):
    """Does the model declare the features that it is given, and do the rows keep to the schema it was trained with?
    NAME_mismatches, NAME_invalid_rows."""

    kind: Literal["Schema"]
    file: str
    """JSON Schema of one row, as an object by feature."""
    must_pass: bool = False
    """Whether a mismatch or an invalid row fails the run by itself."""


class CriticalCheck(BaseCheck):
    """Cases that must be right. NAME is the share that is; NAME_failed how many are not."""

    kind: Literal["Critical"]
    must_pass: bool = False
    """Whether one wrong case fails the run by itself."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """How far a number may be off."""


class MetricCheck(BaseCheck):
    """A metric on a test set. NAME, NAME_unanswered."""

    kind: Literal["Metric"]
    metric: MetricName
    average: Literal["binary", "macro", "micro", "weighted"] = "binary"
    """How precision, recall and f1 treat classes; binary looks at `labels.positive` only."""


class SlicesCheck(BaseCheck):
    """The same metric by part of the data. NAME_COLUMN_VALUE for each part, NAME_worst, NAME_gap, NAME_unanswered."""

    kind: Literal["Slices"]
    metric: MetricName
    average: Literal["binary", "macro", "micro", "weighted"] = "binary"
    by: Annotated[tuple[str, ...], Field(min_length=1)]
    """Columns; each is looked at on its own."""
    min_rows: Annotated[int, Field(ge=1)] = 30
    """Parts with fewer rows are left out: their metric would be chance."""
    each: bool = True
    """Whether every part gets a value, or only the worst and the gap are reported."""


class FairnessCheck(BaseCheck):
    """Difference between groups, by Fairlearn. NAME_MEASURE, NAME_METRIC_difference, NAME_unanswered."""

    kind: Literal["Fairness"]
    group: str
    """Column with the group; it need not be a feature."""
    measures: tuple[FairnessName, ...] = ("demographic_parity_difference", "equalized_odds_difference")
    metrics: tuple[MetricName, ...] = ()
    """Metrics whose largest difference between two groups is reported."""
    min_rows: Annotated[int, Field(ge=1)] = 30
    """A group with fewer rows makes the values unknown, unless `exclude` names it."""
    exclude: tuple[Scalar, ...] = ()
    """Groups that are not looked at."""


Corruption = Literal["Nulls", "Noise", "OutOfRange", "SwappedTypes"]


class RobustnessCheck(BaseCheck):
    """Corrupted input, row by row. NAME_KIND_drop of the metric, NAME_KIND_errors, NAME_KIND_refused (4xx: fine)."""

    kind: Literal["Robustness"]
    metric: MetricName
    average: Literal["binary", "macro", "micro", "weighted"] = "binary"
    corruptions: Annotated[tuple[Corruption, ...], Field(min_length=1)] = (
        "Nulls", "Noise", "OutOfRange", "SwappedTypes",
    )  # fmt: skip
    fraction: Share = 0.2
    """Share of the rows that are corrupted and sent."""
    values: Share = 0.25
    """Share of the values of such a row that are corrupted, at least one. Noise hits every number."""
    noise: Annotated[float, Field(gt=0)] = 0.5
    """Noise in standard deviations of each feature."""
    seed: int = 0


class LatencyCheck(BaseCheck):
    """Seconds to answer one row. NAME_p50, _p95, _p99 and _errors; with a concurrency of 8 NAME_c8_p50 and so on."""

    kind: Literal["Latency"]
    requests: Annotated[int, Field(ge=1, le=100_000)] = 200
    """How many are measured, for each concurrency."""
    warmup: Annotated[int, Field(ge=0, le=10_000)] = 10
    """How many are sent before that and not measured."""
    concurrency: Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(min_length=1)] = (1,)
    """How many are under way at once; 1 is one after another."""


Check = Annotated[
    SchemaCheck | CriticalCheck | MetricCheck | SlicesCheck | FairnessCheck | RobustnessCheck | LatencyCheck,
    Field(discriminator="kind"),
]


class Config(Model):
    target: Annotated[OpenInferenceTarget | JsonTarget, Field(discriminator="protocol")]
    features: Annotated[dict[str, Datatype], Field(min_length=1)]
    """What the model is given, in this order; other columns are for slices, groups and the log."""
    labels: Labels = Labels()
    data: Annotated[dict[str, DataSpec], Field(min_length=1)]
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]
