"""The sequential test behind every rollback: an e-value that may be looked at as often as one likes.

Per scrape interval we see n_c requests and e_c failures of the candidate, n_b and e_b of the concurrent stable
revision. Given e = e_c + e_b failures, and under the hypothesis "candidate ratio <= m x stable ratio", e_c is at worst
Binomial(e, q0) with q0 = m n_c / (m n_c + n_b) (Poisson limit). For each effect size theta of a fixed grid the
likelihood ratio of the interval is L = (q_theta / q0)^e_c ((1 - q_theta) / (1 - q0))^e_b, with q_theta using m theta
instead of m. Only the *split* of failures is tested, so an outage that hits both revisions, or a change of load or
weight, cancels out. Where failures come in clumps, log L is divided by their dispersion phi >= 1 (see `spread`).

A fault may begin at any time, so the evidence is a mixture over theta and over the moment tau at which it began:

    E_t = sum over theta and tau of prior(theta) prior(tau) prod_{tau <= s <= t} L_s(theta)

which is kept with one number per theta: M <- (M + mass of the onsets in this interval) x L. The mass not yet spent
counts as 1. E is a non-negative martingale with E_0 = 1, so P(E ever >= 1/alpha) <= alpha (Ville's inequality).

Sources: Lindon & Malek, arXiv 2011.03567 (sequential count tests); Robbins 1970 (mixtures); Shin, Ramdas & Rinaldo,
arXiv 2203.03532 (e-detectors); Shiryaev 1963 (priors over the onset)."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

THETAS: Final[tuple[float, ...]] = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
"""Effect sizes (beyond the margin) that the mixture bets on, with equal prior weight."""

LATENCY_THETAS: Final[tuple[float, ...]] = (1.2, 1.4, 1.7, 2.2, 3.0, 5.0, 10.0)
"""Effect sizes for shares of slow answers, which seldom grow tenfold."""

POWER_Z: Final = 1.2816
"""90 % quantile of the standard normal distribution: the power at which `assess_detectable_ratio` reports."""

REFERENCE_Z: Final = 2.3263
"""99 % quantile: how far above its estimate the stable ratio is placed when it is no longer measured alongside."""

FROM_THE_START: Final = 0.5
"""Prior probability that a fault is there from the first request; the rest is spread over later onsets."""

ONSET_SCALE: Final = 120.0
"""Seconds: the later onsets have the tail (1 + t / ONSET_SCALE)^(-1/2), so no moment is ruled out."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Lane:
    """One running test: the logarithm of M per effect size (empty before the first interval), and the counts behind it.
    `bound` is the latency in seconds beyond which an answer counts as bad, None where failures are counted.
    """

    logs: tuple[float, ...] = ()
    counts: Counts = field(default_factory=Counts)
    bound: float | None = None


def unspent(exposure: float) -> float:
    """Prior mass of the onsets that lie ahead after `exposure` seconds of testing."""
    return 1.0 if exposure <= 0 else (1.0 - FROM_THE_START) / math.sqrt(1.0 + exposure / ONSET_SCALE)


def observe_gains(lane: Lane, gains: Sequence[float], before: float, after: float) -> Lane:
    """The lane after an interval with these logarithms of L; `before` and `after` are seconds of testing."""
    mass = unspent(before) - unspent(after)
    log_mass = math.log(mass) if mass > 0 else -math.inf
    logs = lane.logs or (-math.inf,) * len(gains)
    return replace(lane, logs=tuple(_log_add(log, log_mass) + gain for log, gain in zip(logs, gains, strict=True)))


def observe_gains_since_best(lane: Lane, gains: Sequence[float]) -> Lane:
    """The lane of a detector that runs for long: evidence since the moment that suits the alarm best (Page's CUSUM),
    M <- max(M, 1) x L per effect size. The chance of an alarm within N looks is at most N / threshold (arXiv
    2203.03532).
    """
    logs = lane.logs or (0.0,) * len(gains)
    return replace(lane, logs=tuple(max(log, 0.0) + gain for log, gain in zip(logs, gains, strict=True)))


def assess_log_evidence(lane: Lane, exposure: float) -> float:
    """ln E of one lane; 0 means "no evidence either way"."""
    rest = math.log(unspent(exposure))
    if not lane.logs:
        return 0.0
    return _log_sum((*(log - math.log(len(lane.logs)) for log in lane.logs), rest))


def assess_detector(lanes: Sequence[Lane]) -> float:
    """ln of the evidence of detectors: the mean over effect sizes and lanes."""
    logs = [log for lane in lanes for log in lane.logs]
    return _log_sum(logs) - math.log(len(logs)) if logs else 0.0


