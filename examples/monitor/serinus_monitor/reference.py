"""What the model was trained on, in the form in which windows are compared with it.

The bins are the reference's own and never move with a window: two scores are on one scale. A numeric feature has the
deciles of the reference, a categorical one its commonest values; one more bin takes what is missing or of another
type, and for categories one what the reference did not have."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import ReferenceUnusableError
from .records import ReferenceRow, as_number, as_text, join_mistakes, read_lines

PREDICTION: Final = "_prediction"
"""The model's answer, compared like a feature."""
MOST_ROWS: Final = 10_000
"""More tell nothing new about deciles."""
FEWEST_ROWS: Final = 100
MOST_FEATURES: Final = 100
_DECILES: Final = np.linspace(0.1, 0.9, 9)
_MOST_CATEGORIES: Final = 20
_MANY_VALUES: Final = 10
"""A number with more values than this is cut into deciles; with fewer each value is a bin."""

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Feature:
    """One column. A value is kept as a float: the number itself, or the position of the category; NaN is missing."""

    name: str
    numeric: bool
    edges: Floats
    """Between the bins of a numeric feature."""
    categories: dict[str, int]

    @property
    def bins(self) -> int:
        return (len(self.edges) + 1 if self.numeric else len(self.categories) + 1) + 1

    def encode(self, value: Any) -> float:
        if self.numeric:
            return as_number(value)
        text = as_text(value)
        return float("nan") if text is None else float(self.categories.get(text, len(self.categories)))

    def find_bins(self, values: Floats) -> Integers:
        """The number of the bin of each value."""
        placed = np.searchsorted(self.edges, values, side="left") if self.numeric else np.nan_to_num(values)
        return np.where(np.isnan(values), self.bins - 1, placed).astype(np.int64)


@dataclass(frozen=True)
class Reference:
    """Rows of the reference by feature. Bins of all features are numbered through: those of feature f start at
    `starts[f]`."""

    name: str
    features: tuple[Feature, ...]
    values: Floats
    """Rows by features."""

    @cached_property
    def starts(self) -> Integers:
        return np.concatenate([[0], np.cumsum([feature.bins for feature in self.features])]).astype(np.int64)

    @cached_property
    def codes(self) -> Integers:
        """The bin of each value of `values`."""
        return self.find_codes(self.values)

    @cached_property
    def counts(self) -> Integers:
        """Rows of the reference in each bin."""
        return self.count(self.codes)

    def find_codes(self, values: Floats) -> Integers:
        columns = [
            start + feature.find_bins(values[:, number])
            for number, (feature, start) in enumerate(zip(self.features, self.starts, strict=False))
        ]
        return np.stack(columns, axis=1)

    def encode(self, features: dict[str, Any], prediction: Any) -> Floats:
        """A row of production. A feature that the reference does not have is left out, one that it has is missing."""
        return np.array([feature.encode(_find(feature.name, features, prediction)) for feature in self.features])

    def count(self, codes: Integers) -> Integers:
        """How many values are in each bin."""
        return np.bincount(codes.ravel(), minlength=int(self.starts[-1]))


def read_reference(name: str, body: bytes) -> Reference:
    """Build a reference from JSON lines {"features": {...}, "prediction": ...}. ReferenceUnusableError otherwise."""
    rows, mistakes = read_lines(body, ReferenceRow)
    if mistakes:
        raise ReferenceUnusableError(f"reference {name}: {'; '.join(join_mistakes(mistakes))}")
    if len(rows) < FEWEST_ROWS:
        raise ReferenceUnusableError(f"reference {name} has {len(rows)} rows; at least {FEWEST_ROWS} are needed")
    if len(rows) > MOST_ROWS:
        chosen = np.random.default_rng(0).choice(len(rows), MOST_ROWS, replace=False)
        rows = [rows[number] for number in chosen]
    return build_reference(name, rows)


def build_reference(name: str, rows: Sequence[ReferenceRow]) -> Reference:
    names = sorted({key for row in rows for key in row.features})
    if any(row.prediction is not None for row in rows):
        names.append(PREDICTION)
    if not 1 <= len(names) <= MOST_FEATURES:
        raise ReferenceUnusableError(
            f"reference {name} has {len(names)} features; 1 to {MOST_FEATURES} can be compared"
        )
    if clash := {feature for feature in names if feature.startswith("_")} - {PREDICTION}:
        raise ReferenceUnusableError(f"reference {name}: {min(clash)!r} is no name for a feature: it begins with _")
    columns = [[_find(feature, row.features, row.prediction) for row in rows] for feature in names]
    features = tuple(_build_feature(feature, column) for feature, column in zip(names, columns, strict=True))
    encoded = [[feature.encode(value) for value in column] for feature, column in zip(features, columns, strict=True)]
    return Reference(name, features, np.array(encoded, dtype=np.float64).T)


def _build_feature(name: str, column: Sequence[Any]) -> Feature:
    given = [value for value in column if value is not None]
    numbers = np.array([as_number(value) for value in given])
    if given and not np.isnan(numbers).any() and len(np.unique(numbers)) > _MANY_VALUES:
        return Feature(name, True, np.unique(np.quantile(numbers, _DECILES)), {})
    texts = [text for text in map(as_text, given) if text is not None]
    commonest = sorted(Counter(texts).items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_CATEGORIES]
    return Feature(name, False, np.empty(0), {value: position for position, (value, _) in enumerate(commonest)})


def _find(name: str, features: dict[str, Any], prediction: Any) -> Any:
    return prediction if name == PREDICTION else features.get(name)
