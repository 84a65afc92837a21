"""Rows spoilt on purpose, in the ways that production spoils them. The same seed spoils in the same way: candidate and
stable are given the same rows."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .config import Corruption, Datatype, RobustnessCheck

_TEXT: Final = "not-a-value"
_LONG_TEXT: Final = "x" * 10_000
_LARGEST: Final = {"FP16": 65504.0, "FP32": 3.4028234e38, "FP64": sys.float_info.max}


@dataclass(frozen=True)
class Spread:
    """Where a feature's values lie in the clean data."""

    low: float
    high: float
    deviation: float


def measure_spread(rows: Sequence[Mapping[str, Any]], features: Mapping[str, Datatype]) -> dict[str, Spread]:
    """For features that are numbers and have any."""
    spreads = {}
    for name, datatype in features.items():
        known = [row[name] for row in rows if row[name] is not None]
        if known and is_number(datatype):
            values = np.asarray(known, dtype=float)
            spreads[name] = Spread(float(values.min()), float(values.max()), float(values.std()))
    return spreads


def is_number(datatype: Datatype) -> bool:
    return datatype not in ("BOOL", "BYTES")


def can_spoil(kind: Corruption, features: Mapping[str, Datatype]) -> list[str]:
    """Features that this corruption can be done to."""
    if kind == "Noise":
        return [name for name, datatype in features.items() if is_number(datatype)]
    if kind == "OutOfRange":
        return [name for name, datatype in features.items() if datatype != "BOOL"]
    return list(features)


def spoil(
    kind: Corruption,
    rows: Sequence[Mapping[str, Any]],
    features: Mapping[str, Datatype],
    check: RobustnessCheck,
    spreads: Mapping[str, Spread],
) -> list[dict[str, Any]]:
    generator = np.random.default_rng(check.seed)
    able = can_spoil(kind, features)
    count = len(able) if kind == "Noise" else min(len(able), max(1, round(check.values * len(features))))
    spoilt: list[dict[str, Any]] = []
    for row in rows:
        changed = dict(row)
        for name in (able[i] for i in generator.choice(len(able), size=count, replace=False)):
            changed[name] = _SPOIL[kind](row[name], features[name], spreads.get(name), check, generator)
        spoilt.append(changed)
    return spoilt


def _clear(value: Any, datatype: Datatype, spread: Spread | None, check: RobustnessCheck, generator: Any) -> Any:
    return None


def _shake(value: Any, datatype: Datatype, spread: Spread | None, check: RobustnessCheck, generator: Any) -> Any:
    step = generator.normal(0.0, check.noise)
    if value is None or spread is None:
        return value
    return _fit(value + step * spread.deviation, datatype)


def _exceed(value: Any, datatype: Datatype, spread: Spread | None, check: RobustnessCheck, generator: Any) -> Any:
    above = bool(generator.integers(2))
    if not is_number(datatype):
        return _LONG_TEXT
    known = spread or Spread(0.0, 1.0, 1.0)
    width = 10 * ((known.high - known.low) or 1.0)
    higher, lower = _fit(known.high + width, datatype), _fit(known.low - width, datatype)
    # An unsigned number has nothing below 0: then only the other side is out of range.
    if higher <= known.high or lower >= known.low:
        return higher if lower >= known.low else lower
    return higher if above else lower


def _swap(value: Any, datatype: Datatype, spread: Spread | None, check: RobustnessCheck, generator: Any) -> Any:
    return 12345 if datatype == "BYTES" else _TEXT


def _fit(number: float, datatype: Datatype) -> float | int:
    """Within the datatype: a number that cannot be sent is no corruption of the value but of the message."""
    largest = _LARGEST.get(datatype)
    if largest is not None:
        return min(max(number, -largest), largest)
    span = np.iinfo(datatype.lower())
    return min(max(round(number), int(span.min)), int(span.max))


_SPOIL: Final[Mapping[Corruption, Callable[..., Any]]] = {
    "Nulls": _clear,
    "Noise": _shake,
    "OutOfRange": _exceed,
    "SwappedTypes": _swap,
}
