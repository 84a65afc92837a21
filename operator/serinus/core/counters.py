"""From raw counters to increments, without ever losing a failure.

`rate()` and `increase()` cannot see the first failures of a new series (Prometheus 2.42: a counter that appears with
the value 20 and stands still has an increase of 0), and every canary is a new series. So the raw samples are subtracted
here, series by series: a series that was absent a moment ago counts from 0, a counter that fell has been restarted and
counts from 0 too."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """The newest sample of one counter series.

    `series` identifies it (all its labels), `source` is the scraped target, `at` the sample's own Unix time in seconds.
    """

    series: str
    source: str
    value: float
    at: float
    bad: bool


@dataclass(frozen=True)
class Ledger:
    """Last value seen of every series of one revision, and the targets that have been seen at all."""

    values: Mapping[str, float]
    sources: frozenset[str]


@dataclass(frozen=True)
class Increment:
    """Requests and failures since the previous look, and the time of the newest sample (Unix seconds, None without
    any).
    """

    total: float = 0.0
    bad: float = 0.0
    at: float | None = None


def open_ledger(points: Iterable[Point], sources: Iterable[str]) -> Ledger:
    """A ledger that counts from now: what the series hold already belongs to the past."""
    return Ledger(values={p.series: p.value for p in points}, sources=frozenset(sources))


def observe_points(
    ledger: Ledger, points: Iterable[Point], sources: Iterable[str], *, born_in_rollout: bool
) -> tuple[Ledger, Increment]:
    """The ledger after `points`, and what they add.

    `born_in_rollout` says that every series of this revision is younger than the ledger (a candidate), so an unknown
    one counts from 0 whatever its target. For an older revision an unknown series counts from 0 only if its target has
    been seen before: a gateway replica that was out of sight brings its whole past with it, and that is not news."""
    values = dict(ledger.values)
    total = bad = 0.0
    newest: float | None = None
    for point in points:
        newest = point.at if newest is None else max(newest, point.at)
        before = values.get(point.series)
        if before is None:
            before = 0.0 if born_in_rollout or point.source in ledger.sources else point.value
        grown = point.value - before if point.value >= before else point.value
        values[point.series] = point.value
        total += grown
        bad += grown if point.bad else 0.0
    return Ledger(values, ledger.sources | frozenset(sources)), Increment(total, bad, newest)


def find_not_numbers(points: Iterable[Point]) -> tuple[str, ...]:
    """Series whose newest value is NaN or infinite: such an answer is unknown as a whole, neither good nor bad."""
    return tuple(point.series for point in points if not math.isfinite(point.value) or point.value < 0)
