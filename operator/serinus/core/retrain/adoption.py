"""Runs that were made by a pass that did not get to say so: an operator that died in between has decided all the same,
and what it decided is in the record. It asks for no second run, and the command that started one is not refused."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import TriggerReason, TriggerState
from serinus.core.retrain.commands import Retrain
from serinus.core.retrain.groups import COMMAND, answer_triggers
from serinus.core.retrain.records import RunRecord, find_active
from serinus.core.retrain.states import move


def find_unsaid(runs: Iterable[RunRecord], known: int) -> RunRecord | None:
    """The run under way that the status does not know of; `known` is the number of the last one that it does."""
    active = find_active(runs)
    return active if active is not None and active.number > known else None


def adopt_triggers(
    spec: RetrainPolicySpec, states: Sequence[TriggerState], run: RunRecord, now: datetime
) -> tuple[TriggerState, ...]:
    """The states once the triggers that the run was made for are answered, with what they had seen by then."""
    reasons = {one.trigger: one for one in run.reasons}
    fired = [_fire(one, reasons[one.name], now) if one.name in reasons else one for one in states]
    return answer_triggers(spec, fired, tuple(reasons), now)


def has_started(command: Retrain, runs: Iterable[RunRecord], known: int) -> bool:
    """Whether a run that the status does not know of was made for this command."""
    return any(
        reason.message == TriggerReason(trigger=COMMAND, at=reason.at, message=command.text).message
        and reason.by == command.by
        for run in runs
        if run.number > known
        for reason in run.reasons
        if reason.trigger == COMMAND
    )


def _fire(state: TriggerState, reason: TriggerReason, now: datetime) -> TriggerState:
    """What happened once (a schedule, an event) is seen again as it was; what a look has shown may not be."""
    if reason.kind not in ("metric", "newData") or state.state in ("Firing", "Latched"):
        return state
    return move(
        state,
        "Firing",
        now,
        reason="",
        value=reason.value,
        samples=reason.samples,
        first_bad_at=reason.first_bad_at,
        last_window_end=reason.window_end or state.last_window_end,
        last_fired=reason.at,
        message=reason.message,
    )
