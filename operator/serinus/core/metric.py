"""One metric of a rollout: what it asks, and how an interval's figures change what is known of it.

    ratio     failures among requests, candidate against stable at the same time
    latency   the same for "slower than b", at several bounds b of a histogram; the e-values are averaged
    limit     failures of the candidate against a fixed share
    gauge     a value computed elsewhere, against bounds or against stable

Pure. Verdicts and sentences are made of it in `judge`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from serinus.core.counters import BAD, TOTAL, Increment, Sums
from serinus.core.gauge import (
    Track,
)
from serinus.core.latency import choose_bounds, slow_key
from serinus.core.sequential import (
    LATENCY_THETAS,
    THETAS,
    Counts,
    Lane,
    alone_gains,
    assess_detector,
    assess_mean_log_evidence,
    limit_gains,
    observe_gains,
    observe_gains_since_best,
    split_gains,
    upper_ratio,
)
from serinus.core.spread import (
    UNKNOWN,
    UNKNOWN_LATENCY,
    Spread,
    assess_dispersion,
    assess_margin,
    forget_pods,
    observe_spread,
    pairs_of,
)

ALONE_FACTOR: Final = 2.0
"""During the bake nothing runs alongside, so the allowed regression is widened by this factor (see `alone_gains`)."""

MAX_PODS: Final = 64
"""Pods whose totals are remembered to learn how pods differ."""

Kind = Literal["ratio", "limit", "latency", "gauge"]


@dataclass(frozen=True)
class Metric:
    """What is asked.

    `signal` names the figures in a reading, `spread` those by which stable's pods can be told apart where `signal`
    cannot do it. `weight` is its share of the false-alarm budget; all weights of a rollout sum to 1. `margin` >= 1 is
    the regression that is allowed, `limit` the share that is allowed at all; `low`, `high` bound a gauge, `fall`,
    `rise` its distance from stable. `needed` samples make it known in a step; `delay` seconds pass until the truth
    about an answer arrives. `optional` figures may be missing; `over_time` says that seconds are counted, not requests.
    """

    name: str
    kind: Kind
    signal: str
    weight: float = 1.0
    margin: float = 1.0
    limit: float = 1.0
    low: float | None = None
    high: float | None = None
    fall: float | None = None
    rise: float | None = None
    needed: int = 0
    delay: float = 0.0
    spread: str | None = None
    optional: bool = False
    over_time: bool = False

    @property
    def thetas(self) -> tuple[float, ...]:
        return LATENCY_THETAS if self.kind == "latency" else THETAS


@dataclass(frozen=True)
class MetricState:
    """What is known of one metric since the candidate's first request. `exposure` in seconds of testing; `margin` and
    `dispersion` as last used; `buckets` are stable's answers by bound, until bounds are chosen;
    `by_pods` says that the spreads are those of pods which count for themselves, not of a gateway's sums; `track` (of
    stable), `past` (of stable before the rollout, a value every `past_seconds`), `deviation` and `values` (candidate,
    stable) belong to gauges.
    """

    lanes: tuple[Lane, ...] = ()
    exposure: float = 0.0
    spreads: tuple[Spread, ...] = ()
    step_total: float = 0.0
    margin: float = 1.0
    dispersion: float = 1.0
    buckets: Mapping[str, float] = field(default_factory=dict)
    problem: str | None = None
    remark: str | None = None
    first_bad_at: datetime | None = None
    as_of: datetime | None = None
    track: Track = field(default_factory=Track)
    by_pods: bool = False
    past: Track = field(default_factory=Track)
    past_seconds: float = 0.0
    deviation: Track = field(default_factory=Track)
    values: tuple[float, float | None] | None = None
    detector: bool = False

    @property
    def log_evidence(self) -> float:
        return assess_detector(self.lanes) if self.detector else assess_mean_log_evidence(self.lanes, self.exposure)


@dataclass(frozen=True)
class Interval:
    """What one interval brought for one metric. `pods` are figures that tell stable's pods apart, where the metric's
    own cannot; `alone` says that stable has no traffic. `watched` says that the candidate is a promoted revision, and
    that the lanes' counts of stable are its own at promotion."""

    candidate: Increment
    stable: Increment
    seconds: float
    at: datetime
    alone: bool = False
    pods: Increment | None = None
    candidate_pods: int = 1
    watched: bool = False


