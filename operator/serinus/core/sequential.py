"""The sequential test behind every rollback: is the candidate's failure ratio worse than the stable one's, by more than
the allowed margin?

Per scrape interval we see n_c requests and e_c failures of the candidate, n_b and e_b of the concurrent stable
revision. Given e = e_c + e_b failures, and under the hypothesis "candidate ratio <= m x stable ratio", e_c is at worst
Binomial(e, q0) with q0 = m n_c / (m n_c + n_b) (Poisson limit). For each ratio theta of a fixed grid the likelihood
ratio (q_theta / q0)^e_c ((1 - q_theta) / (1 - q0))^e_b, with q_theta using m theta instead of m, multiplies up over the
intervals; their mean over the grid is a non-negative supermartingale E. By Ville's inequality P(E ever >= 1/alpha) <=
alpha: looking at every scrape costs nothing. Only the *split* of failures is tested, so an outage that hits both
revisions, or a change of load or weight, cancels out.

Sources: Lindon & Malek, arXiv 2011.03567 (sequential count tests); Robbins 1970 (mixture of likelihood ratios).
The test assumes that failures come one by one and that pods of one revision are alike; clumped failures break that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

THETAS: tuple[float, ...] = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
"""Ratios (beyond the margin) the mixture bets on, with equal prior weight."""

POWER_Z = 1.2816
"""90 % quantile of the standard normal distribution: the power at which `assess_detectable_ratio` reports."""

REFERENCE_Z = 2.3263
"""99 % quantile: how far above its estimate the stable ratio is placed when it is no longer measured alongside."""


@dataclass(frozen=True)
class Counts:
    """Requests and failures (dimensionless) of both sides in one interval, or summed over many."""

    candidate_total: float = 0.0
    candidate_bad: float = 0.0
    stable_total: float = 0.0
    stable_bad: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.candidate_total + other.candidate_total,
            self.candidate_bad + other.candidate_bad,
            self.stable_total + other.stable_total,
            self.stable_bad + other.stable_bad,
        )


@dataclass(frozen=True)
class Evidence:
    """All that a test must remember between two looks: one log likelihood ratio per theta, and the counts."""

    logs: tuple[float, ...] = field(default=(0.0,) * len(THETAS))
    counts: Counts = field(default_factory=Counts)


def observe_counts(evidence: Evidence, counts: Counts, margin: float) -> Evidence:
    """Evidence after one more interval in which both sides served.

    `margin` >= 1 is the regression that is allowed. An interval without candidate or without stable requests says
    nothing about the split and changes only the totals."""
    logs = evidence.logs
    if counts.candidate_total > 0 and counts.stable_total > 0:
        logs = tuple(log + gain for log, gain in zip(logs, _split_gains(counts, margin), strict=True))
    return Evidence(logs=logs, counts=evidence.counts + counts)


def observe_alone(evidence: Evidence, counts: Counts, margin: float) -> Evidence:
    """Evidence after an interval in which the candidate had all the traffic, as in the bake.

    There is no concurrent stable side to compare with, so the reference is what stable showed earlier in the same
    rollout, placed at its one-sided 99 % upper bound: a Poisson likelihood ratio theta^e_c exp(-(theta - 1) mu) with mu
    = margin x reference x n_c. A shared outage does not cancel here; `margin` should be wider than in `observe_counts`.
    """
    reference = _upper_ratio(evidence.counts)
    logs = evidence.logs
    if counts.candidate_total > 0 and reference is not None:
        expected = margin * reference * counts.candidate_total
        logs = tuple(
            log + counts.candidate_bad * math.log(theta) - (theta - 1.0) * expected
            for log, theta in zip(logs, THETAS, strict=True)
        )
    return Evidence(logs=logs, counts=evidence.counts + counts)


def assess_log_evidence(evidence: Evidence) -> float:
    """ln E, the logarithm of the mean over the grid; 0 means "no evidence either way"."""
    return _log_mean_exp(evidence.logs)


def assess_detectable_ratio(counts: Counts, margin: float, log_threshold: float) -> float | None:
    """The smallest ratio candidate/stable that these requests would have shown with 90 % power, or None.

    For each ratio it asks what the evidence would have been had the candidate failed that much more often than stable
    did, at the 10 % quantile of the failures then expected (normal approximation). None means that no ratio up to 100
    would have been seen."""
    if counts.stable_total <= 0 or counts.candidate_total <= 0:
        return None
    # Half a failure stands for none at all: stable that never failed is not known to be perfect.
    stable_ratio = max(counts.stable_bad, 0.5) / counts.stable_total
    for ratio in _RATIOS:
        expected = min(ratio * stable_ratio, 1.0) * counts.candidate_total
        pessimistic = max(expected - POWER_Z * math.sqrt(expected), 0.0)
        imagined = replace(counts, candidate_bad=pessimistic)
        if _log_mean_exp(tuple(_split_gains(imagined, margin))) >= log_threshold:
            return ratio
    return None


_RATIOS: tuple[float, ...] = tuple(round(1.1 * 1.05**i, 1) for i in range(93))


def _split_gains(counts: Counts, margin: float) -> list[float]:
    null = _share(margin, counts)
    gains = []
    for theta in THETAS:
        other = _share(margin * theta, counts)
        gain = counts.candidate_bad * math.log(other / null) + counts.stable_bad * math.log((1 - other) / (1 - null))
        gains.append(gain)
    return gains


def _share(ratio: float, counts: Counts) -> float:
    weighted = ratio * counts.candidate_total
    return weighted / (weighted + counts.stable_total)


def _upper_ratio(counts: Counts) -> float | None:
    if counts.stable_total <= 0:
        return None
    z = REFERENCE_Z
    upper = counts.stable_bad + z * z / 2 + z * math.sqrt(counts.stable_bad + z * z / 4)
    return upper / counts.stable_total


def _log_mean_exp(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + math.log(sum(math.exp(log - top) for log in logs) / len(logs))
