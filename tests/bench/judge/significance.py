"""Other tests: Mann-Whitney as Kayenta, a z-test that is peeked at, O'Brien-Fleming, and the plain sequential test.

All return the seconds until the rollback [run], infinite where there is none; they see both revisions' sums (`Tally`).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tests.bench.judge.draws import Array
from tests.bench.judge.scenarios import FALSE_ALARM, STEP_SECONDS
from tests.bench.judge.tally import MINUTE, Tally
from tests.bench.judge.thresholds import Rule, find_first

Z99 = 2.3263478740
"""99 % quantile of the standard normal distribution."""

KAYENTA_POINTS = 8
KAYENTA_TOLERANCE = 0.25
THETAS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
SLOW_THETAS = (1.1, 1.2, 1.4, 1.7, 2.2, 3.0, 5.0)
SLOW_BOUNDS = (0.25, 0.5, 0.75)


def mann_whitney(tally: Tally) -> Array:
    """Kayenta's judge, asked every minute from the eighth on: one value per minute and side, two-sided 98 % confidence
    interval of the Hodges-Lehmann shift; High, and so a rollback, where its lower end exceeds 25 % of the shift.
    Minutes without a value are left out. The interval's ends are order statistics of the pairwise differences, which
    is where Kayenta's root search ends up, ties aside.

    Source: kayenta-judge/.../NetflixACAJudge.scala, MannWhitneyClassifier.scala and kayenta-mannwhitney, at a69573be.
    It is made for one look at the end of about an hour.
    """
    candidate, stable = tally.scores
    minutes = candidate.shape[1]
    high = np.zeros(candidate.shape, bool)
    for minute in range(KAYENTA_POINTS, minutes + 1):
        high[:, minute - 1] = find_shift(candidate[:, :minute], stable[:, :minute]).is_high
    times = MINUTE * np.arange(1, minutes + 1)
    blind = tally.blind[:, (times / tally.interval).astype(int) - 1]
    return find_first(high & ~blind, times)


class Shift(NamedTuple):
    """The Hodges-Lehmann shift between two samples and the lower end of its confidence interval [run]."""

    estimate: Array
    lower: Array

    @property
    def is_high(self) -> Array:
        return self.lower > KAYENTA_TOLERANCE * np.abs(self.estimate)


def find_shift(mine: Array, other: Array) -> Shift:
    """By how much `mine` [run, value] lies above `other`; NaN values are left out, and runs without any have none."""
    n, m = (~np.isnan(mine)).sum(axis=1), (~np.isnan(other)).sum(axis=1)
    differences = np.sort((mine[:, :, None] - other[:, None, :]).reshape(len(mine), -1), axis=1)
    pairs = n * m
    deviation = Z99 * np.sqrt(pairs * (n + m + 1) / 12.0)
    lower = np.maximum(np.floor(pairs / 2.0 - deviation), 0).astype(int)
    rows, last = np.arange(len(mine)), np.maximum(pairs - 1, 0)
    middle = (differences[rows, last // 2] + differences[rows, (last + 1) // 2]) / 2.0
    return Shift(middle, differences[rows, np.minimum(lower, last)])


def peeked_z_test(tally: Tally) -> Array:
    """The two-sample z-test at 1 %, one-sided, over all data so far and looked at after every minute, as a dashboard
    invites to."""
    z, per = find_z(tally), round(MINUTE / tally.interval)
    looks = np.arange(per - 1, z.shape[1], per)
    return find_first((z[:, looks] > Z99) & ~tally.blind[:, looks], (looks + 1) * tally.interval)


def find_z(tally: Tally) -> Array:
    """The z statistic of the difference at every tick, over all data so far [run, tick]: of ratios with their pooled
    variance, of gauges as if their values were independent. 0 where it is not defined."""
    if tally.levels is not None:
        looks = np.arange(1, tally.levels[0].shape[1] + 1)
        means = [np.cumsum(level, axis=1) / looks for level in tally.levels]
        squares = [np.cumsum(level**2, axis=1) / looks for level in tally.levels]
        variances = [np.maximum(s - m**2, 0.0) / np.maximum(looks - 1, 1) for s, m in zip(squares, means, strict=True)]
        return np.where(looks >= 8, _divide(means[0] - means[1], np.sqrt(sum(variances))), 0.0)
    (n, m), (a, b) = ([np.cumsum(each, axis=1) for each in pair] for pair in (tally.total, tally.bad))
    pooled = _divide(a + b, n + m)
    deviation = np.sqrt(pooled * (1.0 - pooled) * (_divide(1.0, n) + _divide(1.0, m)))
    return np.where((n > 0) & (m > 0), _divide(_divide(a, n) - _divide(b, m), deviation), 0.0)


def obrien_fleming(tally: Tally) -> Array:
    """A group-sequential test with five looks, at the end of each step; one-sided 1 % in all. At a share t of the final
    information the z statistic must exceed C / sqrt(t).

    Source: O'Brien & Fleming, Biometrics 35 (1979); C by the recursion of Armitage, McPherson & Rowe (1969), for the
    information that these steps bring under constant load.
    """
    per = round(STEP_SECONDS / tally.interval)
    ends = np.arange(per - 1, len(tally.weights), per)
    mine, other = np.cumsum(tally.weights)[ends], np.cumsum(1.0 - tally.weights)[ends]
    information = mine * other / (mine + other) if tally.levels is None else np.arange(1.0, len(ends) + 1)
    shares = information / information[-1]
    bounds = find_boundary(tuple(np.round(shares, 6))) / np.sqrt(shares)
    return find_first((find_z(tally)[:, ends] > bounds) & ~tally.blind[:, ends], (ends + 1) * tally.interval)


@lru_cache(maxsize=8)
def find_boundary(shares: tuple[float, ...]) -> float:
    """C: the height that Brownian motion, looked at at these times in (0, 1], exceeds with a chance of 1 %."""
    low, high = 2.0, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if find_crossing(shares, middle) > FALSE_ALARM else (low, middle)
    return (low + high) / 2


def find_crossing(shares: tuple[float, ...], height: float, points: int = 501) -> float:
    """The chance that Brownian motion lies above `height` at one of these times at least."""
    grid = np.linspace(-7.0, height, points)
    width = grid[1] - grid[0]
    weights = np.full(points, width)
    weights[[0, -1]] /= 2
    density, before = _normal(grid, shares[0]), shares[0]
    for share in shares[1:]:
        kernel = _normal(grid[:, None] - grid[None, :], share - before)
        density, before = kernel @ (weights * density), share
    return 1.0 - float(weights @ density)


def _normal(x: Array, variance: float) -> Array:
    return np.exp(-x * x / (2.0 * variance)) / math.sqrt(2.0 * math.pi * variance)


def first_form(tally: Tally) -> Array | None:
    """The sequential test that Serinus had first: the likelihood ratio of the split of bad answers, a mixture over
    seven effect sizes, and none of the corrections (no dispersion, no unlike pods, no late onset). For latencies the
    mean over three bounds. It has nothing to say of gauges.

    Source: Lindon & Malek, arXiv 2011.03567.
    """
    if tally.levels is not None:
        return None
    if tally.kind == "latency":
        evidence = np.mean([_mix(tally, tally.slow[bound], SLOW_THETAS) for bound in SLOW_BOUNDS], axis=0)
    else:
        evidence = _mix(tally, tally.bad, THETAS)
    ends = (np.arange(evidence.shape[1]) + 1) * tally.interval
    return find_first((evidence >= 1.0 / FALSE_ALARM) & ~tally.blind, ends)


def _mix(tally: Tally, bad: tuple[Array, Array], thetas: tuple[float, ...]) -> Array:
    n, m = tally.total
    usable = (n > 0) & (m > 0)
    null = np.log(np.maximum(tally.margin * n + m, 1e-9))
    logs = []
    for theta in thetas:
        shrunk = null - np.log(np.maximum(theta * tally.margin * n + m, 1e-9))
        gain = np.where(usable, bad[0] * math.log(theta) + (bad[0] + bad[1]) * shrunk, 0.0)
        logs.append(np.minimum(np.cumsum(gain, axis=1), 600.0))
    return np.mean(np.exp(logs), axis=0)


def _divide(part: Array | float, whole: Array) -> Array:
    """0 where the whole is 0."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)


FIRST_FORM = "the first form"
RULES: dict[str, Rule] = {
    "Mann-Whitney each minute": mann_whitney,
    "z-test, peeked": peeked_z_test,
    "O'Brien-Fleming, 5 looks": obrien_fleming,
    FIRST_FORM: first_form,
}
