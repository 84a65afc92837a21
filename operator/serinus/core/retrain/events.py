"""Triggers by what others tell: events with a key, and rollbacks of the ModelDeployment. Each is taken in once, however
often it is told: what was taken is remembered by a short mark of it."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from serinus.api import reasons
from serinus.api.retrainstatus import TriggerState
from serinus.api.status import CommandOutcome, RejectedState
from serinus.api.triggers import EventTrigger, RolledBackTrigger, Trigger
from serinus.core.retrain.states import move, update

MAX_KEYS: Final = 64
"""Marks that are remembered, the newest last."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that another system tells. The same `key` (of one type and source) is the same event. `by` is who
    brought it, where that is known."""

    type: str
    key: str
    source: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an event: the states and keys to keep, and an answer in the words of `LastCommand`."""

    states: tuple[TriggerState, ...]
    keys: tuple[str, ...]
    outcome: CommandOutcome
    message: str


def mark_of(*parts: str) -> str:
    """16 hex digits that stand for these texts."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


def remember_key(keys: Sequence[str], mark: str) -> tuple[str, ...]:
    """`keys` with one more mark, the oldest left out where there is no room."""
    return (*(one for one in keys if one != mark), mark)[-MAX_KEYS:]


def take_event(
    triggers: Iterable[Trigger], states: Sequence[TriggerState], keys: Sequence[str], event: Event, now: datetime
) -> Taken:
    """Fire every trigger that the event is for. One whose key has been taken before, or that no trigger is for, changes
    nothing; the latter is not remembered, since a trigger for it may be added."""
    mark = mark_of("event", event.type, event.source or "", event.key)
    if mark in keys:
        return Taken(tuple(states), tuple(keys), "Ignored", f"event {event.key!r} was taken in before")
    names = {one.name for one in triggers if one.event is not None and _is_for(one.event, event)}
    if not names:
        source = f" from {event.source}" if event.source else ""
        return Taken(tuple(states), tuple(keys), "Ignored", f"no trigger is for events {event.type!r}{source}")
    known = {one.name: one for one in states}
    message = f"event {event.type} {event.key}" + (f" by {event.by}" if event.by else "")
    fired = {
        name: move(known.get(name) or TriggerState(name=name), "Firing", now, last_fired=now, message=message)
        for name in sorted(names)
    }
    after = (*(fired.pop(one.name, one) for one in states), *fired.values())
    return Taken(after, remember_key(keys, mark), "Accepted", f"fires {', '.join(sorted(names))}")


def assess_event(name: str, state: TriggerState | None, now: datetime) -> TriggerState:
    """An event fires when it is taken, and then waits for its run; time alone changes nothing."""
    state = state or TriggerState(name=name)
    return move(state, "Clear", now) if state.state == "Unknown" else state


def assess_rolled_back(
    spec: RolledBackTrigger,
    name: str,
    state: TriggerState | None,
    rejected: RejectedState | None,
    *,
    is_own: bool,
    now: datetime,
    since: datetime,
) -> TriggerState:
    """Fire once for each revision that was rejected after `since` (when the policy was made). `is_own` says that its
    model was made by a run of this policy, which is known to have been trained on what there is."""
    state = assess_event(name, state, now)
    if rejected is None or rejected.at is None or is_own or rejected.at <= (state.last_fired or since):
        return state
    if spec.reasons and rejected.reason not in spec.reasons:
        return state
    if not spec.reasons and rejected.reason == reasons.ABORTED:
        return state
    message = f"{rejected.revision} was rejected: {rejected.reason}"
    state = move(state, "Firing", now, message=message)
    return update(state, last_fired=rejected.at)


def _is_for(spec: EventTrigger, event: Event) -> bool:
    return spec.type == event.type and spec.source in (None, event.source)
