"""Freeze windows: recurring times in which no rollout advances. They never stand in the way of a rollback."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from serinus.api.presets import ResolvedFreeze

HORIZON = timedelta(days=366)
"""A freeze that does not end within this time never ends, for all that a person can wait."""
MAX_WINDOWS = 1_000
"""Windows that follow each other without a gap are looked through up to this many."""


@dataclass(frozen=True)
class Freeze:
    """A freeze in force: the window it began with, and its end. `until` is None where it never ends."""

    cron: str
    until: datetime | None


def find_freeze(freezes: tuple[ResolvedFreeze, ...], now: datetime) -> Freeze | None:
    """The freeze in force at `now`, windows that overlap or follow each other taken as one; None outside of all."""
    first: ResolvedFreeze | None = None
    until = now
    for _ in range(MAX_WINDOWS):
        covering = [(end, one) for one in freezes if (end := _end_of_window(one, until)) is not None]
        if not covering:
            return Freeze(first.cron, until) if first is not None else None
        until, longest = max(covering, key=lambda pair: pair[0])
        first = first or longest
        if until - now > HORIZON:
            break
    return Freeze(first.cron, None) if first is not None else None


def _end_of_window(freeze: ResolvedFreeze, at: datetime) -> datetime | None:
    """The end of the youngest window that has begun by `at`, if that is still to come."""
    # Going backwards excludes the moment itself; a window that begins right now counts.
    starts = CronSim(freeze.cron, (at + timedelta(minutes=1)).astimezone(freeze.time_zone), reverse=True)
    for start in starts:
        if start <= at:
            end = start.astimezone(UTC) + freeze.duration
            return end if end > at else None
    return None
