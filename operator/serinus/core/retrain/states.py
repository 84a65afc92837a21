"""Changing the state of a trigger: always a validated copy, so that texts are cut and times are those of a status."""

from datetime import datetime
from typing import Any

from serinus.api.retrainstatus import TriggerState, TriggerStateName


def update(old: TriggerState, **changes: Any) -> TriggerState:
    """The same state with other figures."""
    return TriggerState.model_validate(old.model_dump() | changes)


def move(state: TriggerState, after: TriggerStateName, now: datetime, **changes: Any) -> TriggerState:
    """Into another state; `since` stays where it is the one it was."""
    since = state.since if state.state == after and state.since is not None else now
    return update(state, state=after, since=since, **changes)
