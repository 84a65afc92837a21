"""A trial: candidate against stable, from the first request to the verdict. Pure: readings in, state out; `verdict`
makes the judgement of it.

Kept in memory between two readings; what must survive a restart is in `EvidenceState`, written with every step. After a
restart the counting starts anew from what the counters hold then: failures in between are not counted, so that a change
of weight that nobody watched can never look like evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from serinus.api import reasons
from serinus.api.status import EvidenceState
from serinus.core.counters import (
    BAD,
    TOTAL,
    Increment,
    Ledger,
    Point,
    choose_points,
    find_not_numbers,
    observe_points,
    open_ledger,
    sum_points,
)
from serinus.core.latency import slow_key
from serinus.core.level import average_level, observe_level, observe_past_level
from serinus.core.metric import (
    Interval,
    Metric,
    MetricState,
    forget_evidence,
    observe_interval,
    observe_lifetime,
    observe_past,
)
from serinus.core.saved import observe_baseline, observe_saved
from serinus.core.sequential import Counts
from serinus.core.snapshot import Check
from serinus.core.steps import FULL

STALE_AFTER: Final = 3.0
"""Scrape intervals without a newer sample after which nothing is known any more."""


@dataclass(frozen=True)
class Trial:
    """What is judged. `traffic_signal` is the signal whose requests show the split, None where none does;
    `approximate` where pod counts stand in for weights; `settle_seconds` a new weight is not yet checked;
    `candidate_pods` are the pods that share the candidate's requests. `must_detect` is the regression that must have
    been detectable before this step ends, None where no such proof is asked for. `watched` says that there is no
    candidate: a promoted revision is compared with what it showed up to its promotion. Before `judged_from` nothing is
    held against anybody but restarts. `mirrored` is the percent of stable's requests that the candidate gets copies of
    (0: it has requests of its own, by `weight`).
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
    false_alarm: float = 0.01
    traffic_signal: str | None = "Errors"
    candidate_pods: int = 1
    must_detect: float | None = None
    watched: bool = False
    approximate: bool = False
    settle_seconds: float = 2.0
    judged_from: datetime | None = None
    mirrored: int = 0


@dataclass(frozen=True)
class SignalReading:
    """The newest samples of one signal on both sides, and the targets that answered at all. `problem` says why there
    are none."""

    candidate: Sequence[Point] = ()
    stable: Sequence[Point] = ()
    sources: frozenset[str] = frozenset()
    problem: Check | None = None


@dataclass(frozen=True)
class Reading:
    """One round of answers for this trial, received at `at` (wall clock) and `mono` (monotonic seconds)."""

    signals: Mapping[str, SignalReading]
    at: datetime
    mono: float


@dataclass(frozen=True)
class SignalState:
    """What is remembered of a signal between two readings."""

    candidate: Ledger | None = None
    stable: Ledger | None = None
    newest: float | None = None
    advanced_mono: float | None = None
    failure: Check | None = None


@dataclass(frozen=True)
class TrialState:
    """Everything remembered of a trial between two readings."""

    signals: Mapping[str, SignalState] = field(default_factory=dict)
    metrics: Mapping[str, MetricState] = field(default_factory=dict)
    step: int = -1
    split: Counts = field(default_factory=Counts)
    at: datetime | None = None
    mirrored: bool = False

    def metric(self, name: str) -> MetricState:
        return self.metrics.get(name) or MetricState()


def open_trial(saved: Sequence[EvidenceState]) -> TrialState:
    """A state that goes on from the evidence in the status, if there is any."""
    return TrialState(metrics={one.metric: observe_saved(one) for one in saved})


def open_watch(baseline: Sequence[EvidenceState]) -> TrialState:
    """A state that compares a promoted revision with the evidence of its own release."""
    return TrialState(metrics={one.metric: observe_baseline(one) for one in baseline})


def enter_trial_step(state: TrialState, trial: Trial) -> TrialState:
    """The state at the trial's step: every step counts its own requests, evidence carries over, except from mirrored
    requests to real ones."""
    mirrored = trial.mirrored > 0
    if (trial.step, mirrored) == (state.step, state.mirrored):
        return state
    # A thousand answers that nobody waited for would make the judge slow to see what only real requests show.
    anew = state.mirrored and not mirrored
    metrics = {
        name: forget_evidence(one) if anew else replace(one, step_total=0.0) for name, one in state.metrics.items()
    }
    return replace(state, step=trial.step, metrics=metrics, split=Counts(), mirrored=mirrored)


