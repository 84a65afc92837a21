"""When a metric is to be looked at next, and how long nothing has been known of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from serinus.api.meta import format_duration, parse_duration
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import TriggerState
from serinus.api.triggers import Trigger
from serinus.core.retrain.limits import resolve_metric

SILENT_AFTER: Final = 3
"""Windows without a value that counts, after which it is told."""
_ROWS_EVERY: Final = "15m"
_SOONEST: Final = timedelta(seconds=15)
_LATEST: Final = timedelta(minutes=5)


def next_look(
    spec: RetrainPolicySpec, states: Iterable[TriggerState], now: datetime, warm_until: datetime | None = None
) -> dict[str, datetime]:
    """When each metric and newData trigger must be looked at: once a window at most, at once while nothing is known
    (whoever asks does it again and again, see `retry_after`), and not before `warm_until`."""
    known = {one.name: one for one in states}
    return {
        one.name: _next(one, known.get(one.name), now, warm_until)
        for one in spec.triggers
        if period_of(one) is not None
    }


def retry_after(period: timedelta, tries: int) -> timedelta:
    """How long after a look in vain the next one comes: soon at first, once a period at last."""
    soon = min(max(period / 12, _SOONEST), _LATEST, period)
    return min(soon * int(2 ** min(tries, 16)), period)


def find_silence(spec: RetrainPolicySpec, states: Iterable[TriggerState], now: datetime) -> tuple[str, ...]:
    """A sentence for each metric trigger of which nothing that counts was known for three windows, and that is to be
    told (onNoData). A warm-up is no silence."""
    known = {one.name: one for one in states}
    said = [_describe_silence(one, known[one.name], now) for one in spec.triggers if one.name in known]
    return tuple(one for one in said if one)


def _describe_silence(trigger: Trigger, state: TriggerState, now: datetime) -> str:
    period = period_of(trigger)
    ignored = trigger.metric is not None and trigger.metric.on_no_data == "Ignore"
    if period is None or ignored or state.reason in ("", "Warmup"):
        return ""
    moments = [one for one in (state.known_at, state.since if state.state == "Unknown" else None) if one is not None]
    if not moments or now - max(moments) < SILENT_AFTER * period:
        return ""
    return f"{trigger.name}: {state.reason} for {format_duration(_whole_seconds(now - max(moments)))}: {state.message}"


def _next(trigger: Trigger, state: TriggerState | None, now: datetime, warm_until: datetime | None) -> datetime:
    period = period_of(trigger) or _LATEST
    if state is None or state.reason:
        due = now
    elif trigger.metric is not None and state.last_window_end is not None:
        due = state.last_window_end + period + resolve_metric(trigger.metric).delay
    else:
        due = now if state.known_at is None else state.known_at + period
    # A memory of a clock that was ahead must not keep it from being looked at.
    due = min(due, now + period)
    return max(due, warm_until) if warm_until is not None and trigger.metric is not None else due


def period_of(trigger: Trigger) -> timedelta | None:
    """How often a trigger is looked at: once a window. None for kinds that look at no metric."""
    if trigger.metric is not None:
        return resolve_metric(trigger.metric).window
    return parse_duration(trigger.new_data.every or _ROWS_EVERY) if trigger.new_data is not None else None


def _whole_seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=round(duration.total_seconds()))
