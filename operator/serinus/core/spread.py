"""How unruly the failures of stable are by themselves: what a fair test must allow for.

Two things break the assumption that failures come one by one and that pods are alike, and both are learnt from the
stable revision alone, before the rollout and during it:

phi   failures come in clumps: within an interval they are spread over the pods more unevenly than chance does.
      Pearson's chi-square of the pods' failures given the interval's total, divided by its degrees of freedom; a
      burst that hits all pods cancels. Once per interval and once per block of two minutes (pods that wander slowly
      show only there); the larger counts. Each pod is expected to fail as often as it always did. Without pods to
      compare (a gateway that counts by Service) neighbouring intervals take their place.
tau   pods differ for good: the standard deviation of the logarithm of their ratios, by the method of moments
      (DerSimonian & Laird 1986) with the noise phi leaves. It widens the margin to what a pod drawn at random may
      show: exp(t(0.95, P - 1) tau sqrt(1/C + 1/P)), C and P the candidate's and stable's pods, never beyond CAP.
      Where it cannot be learnt (a gateway that counts by Service, fewer than three pods) it is taken to be `unknown`.

Both are estimates, so the false-alarm promise is approximate where they matter; it is checked by simulation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from serinus.core.counters import Increment

BLOCK_SECONDS: Final = 120.0
PRIOR_DF: Final = 4.0
"""Degrees of freedom that the assumption "one by one" starts with."""

CAP: Final = 3.0
"""The margin is never widened beyond this, so that gross faults are always seen."""

MIN_UNITS: Final = 3
UNKNOWN: Final = 0.35
"""tau of pods that are too few, or cannot be told apart: one that keeps the false-alarm promise where pods differ by
0.5 (simulated: 2.1 % false rollbacks with it, 7.1 % without), and still lets a fourfold ratio be seen early."""

UNKNOWN_LATENCY: Final = 0.14
"""The same for shares of slow answers: about what pods show whose latencies differ by 5 %."""

Z95: Final = 1.645
MIN_FAILURES: Final = 20.0
"""Failures per revision below which nothing can be said about how pods differ."""

Pair = tuple[float, float]
"""Requests and failures."""

_T95: Final = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753)
"""One-sided 95 % quantiles of Student's t for 1 to 15 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of chi-squares and of their degrees of freedom."""

    chi: float = 0.0
    df: float = 0.0

    @property
    def mean(self) -> float:
        return (self.chi + PRIOR_DF) / (self.df + PRIOR_DF)


@dataclass(frozen=True, slots=True)
class Spread:
    """What is remembered of the stable revision's pods. `totals` are requests and failures by pod since the beginning,
    `block` those of the present block, `last` those of the interval before.
    """

    by_interval: Sum = field(default_factory=Sum)
    by_block: Sum = field(default_factory=Sum)
    totals: Mapping[str, Pair] = field(default_factory=dict)
    block: Mapping[str, Pair] = field(default_factory=dict)
    block_age: float = 0.0
    last: Pair = (0.0, 0.0)


def observe_spread(spread: Spread, units: Mapping[str, Pair], seconds: float) -> Spread:
    """The spread after an interval of `seconds` in which stable's pods answered `units`."""
    failures = sum(bad for _, bad in units.values())
    block = _add(spread.block, units)
    age = spread.block_age + seconds
    by_interval, by_block = spread.by_interval, spread.by_block
    if len(units) > 1:
        if failures > 0:
            by_interval = _observe_chi(by_interval, units, spread.totals)
        if age >= BLOCK_SECONDS:
            by_block = _observe_chi(by_block, block, spread.totals)
    else:
        now = (sum(total for total, _ in units.values()), failures)
        if now[1] + spread.last[1] > 0 and now[0] > 0 and spread.last[0] > 0:
            by_interval = _observe_chi(by_interval, {"before": spread.last, "now": now}, {})
    if age >= BLOCK_SECONDS:
        block, age = {}, 0.0
    last = (sum(total for total, _ in units.values()), failures)
    return Spread(by_interval, by_block, _add(spread.totals, units), block, age, last)


