"""When a metric is to be looked at next, and how long nothing has been known of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from serinus.api.meta import parse_duration
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


def silent_at(spec: RetrainPolicySpec, states: Iterable[TriggerState]) -> dict[str, datetime]:
    """From when on `find_silence` tells of each metric trigger of which nothing that counts is known just now."""
    triggers = {one.name: one for one in spec.triggers}
    moments = ((one.name, _silent_at(triggers[one.name], one)) for one in states if one.name in triggers)
    return {name: moment for name, moment in moments if moment is not None}


def _silent_at(trigger: Trigger, state: TriggerState) -> datetime | None:
    period, since = period_of(trigger), _unknown_since(state)
    ignored = trigger.metric is not None and trigger.metric.on_no_data == "Ignore"
    if period is None or since is None or ignored or state.reason in ("", "Warmup"):
        return None
    return since + SILENT_AFTER * period


def _unknown_since(state: TriggerState) -> datetime | None:
    moments = (state.known_at, state.since if state.state == "Unknown" else None)
    return max((one for one in moments if one is not None), default=None)


def _describe_silence(trigger: Trigger, state: TriggerState, now: datetime) -> str:
    moment, since = _silent_at(trigger, state), _unknown_since(state)
    if moment is None or since is None or now < moment:
        return ""
    # Since when, not for how long: a sentence that is another in each pass is written in each pass.
    return f"{trigger.name}: {state.reason} since {since:%Y-%m-%d %H:%M:%SZ}: {state.message}"


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
