"""What can be wrong with times in a spec, checked again in Python: see `serinus.api.validate`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from serinus.api.meta import parse_duration
from serinus.api.problems import Problem

_ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


def check_cron(field: str, cron: str) -> Iterator[Problem]:
    """Find what is wrong with the cron fields at `field`."""
    try:
        CronSim(cron, _ANY_TIME)
    except CronSimError as error:
        message = f'must be five cron fields that come true some day, such as "0 17 * * 5": {error}'
        yield Problem(field, cron, message)


def check_time_zone(field: str, time_zone: str | None) -> Iterator[Problem]:
    """Find out whether there is such a time zone; none given is UTC."""
    try:
        ZoneInfo(time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem(field, time_zone, "must be an IANA time zone, such as Europe/Paris")


def check_some_time(field: str, duration: str | None) -> Iterator[Problem]:
    """Find out whether a duration that is given lasts."""
    if duration is not None and not parse_duration(duration):
        yield Problem(field, duration, "must be longer than 0s")
