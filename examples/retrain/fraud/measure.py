"""How good a model is, in all and for each region."""

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from fairlearn.metrics import MetricFrame, count, demographic_parity_difference
from sklearn.metrics import accuracy_score, f1_score

from .model import predict
from .rows import LABEL, Row

SLICE: Final = "region"
"""The protected attribute."""


def measure(classifier: Any, rows: Sequence[Row]) -> dict[str, Any]:
    """F1 and accuracy in all and F1 by slice, the gap of demographic parity (how much more often one region is accused
    than the other), and the milliseconds that one row of a batch takes."""
    truth = np.array([bool(row[LABEL]) for row in rows])
    groups = [str(row[SLICE]) for row in rows]
    began = time.perf_counter()
    given = predict(classifier, rows)
    elapsed = time.perf_counter() - began
    by_group = MetricFrame(
        metrics={"value": _f1, "samples": count}, y_true=truth, y_pred=given, sensitive_features=groups
    ).by_group
    return {
        "f1": round(_f1(truth, given), 4),
        "accuracy": round(float(accuracy_score(truth, given)), 4),
        "demographic_parity_gap": round(
            float(demographic_parity_difference(truth, given, sensitive_features=groups)), 4
        ),
        "slices": {
            f"{SLICE}={group}": {"value": round(float(row["value"]), 4), "samples": int(row["samples"])}
            for group, row in by_group.iterrows()
        },
        "batch_ms_per_row": round(1000 * elapsed / max(len(rows), 1), 4),
    }


def _f1(truth: Any, given: Any) -> float:
    return float(f1_score(truth, given, zero_division=0.0))