def observe_history(
    state: TrialState, trial: Trial, signal: str, frames: Sequence[Sequence[Point]], seconds: float
) -> TrialState:
    """The state after looking at the past: `frames` are samples of stable's series, oldest first, `seconds` apart.
    It teaches how unruly stable is by itself, before the candidate's first request.
    """
    if len(frames) < 2:
        return state
    ledger = open_ledger(frames[0], {p.source for p in frames[0]})
    metrics = dict(state.metrics)
    concerned = [m for m in trial.metrics if signal in (m.spread or m.signal, m.signal) and m.kind != "gauge"]
    gauges = [m for m in trial.metrics if m.signal == signal and m.kind == "gauge"]
    for frame in frames[1:]:
        if find_not_numbers(frame):
            continue
        ledger, grown = observe_points(ledger, frame, {p.source for p in frame}, born_in_rollout=False)
        for metric in concerned:
            before = metrics.get(metric.name) or MetricState()
            metrics[metric.name] = observe_past(before, metric, grown, seconds, by_pods=signal == metric.spread)
        level = average_level(frame)
        if level is not None:
            for metric in gauges:
                metrics[metric.name] = observe_past_level(metrics.get(metric.name) or MetricState(), level, seconds)
    return replace(state, metrics=metrics)


def observe_reading(state: TrialState, trial: Trial, reading: Reading) -> TrialState:
    """The state after one more round of answers."""
    state = replace(enter_trial_step(state, trial), at=reading.at)
    grown: dict[str, tuple[Increment, Increment]] = {}
    signals = dict(state.signals)
    metrics = dict(state.metrics)
    spared = trial.judged_from is not None and reading.at < trial.judged_from
    for name, answer in reading.signals.items():
        before = signals.get(name) or SignalState()
        gauge = any(m.signal == name and m.kind == "gauge" for m in trial.metrics)
        before, chosen = _choose(before, answer, _wanted_keys(metrics, trial, name))
        after, growth = _observe_signal(before, name, trial, chosen, reading.mono, gauge=gauge)
        signals[name] = after
        if growth is not None:
            grown[name] = growth
        elif after.newest != before.newest and not gauge:
            _open(metrics, trial, name, answer)
        if gauge and not spared and after.failure is None and after.newest != before.newest:
            _observe_gauges(metrics, trial, name, answer, reading.at)
    for metric in trial.metrics:
        if metric.kind != "gauge" and metric.signal in grown and (metric.over_time or not spared):
            interval = _interval_of(trial, metric, grown, reading.at)
            metrics[metric.name] = observe_interval(metrics.get(metric.name) or MetricState(), metric, interval)
    split = _observe_split(state, trial, reading.at, grown)
    return replace(state, signals=signals, metrics=metrics, split=split)


def _wanted_keys(metrics: Mapping[str, MetricState], trial: Trial, signal: str) -> frozenset[str] | None:
    """The sums of a histogram that are looked at once its bounds are chosen; None: all of the signal's."""
    concerned = [metric for metric in trial.metrics if signal in (metric.signal, metric.spread)]
    lanes = [lane for metric in concerned if metric.name in metrics for lane in metrics[metric.name].lanes]
    if not lanes or any(metric.kind != "latency" for metric in concerned):
        return None
    return frozenset({TOTAL, *(slow_key(lane.bound) for lane in lanes if lane.bound is not None)})


def _choose(
    state: SignalState, answer: SignalReading, wanted: frozenset[str] | None
) -> tuple[SignalState, SignalReading]:
    if wanted is None:
        return state, answer
    mine, candidate = choose_points(state.candidate, answer.candidate, wanted)
    other, stable = choose_points(state.stable, answer.stable, wanted)
    return replace(state, candidate=mine, stable=other), replace(answer, candidate=candidate, stable=stable)


