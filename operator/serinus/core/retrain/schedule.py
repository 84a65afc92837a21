"""A trigger by the calendar. Times that were missed collapse into one; a time is never taken twice, whatever the clock
does, and a policy that is new has missed nothing."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from serinus.api.meta import parse_duration
from serinus.api.retrainstatus import TriggerState
from serinus.api.triggers import ScheduleTrigger
from serinus.core.retrain.states import move, update

WRONG_CLOCK: Final = timedelta(days=1)
"""A time of the calendar that was taken, and lies further ahead than this, was taken by a clock that was wrong."""


def assess_schedule(
    spec: ScheduleTrigger, name: str, state: TriggerState | None, now: datetime, *, uid: str, since: datetime
) -> TriggerState:
    """Fire for the newest time of the calendar that has come since the last one, or since `since` (when the policy was
    made). `uid` of the policy decides about the jitter. `last_fired` is the time that it stands for."""
    state = state or TriggerState(name=name, state="Clear", since=now)
    last = state.last_fired or since
    if last > now + WRONG_CLOCK:
        return update(state, last_fired=now, message="the clock went back: counted from now on")
    late = jitter_of(spec, name, uid)
    due = _newest(spec, now - late)
    if due is not None and due > last:
        state = move(state, "Firing", now, last_fired=due, message=f"the time of {due:%Y-%m-%d %H:%M:%SZ} has come")
    elif state.state == "Unknown":
        state = move(state, "Clear", now)
    patience = None if spec.starting_deadline is None else parse_duration(spec.starting_deadline)
    taken = state.last_fired
    if state.state == "Firing" and patience is not None and taken is not None and now > taken + late + patience:
        message = f"the time of {taken:%Y-%m-%d %H:%M:%SZ} was missed by more than startingDeadline: passed over"
        return move(state, "Clear", now, message=message)
    return state


def next_schedule(
    spec: ScheduleTrigger, name: str, state: TriggerState | None, now: datetime, *, uid: str
) -> datetime | None:
    """When the calendar fires next, jitter included; None where it never does."""
    late = jitter_of(spec, name, uid)
    last = state.last_fired if state is not None else None
    after = now - late if last is None else max(now - late, last)
    due = next(CronSim(spec.cron, after.astimezone(_zone_of(spec))), None)
    return None if due is None else due.astimezone(UTC) + late


def jitter_of(spec: ScheduleTrigger, name: str, uid: str) -> timedelta:
    """By how much this policy is later than the calendar: always the same, less than `jitter`, in whole seconds."""
    longest = parse_duration(spec.jitter).total_seconds() if spec.jitter else 0.0
    share = int.from_bytes(hashlib.sha256(f"{uid}/{name}".encode()).digest()[:8]) / 2**64
    return timedelta(seconds=int(share * longest))


def _newest(spec: ScheduleTrigger, at: datetime) -> datetime | None:
    """The newest time of the calendar up to `at`, which counts itself."""
    # Going backwards excludes the moment itself.
    for due in CronSim(spec.cron, (at + timedelta(minutes=1)).astimezone(_zone_of(spec)), reverse=True):
        if due <= at:
            return due.astimezone(UTC)
    return None


def _zone_of(spec: ScheduleTrigger) -> ZoneInfo:
    return ZoneInfo(spec.time_zone or "UTC")
