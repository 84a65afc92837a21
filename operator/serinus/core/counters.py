"""From raw counters to increments, without ever losing a failure.

`rate()` and `increase()` cannot see the first failures of a new series (Prometheus 2.42: a counter that appears with
the value 20 and stands still has an increase of 0), and every canary is a new series. So the raw samples are subtracted
here, series by series: a series that was absent a moment ago counts from 0, a counter that fell has been restarted and
counts from 0 too."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

TOTAL: Final = "total"
BAD: Final = "bad"
LEVEL: Final = "level"
"""Key of a gauge's value, which is not subtracted."""

Sums = Mapping[str, float]
"""By key: `TOTAL`, `BAD`, or a bound of a histogram (see `bound_key`)."""


@dataclass(frozen=True, slots=True)
class Point:
    """The newest sample of one series.

    `series` identifies it (all its labels), `unit` is the pod or proxy whose answers it counts, `source` the scraped
    target, `at` the sample's own Unix time in seconds. `keys` are the sums that its growth adds to: a counter of all
    requests has (TOTAL,), one of failures that another series counts as requests (BAD,), one of failures that no other
    series counts (TOTAL, BAD), a cumulative bucket (bound_key(le),), the bucket +Inf (TOTAL,), a gauge (LEVEL,).
    """

    series: str
    unit: str
    source: str
    value: float
    at: float
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """Last value seen of every series of one revision, and the targets that have been seen at all."""

    values: Mapping[str, float]
    sources: frozenset[str]


@dataclass(frozen=True)
class Increment:
    """Growth since the previous look by unit and key, how many counters began anew (their process was restarted), and
    the time of the newest sample (Unix seconds, None without any).
    """

    units: Mapping[str, Sums]
    resets: int = 0
    at: float | None = None

    def sum_of(self, key: str) -> float:
        """Growth of one key over all units; 0.0 where nothing counted it."""
        return sum(sums.get(key, 0.0) for sums in self.units.values())


def bound_key(seconds: float) -> str:
    """The key of the cumulative bucket "not slower than `seconds`"."""
    return f"le:{seconds:g}"


def bound_of(key: str) -> float | None:
    """The bound in seconds that a key stands for, None for every other key."""
    return float(key[3:]) if key.startswith("le:") else None


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
    units: dict[str, dict[str, float]] = {}
    resets = 0
    newest: float | None = None
    for point in points:
        value, series = point.value, point.series
        if newest is None or point.at > newest:
            newest = point.at
        before = values.get(series)
        if before is None:
            before = 0.0 if born_in_rollout or point.source in ledger.sources else value
        values[series] = value
        if value < before:
            resets += 1
            before = 0.0
        sums = units.setdefault(point.unit, {})
        for key in point.keys:
            sums[key] = sums.get(key, 0.0) + value - before
    return Ledger(values, ledger.sources | frozenset(sources)), Increment(units, resets, newest)


def choose_points(
    ledger: Ledger | None, points: Iterable[Point], wanted: frozenset[str]
) -> tuple[Ledger | None, list[Point]]:
    """The points that add to a wanted sum, and a ledger that has forgotten the others of these series: a histogram has
    many more buckets than are looked at.
    """
    kept, needless = [], set()
    for point in points:
        if wanted.isdisjoint(point.keys):
            needless.add(point.series)
        else:
            kept.append(point)
    if ledger is None or needless.isdisjoint(ledger.values):
        return ledger, kept
    return Ledger({s: v for s, v in ledger.values.items() if s not in needless}, ledger.sources), kept


def sum_points(points: Iterable[Point]) -> dict[str, dict[str, float]]:
    """What the series hold altogether, by unit and key: everything since their processes began."""
    units: dict[str, dict[str, float]] = {}
    for point in points:
        sums = units.setdefault(point.unit, {})
        for key in point.keys:
            sums[key] = sums.get(key, 0.0) + point.value
    return units


def find_not_numbers(points: Iterable[Point]) -> tuple[str, ...]:
    """Series whose newest value is NaN or infinite, or a count below 0: such an answer is unknown as a whole, neither
    good nor bad.
    """
    return tuple(p.series for p in points if not math.isfinite(p.value) or (p.value < 0 and LEVEL not in p.keys))
