"""When rules fire on a row of scores: Serinus' own code, and what is usual elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from serinus.api.retrainstatus import TriggerState
from serinus.api.triggers import MetricTrigger
from serinus.core.retrain.reading import Reading
from serinus.core.retrain.triggers import assess_metric
from tests.bench.retrain.draws import Floats

START = datetime(2026, 1, 1, tzinfo=UTC)


def count_edges(scores: Floats, threshold: float, looks: int) -> int:
    """How often an alert fires that wants `looks` looks in a row above the threshold, and ends at the first below: the
    `for` of an alerting rule, or a poll at every look where `looks` is 1."""
    row, fired = 0, 0
    for bad in scores > threshold:
        row = row + 1 if bad else 0
        fired += row == looks
    return fired


def fire(spec: MetricTrigger, scores: Sequence[float] | Floats, every: timedelta, rows: int) -> list[int]:
    """Numbers of the looks at which a trigger fires; answered at once, as by a run that cures nothing."""
    state: TriggerState | None = None
    fired = []
    for number, score in enumerate(scores):
        at = START + number * every
        before = state.state if state is not None else "Unknown"
        reading = Reading(float(score), at, at, samples=float(rows))
        state = assess_metric(spec, "drift", state, reading, at)
        if state.state == "Firing" and before != "Firing":
            fired.append(number)
    return fired


def drift_trigger(window: timedelta, threshold: float, rows: int, **more: object) -> MetricTrigger:
    """A drift trigger with nothing but what it must have."""
    return MetricTrigger.model_validate(
        {
            "query": "model_drift_score",
            "signal": "Drift",
            "fireAbove": f"{max(threshold, 1e-9):.9f}",
            "window": f"{window // timedelta(minutes=1)}m",
            "minSamples": {"query": "model_drift_window_samples", "value": min(rows, 1000)},
            **more,
        }
    )


def quality_trigger(window: timedelta, threshold: float) -> MetricTrigger:
    """A quality trigger with nothing but what it must have."""
    return MetricTrigger.model_validate(
        {"query": "model_quality", "fireBelow": f"{threshold:.9f}", "window": f"{window // timedelta(minutes=1)}m"}
    )


def mean_of(counts: Sequence[int]) -> float:
    return float(np.mean(counts))