def assess_mean_log_evidence(lanes: Sequence[Lane], exposure: float) -> float:
    """ln of the mean of the lanes' evidence: the average of e-values is one, whatever their dependence."""
    if not lanes:
        return 0.0
    return _log_sum([assess_log_evidence(lane, exposure) for lane in lanes]) - math.log(len(lanes))


def split_gains(counts: Counts, margin: float, dispersion: float, thetas: Sequence[float] = THETAS) -> list[float]:
    """ln L of an interval in which both sides served, per effect size; see the module.

    `margin` >= 1 is the regression that is allowed. An interval without candidate or without stable requests says
    nothing about the split: all zero."""
    if counts.candidate_total <= 0 or counts.stable_total <= 0:
        return [0.0] * len(thetas)
    # ln(q_theta / q0) = ln theta + ln(A / B), ln((1 - q_theta) / (1 - q0)) = ln(A / B), with A = m n_c + n_b and B = m
    # theta n_c + n_b.
    weighted = margin * counts.candidate_total
    total = counts.candidate_bad + counts.stable_bad
    null = math.log(weighted + counts.stable_total)
    gains = []
    for theta in thetas:
        shrunk = null - math.log(theta * weighted + counts.stable_total)
        gains.append((counts.candidate_bad * math.log(theta) + total * shrunk) / dispersion)
    return gains


def alone_gains(counts: Counts, reference: float, dispersion: float, thetas: Sequence[float] = THETAS) -> list[float]:
    """ln L of an interval in which only the candidate served, against a `reference` ratio of failures that is allowed:
    a Poisson likelihood ratio theta^e_c exp(-(theta - 1) reference n_c). A shared outage does not cancel here.
    """
    expected = reference * counts.candidate_total
    return [(counts.candidate_bad * math.log(t) - (t - 1.0) * expected) / dispersion for t in thetas]


def limit_gains(bad: float, total: float, limit: float, dispersion: float) -> list[float]:
    """ln L against "at most `limit` (0 < limit < 1) of the requests fail": Bernoulli likelihood ratios."""
    gains = []
    for theta in THETAS:
        # Effect sizes beyond certainty are replaced by ever smaller distances to it.
        q = theta * limit if theta * limit <= 0.9 else 1.0 - (1.0 - limit) / (2.0 * theta)
        gains.append((bad * math.log(q / limit) + max(total - bad, 0.0) * math.log((1 - q) / (1 - limit))) / dispersion)
    return gains


def upper_ratio(bad: float, total: float) -> float | None:
    """One-sided 99 % upper bound of a ratio of failures (Wilson's, Poisson limit); None without requests."""
    if total <= 0:
        return None
    z = REFERENCE_Z
    return (bad + z * z / 2 + z * math.sqrt(bad + z * z / 4)) / total


def assess_detectable_ratio(
    counts: Counts,
    margin: float,
    dispersion: float,
    log_threshold: float,
    thetas: Sequence[float] = THETAS,
    *,
    below: float = math.inf,
) -> float | None:
    """The smallest ratio candidate/stable that these requests would have shown with 90 % power, or None.

    For each ratio it asks what the evidence would have been had the candidate failed that much more often than stable
    did, at the 10 % quantile of the failures then expected (normal approximation). None means that no ratio up to 100
    and below `below` would have been seen."""
    if counts.stable_total <= 0 or counts.candidate_total <= 0:
        return None
    # Half a failure stands for none at all: stable that never failed is not known to be perfect.
    stable_ratio = max(counts.stable_bad, 0.5) / counts.stable_total

    # A gain is linear in the candidate's failures: what none and what one more of them bring is enough to know.
    none = split_gains(replace(counts, candidate_bad=0.0), margin, dispersion, thetas)
    one = split_gains(replace(counts, candidate_bad=1.0), margin, dispersion, thetas)
    lines = [(start, after - start) for start, after in zip(none, one, strict=True)]
    needed = log_threshold + math.log(len(lines)) - math.log(FROM_THE_START)

    def is_seen(ratio: float) -> bool:
        expected = min(ratio * stable_ratio, 1.0) * counts.candidate_total
        pessimistic = max(expected - POWER_Z * math.sqrt(expected * dispersion), 0.0)
        return _log_sum([start + pessimistic * slope for start, slope in lines]) >= needed

    # More failures are never less evidence, so the first ratio that is seen can be halved for.
    end = bisect_left(_RATIOS, below)
    if end == 0 or not is_seen(_RATIOS[end - 1]):
        return None
    return _RATIOS[bisect_left(_RATIOS, True, hi=end - 1, key=is_seen)]


_RATIOS: Final[tuple[float, ...]] = tuple(round(1.1 * 1.05**i, 1) for i in range(93))


def _log_add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


def _log_sum(logs: Sequence[float]) -> float:
    top = max(logs)
    return top if top == -math.inf else top + math.log(sum(math.exp(log - top) for log in logs))
