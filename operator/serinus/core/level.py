"""How one scrape of a gauge changes what is known of it; see `gauge` for the test. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from serinus.core.counters import LEVEL, Point
from serinus.core.gauge import (
    Track,
    assess_long_run_variance,
    assess_variance,
    floor_variance,
    gauge_gains,
    observe_value,
)
from serinus.core.metric import Metric, MetricState
from serinus.core.sequential import Lane, observe_gains


def observe_level(
    state: MetricState, metric: Metric, values: tuple[float | None, float | None], seconds: float, at: datetime
) -> MetricState:
    """The state after one scrape of a gauge: `values` of candidate and stable, None where unknown."""
    mine, base = values
    track = state.track if base is None else observe_value(state.track, base)
    state = replace(state, track=track)
    if mine is None:
        return state
    deviations = _deviations(metric, mine, base)
    state = replace(state, values=(mine, base), as_of=at, step_total=state.step_total + 1)
    if not deviations:
        return state
    worst = max(deviations)
    own = observe_value(state.deviation, worst)
    # A difference of two such values varies twice as much as one of them.
    share = 2.0 if metric.rise is not None or metric.fall is not None else 1.0
    noise = _noisier(_pool(state, mine, share, seconds), _assess(floor_variance(state.deviation, mine)))
    state = replace(state, deviation=own)
    if noise is None:
        return state
    variance, long_run = noise
    lanes = state.lanes or tuple(Lane() for _ in deviations)
    after = state.exposure + seconds
    first_bad = state.first_bad_at or (at if worst > 0 else None)
    return replace(
        state,
        lanes=tuple(
            observe_gains(lane, gauge_gains(deviation, variance, long_run), state.exposure, after)
            for lane, deviation in zip(lanes, deviations, strict=True)
        ),
        exposure=after,
        first_bad_at=first_bad,
    )


def observe_past_level(state: MetricState, base: float, seconds: float) -> MetricState:
    """The state after a value of stable from before the rollout, `seconds` after the one before it."""
    return replace(state, past=observe_value(state.past, base), past_seconds=seconds)


def _deviations(metric: Metric, mine: float, base: float | None) -> list[float]:
    """By how much each bound is exceeded. A bound against stable needs a value of stable."""
    found = []
    if metric.high is not None:
        found.append(mine - metric.high)
    if metric.low is not None:
        found.append(metric.low - mine)
    if metric.rise is not None and base is not None:
        found.append(mine - base - metric.rise)
    if metric.fall is not None and base is not None:
        found.append(base - mine - metric.fall)
    bounds = (metric.high, metric.low, metric.rise, metric.fall)
    return found if len(found) == sum(bound is not None for bound in bounds) else []


def _assess(track: Track) -> tuple[float, float] | None:
    """Variance and long-run variance of a sequence, None while it is too short."""
    variance, long_run = assess_variance(track), assess_long_run_variance(track)
    return None if variance is None or long_run is None else (variance, long_run)


def _pool(state: MetricState, scale: float, share: float, seconds: float) -> tuple[float, float] | None:
    """Variance and long-run variance of stable's values, those before and since the rollout began, each counting by
    its number. A long-run variance times the time between two looks is the same however often one looks.
    """
    variance = long_run = number = 0.0
    for track, spacing in ((state.track, 1.0), (state.past, state.past_seconds / seconds)):
        found = _assess(floor_variance(track, scale))
        if found is not None:
            variance += track.n * found[0]
            long_run += track.n * max(found[1] * spacing, found[0])
            number += track.n
    return (share * variance / number, share * long_run / number) if number else None


def _noisier(*noises: tuple[float, float] | None) -> tuple[float, float] | None:
    return max((noise for noise in noises if noise is not None), key=lambda noise: noise[1], default=None)


def average_level(points: Iterable[Point]) -> float | None:
    """Mean of a gauge over the pods, None without any."""
    values = [point.value for point in points if LEVEL in point.keys]
    return sum(values) / len(values) if values else None
