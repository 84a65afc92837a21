"""What is sent to the monitor: JSON lines, one object each. A wrong line is named, and spoils no other.

The values of features are taken as they come: a number that has become text is not a mistake of the sender's, it is the
drift that somebody should hear of."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

LONGEST_LINE: Final = 65_536
"""Bytes."""
_SHOWN: Final = 60
_LONGEST_INTEGER: Final = 10**_SHOWN

Scalar = bool | int | float | str | None


def _read_time(value: Any) -> float:
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            parsed = None
        if parsed is not None and parsed.tzinfo is not None:
            return parsed.timestamp()
    number = as_number(value)
    if math.isnan(number):
        raise ValueError("must be Unix seconds or RFC 3339 with a time zone")
    return number


def _read_name(value: Any) -> Any:
    return as_text(value) if isinstance(value, int | float) else value


_NUMBER_TOO: Final = BeforeValidator(_read_name)
Id = Annotated[str, Field(min_length=1, max_length=128), _NUMBER_TOO]
Label = Annotated[bool | int | float | Annotated[str, Field(max_length=256)] | None, Field(union_mode="left_to_right")]
Time = Annotated[float, BeforeValidator(_read_time)]


class Line(BaseModel):
    """Other fields than these are nobody's mistake: a log has more than is needed here."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Prediction(Line):
    """What the model was asked and what it answered."""

    id: Id
    """Joins the label to the prediction; one that is sent twice counts once."""
    time: Time
    """When it was asked."""
    revision: Annotated[
        str | None, Field(max_length=253, validation_alias=AliasChoices("revision", "version")), _NUMBER_TOO
    ] = None
    """Which revision answered. Absent: taken to be stable's."""
    features: Annotated[dict[str, Any], Field(max_length=1000)] = {}
    prediction: Label = None
    slice: Annotated[str | None, Field(min_length=1, max_length=128), _NUMBER_TOO] = None
    """A part of the data whose quality is looked at by itself, for example region=eu."""


class Labelled(Line):
    """What the answer should have been."""

    id: Id
    label: Label


class ReferenceRow(Line):
    """One row of what the model was trained on."""

    features: Annotated[dict[str, Any], Field(max_length=1000)]
    prediction: Label = None


Any_Line = TypeVar("Any_Line", bound=Line)


def read_lines(body: bytes, kind: type[Any_Line]) -> tuple[list[Any_Line], list[str]]:
    """Rows, and a sentence for each line that is none."""
    rows: list[Any_Line] = []
    mistakes: list[str] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(line) > LONGEST_LINE:
            mistakes.append(f"line {number}: {len(line)} bytes, at most {LONGEST_LINE} are read")
            continue
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            mistakes.append(f"line {number}: {_describe(error)}")
    return rows, mistakes


def as_number(value: Any) -> float:
    """A finite number; NaN for anything else, text that looks like one and integers beyond all floats included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def as_text(value: Any) -> str | None:
    """A category or class: 1 and 1.0 are the same, true is not 1; None for nothing, NaN and infinity."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return None if not math.isfinite(value) else f"{value:.0f}" if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < _LONGEST_INTEGER else "(a longer integer)"
    return "(no scalar)"


def _describe(error: ValidationError) -> str:
    said = []
    for one in error.errors(include_url=False, include_context=False)[:3]:
        where = ".".join(str(part) for part in one["loc"])
        given = "" if one["type"] in ("missing", "json_invalid") else f", not {_shorten(one['input'])}"
        said.append(f"{where + ': ' if where else ''}{one['msg'].removeprefix('Value error, ')}{given}")
    return "; ".join(said)


def _shorten(value: Any) -> str | None:
    text = as_text(value) if isinstance(value, int) else repr(value)
    return text if text is None or len(text) <= _SHOWN else text[:_SHOWN] + "…"


def join_mistakes(mistakes: Sequence[str]) -> list[str]:
    """The first few: an answer of megabytes helps nobody."""
    more = len(mistakes) - 5
    return [*mistakes[:5], *([f"and {more} more"] if more > 0 else [])]
