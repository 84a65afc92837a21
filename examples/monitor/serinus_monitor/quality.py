"""How right the model was, once the labels are there; the metrics are scikit-learn's."""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn import metrics as sk

from .records import as_number, as_text

ALL: Final = "_all"
"""The slice that is everything."""
MOST_SLICES: Final = 50


@dataclass(slots=True)
class Answer:
    """A prediction that waits for its label."""

    prediction: Any
    slice: str | None
    label: Any = None


Metric = Callable[[Sequence[Any], Sequence[Any], str | None], float]


def _averaged(function: Any) -> Metric:
    """precision, recall and f1: of the positive class where one is named, else the mean over classes."""

    def measure(truth: Sequence[Any], predicted: Sequence[Any], positive: str | None) -> float:
        if positive is None:
            return float(function(truth, predicted, average="macro", zero_division=np.nan))
        sides = ([value == positive for value in side] for side in (truth, predicted))
        return float(function(*sides, zero_division=np.nan))

    return measure


def _plain(function: Any) -> Metric:
    return lambda truth, predicted, _: float(function(truth, predicted))


CLASSIFICATION: Final[Mapping[str, Metric]] = {
    "accuracy": _plain(sk.accuracy_score),
    "balanced_accuracy": _plain(sk.balanced_accuracy_score),
    "precision": _averaged(sk.precision_score),
    "recall": _averaged(sk.recall_score),
    "f1": _averaged(sk.f1_score),
}
REGRESSION: Final[Mapping[str, Metric]] = {
    "mae": _plain(sk.mean_absolute_error),
    "rmse": _plain(sk.root_mean_squared_error),
    "r2": _plain(sk.r2_score),
}
METRICS: Final = (*CLASSIFICATION, *REGRESSION)


def measure_quality(
    answers: Sequence[Answer], names: Sequence[str], positive: str | None, fewest: int
) -> dict[tuple[str, str], float]:
    """Value by metric and slice, from answers that have a label. Slices with fewer than `fewest` are left out, and so
    is a metric that is not defined, such as the recall of a class that did not occur."""
    labelled = [answer for answer in answers if answer.label is not None and answer.prediction is not None]
    sizes = Counter(answer.slice for answer in labelled if answer.slice is not None)
    slices = [name for name, size in sizes.most_common(MOST_SLICES) if size >= fewest and name != ALL]
    parts = {ALL: labelled} if len(labelled) >= fewest else {}
    parts |= {name: [answer for answer in labelled if answer.slice == name] for name in slices}
    found = {(name, part): _measure(name, rows, positive) for name in names for part, rows in parts.items()}
    return {key: value for key, value in found.items() if np.isfinite(value)}


def _measure(name: str, rows: Sequence[Answer], positive: str | None) -> float:
    if name in CLASSIFICATION:
        texts = [(as_text(row.label) or "", as_text(row.prediction) or "") for row in rows]
        return _quietly(CLASSIFICATION[name], texts, positive)
    numbers = [(as_number(row.label), as_number(row.prediction)) for row in rows]
    known = [pair for pair in numbers if np.isfinite(pair).all()]
    return _quietly(REGRESSION[name], known, positive) if len(known) > 1 else float("nan")


def _quietly(metric: Metric, pairs: Sequence[tuple[Any, Any]], positive: str | None) -> float:
    truth, predicted = zip(*pairs, strict=True)
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        # Classes that were predicted and never occurred are for scikit-learn worth a warning, for each window.
        warnings.simplefilter("ignore")
        return metric(truth, predicted, positive)
