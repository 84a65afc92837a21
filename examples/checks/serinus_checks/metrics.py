"""Metrics by name, computed by scikit-learn and Fairlearn; None, with the reason, where there is no honest number."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import fairlearn.metrics as fair
import numpy as np
import sklearn.metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

Needs = Literal["label", "score", "number"]


@dataclass(frozen=True)
class Metric:
    """`needs` says what of an answer is compared; `two_classes` metrics mean nothing where the data has one."""

    function: Callable[..., Any]
    needs: Needs = "label"
    higher_is_better: bool = True
    averaged: bool = False
    two_classes: bool = False


METRICS: Final[Mapping[str, Metric]] = {
    "accuracy": Metric(sk.accuracy_score),
    "balanced_accuracy": Metric(sk.balanced_accuracy_score, two_classes=True),
    "precision": Metric(sk.precision_score, averaged=True),
    "recall": Metric(sk.recall_score, averaged=True),
    "f1": Metric(sk.f1_score, averaged=True),
    "matthews_corrcoef": Metric(sk.matthews_corrcoef, two_classes=True),
    "cohen_kappa": Metric(sk.cohen_kappa_score, two_classes=True),
    "roc_auc": Metric(sk.roc_auc_score, "score", two_classes=True),
    "average_precision": Metric(sk.average_precision_score, "score", two_classes=True),
    "log_loss": Metric(sk.log_loss, "score", higher_is_better=False, two_classes=True),
    "brier": Metric(sk.brier_score_loss, "score", higher_is_better=False, two_classes=True),
    "mae": Metric(sk.mean_absolute_error, "number", higher_is_better=False),
    "mse": Metric(sk.mean_squared_error, "number", higher_is_better=False),
    "rmse": Metric(sk.root_mean_squared_error, "number", higher_is_better=False),
    "median_absolute_error": Metric(sk.median_absolute_error, "number", higher_is_better=False),
    "max_error": Metric(sk.max_error, "number", higher_is_better=False),
    "mape": Metric(sk.mean_absolute_percentage_error, "number", higher_is_better=False),
    "r2": Metric(sk.r2_score, "number"),
}

FAIRNESS: Final[Mapping[str, Callable[..., Any]]] = {
    "demographic_parity_difference": fair.demographic_parity_difference,
    "demographic_parity_ratio": fair.demographic_parity_ratio,
    "equalized_odds_difference": fair.equalized_odds_difference,
    "equalized_odds_ratio": fair.equalized_odds_ratio,
    "equal_opportunity_difference": fair.equal_opportunity_difference,
    "equal_opportunity_ratio": fair.equal_opportunity_ratio,
}

NEEDS_TRUTH: Final = frozenset(name for name in FAIRNESS if name.startswith("equal"))
"""Measures that compare rates among the positive (and, for odds, the negative) rows of each group."""


@dataclass(frozen=True)
class Measured:
    """A number, or why there is none."""

    value: float | None
    reason: str = ""


def measure(name: str, truth: Sequence[Any], given: Sequence[Any], average: str, positive: Any) -> Measured:
    """The metric over rows whose `truth` and `given` are of the form that `prepare` makes."""
    metric = METRICS[name]
    if len(truth) == 0:
        return Measured(None, "there are no rows")
    if metric.two_classes and len(set(truth)) < 2:
        return Measured(None, "all rows have the same label")
    options: dict[str, Any] = {}
    if metric.averaged:
        # Only a class that is asked for by name can be undefined; in an average an empty class counts as 0.
        options = {"average": average, "zero_division": np.nan if average == "binary" else 0}
        if average == "binary":
            truth, given = [int(t == positive) for t in truth], [int(g == positive) for g in given]
    if metric.needs == "score":
        truth = [int(t == positive) for t in truth]
        if len(set(truth)) < 2:
            return Measured(None, f"the label {positive!r} stands for all rows or for none")
    return _call(metric.function, truth, given, options)


def measure_fairness(name: str, truth: Sequence[int], given: Sequence[int], groups: Sequence[Any]) -> Measured:
    """A measure of Fairlearn over binary labels, 1 being positive."""
    lacking = _find_lacking(name, truth, groups)
    if lacking:
        return Measured(None, lacking)
    return _call(FAIRNESS[name], truth, given, {"sensitive_features": np.asarray(groups, dtype=str)})


def _find_lacking(name: str, truth: Sequence[int], groups: Sequence[Any]) -> str:
    """Fairlearn answers a rate of no rows with 0, and the difference would be made up."""
    if len(set(groups)) < 2:
        return "there are fewer than two groups"
    if name not in NEEDS_TRUTH:
        return ""
    needed = {1: "positive"} if name.startswith("equal_opportunity") else {1: "positive", 0: "negative"}
    for group in sorted(set(groups), key=str):
        seen = {t for t, g in zip(truth, groups, strict=True) if g == group}
        for label, word in needed.items():
            if label not in seen:
                return f"group {group!r} has no {word} rows"
    return ""


def _call(function: Callable[..., Any], truth: Sequence[Any], given: Sequence[Any], options: Any) -> Measured:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", UndefinedMetricWarning)
            value = float(function(np.asarray(truth), np.asarray(given), **options))
    except (ValueError, TypeError, UndefinedMetricWarning) as error:
        return Measured(None, str(error).strip().split("\n")[0])
    return Measured(value) if math.isfinite(value) else Measured(None, "it is not defined for these rows (0 / 0)")
