"""Which score a window of n rows reaches by chance alone: no fixed threshold is right for two sizes of a window.

Both sides are drawn anew from the reference, as many rows as it has and as the window has, and compared as if one were
the reference and the other the window. Rows are drawn whole, so features that go together stay together. Thresholds
hold for the family: `false_alarm` is the chance that in a window without change any feature at all lies above its own.
"""

import math
from typing import Final

import numpy as np
from scipy.stats import kstwo

from .reference import Floats, Integers, Reference
from .statistics import BINNED

ROUNDS: Final = 2000
_BLOCKS: Final = 10
"""Rounds are scored in so many parts, to need less memory."""
_SCALE: Final = 0.95
"""Features are made comparable by this quantile of each one's own scores."""
_STEP: Final = 1.1


def round_size(rows: int) -> int:
    """Sizes that share a threshold: within 10 %, rounded down, since fewer rows score higher by chance."""
    if rows < 1:
        raise ValueError(f"a window of {rows} rows has no threshold")
    return max(1, math.floor(_STEP ** math.floor(math.log(rows) / math.log(_STEP) + 1e-9)))


class Calibration:
    """Thresholds for one reference, kept for each size of window that came up."""

    def __init__(self, reference: Reference, false_alarm: float, seed: int = 0) -> None:
        self._reference = reference
        self._false_alarm = false_alarm
        self._seed = seed
        self._kept: dict[tuple[str, int], Floats] = {}
        self._binned_references: Integers | None = None

    def find_thresholds(self, statistic: str, rows: int) -> Floats:
        """The threshold of each feature for a window of `rows`; NaN where the statistic says nothing."""
        size = round_size(rows)
        if (statistic, size) not in self._kept:
            if statistic in BINNED:
                self._calibrate_binned(size)
            else:
                self._kept[statistic, size] = self._calibrate_ks(size)
        return self._kept[statistic, size]

    def _calibrate_binned(self, size: int) -> None:
        if self._binned_references is None:
            rows = len(self._reference.values)
            self._binned_references = self._count_draws(np.random.default_rng([self._seed, 0]), rows)
        windows = self._count_draws(np.random.default_rng([self._seed, size]), size)
        for statistic, measure in BINNED.items():
            blocks = zip(*(np.array_split(side, _BLOCKS) for side in (self._binned_references, windows)), strict=True)
            scores = np.concatenate([measure(self._reference, left, right) for left, right in blocks])
            self._kept[statistic, size] = _find_family_thresholds(scores, self._false_alarm)

    def _count_draws(self, rng: np.random.Generator, size: int) -> Integers:
        codes = self._reference.codes
        draws = (codes[rng.integers(len(codes), size=size)] for _ in range(ROUNDS))
        return np.stack([self._reference.count(drawn).astype(np.int32) for drawn in draws])

    def _calibrate_ks(self, size: int) -> Floats:
        """The distribution of KS is the same for all continuous features, and known; with ties it is cautious."""
        numeric = np.array([feature.numeric for feature in self._reference.features])
        if not numeric.any():
            return np.full(len(numeric), np.nan)
        each = -math.expm1(math.log1p(-self._false_alarm) / int(numeric.sum()))
        rows = len(self._reference.values)
        effective = max(round(rows * size / (rows + size)), 1)
        return np.where(numeric, float(kstwo.isf(each, effective)), np.nan)


def _find_family_thresholds(scores: Floats, false_alarm: float) -> Floats:
    """From scores by round and feature: scale each feature by its own spread, then find the common factor that the
    largest of them passes in a share `false_alarm` of the rounds."""
    known = ~np.isnan(scores).any(axis=0)
    thresholds = np.full(scores.shape[1], np.nan)
    if not known.any():
        return thresholds
    scale = np.quantile(scores[:, known], _SCALE, axis=0, method="higher")
    # A feature that never differs by chance has no scale, and any difference at all is a change.
    scale = np.maximum(scale, 1e-6)
    largest = (scores[:, known] / scale).max(axis=1)
    thresholds[known] = np.quantile(largest, 1 - false_alarm, method="higher") * scale
    return thresholds
