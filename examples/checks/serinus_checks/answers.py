"""What came back for one row, and how labels from different sources are made comparable."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .config import BaseTarget, Labels
from .errors import ConfigError, UnacceptableError

Label = int | float | str | None


@dataclass(frozen=True)
class Answer:
    """The model's answer to one row; `score` only where the configuration names one."""

    label: Label
    score: float | None = None


@dataclass(frozen=True)
class Failure:
    """No answer to one row; `status` is None where there was no HTTP answer at all."""

    status: int | None
    message: str

    @property
    def is_refusal(self) -> bool:
        """Whether the server said that the input is at fault."""
        return self.status is not None and 400 <= self.status < 500

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.message}" if self.status is not None else self.message


def plain_label(value: Any) -> Label:
    """One form for 1, 1.0, true and "1": CSV knows text only, and servers choose their own type."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        value = _read_number(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    return value if isinstance(value, int | str) else None


def build_answer(label: Any, score: Any, target: BaseTarget, labels: Labels) -> Answer:
    """The answer out of the raw values of one row. UnacceptableError where they have another shape than configured."""
    number = None if target.score is None else _read_score(score, target)
    if target.score is not None and target.label is None:
        if number is None:
            return Answer(None)
        positive = number >= target.threshold
        return Answer(plain_label(labels.positive if positive else labels.negative), number)
    return Answer(_read_label(label, target), number)


def _read_label(raw: Any, target: BaseTarget) -> Label:
    if not isinstance(raw, list):
        if isinstance(raw, dict):
            raise UnacceptableError(f"an answer is an object with {sorted(raw)}: target.label must name one of them")
        return plain_label(raw)
    if len(raw) == 1:
        return plain_label(raw[0])
    if target.classes is None:
        raise UnacceptableError(f"an answer has {len(raw)} values instead of one label (target.classes names none)")
    if len(raw) != len(target.classes):
        raise UnacceptableError(f"an answer has {len(raw)} values, not one for each of {len(target.classes)} classes")
    numbers = [_to_float(value) for value in raw]
    known = [number for number in numbers if number is not None]
    return plain_label(target.classes[numbers.index(max(known))]) if len(known) == len(numbers) else None


def _read_score(raw: Any, target: BaseTarget) -> float | None:
    if not isinstance(raw, list):
        return _to_float(raw)
    column = target.score_column
    if column is None:
        if len(raw) > 2:
            raise ConfigError(f"target.scoreColumn is required: the score has {len(raw)} columns")
        column = len(raw) - 1
    if not 0 <= column < len(raw):
        raise UnacceptableError(f"the score has {len(raw)} columns, so there is no column {column}")
    return _to_float(raw[column])


def _to_float(value: Any) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if value is None or isinstance(value, float):
        return None
    raise UnacceptableError(f"a score is {value!r}, which is not a number")


def _read_number(text: str) -> float | str | int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def as_floats(values: Sequence[Label]) -> list[float | None]:
    """Labels as numbers; None for those that are none."""
    return [float(value) if isinstance(value, int | float) else None for value in values]
