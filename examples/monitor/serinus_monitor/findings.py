"""What a window that is over has shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .calibration import Calibration
from .quality import Answer, measure_quality
from .reference import Floats, Reference
from .settings import Settings
from .statistics import measure
from .windows import Closed

MAX: Final = "_max"
"""Stands for the feature that lies furthest above its threshold, in proportion: one series for the whole data set."""


@dataclass(frozen=True)
class Score:
    value: float
    threshold: float


@dataclass(frozen=True)
class Drift:
    """A window against the reference. `scores` by statistic and feature, MAX among them; empty where it has too few
    rows, or where there is no reference."""

    end: float
    rows: int
    scores: Mapping[tuple[str, str], Score] = field(default_factory=dict)


@dataclass(frozen=True)
class Quality:
    """A window against its labels. `values` by metric and slice; empty where too few labels have come."""

    end: float
    predictions: int
    labelled: int
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def coverage(self) -> float | None:
        """Share of the predictions that have a label, 0 to 1; None without predictions."""
        return self.labelled / self.predictions if self.predictions else None


def assess_drift(
    window: Closed[Floats], reference: Reference | None, calibration: Calibration | None, settings: Settings
) -> Drift:
    """Takes a second where the size of the window has not come up before."""
    rows = len(window.rows)
    if reference is None or calibration is None or rows < settings.min_rows:
        return Drift(window.end, rows)
    values = np.stack(window.rows)
    scores: dict[tuple[str, str], Score] = {}
    for statistic in settings.statistics:
        found = measure(statistic, reference, values)
        thresholds = calibration.find_thresholds(statistic, rows)
        known = {
            feature.name: Score(float(value), float(threshold))
            for feature, value, threshold in zip(reference.features, found, thresholds, strict=True)
            if np.isfinite(value) and np.isfinite(threshold)
        }
        if known:
            known[MAX] = max(known.values(), key=lambda score: score.value / score.threshold)
        scores |= {(statistic, name): score for name, score in known.items()}
    return Drift(window.end, rows, scores)


def assess_quality(window: Closed[Answer], settings: Settings) -> Quality:
    answers: Sequence[Answer] = window.rows
    labelled = sum(answer.label is not None for answer in answers)
    values = measure_quality(answers, settings.quality, settings.positive, settings.min_labels)
    return Quality(window.end, len(answers), labelled, values)
