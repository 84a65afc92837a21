"""What the rules of others get to see: both revisions' sums per tick, exact and complete.

That is kinder than reality to all of them: a `rate()` over as long as a scrape interval sees nothing, and one over a
minute is extrapolated; restarts and single lost scrapes do not touch these sums. Only an outage of the monitoring does.
"""

from dataclasses import dataclass

import numpy as np

from tests.bench.judge.draws import BOUNDS, SLOW, Array, Mask
from tests.bench.judge.scenarios import World
from tests.bench.judge.weather import Rollout, Side

QUANTILE_LIMIT = 0.5
"""Seconds that the 99 % quantile may reach where a rule is a fixed limit: Flagger's own example, and by luck just above
the usual value here."""

MINUTE = 60.0


@dataclass(frozen=True)
class Tally:
    """`total` and `bad` answers of candidate and stable [run, tick]; `over` are the candidate's answers that break a
    fixed limit; `scores` of both sides are one value a minute [run, minute]: share of bad answers, 95 % quantile of the
    latency, or mean of the gauge (NaN without any), larger being worse. `levels` are a gauge's values, larger being
    worse, or None.
    """

    kind: str
    interval: float
    margin: float
    weights: Array
    total: tuple[Array, Array]
    bad: tuple[Array, Array]
    over: Array
    scores: tuple[Array, Array]
    levels: tuple[Array, Array] | None
    slow: dict[float, tuple[Array, Array]]
    blind: Mask


def build_tally(world: World, rollout: Rollout) -> Tally:
    interval, sides = rollout.clock.interval, (rollout.candidate, rollout.stable)
    levels, slow = None, {}
    if world.kind == "gauge":
        levels = (-rollout.candidate.growth[:, :, 0, 0], -rollout.stable.growth[:, :, 0, 0])
        total = bad = tuple(np.zeros(level.shape) for level in levels)
        over = bad[0]
        scores = tuple(fold_minutes(level, interval) / (MINUTE / interval) for level in levels)
    elif world.kind == "latency":
        buckets = [side.growth.sum(axis=2) for side in sides]
        total = tuple(each[..., -1] for each in buckets)
        slow = {bound: tuple(each[..., -1] - each[..., i] for each in buckets) for i, bound in enumerate(BOUNDS)}
        bad, over = slow[SLOW], slow[QUANTILE_LIMIT][0]
        scores = tuple(find_quantile(fold_minutes(each, interval), 0.95) for each in buckets)
    else:
        total, bad = (tuple(pick(side) for side in sides) for pick in (_all, _bad))
        over = bad[0]
        scores = tuple(
            divide(fold_minutes(one, interval), fold_minutes(whole, interval))
            for one, whole in zip(bad, total, strict=True)
        )
    clock = rollout.clock
    return Tally(
        world.kind, interval, world.margin, clock.weights, total, bad, over, scores, levels, slow, rollout.blind
    )


def fold_minutes(values: Array, interval: float) -> Array:
    """Sums over minutes of values by tick [run, tick, ...]."""
    per = round(MINUTE / interval)
    minutes = values.shape[1] // per
    return values[:, : minutes * per].reshape(values.shape[0], minutes, per, *values.shape[2:]).sum(axis=2)


def divide(part: Array, whole: Array) -> Array:
    """NaN where the whole is nothing."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def find_quantile(buckets: Array, share: float) -> Array:
    """As PromQL's `histogram_quantile`: linear within the bucket; NaN without answers. `buckets` are cumulative, the
    last one holds all [..., bucket].
    """
    total = buckets[..., -1]
    wanted = share * total
    place = np.minimum((buckets[..., :-1] < wanted[..., None]).sum(axis=-1), len(BOUNDS) - 1)
    edges = np.array((0.0, *BOUNDS))
    counts = np.concatenate([np.zeros((*buckets.shape[:-1], 1)), buckets[..., :-1]], axis=-1)
    below = np.take_along_axis(counts, place[..., None], axis=-1)[..., 0]
    above = np.take_along_axis(counts, place[..., None] + 1, axis=-1)[..., 0]
    part = np.clip(divide(wanted - below, above - below), 0.0, 1.0)
    return np.where(total > 0, edges[place] + np.nan_to_num(part) * (edges[place + 1] - edges[place]), np.nan)


def _all(side: Side) -> Array:
    return side.growth.sum(axis=(2, 3))


def _bad(side: Side) -> Array:
    return side.growth[..., 1].sum(axis=2)
