"""Scores of windows as a monitor would export them, drawn from seeds.

Rows are counted in the ten bins that the deciles of a reference give. Counts of five minutes are drawn, and a window is
the sum of the last ones: scores of neighbouring looks share their rows, as they do in production."""

from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

BINS = 10
REFERENCE_ROWS = 10_000
BLOCK = timedelta(minutes=5)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """What is known of the data before: where its deciles lie, and the share of the true distribution between them."""

    edges: Floats
    shares: Floats


def draw_reference(rng: np.random.Generator) -> Reference:
    """The deciles of `REFERENCE_ROWS` rows of a normal distribution."""
    rows = np.sort(rng.standard_normal(REFERENCE_ROWS))
    edges = np.quantile(rows, np.arange(1, BINS) / BINS)
    return Reference(edges, shares_of(edges, 0.0))


def shares_of(edges: Floats, shift: float) -> Floats:
    """How much of a normal distribution of mean `shift` lies in each bin."""
    below = np.array([NormalDist(shift).cdf(edge) for edge in edges])
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def psi_of(counts: NDArray[np.int64]) -> Floats:
    """Population stability index of windows (last axis: bins) against the deciles of the reference. Empty bins count as
    half a row."""
    held = np.maximum(counts.astype(np.float64), 0.5)
    actual = held / held.sum(axis=-1, keepdims=True)
    return np.asarray(((actual - 1 / BINS) * np.log(actual * BINS)).sum(axis=-1), dtype=np.float64)


def draw_counts(
    rng: np.random.Generator, shares: Floats, rows: int, shape: tuple[int, ...], clump: int = 1
) -> NDArray[np.int64]:
    """Rows by bin. With `clump` each comes that often: the same user again, a retried batch."""
    return np.asarray(rng.multinomial(rows // clump, shares, size=shape) * clump, dtype=np.int64)


def slide(blocks: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Sums over the last `size` blocks (first axis), from the first full window on."""
    sums = np.cumsum(blocks, axis=0)
    sums[size:] = sums[size:] - sums[:-size]
    return np.asarray(sums[size - 1 :], dtype=np.int64)


def calibrate(rng: np.random.Generator, rows: int, quantile: float, windows: int = 20_000) -> float:
    """The score that this share of windows of so many rows of the reference itself do not exceed."""
    counts = draw_counts(rng, np.full(BINS, 1 / BINS), rows, (windows,))
    return float(np.quantile(psi_of(counts), quantile))
