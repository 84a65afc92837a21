"""A trial: candidate against stable, from the first request to the verdict. Pure: readings in, judgement out.

Kept in memory between two readings; what must survive a restart is in `EvidenceState`, written with every step. After a
restart the counting starts anew from what the counters hold then: failures in between are not counted, so that a change
of weight that nobody watched can never look like evidence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from serinus.api import reasons
from serinus.api.status import AnalysisSummary, EvidenceState
from serinus.core.counters import Ledger, Point, find_not_numbers, observe_points, open_ledger
from serinus.core.judge import Metric, Tally, Verdict, assess_metric, observe_interval, worst_verdict
from serinus.core.sequential import THETAS, Counts, Evidence, assess_log_evidence
from serinus.core.snapshot import Check, Judgement
from serinus.core.steps import FULL

STALE_AFTER = 3.0
"""Scrape intervals without a newer sample after which nothing is known any more."""

SPLIT_MIN_REQUESTS = 20
"""Fewer requests than this say nothing about a split."""


@dataclass(frozen=True)
class Trial:
    """What is judged. `approximate` where pod counts stand in for weights; `settle_seconds` a new weight is not yet
    checked.
    """

    candidate: str
    stable: str
    started_at: datetime
    weight: int
    step: int
    step_started_at: datetime | None
    metrics: tuple[Metric, ...]
    min_requests: int
    interval_seconds: float
    measured_at: str
    approximate: bool = False
    settle_seconds: float = 2.0


@dataclass(frozen=True)
class Reading:
    """One answer of the provider for this trial, received at `at` (wall clock) and `mono` (monotonic seconds)."""

    candidate: Sequence[Point]
    stable: Sequence[Point]
    sources: frozenset[str]
    at: datetime
    mono: float


@dataclass(frozen=True)
class TrialState:
    """Everything remembered of a trial between two readings."""

    candidate_ledger: Ledger | None = None
    stable_ledger: Ledger | None = None
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    step: int = -1
    step_counts: Counts = field(default_factory=Counts)
    split_counts: Counts = field(default_factory=Counts)
    newest_sample: float | None = None
    advanced_mono: float | None = None
    failure: Check | None = None


def open_trial(saved: Sequence[EvidenceState]) -> TrialState:
    """A state that goes on from the evidence in the status, if there is any."""
    return TrialState(tallies={one.metric: _tally_from(one) for one in saved})


def enter_trial_step(state: TrialState, trial: Trial) -> TrialState:
    """The state at the trial's step: every step counts its own requests, evidence carries over."""
    if trial.step == state.step:
        return state
    return replace(state, step=trial.step, step_counts=Counts(), split_counts=Counts())


def observe_failure(state: TrialState, reason: str, message: str) -> TrialState:
    """The provider could not be asked, or its answer makes no sense. Evidence stays as it is."""
    return replace(state, failure=Check("False", reason, message))


def observe_reading(state: TrialState, trial: Trial, reading: Reading) -> TrialState:
    """The state after one more answer."""
    state = enter_trial_step(state, trial)
    points = [*reading.candidate, *reading.stable]
    if not points:
        return observe_failure(
            state,
            reasons.NO_DATA,
            f"{trial.measured_at} counted nothing for {trial.candidate} or {trial.stable}: no request or no scrape",
        )
    if find_not_numbers(points):
        return observe_failure(
            state, reasons.NOT_A_NUMBER, f"a counter at {trial.measured_at} is NaN, infinite or negative"
        )
    newest = max(point.at for point in points)
    if state.newest_sample is not None and newest <= state.newest_sample:
        return _check_age(state, trial, reading)
    state = replace(state, newest_sample=newest, advanced_mono=reading.mono, failure=None)
    if state.candidate_ledger is None or state.stable_ledger is None:
        # What the counters hold already is the past: of another rollout, or from before a restart.
        return replace(
            state,
            candidate_ledger=open_ledger(reading.candidate, reading.sources),
            stable_ledger=open_ledger(reading.stable, reading.sources),
        )
    candidate_ledger, mine = observe_points(
        state.candidate_ledger, reading.candidate, reading.sources, born_in_rollout=True
    )
    stable_ledger, other = observe_points(state.stable_ledger, reading.stable, reading.sources, born_in_rollout=False)
    counts = Counts(mine.total, mine.bad, other.total, other.bad)
    alone = trial.weight >= FULL and counts.stable_total == 0
    tallies = {
        metric.name: observe_interval(state.tallies.get(metric.name, Tally()), counts, metric, reading.at, alone=alone)
        for metric in trial.metrics
    }
    settled = trial.step_started_at is not None and (
        (reading.at - trial.step_started_at).total_seconds() >= trial.settle_seconds + trial.interval_seconds
    )
    return replace(
        state,
        candidate_ledger=candidate_ledger,
        stable_ledger=stable_ledger,
        tallies=tallies,
        step_counts=state.step_counts + counts,
        split_counts=state.split_counts + counts if settled else state.split_counts,
    )


