"""Blackouts: recurring times in which no training starts, or no candidate is promoted."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from serinus.api.meta import parse_duration
from serinus.api.presets import ResolvedFreeze
from serinus.api.retrainpolicy import Blackout, Held
from serinus.core.freeze import Freeze, find_freeze


def find_blackout(blackouts: Iterable[Blackout], what: Held, now: datetime) -> Freeze | None:
    """The blackout in force for `what`, those that overlap or follow each other taken as one; None outside of all."""
    resolved = tuple(
        ResolvedFreeze(one.cron, parse_duration(one.duration), ZoneInfo(one.time_zone or "UTC"))
        for one in blackouts
        if one.holds is None or what in one.holds
    )
    return find_freeze(resolved, now)