def observe_interval(state: MetricState, metric: Metric, interval: Interval) -> MetricState:
    """The state after one interval of counters."""
    if metric.kind == "latency":
        state = _choose_lanes(state, interval.stable)
        if not state.lanes:
            total = interval.candidate.sum_of(TOTAL)
            return replace(state, step_total=state.step_total + total, as_of=interval.at)
        missing = _find_missing_bucket(state, interval.candidate)
        if missing is not None:
            return replace(state, problem=missing, as_of=interval.at)
    elif not state.lanes:
        state = replace(state, lanes=(Lane(),))
    by_pods = interval.pods is not None
    state = _observe_spreads(state, interval.pods or interval.stable, interval.seconds, by_pods=by_pods)
    return _observe_lanes(state, metric, interval)


def forget_evidence(state: MetricState) -> MetricState:
    """The state with what is known of stable, and nothing about the candidate."""
    lanes = tuple(Lane(bound=lane.bound) for lane in state.lanes)
    return replace(
        state, lanes=lanes, exposure=0.0, step_total=0.0, first_bad_at=None, deviation=Track(), values=None, as_of=None
    )


def observe_past(
    state: MetricState, metric: Metric, stable: Increment, seconds: float, *, by_pods: bool = False
) -> MetricState:
    """The state after an interval before the rollout, of stable alone: it teaches how unruly stable is, no more.
    `by_pods`: see `MetricState`.
    """
    if metric.kind == "latency":
        state = _choose_lanes(state, stable)
    elif not state.lanes:
        state = replace(state, lanes=(Lane(),))
    return _observe_spreads(state, stable, seconds, by_pods=by_pods) if state.lanes else state


def observe_lifetime(state: MetricState, metric: Metric, units: Mapping[str, Sums]) -> MetricState:
    """The state given what stable's counters hold when the test begins: the usual distribution of latencies."""
    if metric.kind != "latency" or state.lanes:
        return state
    return _choose_lanes(state, Increment(units))


def _choose_lanes(state: MetricState, stable: Increment) -> MetricState:
    if state.lanes or state.problem is not None:
        return state
    buckets = dict(state.buckets)
    for sums in stable.units.values():
        for key, grown in sums.items():
            buckets[key] = buckets.get(key, 0.0) + grown
    chosen = choose_bounds(buckets)
    if chosen is None:
        return replace(state, buckets=buckets)
    lanes = tuple(Lane(bound=bound) for bound in chosen.bounds)
    return replace(state, lanes=lanes, problem=chosen.problem, remark=chosen.remark, buckets={})


def _find_missing_bucket(state: MetricState, candidate: Increment) -> str | None:
    for sums in candidate.units.values():
        for lane in state.lanes:
            if lane.bound is not None and sums.get(TOTAL, 0.0) > 0 and slow_key(lane.bound) not in sums:
                return f"the candidate's histogram has no bucket {lane.bound:g}s, stable's has: use the same buckets"
    return None


def _observe_spreads(state: MetricState, stable: Increment, seconds: float, *, by_pods: bool) -> MetricState:
    if state.by_pods and not by_pods:
        return state  # a gateway is no pod: its sums would look like one that has all requests
    if by_pods and not state.by_pods:
        state = replace(state, spreads=(), by_pods=True)
    spreads = state.spreads or (Spread(),) * len(state.lanes)
    observed = []
    for lane, spread in zip(state.lanes, spreads, strict=True):
        good = None if lane.bound is None else slow_key(lane.bound)
        units = {unit: pair for unit, pair in pairs_of(stable, good, BAD, TOTAL).items() if pair[0] > 0}
        observed.append(forget_pods(observe_spread(spread, units, seconds), MAX_PODS) if units else spread)
    return replace(state, spreads=tuple(observed))


