"""How far a window lies from the reference, feature by feature.

PSI is three lines of arithmetic over fixed bins; the others are SciPy's."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from .reference import Floats, Integers, Reference

FEWEST_VALUES: Final = 20
"""Numbers of a feature that a window must have for KS."""

Binned = Callable[[Reference, Integers, Integers], Floats]


def measure_psi(reference: Reference, expected: Integers, observed: Integers) -> Floats:
    """Population stability index of each feature, from counts by bin (last axis); half a row is added to every bin,
    so that an empty one is finite."""
    starts = reference.starts
    sizes = np.repeat(np.diff(starts), np.diff(starts))
    rows = np.repeat(np.arange(len(reference.features)), np.diff(starts))

    def find_shares(counts: Integers) -> Floats:
        totals = np.add.reduceat(counts, starts[:-1], axis=-1)[..., rows]
        smoothed: Floats = (counts + 0.5) / (totals + 0.5 * sizes)
        return smoothed

    p, q = find_shares(expected), find_shares(observed)
    psi: Floats = np.add.reduceat((q - p) * np.log(q / p), starts[:-1], axis=-1)
    return psi


def measure_js(reference: Reference, expected: Integers, observed: Integers) -> Floats:
    """Jensen-Shannon distance of each feature (base 2: 0 to 1), from counts by bin (last axis)."""
    blocks = [slice(start, end) for start, end in zip(reference.starts, reference.starts[1:], strict=False)]
    # Of two equal distributions the square may be negative by a rounding error.
    with np.errstate(invalid="ignore"):
        distances = [jensenshannon(expected[..., block], observed[..., block], base=2, axis=-1) for block in blocks]
    return np.asarray(np.nan_to_num(np.stack(distances, axis=-1)), dtype=np.float64)


def measure_ks(reference: Reference, observed: Floats) -> Floats:
    """Kolmogorov-Smirnov statistic of each numeric feature, from values by row: the largest distance between the two
    distribution functions, 0 to 1. NaN for the others, and where hardly anything is there."""
    scores = np.full(len(reference.features), np.nan)
    for number, feature in enumerate(reference.features):
        left, right = (side[:, number][~np.isnan(side[:, number])] for side in (reference.values, observed))
        if feature.numeric and len(right) >= FEWEST_VALUES:
            scores[number] = ks_2samp(left, right, method="asymp").statistic
    return scores


BINNED: Final[Mapping[str, Binned]] = {"psi": measure_psi, "js": measure_js}
"""Of every feature, from counts by bin."""
STATISTICS: Final = (*BINNED, "ks")


def measure(statistic: str, reference: Reference, values: Floats) -> Floats:
    """The scores of a window, from its rows, in the order of `reference.features`."""
    if statistic == "ks":
        return measure_ks(reference, values)
    return BINNED[statistic](reference, reference.counts, reference.count(reference.find_codes(values)))
