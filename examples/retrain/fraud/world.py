"""Where the payments come from: a seeded generator whose inputs, and whose idea of what fraud is, can be shifted.

Pure. The same seed and the same season give the same payments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Features = dict[str, float | str]
Floats = NDArray[np.float64]

NORTH, SOUTH = "north", "south"
NOISE: Final = 0.2
"""Spread of what no feature tells; it bounds how good any model can be."""

CENTRES: Final[Mapping[str, tuple[float, float]]] = {"amount": (4.0, 0.8), "distance": (3.0, 1.0), "age": (5.5, 0.9)}
"""Mean and deviation of the natural logarithm: euros, kilometres from home, days since the account was opened."""


@dataclass(frozen=True)
class Season:
    """`moved`: by how many deviations the mean of each feature has moved. `north`, `south`: how much each feature
    speaks for fraud there, and from where on it is one."""

    moved: Mapping[str, float]
    north: tuple[Mapping[str, float], float]
    south: tuple[Mapping[str, float], float]
    share_south: float = 0.2


_CALM = ({"amount": 1.0, "distance": 0.8, "age": -0.6}, 0.5)
_HOLIDAY = ({"amount": -0.5, "distance": 1.0, "age": 1.0}, 0.9)
_NORTH_ONLY = ({"amount": 1.0, "distance": -1.0, "age": 0.3}, 0.5)

SEASONS: Final[Mapping[str, Season]] = {
    "calm": Season({}, _CALM, _CALM),
    # Everybody buys more and further away, and fraud moves to old accounts: one model can learn it for all.
    "holiday": Season({"amount": 1.2, "distance": 0.8}, _HOLIDAY, _HOLIDAY),
    # The north pays in another way, the south as before: no model without interactions can be right about both, and the
    # north is the larger part.
    "split": Season({"amount": 0.6, "distance": 0.6, "age": 0.2}, _NORTH_ONLY, _HOLIDAY),
}


@dataclass(frozen=True)
class Payment:
    """One payment and the truth about it, which is known only later."""

    features: Features
    fraud: bool


def draw_payments(rng: np.random.Generator, count: int, season: str) -> list[Payment]:
    """KeyError for a season that is none."""
    kind = SEASONS[season]
    south = rng.random(count) < kind.share_south
    normal = {name: rng.normal(kind.moved.get(name, 0.0), 1.0, count) for name in CENTRES}
    unknown = rng.normal(0.0, NOISE, count)
    scores = np.where(south, _score(normal, kind.south), _score(normal, kind.north)) + unknown
    columns = {name: np.exp(centre + width * normal[name]) for name, (centre, width) in CENTRES.items()}
    return [
        Payment(
            {**{name: round(float(column[i]), 2) for name, column in columns.items()}, "region": _name(south[i])},
            bool(scores[i] > 0),
        )
        for i in range(count)
    ]


def _score(normal: Mapping[str, Floats], concept: tuple[Mapping[str, float], float]) -> Floats:
    weights, bound = concept
    total: Floats = sum((weights[name] * column for name, column in normal.items()), start=np.zeros(1)) - bound
    return total


def _name(south: np.bool_) -> str:
    return SOUTH if south else NORTH


def encode(rows: Sequence[Mapping[str, Any]]) -> Floats:
    """What a model is given for these features: standardised logarithms, and 1 for the south.

    ValueError, with the name of the feature, where one is missing or makes no sense."""
    return np.array([_encode_row(row) for row in rows], dtype=np.float64).reshape(len(rows), len(CENTRES) + 1)


def _encode_row(row: Mapping[str, Any]) -> list[float]:
    numbers = []
    for name, (centre, width) in CENTRES.items():
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ValueError(f"{name} is {value!r}; it must be a number from 0")
        numbers.append((float(np.log(max(value, 0.01))) - centre) / width)
    if row.get("region") not in (NORTH, SOUTH):
        raise ValueError(f"region is {row.get('region')!r}; it must be {NORTH} or {SOUTH}")
    return [*numbers, float(row["region"] == SOUTH)]
