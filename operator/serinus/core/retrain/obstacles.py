"""What may stand in the way of a run: each a rule of its own, asked in turn."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from serinus.api import retrainreasons as words
from serinus.api.meta import parse_duration, spell_command
from serinus.core.retrain.blackout import find_blackout
from serinus.core.retrain.records import BEING_RELEASED, budget_state, find_active, find_cooldown, fits_budget
from serinus.core.retrain.standing import Hold, Standing

Rule = Callable[[Standing], Hold | None]
"""What may keep a run from starting, and why it does just now."""


def _not_suspended(s: Standing) -> Hold | None:
    return Hold(words.SUSPENDED, None, "spec.suspend is set: nothing is started") if s.spec.suspend else None


def _alone(s: Standing) -> Hold | None:
    active = find_active(s.runs)
    if active is None:
        return None
    if s.spec.concurrency_policy == "Forbid":
        return Hold(words.CONCURRENCY_FORBID, None, f"{active.name} is under way and concurrencyPolicy is Forbid")
    if s.spec.concurrency_policy == "Queue" or active.phase in BEING_RELEASED:
        return Hold(words.QUEUED_BEHIND, None, f"begins when {active.name} has ended")
    ripe = active.decided_at + parse_duration(s.spec.cooldown.after_failure)
    return Hold(words.COOLDOWN, ripe, f"{active.name} is replaced at {ripe:%H:%M:%SZ}") if ripe > s.now else None


def _alone_for_people(s: Standing) -> Hold | None:
    """A person replaces a run at once."""
    hold = _alone(s)
    return None if hold is not None and hold.waits_for == words.COOLDOWN else hold


def _cooled_down(s: Standing) -> Hold | None:
    until = find_cooldown(s.spec.cooldown, s.runs)
    if until is None or until <= s.now:
        return None
    return Hold(words.COOLDOWN, until, f"no trigger starts a run before {until:%Y-%m-%d %H:%M:%SZ}")


def _something_new(s: Standing) -> Hold | None:
    trained = max((one for one in s.runs if one.snapshot is not None), key=lambda one: one.number, default=None)
    if s.snapshot is None or trained is None or not s.template_digest:
        return None
    if trained.snapshot != s.snapshot or trained.template_digest != s.template_digest:
        return None
    message = f"{trained.name} was trained on {s.snapshot} by the same template: the model would be the same"
    return Hold(words.SAME_SNAPSHOT, None, message)


def _affordable(s: Standing) -> Hold | None:
    hold = find_overspend(s)
    if hold is None or s.spec.budget is None or s.spec.budget.on_exceeded == "Skip":
        return hold
    return replace(hold, message=f"{hold.message}; to start it all the same: {_retrain_command(s)}")


def _affordable_for_people(s: Standing) -> Hold | None:
    allowed = s.spec.budget is not None and s.spec.budget.on_exceeded == "RequireApproval"
    return None if allowed else find_overspend(s)


def find_overspend(s: Standing) -> Hold | None:
    """Why the budget has no room for a run."""
    budget, longest = s.spec.budget, parse_duration(s.spec.active_deadline)
    if budget is None:
        return None
    if not fits_budget(budget, s.accelerators, longest):
        hours = s.accelerators * longest / timedelta(hours=1)
        message = (
            f"one run may take {hours:.4g} accelerator-hours ({s.accelerators} for {s.spec.active_deadline}),"
            f" budget.maxAcceleratorHours is {budget.max_accelerator_hours}: shorten activeDeadline or raise it"
        )
        return Hold(words.BUDGET_EXHAUSTED, None, message)
    state = budget_state(budget, s.runs, s.now, accelerators=s.accelerators, longest=longest)
    if state.free_at is None:
        return None
    spent = f"{state.runs} runs and {state.accelerator_seconds / 3600:.4g} accelerator-hours within {budget.window}"
    message = f"{spent}; there is room again at {state.free_at:%Y-%m-%d %H:%M:%SZ}"
    return Hold(words.BUDGET_EXHAUSTED, state.free_at, message)


def _not_blacked_out(s: Standing) -> Hold | None:
    blackout = find_blackout(s.spec.blackouts, "Training", s.now)
    if blackout is None:
        return None
    ends = "without an end" if blackout.until is None else f"until {blackout.until:%Y-%m-%d %H:%M:%SZ}"
    return Hold(words.BLACKOUT, blackout.until, f"blackout {blackout.cron!r} {ends}")


def _not_only_advised(s: Standing) -> Hold | None:
    if s.spec.mode != "Recommend":
        return None
    return Hold(words.RECOMMENDED, None, f"advised: train the model anew. {_retrain_command(s)}")


FOR_TRIGGERS: Final[tuple[Rule, ...]] = (
    _not_suspended,
    _alone,
    _cooled_down,
    _something_new,
    _affordable,
    _not_blacked_out,
    _not_only_advised,
)
FOR_PEOPLE: Final[tuple[Rule, ...]] = (_not_suspended, _alone_for_people, _affordable_for_people, _not_blacked_out)


def _retrain_command(s: Standing) -> str:
    # Of the moment at which it was advised first: a sentence that is another each minute is written each minute.
    asked_at = s.pending.since if s.pending is not None else s.now
    key = f"{asked_at:%Y%m%d-%H%M}"
    named = s.spec.approval.required != "Never" and s.spec.approval.not_requester
    return spell_command("retrainpolicy", s.name, s.namespace, f"retrain {key}", named=named)
