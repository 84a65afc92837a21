"""Whether a run starts now, waits, or is not the cure.

What a trigger asks for passes these in turn; the first that stands in the way is told:

    a group of triggers fires      else nothing
    actionOrder                    a degradation that began with a release is taken back, not trained over
    mode Observe                   tells, and arms what is no metric again
    suspend
    a run under way                by concurrencyPolicy
    cooldown                       from the end of the last run
    same data, same code           would make the same model
    budget                         runs and accelerator-hours
    blackout
    mode Recommend                 tells, and waits for a person

A person's command `retrain` ignores mode, cooldown and the comparison of data, because a person who asks again has a
reason; and it is never answered by a rollback. It does not get past suspend and concurrencyPolicy Forbid, which other
people set to keep everybody out, and is refused. With budget.onExceeded RequireApproval it is the approval that is
asked for; with Skip the budget stands, and it is refused. In a blackout, or behind a run under way, it waits.

A rollback waits for suspend only: no cooldown, budget or blackout keeps a good model from coming back."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from serinus.api import retrainreasons as words
from serinus.api.meta import parse_duration, spell_command
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import PendingRun, SuppressedCount, TriggerReason
from serinus.core.retrain.commands import Retrain, was_taken
from serinus.core.retrain.groups import COMMAND, build_latched, build_reasons, kind_of, merge_reasons
from serinus.core.retrain.limits import resolve_metric
from serinus.core.retrain.obstacles import FOR_PEOPLE, FOR_TRIGGERS, Rule, find_overspend
from serinus.core.retrain.records import find_active
from serinus.core.retrain.standing import Decision, Hold, Nothing, Reply, Rollback, Served, Standing, Start

_EDGES: Final = frozenset({"schedule", "event", "rolledBack"})
"""Kinds that stand for something that happened, and not for something that is so."""
_COUNTED: Final = 16


def decide_start(s: Standing) -> Decision:
    """What is to be done now; see the module for the order of what may stand in the way."""
    if s.command is not None:
        return _obey(s, s.command)
    asked = _pending_command(s.pending)
    found = build_reasons(s.spec, s.states, s.now)
    if asked is not None:
        everything = merge_reasons((asked,), build_reasons(s.spec, s.states, s.now, asked=True))
        return _find_obstacle(s, everything, FOR_PEOPLE) or _start(s, everything, asked.by)
    if not found:
        return Nothing()
    reasons = _with_former(s, merge_reasons(found, build_reasons(s.spec, s.states, s.now, asked=True)))
    rollback = find_rollback(s, reasons)
    if s.spec.mode == "Observe":
        return Nothing(f"would {_describe(rollback, reasons)}", _edges(s.spec, reasons))
    if rollback is not None:
        return _answer_by_rollback(s, rollback)
    obstacle = _find_obstacle(s, reasons, FOR_TRIGGERS)
    return obstacle or _start(s, reasons)


def build_pending(decision: Decision, before: PendingRun | None, now: datetime) -> PendingRun | None:
    """What status.pendingRun says after a decision."""
    if not isinstance(decision, Hold) or not decision.reasons:
        return None
    since = before.since if before is not None else now
    return PendingRun(reasons=decision.reasons, since=since, waits_for=decision.waits_for)


def count_suppressed(
    counts: Sequence[SuppressedCount], before: PendingRun | None, decision: Decision
) -> tuple[SuppressedCount, ...]:
    """How often something kept a run from starting: once for each time that it begins to."""
    if not isinstance(decision, Hold) or (before is not None and before.waits_for == decision.waits_for):
        return tuple(counts)
    known = {one.reason: one.count for one in counts}
    known[decision.waits_for] = known.get(decision.waits_for, 0) + 1
    return tuple(SuppressedCount(reason=reason, count=count) for reason, count in known.items())[-_COUNTED:]


def find_rollback(s: Standing, reasons: Iterable[TriggerReason]) -> Rollback | None:
    """The return that is a cheaper cure than a training: where quality or business, not drift, went bad in a window
    that began within blameWindow after a promotion. Never the return of a return, nor twice from the same revision."""
    served, order = s.served, s.spec.action_order
    if "Rollback" not in order or ("Retrain" in order and order.index("Retrain") < order.index("Rollback")):
        return None
    if served is None or served.previous is None or served.returned or s.releasing:
        return None
    if served.revision == s.rolled_back:
        return None
    reasons = tuple(reasons)
    blamed = next((one for one in reasons if _began_with(s, served, one)), None)
    if blamed is None or blamed.first_bad_at is None:
        return None
    message = (
        f"{blamed.trigger} was bad first in the window up to {blamed.first_bad_at:%Y-%m-%d %H:%M:%SZ};"
        f" {served.revision} is stable since {served.since:%Y-%m-%d %H:%M:%SZ}, blameWindow is {s.spec.blame_window}"
    )
    return Rollback(served.revision, served.previous, message, reasons)


def _began_with(s: Standing, served: Served, reason: TriggerReason) -> bool:
    trigger = next((one for one in s.spec.triggers if one.name == reason.trigger), None)
    if trigger is None or trigger.metric is None or reason.first_bad_at is None:
        return False
    limits = resolve_metric(trigger.metric)
    if limits.signal == "Drift":
        return False
    # The first bad window must have rows of the new revision, and begin soon enough after it.
    after = reason.first_bad_at > (served.began_at or served.since)
    return after and reason.first_bad_at - limits.window <= served.since + parse_duration(s.spec.blame_window)


def _answer_by_rollback(s: Standing, rollback: Rollback) -> Decision:
    if s.spec.suspend:
        return Hold(words.SUSPENDED, None, f"spec.suspend is set; {rollback.message}", rollback.reasons)
    if s.spec.mode == "Recommend":
        name = s.spec.model_deployment_ref.name
        command = spell_command("modeldeployment", name, s.namespace, f"undo {rollback.revision}")
        message = f"advised: roll back. {rollback.message}. {command}"
        return Hold(words.RECOMMENDED, None, message, rollback.reasons)
    return rollback


def _obey(s: Standing, command: Retrain) -> Decision:
    """A new command. What it cannot have at all is refused; what comes by itself is waited for."""
    if was_taken(command, s.keys):
        without = decide_start(replace(s, command=None))
        return replace(without, reply=Reply("Ignored", f"{command.key!r} was asked for before: use another word"))
    asked = TriggerReason(trigger=COMMAND, kind=COMMAND, at=s.now, message=command.sentence, by=command.by)
    former = s.pending.reasons if s.pending is not None else ()
    reasons = merge_reasons((asked,), build_reasons(s.spec, s.states, s.now, asked=True))
    refusal = _find_refusal(s)
    if refusal is not None:
        return replace(decide_start(replace(s, command=None)), reply=Reply("Refused", refusal))
    obstacle = _find_obstacle(s, merge_reasons(former, reasons), FOR_PEOPLE)
    if obstacle is not None:
        return replace(obstacle, reply=Reply("Accepted", f"waits: {obstacle.message}"))
    return replace(_start(s, reasons, command.by), reply=Reply("Accepted", "a run is started"))


def _find_refusal(s: Standing) -> str | None:
    """Why a person's command is not even kept."""
    active = find_active(s.runs)
    if s.spec.suspend:
        return "spec.suspend is set: nothing is started"
    if active is not None and s.spec.concurrency_policy == "Forbid":
        return f"{active.name} is under way and concurrencyPolicy is Forbid: cancel it, or wait for its end"
    over = find_overspend(s)
    if over is None or (s.spec.budget is not None and s.spec.budget.on_exceeded == "RequireApproval"):
        return None
    return over.message


