"""What is read from series, added up."""

from collections.abc import Sequence

from serinus.core.counters import Point


def add_up(points: Sequence[Point]) -> dict[str, float]:
    """What points come to, by key."""
    sums: dict[str, float] = {}
    for point in points:
        for key in point.keys:
            sums[key] = sums.get(key, 0.0) + point.value
    return sums
