"""What every kind shares: the base model, the scalar types of the contract, and the names we put on objects.

Scalars stay the strings that the user wrote (no floats in a spec); the `parse_*` helpers give numbers to whoever
decides.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import durationpy
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from serinus.api.redact import redact

GROUP: Final = "serinus.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

LABEL_DEPLOYMENT: Final = "serinus.dev/deployment"
LABEL_REVISION: Final = "serinus.dev/revision"
LABEL_CHECK_OF: Final = "serinus.dev/check-of"
"""Says whose validation a pod or a ConfigMap with results belongs to; such pods must not serve."""
LABEL_POLICY: Final = "serinus.dev/policy"
LABEL_RUN: Final = "serinus.dev/retrain-run"
"""Says which RetrainRun what trains, its pods and the Jobs of its gates belong to."""
ANNOTATION_CANCEL: Final = "serinus.dev/cancel"
"""On a RetrainRun: why it is to be cancelled."""
ANNOTATION_ATTEMPT: Final = "serinus.dev/attempt"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "serinus"
ANNOTATION_COMMAND: Final = "serinus.dev/command"
ANNOTATION_COMMAND_BY: Final = "serinus.dev/command-by"

NAME_MAX_LENGTH: Final = 45
"""Children append `-` and 8 hex digits, and their pods a further suffix, within the 63 characters of a label value."""
NAME_PATTERN: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""DNS-1035: the name becomes the name of a Service."""


class Model(BaseModel):
    """A part of a spec: immutable, camelCase outside, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )

    def dump(self) -> dict[str, Any]:
        """Return the JSON form that the API server stores: camelCase keys, no nulls, times as RFC 3339 strings."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(Model):
    """A part of a status: unknown fields are dropped, so that an older operator can take over from a newer one."""

    model_config = ConfigDict(extra="ignore")


METRIC_NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""A DNS label: names of metrics and checks appear in messages and in names of Jobs."""
HOSTNAME_PATTERN: Final = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
QUANTITY_PATTERN: Final = r"^[0-9]{1,12}(\.[0-9]{1,6})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
FILE_PATTERN: Final = r"^[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)*$"
"""A relative path that stays below where it starts."""
VERSION_PATTERN: Final = r"^[0-9]{1,9}$"
CRON_PATTERN: Final = r"^[^ ]+( [^ ]+){4}$"
DEVICE_PATTERN: Final = r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$"
ADDRESS_PATTERN: Final = r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$"
DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
"""A Go-style duration such as `1h30m`, `90s`, `500ms` (the form that Gateway API uses too)."""

DECIMAL_PATTERN: Final = r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$"
DecimalString = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=20)]
"""A decimal number as a string, such as `"1.2"`."""

RATIO_PATTERN: Final = r"^([0-9]{1,3}(\.[0-9]{1,9})?%|[01](\.[0-9]{1,9})?)$"
Ratio = Annotated[str, Field(pattern=RATIO_PATTERN, max_length=16)]
"""A share of a whole: percent (`"1%"`) or a fraction (`"0.01"`)."""


def shorten_to(length: int) -> BeforeValidator:
    """Return the validator that cuts a text in a status to `length` characters: a status must always be writable. What
    looks like a credential is taken out of it."""

    def shorten(value: Any) -> Any:
        text = redact(value) if isinstance(value, str) else value
        return f"{text[: length - 1]}…" if isinstance(text, str) and len(text) > length else text

    return BeforeValidator(shorten)


Word = Annotated[str, Field(max_length=64), shorten_to(64)]
Text = Annotated[str, Field(max_length=256), shorten_to(256)]
Message = Annotated[str, Field(max_length=2048), shorten_to(2048)]


UNSEEN: Final = -1
"""`status.observedGeneration` of an object that the operator has not seen yet, set by the API server: without it tools
that wait by kstatus would take an object without any status for one that is done."""

ObservedGeneration = Annotated[int | None, BeforeValidator(lambda value: None if value == UNSEEN else value)]


def spell_command(kind: str, name: str, namespace: str, command: str, *, named: bool = False) -> str:
    """How a person gives a command, for a shell; `named` where it must say who gives it. Where not, the name of who
    gave the one before is taken away: it would stay, and the API server refuses that."""
    who = "=\"$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')\"" if named else "-"
    return (
        f'kubectl annotate --overwrite {kind} {name} -n {namespace} {ANNOTATION_COMMAND}="{command}"'
        f" {ANNOTATION_COMMAND_BY}{who}"
    )


def parse_duration(text: str) -> timedelta:
    """Turn `1h30m` into a timedelta; ValueError where the text is no duration."""
    try:
        return durationpy.from_str(text)
    except durationpy.DurationError as error:
        raise ValueError(f"{text!r} is not a duration such as 90s or 1h30m") from error


def format_duration(duration: timedelta) -> str:
    """Turn a timedelta into the Go-style text that people write, such as `1h30m` or `90s`."""
    seconds = duration.total_seconds()
    return f"{seconds:g}s" if seconds < 100 else str(durationpy.to_str(duration))


def parse_decimal(text: str) -> float:
    """Turn `"1.2"` into 1.2; ValueError where the text is no number."""
    return float(text)


def parse_ratio(text: str) -> float:
    """Turn `"1%"` or `"0.01"` into the fraction 0.01; ValueError where the text is neither."""
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _to_utc_milliseconds(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def format_time(moment: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC with milliseconds: `2026-11-23T10:12:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: object) -> datetime | None:
    """The moment that Kubernetes writes as RFC 3339; None for what is no text. ValueError for text that is no time."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if isinstance(text, str) else None


Time = Annotated[
    AwareDatetime,
    AfterValidator(_to_utc_milliseconds),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An aware moment in UTC, cut to milliseconds so that writing and reading give the same value."""

ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(StatusModel):
    """One observation about the object, in the form that kubectl wait, Helm, Flux and Argo CD read."""

    type: Word
    """What is observed, for example Ready. Key of the list."""
    status: ConditionStatus
    """Whether it holds: True, False, or Unknown while nothing is known yet."""
    reason: Word
    """One CamelCase word that says why; every word is documented in the reference of conditions."""
    message: Message = ""
    """A sentence for people, with the numbers behind it."""
    last_transition_time: Time
    """When `status` last changed (RFC 3339, UTC)."""
    observed_generation: int | None = None
    """The metadata.generation this observation is about."""