def _find_obstacle(s: Standing, reasons: tuple[TriggerReason, ...], rules: tuple[Rule, ...]) -> Hold | None:
    found = next((hold for rule in rules if (hold := rule(s)) is not None), None)
    if found is None:
        return None
    forbidden = found.waits_for == words.CONCURRENCY_FORBID
    passed_over = _edges(s.spec, reasons) if forbidden else ()
    kept = tuple(one for one in reasons if one.trigger not in passed_over)
    return replace(found, reasons=kept, passed_over=passed_over)


def _with_former(s: Standing, found: tuple[TriggerReason, ...]) -> tuple[TriggerReason, ...]:
    """Reasons that came up while a run was under way are kept beside those that still stand."""
    former = s.pending.reasons if s.pending is not None and s.spec.concurrency_policy == "Queue" else ()
    return merge_reasons(former, found)


def _pending_command(pending: PendingRun | None) -> TriggerReason | None:
    """A command that waits."""
    return next((one for one in pending.reasons if one.trigger == COMMAND), None) if pending is not None else None


def _start(s: Standing, reasons: tuple[TriggerReason, ...], requester: str | None = None) -> Start:
    """A run; one that takes the place of another answers what that had answered."""
    active = find_active(s.runs)
    if active is None or s.spec.concurrency_policy != "Replace":
        return Start(reasons, requester)
    return Start(
        merge_reasons(build_latched(s.spec, s.states, active.triggers, s.now), reasons), requester, active.name
    )


def _edges(spec: RetrainPolicySpec, reasons: Iterable[TriggerReason]) -> tuple[str, ...]:
    kinds = {one.name: kind_of(one) for one in spec.triggers}
    return tuple(one.trigger for one in reasons if kinds.get(one.trigger) in _EDGES)


def _describe(rollback: Rollback | None, reasons: Iterable[TriggerReason]) -> str:
    if rollback is not None:
        return f"roll back from {rollback.revision} to {rollback.to}: {rollback.message}"
    return f"train the model anew because of {', '.join(one.trigger for one in reasons)}"