def _observe_lanes(state: MetricState, metric: Metric, interval: Interval) -> MetricState:
    candidate_total = interval.candidate.sum_of(TOTAL)
    stable_total = interval.stable.sum_of(TOTAL)
    if interval.watched:
        return _observe_watched(state, metric, interval, candidate_total)
    tested = candidate_total > 0 and (stable_total > 0 or interval.alone or metric.kind == "limit")
    after = state.exposure + interval.seconds if tested else state.exposure
    lanes, margin, dispersion, failed = [], metric.margin, 1.0, False
    for before, spread in zip(state.lanes, state.spreads, strict=True):
        lane = before
        counts = Counts(candidate_total, _bad(interval.candidate, lane), stable_total, _bad(interval.stable, lane))
        failed = failed or counts.candidate_bad > 0
        phi = assess_dispersion(spread)
        unknown = UNKNOWN_LATENCY if metric.kind == "latency" else UNKNOWN
        wider = assess_margin(spread, metric.margin, interval.candidate_pods, unknown)
        if tested:
            gains = _gains(metric, lane, counts, wider, phi, alone=interval.alone and stable_total == 0)
            lane = observe_gains(lane, gains, state.exposure, after)
        lanes.append(replace(lane, counts=lane.counts + counts))
        margin, dispersion = max(margin, wider), max(dispersion, phi)
    return replace(
        state,
        lanes=tuple(lanes),
        exposure=after,
        step_total=state.step_total + candidate_total,
        margin=margin,
        dispersion=dispersion,
        first_bad_at=state.first_bad_at or (interval.at if failed and metric.kind != "latency" else None),
        as_of=interval.at,
    )


def _observe_watched(state: MetricState, metric: Metric, interval: Interval, total: float) -> MetricState:
    """A promoted revision against what it showed up to its promotion, which stands in the lanes' counts of stable."""
    lanes, failed = [], False
    for lane, spread in zip(state.lanes, state.spreads, strict=True):
        bad, phi = _bad(interval.candidate, lane), assess_dispersion(spread)
        counts, failed = Counts(total, bad), failed or bad > 0
        reference = upper_ratio(lane.counts.stable_bad, lane.counts.stable_total)
        gains: list[float] | None = None
        if metric.kind == "limit":
            gains = limit_gains(bad, total, metric.limit, phi)
        elif reference is not None:
            gains = alone_gains(counts, min(reference * metric.margin, 1.0), phi, metric.thetas)
        moved = lane if gains is None or total <= 0 else observe_gains_since_best(lane, gains)
        lanes.append(replace(moved, counts=lane.counts + counts))
    return replace(
        state,
        lanes=tuple(lanes),
        step_total=state.step_total + total,
        first_bad_at=state.first_bad_at or (interval.at if failed and metric.kind != "latency" else None),
        as_of=interval.at,
        detector=True,
    )


def _gains(metric: Metric, lane: Lane, counts: Counts, margin: float, phi: float, *, alone: bool) -> list[float]:
    if metric.kind == "limit":
        return limit_gains(counts.candidate_bad, counts.candidate_total, metric.limit, phi)
    if not alone:
        return split_gains(counts, margin, phi, metric.thetas)
    reference = upper_ratio(lane.counts.stable_bad, lane.counts.stable_total)
    if reference is None:
        return [0.0] * len(metric.thetas)
    return alone_gains(counts, min(reference * margin * ALONE_FACTOR, 1.0), phi, metric.thetas)


def _bad(increment: Increment, lane: Lane) -> float:
    if lane.bound is None:
        return increment.sum_of(BAD)
    return max(increment.sum_of(TOTAL) - increment.sum_of(slow_key(lane.bound)), 0.0)