def _observe_signal(
    state: SignalState, name: str, trial: Trial, answer: SignalReading, mono: float, *, gauge: bool
) -> tuple[SignalState, tuple[Increment, Increment] | None]:
    """The signal after an answer, and the growth of both sides if there was a reading before it."""
    if answer.problem is not None:
        return replace(state, failure=answer.problem), None
    points = [*answer.candidate, *answer.stable]
    if not points:
        message = f"{trial.measured_at} counted nothing for {trial.candidate} or {trial.stable}"
        if name != trial.traffic_signal:
            message = f"there is no series of {name} for {trial.candidate} or {trial.stable}"
        return replace(state, failure=Check("False", reasons.NO_DATA, f"{message}: no request or no scrape")), None
    if find_not_numbers(points):
        message = f"a value of {name} is NaN, infinite or negative"
        return replace(state, failure=Check("False", reasons.NOT_A_NUMBER, message)), None
    newest = max(point.at for point in points)
    if state.newest is not None and newest <= state.newest:
        return _check_age(state, trial, name, mono), None
    fresh = replace(state, newest=newest, advanced_mono=mono, failure=None)
    if gauge:
        return fresh, None
    if state.candidate is None or state.stable is None:
        # What the counters hold already is the past: of another rollout, or from before a restart.
        mine, other = open_ledger(answer.candidate, answer.sources), open_ledger(answer.stable, answer.sources)
        return replace(fresh, candidate=mine, stable=other), None
    mine, candidate = observe_points(
        state.candidate, answer.candidate, answer.sources, born_in_rollout=not trial.watched
    )
    other, stable = observe_points(state.stable, answer.stable, answer.sources, born_in_rollout=False)
    return replace(fresh, candidate=mine, stable=other), (candidate, stable)


def _open(metrics: dict[str, MetricState], trial: Trial, signal: str, answer: SignalReading) -> None:
    """The first answer: what stable's counters hold is its past, and teaches its usual latency."""
    for metric in trial.metrics:
        if metric.signal == signal:
            before = metrics.get(metric.name) or MetricState()
            metrics[metric.name] = observe_lifetime(before, metric, sum_points(answer.stable))


def _observe_gauges(
    metrics: dict[str, MetricState], trial: Trial, signal: str, answer: SignalReading, at: datetime
) -> None:
    for metric in trial.metrics:
        if metric.kind == "gauge" and metric.signal == signal:
            before = metrics.get(metric.name) or MetricState()
            values = (average_level(answer.candidate), average_level(answer.stable))
            metrics[metric.name] = observe_level(before, metric, values, trial.interval_seconds, at)


def _interval_of(
    trial: Trial, metric: Metric, grown: Mapping[str, tuple[Increment, Increment]], at: datetime
) -> Interval:
    candidate, stable = grown[metric.signal]
    pods = grown[metric.spread][1] if metric.spread is not None and metric.spread in grown else None
    return Interval(
        candidate,
        stable,
        trial.interval_seconds,
        at,
        alone=trial.weight >= FULL,
        pods=pods if pods is not None and pods.units else None,
        candidate_pods=trial.candidate_pods,
        watched=trial.watched,
    )


def _observe_split(
    state: TrialState, trial: Trial, at: datetime, grown: Mapping[str, tuple[Increment, Increment]]
) -> Counts:
    settled = trial.step_started_at is not None and (
        (at - trial.step_started_at).total_seconds() >= trial.settle_seconds + trial.interval_seconds
    )
    if not settled or trial.traffic_signal is None or trial.traffic_signal not in grown:
        return state.split
    candidate, stable = grown[trial.traffic_signal]
    return state.split + Counts(
        candidate.sum_of(TOTAL), candidate.sum_of(BAD), stable.sum_of(TOTAL), stable.sum_of(BAD)
    )


def _check_age(state: SignalState, trial: Trial, name: str, mono: float) -> SignalState:
    """No newer sample: unknown once that has lasted too long, measured by our own clock and never against the samples'
    times.
    """
    if state.advanced_mono is None or mono - state.advanced_mono <= STALE_AFTER * trial.interval_seconds:
        return state
    age = mono - state.advanced_mono
    message = f"no new sample of {name} from {trial.measured_at} for {age:.0f}s"
    return replace(state, failure=Check("False", reasons.STALE, message))
