"""What became of a policy's runs since its last pass: counters, champion, candidate and quarantine.

Everything is read from the runs themselves. A run that the status does not know of was made by a pass that did not get
to say so: what it was made for is answered by it, and by no other."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from serinus.api import retrainreasons as words
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.retrainstatus import LastRun, ModelState, RetrainPolicyStatus, TriggerReason, TriggerState
from serinus.api.runplan import QuarantineSpec
from serinus.api.runstatus import RunModel
from serinus.core.plan import Event
from serinus.core.retrain.groups import keep_known, settle_triggers
from serinus.core.retrain.policypass import Pass
from serinus.core.retrain.policyview import PolicySnapshot
from serinus.core.retrain.quarantine import is_over, put_in_quarantine
from serinus.core.retrain.records import RunRecord, count_failures, find_active, find_last
from serinus.core.retrain.sameness import is_same_model
from serinus.core.retrain.states import update

_SO: Final = frozenset({"metric", "newData"})
"""Kinds of triggers that stand for what is so, and not for what happened."""


def absorb_runs(s: PolicySnapshot, p: Pass) -> Pass:
    """The pass with what the runs say."""
    before, active, last = s.status, find_active(s.runs), find_last(s.runs)
    ended = _find_ended(s)
    p = _adopt_untold(s, p)
    champion = _find_champion(s)
    p = p.update(
        triggers=_settle(s, p.status, ended),
        runs=max([before.runs, *(one.number for one in s.runs)]),
        active_run=active.name if active is not None else None,
        consecutive_failures=count_failures(s.runs),
        champion=champion,
        candidate=_find_candidate(s, active, champion),
        last_trained=_find_last_trained(s),
    )
    if last is not None:
        finished = last.finished_at or last.decided_at
        p = p.update(last_run=LastRun(name=last.name, outcome=last.phase, finished_at=finished))
    return _quarantine(s, p, ended)


def _find_ended(s: PolicySnapshot) -> tuple[RunRecord, ...]:
    """Runs that ended since the last pass: the one that was under way then, and others that came to an end later than
    the last one known, such as one that was replaced and was stable before it could be cancelled."""
    last = s.status.last_run

    def is_news(one: RunRecord) -> bool:
        if last is None or one.name == s.status.active_run or one.number > s.status.runs:
            return True
        return one.finished_at is not None and one.finished_at > last.finished_at

    return tuple(one for one in s.runs if one.is_over and is_news(one))


def _settle(s: PolicySnapshot, status: RetrainPolicyStatus, ended: Iterable[RunRecord]) -> tuple[TriggerState, ...]:
    states = status.triggers
    if s.spec is None:
        return states
    for one in ended:
        if one.name not in s.untold:
            states = settle_triggers(s.spec, states, one, s.now)
    return states


def _quarantine(s: PolicySnapshot, p: Pass, ended: Iterable[RunRecord]) -> Pass:
    """Hold what was rolled back, whether or not the spec can be read just now."""
    held = tuple(one for one in p.status.quarantined if not is_over(one, s.now))
    rules = s.spec.quarantine if s.spec is not None else QuarantineSpec()
    for one in ended:
        if one.phase != "RolledBack":
            continue
        known = {entry.digest for entry in held}
        held = put_in_quarantine(held, one.name, s.run_statuses[one.name], rules, s.now)
        for entry in held:
            if entry.digest not in known:
                p = p.tell(Event(words.QUARANTINED, f"{entry.digest}: {entry.evidence}", warning=True))
    return p.update(quarantined=held)


def _adopt_untold(s: PolicySnapshot, p: Pass) -> Pass:
    over = {one.name for one in s.runs if one.is_over}
    for name, run in sorted(s.untold.items(), key=lambda item: item[1].number):
        if name not in over:
            because = "; ".join(one.message or one.trigger for one in run.reasons)
            p = p.tell(Event(words.RETRAIN_STARTED, f"{name}: {because}"))
        if s.spec is not None:
            p = p.update(triggers=_answered_by(s.spec, p.status.triggers, run, over=name in over))
    # What was asked for and waited is what the run was made for.
    return p.update(pending_run=None) if s.untold else p


def _answered_by(
    spec: RetrainPolicySpec, states: Iterable[TriggerState], run: RetrainRunSpec, *, over: bool
) -> tuple[TriggerState, ...]:
    """The states as they would have been written when the run was made: what is so is latched, what happened is over,
    and not taken in again. A run that has ended says nothing of what is so now."""
    known = keep_known(spec, states)
    for reason in run.reasons:
        if over and reason.kind in _SO:
            continue
        if any(one.name == reason.trigger for one in spec.triggers):
            state = known.get(reason.trigger) or TriggerState(name=reason.trigger)
            known[reason.trigger] = _answer(state, reason, run)
    return tuple(known.values())


def _answer(state: TriggerState, reason: TriggerReason, run: RetrainRunSpec) -> TriggerState:
    common = {"since": run.decided_at, "last_fired": run.decided_at, "windows": 0, "reason": ""}
    if reason.kind not in _SO:
        return update(state, state="Clear", **common)
    seen = {"value": reason.value or state.value, "first_bad_at": reason.first_bad_at}
    return update(state, state="Latched", message=reason.message or "", **common, **seen)


def _find_champion(s: PolicySnapshot) -> ModelState | None:
    """The model of the stable revision, whoever put it there; before there is one, what is known already."""
    known = s.status.champion
    if s.stable is None:
        return known
    if known is not None and (known.uri, known.digest) == (s.stable.uri, s.stable.digest):
        return known
    made_by = next(
        (
            name
            for name, status in s.run_statuses.items()
            if status.model is not None and is_same_model(status.model, s.stable.uri, s.stable.digest)
        ),
        None,
    )
    model = s.run_statuses[made_by].model if made_by is not None else None
    since = s.served.since if s.served is not None else s.now
    update = {
        "run": made_by,
        "since": since,
        "snapshot": model.snapshot if model is not None else None,
        "source": model.source if model is not None else None,
    }
    return s.stable.model_copy(update=update)


def _find_candidate(s: PolicySnapshot, active: RunRecord | None, champion: ModelState | None) -> ModelState | None:
    """The model that is handed over: until it is the champion, or its run has ended otherwise."""
    if _is_awaited(s, champion):
        return s.status.candidate
    status = s.run_statuses.get(active.name) if active is not None else None
    if active is None or status is None or status.model is None or status.promotion is None:
        return None
    model = status.model
    if active.phase not in ("Promoting", "Observing") or status.promotion.at is None:
        return None
    if status.promotion.target == "PullRequest":
        return None
    if champion is not None and is_same_model(model, champion.uri, champion.digest):
        return None
    return _state_of(active.name, model, status.promotion.at)


def _is_awaited(s: PolicySnapshot, champion: ModelState | None) -> bool:
    """Whether the candidate's run has succeeded, and the ModelDeployment has not said yet that it is stable there: who
    follows the policy must not be sent back in between."""
    known = s.status.candidate
    status = s.run_statuses.get(known.run) if known is not None and known.run is not None else None
    if known is None or status is None or status.phase != "Succeeded" or champion != s.status.champion:
        return False
    return champion is None or not is_same_model(known, champion.uri, champion.digest)


def _find_last_trained(s: PolicySnapshot) -> ModelState | None:
    trained = [one for one in s.runs if s.run_statuses[one.name].model is not None]
    newest = max(trained, key=lambda one: one.number, default=None)
    model = s.run_statuses[newest.name].model if newest is not None else None
    if newest is None or model is None:
        return s.status.last_trained
    return _state_of(newest.name, model, newest.trained_at)


def _state_of(run: str, model: RunModel, since: datetime | None) -> ModelState:
    """The model of a run."""
    return ModelState(
        uri=model.uri, digest=model.digest, run=run, since=since, snapshot=model.snapshot, source=model.source
    )