def pairs_of(increment: Increment, good_key: str | None, bad_key: str, total_key: str) -> dict[str, Pair]:
    """Requests and failures by pod. Where `good_key` is given (a bucket of a histogram), what is not in it failed."""
    pairs = {}
    for unit, sums in increment.units.items():
        total = sums.get(total_key, 0.0)
        bad = max(total - sums.get(good_key, 0.0), 0.0) if good_key is not None else sums.get(bad_key, 0.0)
        pairs[unit] = (total, bad)
    return pairs


def assess_dispersion(spread: Spread) -> float:
    """phi >= 1: how many times the variance of the failures exceeds that of failures that come one by one."""
    return max(1.0, spread.by_interval.mean, spread.by_block.mean)


def assess_difference(spread: Spread) -> float:
    """tau >= 0: standard deviation of the logarithm of the pods' failure ratios; 0 where it cannot be told from chance,
    or where there are too few pods or failures to tell.
    """
    pods = [(n, e) for n, e in spread.totals.values() if n > 0]
    requests, failures = sum(n for n, _ in pods), sum(e for _, e in pods)
    if len(pods) < MIN_UNITS or failures < MIN_FAILURES:
        return 0.0
    ratio = failures / requests
    q = sum((e - n * ratio) ** 2 / (n * ratio) for n, e in pods)
    scale = ratio * (requests - sum(n * n for n, _ in pods) / requests)
    noise = (len(pods) - 1) * assess_dispersion(spread)
    squared = max(q - noise, 0.0) / scale if scale > 0 else 0.0
    return math.sqrt(math.log1p(squared))


def assess_margin(spread: Spread, margin: float, candidate_pods: int, unknown: float = UNKNOWN) -> float:
    """The user's margin, or a wider one that pods which differ for good make necessary; see the module."""
    pods, ours = len(spread.totals), max(candidate_pods, 1)
    if not knows_pods(spread):
        return max(margin, min(math.exp(Z95 * unknown * math.sqrt(1.0 / ours)), CAP))
    tau = assess_difference(spread)
    if tau == 0.0:
        return margin
    quantile = _T95[min(pods - 1, len(_T95)) - 1]
    wider = math.exp(quantile * tau * math.sqrt(1.0 / ours + 1.0 / pods))
    return max(margin, min(wider, CAP))


def knows_pods(spread: Spread) -> bool:
    """Whether stable has enough pods that can be told apart to say how much they differ."""
    return len(spread.totals) >= MIN_UNITS


def forget_pods(spread: Spread, keep: int) -> Spread:
    """Keep the `keep` pods with most requests: a long rollout of an autoscaled revision sees many come and go."""
    if len(spread.totals) <= keep:
        return spread
    largest = sorted(spread.totals.items(), key=lambda item: item[1][0], reverse=True)[:keep]
    return replace(spread, totals=dict(largest))


def _observe_chi(so_far: Sum, units: Mapping[str, Pair], history: Mapping[str, Pair]) -> Sum:
    """Add Pearson's chi-square of the failures, each pod expected to fail at its own usual ratio."""
    total = sum(n for n, _ in history.values())
    usual = sum(e for _, e in history.values()) / total if total > 0 else 0.0
    weights = {}
    for unit, (requests, _) in units.items():
        before, failed = history.get(unit, (0.0, 0.0))
        # Shrunk towards the usual ratio by as many requests as bring five failures.
        ratio = (failed + 5.0) / (before + 5.0 / usual) if usual > 0 else 1.0
        weights[unit] = requests * ratio
    mass = sum(weights.values())
    failures = sum(e for _, e in units.values())
    if mass <= 0 or failures <= 0:
        return so_far
    chi = df = 0.0
    for unit, (_, failed) in units.items():
        expected = failures * weights[unit] / mass
        if expected > 0:
            chi += (failed - expected) ** 2 / expected
            df += 1.0
    return so_far if df < 2 else Sum(so_far.chi + chi, so_far.df + df - 1.0)


def _add(sums: Mapping[str, Pair], units: Mapping[str, Pair]) -> dict[str, Pair]:
    added = dict(sums)
    for unit, (total, bad) in units.items():
        before = added.get(unit, (0.0, 0.0))
        added[unit] = (before[0] + total, before[1] + bad)
    return added
