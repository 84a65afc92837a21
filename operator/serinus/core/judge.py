"""The judge: from evidence to one of four verdicts, in words that carry the numbers.

bad                  only this rolls back
good                 no alarm, and the candidate has answered enough requests in this step
not enough evidence  no alarm, but too few requests
cannot measure       the monitoring does not answer, or answers something that is not a count

Unknown never counts as a failure and never promotes: the last two hold the weight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from serinus.core.sequential import (
    Counts,
    Evidence,
    assess_detectable_ratio,
    assess_log_evidence,
    observe_alone,
    observe_counts,
)

ALONE_FACTOR = 2.0
"""During the bake nothing runs alongside, so the allowed regression is widened by this factor (see `observe_alone`)."""


class Verdict(StrEnum):
    GOOD = "Good"
    BAD = "Bad"
    NOT_ENOUGH_EVIDENCE = "NotEnoughEvidence"
    CANNOT_MEASURE = "CannotMeasure"


@dataclass(frozen=True)
class Metric:
    """One error-ratio metric of the user's: its name, the regression it allows (>= 1) and its share of the false-alarm
    budget.
    """

    name: str
    max_regression: float
    false_alarm: float

    @property
    def log_threshold(self) -> float:
        return -math.log(self.false_alarm)


@dataclass(frozen=True)
class Tally:
    """What is remembered of one metric over a whole rollout; survives a restart through the status."""

    evidence: Evidence = field(default_factory=Evidence)
    first_bad_at: datetime | None = None
    as_of: datetime | None = None


@dataclass(frozen=True)
class Assessment:
    """One metric judged: the verdict and the figures behind it, ready to be shown."""

    name: str
    verdict: Verdict
    candidate: str
    stable: str
    limit: str
    evidence: str
    would_have_seen: str | None
    message: str


def metrics_of(names_and_limits: Sequence[tuple[str, float]], false_alarm: float) -> tuple[Metric, ...]:
    """The user's metrics with the false-alarm budget of the rollout shared equally (a union bound: valid under any
    dependence).
    """
    share = false_alarm / max(len(names_and_limits), 1)
    return tuple(Metric(name, limit, share) for name, limit in names_and_limits)


def observe_interval(tally: Tally, counts: Counts, metric: Metric, at: datetime, *, alone: bool) -> Tally:
    """The tally after one scrape interval; `at` is the newest sample's own time, `alone` says that stable has no
    traffic.
    """
    if alone:
        evidence = observe_alone(tally.evidence, counts, metric.max_regression * ALONE_FACTOR)
    else:
        evidence = observe_counts(tally.evidence, counts, metric.max_regression)
    first_bad = tally.first_bad_at or (at if counts.candidate_bad > 0 else None)
    return replace(tally, evidence=evidence, first_bad_at=first_bad, as_of=at)


def is_alarm(tally: Tally, metric: Metric) -> bool:
    return assess_log_evidence(tally.evidence) >= metric.log_threshold


def assess_metric(
    tally: Tally, metric: Metric, *, step_requests: float, min_requests: int, candidate: str, stable: str
) -> Assessment:
    """Judge one metric; `candidate` and `stable` are the revisions' names, for the sentence a person reads."""
    counts = tally.evidence.counts
    log_e = assess_log_evidence(tally.evidence)
    verdict = Verdict.GOOD
    if is_alarm(tally, metric):
        verdict = Verdict.BAD
    elif step_requests < min_requests:
        verdict = Verdict.NOT_ENOUGH_EVIDENCE
    seen = assess_detectable_ratio(counts, metric.max_regression, metric.log_threshold)
    return Assessment(
        name=metric.name,
        verdict=verdict,
        candidate=_share_of(counts.candidate_bad, counts.candidate_total),
        stable=_share_of(counts.stable_bad, counts.stable_total),
        limit=f"{metric.max_regression:g}x",
        evidence=f"{_big(log_e)} of {1 / metric.false_alarm:,.0f}",
        would_have_seen=None if seen is None else f"{seen:g}x",
        message=_sentence(
            metric,
            verdict,
            counts,
            log_e,
            requests=f"{step_requests:,.0f} of {min_requests:,} requests needed in this step",
            candidate=candidate,
            stable=stable,
        ),
    )


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict over several metrics: bad decides, then not measurable, then not enough."""
    for verdict in (Verdict.BAD, Verdict.CANNOT_MEASURE, Verdict.NOT_ENOUGH_EVIDENCE):
        if verdict in verdicts:
            return verdict
    return Verdict.GOOD if verdicts else Verdict.CANNOT_MEASURE


def _sentence(
    metric: Metric, verdict: Verdict, counts: Counts, log_e: float, *, requests: str, candidate: str, stable: str
) -> str:
    figures = (
        f"{metric.name} {_percent(counts.candidate_bad, counts.candidate_total)} on {candidate}"
        f" ({counts.candidate_bad:,.0f} of {counts.candidate_total:,.0f})"
        f" against {_percent(counts.stable_bad, counts.stable_total)} on {stable}"
        f" ({counts.stable_bad:,.0f} of {counts.stable_total:,.0f})"
    )
    if verdict is Verdict.NOT_ENOUGH_EVIDENCE:
        return f"{figures}: {requests}"
    sign = ">=" if verdict is Verdict.BAD else "<"
    limit = 1 / metric.false_alarm
    return f"{figures}: {_ratio(counts)}, allowed {metric.max_regression:g}x, e-value {_big(log_e)} {sign} {limit:,.0f}"


def _ratio(counts: Counts) -> str:
    if counts.stable_bad <= 0 or counts.candidate_total <= 0:
        return "no failures on stable to compare with" if counts.candidate_bad else "no failures"
    ratio = (counts.candidate_bad / counts.candidate_total) / (counts.stable_bad / counts.stable_total)
    return f"{ratio:.1f}x"


def _percent(bad: float, total: float) -> str:
    if total <= 0:
        return "no requests"
    share = 100 * bad / total
    return f"{share:.2g}%" if 0 < share < 1 else f"{share:.1f}%"


def _share_of(bad: float, total: float) -> str:
    return "no requests" if total <= 0 else f"{_percent(bad, total)} of {total:.0f}"


def _big(log_e: float) -> str:
    """An e-value for people: 0.3, 42, 3.1e5; tiny ones are shown as <0.01."""
    if log_e > 600:
        return f"1e{log_e / math.log(10):.0f}"
    value = math.exp(log_e)
    if value < 0.01:
        return "<0.01"
    return f"{value:.2g}" if value < 1000 else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