def judge_trial(state: TrialState, trial: Trial) -> Judgement:
    """What the metrics say now."""
    assessments = [
        assess_metric(
            state.tallies.get(metric.name, Tally()),
            metric,
            step_requests=state.step_counts.candidate_total,
            min_requests=trial.min_requests,
            candidate=trial.candidate,
            stable=trial.stable,
        )
        for metric in trial.metrics
    ]
    health = _health(state, trial)
    verdicts = [a.verdict for a in assessments]
    if health.status != "True":
        # An alarm that was raised stays one; everything else is unknown while the metrics are.
        verdicts = [v if v is Verdict.BAD else Verdict.CANNOT_MEASURE for v in verdicts]
    verdict = worst_verdict(verdicts)
    said = next((a.message for a, v in zip(assessments, verdicts, strict=True) if v is verdict), "")
    tallies = {metric.name: state.tallies.get(metric.name, Tally()) for metric in trial.metrics}
    return Judgement(
        verdict=verdict,
        message=health.message if verdict is Verdict.CANNOT_MEASURE else said,
        health=health,
        traffic=_traffic(state, trial),
        step_requests=state.step_counts.candidate_total,
        summaries=tuple(
            AnalysisSummary(
                name=a.name,
                verdict=v.value,
                candidate=a.candidate,
                stable=a.stable,
                limit=a.limit,
                evidence=a.evidence,
                would_have_seen=a.would_have_seen,
                message=a.message,
            )
            for a, v in zip(assessments, verdicts, strict=True)
        ),
        evidence=tuple(_state_from(name, tally) for name, tally in tallies.items()),
        log_evidence=max((assess_log_evidence(t.evidence) for t in tallies.values()), default=0.0),
        first_bad_at=min((t.first_bad_at for t in tallies.values() if t.first_bad_at), default=None),
    )


def _check_age(state: TrialState, trial: Trial, reading: Reading) -> TrialState:
    """No newer sample: unknown once that has lasted too long, measured by our own clock and never against the samples'
    times.
    """
    if state.advanced_mono is None or reading.mono - state.advanced_mono <= STALE_AFTER * trial.interval_seconds:
        return state
    age = reading.mono - state.advanced_mono
    return observe_failure(state, reasons.STALE, f"no new sample from {trial.measured_at} for {age:.0f}s")


def _health(state: TrialState, trial: Trial) -> Check:
    if not trial.metrics:
        return Check("False", reasons.NO_DATA, "no metric is configured that could be judged")
    if state.failure is not None:
        return state.failure
    if state.candidate_ledger is None:
        return Check("Unknown", reasons.NO_DATA, "the metrics have not been read yet")
    return Check("True", reasons.FRESH, f"counters at {trial.measured_at} are fresh")


def _traffic(state: TrialState, trial: Trial) -> Check:
    """Whether the requests went where they were sent: the candidate's share against its weight, within four standard
    errors and 2 %.
    """
    counts = state.split_counts
    total = counts.candidate_total + counts.stable_total
    if trial.weight == 0:
        return Check("Unknown", reasons.NOT_MEASURED, "the candidate has no traffic yet")
    if total < SPLIT_MIN_REQUESTS:
        return Check(
            "Unknown", reasons.NOT_MEASURED, f"{total:.0f} requests at this weight, {SPLIT_MIN_REQUESTS} are needed"
        )
    share = counts.candidate_total / total
    figures = f"{counts.candidate_total:,.0f} of {total:,.0f} requests ({100 * share:.1f}%) at {trial.measured_at}"
    if trial.approximate:
        return Check("True", reasons.APPROXIMATED, f"{figures} for a weight of {trial.weight}%, by pod counts")
    wanted = trial.weight / FULL
    if abs(share - wanted) <= 4 * math.sqrt(wanted * (1 - wanted) / total) + 2 / total + 0.02:
        return Check("True", reasons.SPLIT_AS_ASKED, f"{figures} for a weight of {trial.weight}%")
    return Check("False", reasons.SPLIT_DIFFERS, f"{figures} reached {trial.candidate}, {trial.weight}% was asked for")


def _tally_from(saved: EvidenceState) -> Tally:
    logs = tuple(float(log) for log in saved.logs)
    counts = Counts(saved.candidate_total, saved.candidate_bad, saved.stable_total, saved.stable_bad)
    # Evidence of another grid (another version of the operator) cannot be continued; its counts can.
    evidence = Evidence(logs, counts) if len(logs) == len(THETAS) else Evidence(counts=counts)
    return Tally(evidence, saved.first_bad_at, saved.as_of)


def _state_from(name: str, tally: Tally) -> EvidenceState:
    counts = tally.evidence.counts
    return EvidenceState(
        metric=name,
        logs=tuple(f"{log:.6g}" for log in tally.evidence.logs),
        candidate_total=round(counts.candidate_total),
        candidate_bad=round(counts.candidate_bad),
        stable_total=round(counts.stable_total),
        stable_bad=round(counts.stable_bad),
        first_bad_at=tally.first_bad_at,
        as_of=tally.as_of,
    )
