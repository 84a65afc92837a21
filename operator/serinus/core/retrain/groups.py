"""Which triggers come together, what asks for a run, and what a run does to the triggers that asked for it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import SignalSummary, TriggerReason, TriggerState
from serinus.api.triggers import Trigger
from serinus.core.retrain.limits import resolve_metric
from serinus.core.retrain.records import RunRecord
from serinus.core.retrain.states import move, update
from serinus.core.words import plain_number

COMMAND: Final = "command"
"""The trigger of a reason that a person gave."""

_NEAREST: Final = ("Firing", "Pending", "Latched", "Unknown", "Clear")


def kind_of(trigger: Trigger) -> str:
    """metric, schedule, newData, event or rolledBack."""
    kinds = {
        "metric": trigger.metric,
        "schedule": trigger.schedule,
        "newData": trigger.new_data,
        "event": trigger.event,
        "rolledBack": trigger.rolled_back,
    }
    return next(kind for kind, given in kinds.items() if given is not None)


def list_groups(spec: RetrainPolicySpec) -> tuple[tuple[str, ...], ...]:
    """The groups of names of which one must fire as a whole. By default each trigger is one; Drift is none where a
    Quality or Business trigger tells whether it harms."""
    if spec.trigger_policy is not None:
        return spec.trigger_policy.any
    signals = {one.name: resolve_metric(one.metric).signal for one in spec.triggers if one.metric is not None}
    confirmed = any(signal != "Drift" for signal in signals.values())
    return tuple((one.name,) for one in spec.triggers if not (confirmed and signals.get(one.name) == "Drift"))


def fired_groups(spec: RetrainPolicySpec, states: Iterable[TriggerState]) -> tuple[tuple[str, ...], ...]:
    """The groups all of whose triggers fire, and are known to: one whose last look was in vain starts nothing until
    something is known again."""
    firing = {one.name for one in states if is_firing(one)}
    return tuple(group for group in list_groups(spec) if firing.issuperset(group))


def is_firing(state: TriggerState) -> bool:
    """Whether it fires, and the last look at it was not in vain."""
    return state.state == "Firing" and not state.reason


def build_reasons(
    spec: RetrainPolicySpec, states: Iterable[TriggerState], now: datetime, *, asked: bool = False
) -> tuple[TriggerReason, ...]:
    """Everything that asks for a run, those first that make up a group; empty where no group fires. `asked` gives all
    that fires, whether or not it is enough to start by itself."""
    states = tuple(states)
    enough = {name for group in fired_groups(spec, states) for name in group}
    if not enough and not asked:
        return ()
    triggers = {one.name: one for one in spec.triggers}
    firing = sorted((one for one in states if is_firing(one)), key=lambda one: one.name not in enough)
    return tuple(_build_reason(triggers[one.name], one, now) for one in firing if one.name in triggers)


def build_latched(
    spec: RetrainPolicySpec, states: Iterable[TriggerState], names: Collection[str], now: datetime
) -> tuple[TriggerReason, ...]:
    """What a run has answered and is still so, as reasons of the run that takes its place."""
    triggers = {one.name: one for one in spec.triggers if one.name in names}
    latched = (one for one in states if one.state == "Latched" and one.name in triggers)
    return tuple(_build_reason(triggers[one.name], one, now) for one in latched)


def answer_triggers(
    spec: RetrainPolicySpec, states: Sequence[TriggerState], names: Collection[str], now: datetime
) -> tuple[TriggerState, ...]:
    """The states once a run has been started for the triggers of these names: what is so (metric, newData) is latched,
    what happened is over. The rows that are there now are old to every newData trigger."""
    kinds = {one.name: kind_of(one) for one in spec.triggers}
    return tuple(_answer(one, kinds.get(one.name), one.name in names, now) for one in states)


def pass_over(states: Sequence[TriggerState], names: Collection[str], now: datetime) -> tuple[TriggerState, ...]:
    """The states once what happened has been passed over without a run: armed again."""
    return tuple(move(one, "Clear", now) if one.name in names and one.state == "Firing" else one for one in states)


def settle_triggers(
    spec: RetrainPolicySpec, states: Sequence[TriggerState], run: RunRecord, now: datetime
) -> tuple[TriggerState, ...]:
    """The states once a run has ended, to be called once. After a success a metric stays latched until it has cleared,
    and so it does where a person cancelled the run; after any other end it asks again, and cooldown with its back-off
    says when. New data ask again only where nobody was trained on them."""
    kinds = {one.name: kind_of(one) for one in spec.triggers}
    used = run.phase not in ("Failed", "Lost")
    cured = run.phase in ("Succeeded", "Cancelled")

    def settle(state: TriggerState) -> TriggerState:
        kind = kinds.get(state.name)
        if state.state != "Latched" or state.name not in run.triggers:
            return state
        if kind == "newData":
            return move(state, "Clear", now, baseline=state.value, message="") if used else move(state, "Firing", now)
        return state if cured else move(state, "Firing", now, windows=0)

    return tuple(map(settle, states))


def keep_known(spec: RetrainPolicySpec, states: Iterable[TriggerState]) -> dict[str, TriggerState]:
    """The states of triggers that the spec still has."""
    names = {one.name for one in spec.triggers}
    return {one.name: one for one in states if one.name in names}


def build_summary(states: Iterable[TriggerState]) -> SignalSummary | None:
    """The trigger that is nearest to firing, for the columns of kubectl; a metric rather than another."""
    ranked = sorted(states, key=lambda one: (_NEAREST.index(one.state), one.value is None, -one.windows))
    if not ranked:
        return None
    first = ranked[0]
    return SignalSummary(name=first.name, state=first.state, value=first.value, samples=first.samples)


def merge_reasons(old: Iterable[TriggerReason], new: Iterable[TriggerReason]) -> tuple[TriggerReason, ...]:
    """Both, newer figures of the same trigger in place of older ones; at most 16."""
    merged: Mapping[str, TriggerReason] = {one.trigger: one for one in (*old, *new)}
    return tuple(merged.values())[-16:]


def _build_reason(trigger: Trigger, state: TriggerState, now: datetime) -> TriggerReason:
    at = state.since or now
    kind = kind_of(trigger)
    if trigger.metric is None:
        return TriggerReason(trigger=trigger.name, kind=kind, value=state.value, at=at, message=state.message)
    return TriggerReason(
        trigger=trigger.name,
        kind=kind,
        value=state.value,
        threshold=plain_number(resolve_metric(trigger.metric).fire),
        samples=state.samples,
        window_end=state.last_window_end,
        first_bad_at=state.first_bad_at,
        at=at,
        message=f"{state.message}: {trigger.metric.query}",
    )


def _answer(state: TriggerState, kind: str | None, named: bool, now: datetime) -> TriggerState:
    if kind == "newData" and state.state != "Latched" and not (named and state.state == "Firing"):
        return update(state, baseline=state.value or state.baseline)
    if not named or state.state != "Firing":
        return state
    return move(state, "Latched" if kind in ("metric", "newData") else "Clear", now, windows=0)
