"""What a scraper has seen of the counters: they only grow, but for restarts; scrapes fail; a new pod has none yet."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tests.bench.judge.draws import Array
from tests.bench.judge.weather import Side

WINDOW = 3
"""Ticks after which a sample is too old to be given."""

UNSEEN = -1


@dataclass(frozen=True)
class Exposition:
    """The newest samples at the end of each tick: `values` [run, tick, pod, counter], and their `ages` in ticks
    [run, tick, pod], `UNSEEN` where there is none. `first` are the values before the first tick [run, pod, counter].
    """

    values: Array
    ages: npt.NDArray[np.int64]
    first: Array

    @property
    def last(self) -> Array:
        """The values at the very end [run, pod, counter], seen or not."""
        return self.values[:, -1]


def expose_counters(side: Side, first: Array | None = None, *, window: int = WINDOW) -> Exposition:
    """Counters that begin at `first` [run, pod, counter], or at 0. `window` 0 gives no sample that is not new."""
    value = np.zeros(side.growth[:, 0].shape) if first is None else first
    begin, values = value, np.empty(side.growth.shape)
    for tick in range(values.shape[1]):
        restarted = side.restarted[:, tick, :, None]
        value = np.where(restarted, side.fresh[:, tick], value + side.growth[:, tick])
        values[:, tick] = value
    return _show(side, values, begin, window)


def expose_level(side: Side) -> Exposition:
    """A gauge is shown as it is."""
    return _show(side, side.growth, side.growth[:, 0], WINDOW)


def merge_pods(side: Side) -> Side:
    """What a gateway counts, that knows a revision only as one: it never restarts, and every scrape succeeds."""
    growth = side.growth.sum(axis=2, keepdims=True)
    never = np.zeros(growth.shape[:3], bool)
    return replace(side, growth=growth, fresh=growth, restarted=never, scraped=~never)


def _show(side: Side, values: Array, first: Array, window: int) -> Exposition:
    ticks = np.arange(values.shape[1])[None, :, None]
    newest = np.maximum.accumulate(np.where(side.scraped, ticks, -window - 1), axis=1)
    ages = np.where(ticks - newest <= window, ticks - newest, UNSEEN)
    seen = np.take_along_axis(values, np.maximum(newest, 0)[..., None], axis=1)
    return Exposition(np.where(ages[..., None] == UNSEEN, values, seen), ages, first)
