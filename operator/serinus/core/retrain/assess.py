"""All triggers of a policy at one moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import TriggerState
from serinus.api.status import RejectedState
from serinus.api.triggers import Trigger
from serinus.core.retrain.events import assess_event, assess_rolled_back
from serinus.core.retrain.groups import keep_known
from serinus.core.retrain.newdata import assess_new_data
from serinus.core.retrain.reading import Reading
from serinus.core.retrain.schedule import assess_schedule, next_schedule
from serinus.core.retrain.triggers import assess_metric


@dataclass(frozen=True, slots=True)
class Seen:
    """What the triggers get to see: the policy's uid, since when it is there, the newest reading of each metric by
    trigger, until when metrics are about another revision, and what the ModelDeployment rejected last (`is_own` says
    that a run of this policy made that model).
    """

    uid: str
    since: datetime
    readings: Mapping[str, Reading] = field(default_factory=dict)
    warm_until: datetime | None = None
    rejected: RejectedState | None = None
    is_own: bool = False


def assess_triggers(
    spec: RetrainPolicySpec, states: Iterable[TriggerState], seen: Seen, now: datetime
) -> tuple[TriggerState, ...]:
    """The states of all triggers of the spec, in its order; those of others are dropped. Seen twice changes nothing."""
    known = keep_known(spec, states)
    return tuple(_assess(one, known.get(one.name), seen, now) for one in spec.triggers)


def find_next_schedule(
    spec: RetrainPolicySpec, states: Iterable[TriggerState], now: datetime, uid: str
) -> datetime | None:
    """When the calendar fires next, None without one."""
    known = keep_known(spec, states)
    moments = (
        next_schedule(one.schedule, one.name, known.get(one.name), now, uid=uid)
        for one in spec.triggers
        if one.schedule is not None
    )
    return min((one for one in moments if one is not None), default=None)


def _assess(trigger: Trigger, state: TriggerState | None, seen: Seen, now: datetime) -> TriggerState:
    name, reading = trigger.name, seen.readings.get(trigger.name)
    if trigger.metric is not None:
        return assess_metric(trigger.metric, name, state, reading, now, warm_until=seen.warm_until)
    if trigger.schedule is not None:
        return assess_schedule(trigger.schedule, name, state, now, uid=seen.uid, since=seen.since)
    if trigger.new_data is not None:
        return assess_new_data(trigger.new_data, name, state, reading, now)
    if trigger.rolled_back is not None:
        return assess_rolled_back(
            trigger.rolled_back, name, state, seen.rejected, is_own=seen.is_own, now=now, since=seen.since
        )
    return assess_event(name, state, now)
