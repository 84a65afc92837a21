"""What a RetrainPolicy comes to in one pass.

    what became of runs -> triggers -> the command -> start, hold, roll back or nothing -> a status

Runs are made before the status says so, by a name that is made from their number: an operator that dies in between
finds the run and counts it, and never makes a second one."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from serinus.api import reasons
from serinus.api import retrainreasons as words
from serinus.api.meta import parse_duration
from serinus.api.retrainpolicy import RetrainPolicySpec, RunPlan
from serinus.api.retrainrun import PolicyReference, RetrainRunSpec
from serinus.api.retrainstatus import (
    LastRun,
    ModelState,
    Quarantined,
    RetrainPolicyStatus,
    TriggerState,
)
from serinus.api.status import CommandOutcome, LastCommand
from serinus.core.plan import Event
from serinus.core.retrain import commands
from serinus.core.retrain.assess import Seen, assess_triggers, find_next_schedule
from serinus.core.retrain.decision import build_pending, count_suppressed, decide_start
from serinus.core.retrain.events import Event as Told
from serinus.core.retrain.events import remember_key, take_event
from serinus.core.retrain.fit import fit_status
from serinus.core.retrain.groups import COMMAND, answer_triggers, build_summary, pass_over, settle_triggers
from serinus.core.retrain.limits import resolve_warmup
from serinus.core.retrain.policystatus import build_phase, build_policy_conditions, next_evaluation, wake_at
from serinus.core.retrain.policyview import (
    CancelRun,
    CreateRun,
    ForgetRun,
    OrderRollback,
    PolicyAction,
    PolicyPlan,
    PolicySnapshot,
)
from serinus.core.retrain.quarantine import KEPT, is_over, put_in_quarantine
from serinus.core.retrain.records import (
    RunRecord,
    budget_state,
    count_failures,
    find_active,
    find_cooldown,
    find_last,
    list_history,
)
from serinus.core.retrain.standing import Decision, Hold, Nothing, Reply, Rollback, Standing, Start
from serinus.core.retrain.states import move
from serinus.core.snapshot import Problem

_DISTRUSTED: Final = frozenset({"RolledBack"})


@dataclass(frozen=True)
class _Pass:
    """A decision in the making."""

    status: RetrainPolicyStatus
    states: tuple[TriggerState, ...] = ()
    retrain: commands.Retrain | None = None
    before: tuple[PolicyAction, ...] = ()
    events: tuple[Event, ...] = ()
    decision: Decision = field(default_factory=Nothing)

    def update(self, **changes: Any) -> "_Pass":
        return replace(self, status=self.status.model_copy(update=changes))


def decide_policy(s: PolicySnapshot) -> PolicyPlan:
    """Where the loop stands, and what is to be done. Total and pure; time is `s.now`."""
    p = _absorb_runs(s, _Pass(s.status.model_copy(update={"observed_generation": s.generation})))
    warm_until = None
    if s.spec is not None:
        warm_until = s.served.since + resolve_warmup(s.spec) if s.served is not None else None
        p = _assess(s, s.spec, p, warm_until)
        p = _obey(s, s.spec, p)
        p = _decide(s, s.spec, p)
        p = _account(s, s.spec, p)
    status = p.status.model_copy(update={"triggers": p.states if s.spec is not None else p.status.triggers})
    status = status.model_copy(update={"next_evaluation_time": next_evaluation(s, status, warm_until)})
    status = status.model_copy(update={"signal": build_summary(status.triggers), "phase": build_phase(s, status)})
    conditions = build_policy_conditions(s, status, p.decision)
    status = fit_status(status.model_copy(update={"conditions": conditions}))
    return PolicyPlan(
        status=status,
        write_status=status != s.status,
        before=p.before,
        after=_forget(s, status),
        events=(*p.events, *_tell_triggers(s.status.triggers, status.triggers)),
        wake_at=wake_at(s, status, p.decision, warm_until),
        warm_until=warm_until,
    )


def name_run(policy: str, uid: str, number: int) -> str:
    """The name of a run: always the same for the same policy and number."""
    mark = hashlib.sha256(f"{uid}/{number}".encode()).hexdigest()[:8]
    return f"{policy}-{mark}"


def _absorb_runs(s: PolicySnapshot, p: _Pass) -> _Pass:
    """What became of runs since the last pass: counters, champion, candidate and quarantine."""
    before, active, last = s.status, find_active(s.runs), find_last(s.runs)
    ended = _find_ended(s)
    quarantined = tuple(one for one in before.quarantined if not is_over(one, s.now))
    if ended is not None and ended.phase in _DISTRUSTED and s.spec is not None:
        status = s.run_statuses[ended.name]
        quarantined = put_in_quarantine(quarantined, ended.name, status, s.spec.quarantine, s.now)
    if ended is not None and s.spec is not None:
        p = p.update(triggers=settle_triggers(s.spec, before.triggers, ended, s.now))
    champion = _find_champion(s)
    p = p.update(
        runs=max([before.runs, *(one.number for one in s.runs)]),
        active_run=active.name if active is not None else None,
        consecutive_failures=count_failures(s.runs),
        champion=champion,
        candidate=_find_candidate(s, active, champion),
        last_trained=_find_last_trained(s),
        quarantined=quarantined,
    )
    if last is not None:
        finished = last.finished_at or last.decided_at
        p = p.update(last_run=LastRun(name=last.name, outcome=last.phase, finished_at=finished))
    if len(quarantined) > len(before.quarantined):
        held = quarantined[-1]
        p = replace(p, events=(*p.events, Event(words.QUARANTINED, f"{held.digest}: {held.evidence}", warning=True)))
    return p


def _find_ended(s: PolicySnapshot) -> RunRecord | None:
    """The run that was under way at the last pass, if it has ended since."""
    return next((one for one in s.runs if one.name == s.status.active_run and one.is_over), None)


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
            if status.model is not None and (status.model.uri, status.model.digest) == (s.stable.uri, s.stable.digest)
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
    status = s.run_statuses.get(active.name) if active is not None else None
    if active is None or status is None or status.model is None or status.promotion is None:
        return None
    model = status.model
    if active.phase not in ("Promoting", "Observing") or status.promotion.at is None:
        return None
    if status.promotion.target == "PullRequest":
        return None
    if champion is not None and (champion.uri, champion.digest) == (model.uri, model.digest):
        return None
    return ModelState(
        uri=model.uri,
        digest=model.digest,
        run=active.name,
        since=status.promotion.at,
        snapshot=model.snapshot,
        source=model.source,
    )


def _find_last_trained(s: PolicySnapshot) -> ModelState | None:
    trained = [one for one in s.runs if s.run_statuses[one.name].model is not None]
    newest = max(trained, key=lambda one: one.number, default=None)
    model = s.run_statuses[newest.name].model if newest is not None else None
    if newest is None or model is None:
        return s.status.last_trained
    return ModelState(
        uri=model.uri,
        digest=model.digest,
        run=newest.name,
        since=newest.trained_at,
        snapshot=model.snapshot,
        source=model.source,
    )


def _assess(s: PolicySnapshot, spec: RetrainPolicySpec, p: _Pass, warm_until: datetime | None) -> _Pass:
    seen = Seen(
        uid=s.uid,
        since=s.created_at,
        readings=s.readings,
        warm_until=warm_until,
        rejected=s.rejected,
        is_own=s.rejected_is_own,
    )
    return replace(p, states=assess_triggers(spec, _rearm_after_return(s, p.status), seen, s.now))


def _rearm_after_return(s: PolicySnapshot, status: RetrainPolicyStatus) -> tuple[TriggerState, ...]:
    """A degradation that was answered by a return to the revision before is looked at anew once that serves: where the
    return did not help, a run follows. When it began is not forgotten."""
    served = s.served
    if status.rolled_back is None or served is None or served.revision == status.rolled_back:
        return status.triggers
    active = find_active(s.runs)
    answered = set(active.triggers) if active is not None else set()
    return tuple(
        move(one, "Unknown", s.now, reason=words.WARMUP, windows=0, message=f"{served.revision} is back")
        if one.state == "Latched" and one.name not in answered and (one.since is None or one.since < served.since)
        else one
        for one in status.triggers
    )


def _obey(s: PolicySnapshot, spec: RetrainPolicySpec, p: _Pass) -> _Pass:
    """Read a new command. What it asks of the decision is kept for that; the rest is done here."""
    if not s.command or (s.status.last_command is not None and s.status.last_command.text == s.command):
        return p
    parsed = commands.parse_command(s.command, s.command_by)
    match parsed:
        case commands.Wrong(verb, message):
            return _answer(s, p, (verb, ""), "Refused", message)
        case commands.Retrain():
            return replace(p, retrain=parsed)
        case commands.Cancel(run, note):
            return _cancel(s, p, run, note)
        case commands.ReleaseDigest(digest, reason):
            return _release(s, p, digest, reason)
        case Told():
            taken = take_event(spec.triggers, p.states, p.status.handled_keys, parsed, s.now)
            p = replace(p.update(handled_keys=taken.keys), states=taken.states)
            return _answer(s, p, ("event", parsed.key), taken.outcome, taken.message)


def _cancel(s: PolicySnapshot, p: _Pass, run: str, note: str) -> _Pass:
    record = next((one for one in s.runs if one.name == run), None)
    if record is None:
        return _answer(s, p, ("cancel", run), "Refused", f"there is no RetrainRun {run} of this policy")
    if record.is_over or record.phase == "Observing":
        where = "has ended" if record.is_over else "has been promoted; undo it at the ModelDeployment"
        return _answer(s, p, ("cancel", run), "Ignored", f"{run} {where}")
    why = "cancelled by command" + (f" of {s.command_by}" if s.command_by else "") + (f": {note}" if note else "")
    p = replace(p, before=(*p.before, CancelRun(run, why)))
    return _answer(s, p, ("cancel", run), "Accepted", "it ends, and what trains is removed")


def _release(s: PolicySnapshot, p: _Pass, digest: str, reason: str) -> _Pass:
    kept = tuple(one for one in p.status.quarantined if one.digest != digest)
    if len(kept) == len(p.status.quarantined):
        return _answer(s, p, ("release", digest), "Ignored", f"{digest} is not in quarantine")
    by = f" by {s.command_by}" if s.command_by else ""
    p = replace(p.update(quarantined=kept), events=(*p.events, Event(words.RELEASED, f"{digest}{by}: {reason}")))
    return _answer(s, p, ("release", digest), "Accepted", "it may be served again")


def _answer(s: PolicySnapshot, p: _Pass, asked: tuple[str, str], outcome: CommandOutcome, message: str) -> _Pass:
    """Record what became of a command, `asked` being its verb and what it was about."""
    command = LastCommand(
        text=s.command or "",
        verb=asked[0],
        revision=asked[1],
        at=s.now,
        by=s.command_by,
        outcome=outcome,
        message=message,
    )
    p = p.update(last_command=command)
    if outcome == "Accepted":
        return p
    event = Event(reasons.COMMAND_REFUSED, f"{s.command!r}: {message}", warning=outcome == "Refused")
    return replace(p, events=(*p.events, event))


def _decide(s: PolicySnapshot, spec: RetrainPolicySpec, p: _Pass) -> _Pass:
    """Start, hold, roll back or nothing."""
    standing = Standing(
        name=s.name,
        namespace=s.namespace,
        spec=spec,
        states=p.states,
        runs=s.runs,
        now=s.now,
        pending=p.status.pending_run,
        command=p.retrain,
        keys=p.status.handled_keys,
        served=s.served,
        releasing=s.releasing,
        rolled_back=p.status.rolled_back,
        accelerators=s.accelerators,
        template_digest=s.template_digest,
        snapshot=s.snapshot,
    )
    decision = decide_start(standing)
    problem = next((one for one in (*s.problems, s.snapshot_problem) if one is not None), None)
    if isinstance(decision, Start) and problem is not None:
        decision = _hold_back(decision, problem)
    suppressed = count_suppressed(p.status.suppressed, s.status.pending_run, decision)
    pending = build_pending(decision, p.status.pending_run, s.now)
    recommendation = _recommend(decision)
    if recommendation is None and spec.mode == "Observe":
        recommendation = s.status.recommendation
    p = replace(p.update(pending_run=pending, suppressed=suppressed, recommendation=recommendation), decision=decision)
    retrain = p.retrain
    if retrain is not None:
        reply = decision.reply
        outcome: CommandOutcome = reply.outcome if reply is not None else "Accepted"
        p = _answer(s, p, ("retrain", retrain.key), outcome, reply.message if reply is not None else "")
        if outcome == "Accepted":
            p = p.update(handled_keys=remember_key(p.status.handled_keys, retrain.mark))
    match decision:
        case Start():
            return _start(s, spec, p, decision)
        case Rollback():
            return _order_rollback(s, spec, p, decision)
        case Hold(passed_over=names) | Nothing(passed_over=names):
            return replace(p, states=pass_over(p.states, names, s.now))


def _hold_back(decision: Start, problem: Problem) -> Decision:
    """What only a person can put right: triggers wait for that, a person's own command is refused."""
    reply = Reply("Refused", problem.message) if decision.reply is not None else None
    waiting = tuple(one for one in decision.reasons if one.trigger != COMMAND)
    if not waiting:
        return Nothing(reply=reply)
    return Hold(problem.reason, None, problem.message, waiting, reply=reply)


def _recommend(decision: Decision) -> str | None:
    if isinstance(decision, Nothing):
        return decision.recommendation
    return decision.message if isinstance(decision, Hold) and decision.waits_for == words.RECOMMENDED else None


def _start(s: PolicySnapshot, spec: RetrainPolicySpec, p: _Pass, decision: Start) -> _Pass:
    number = p.status.runs + 1
    name = name_run(s.name, s.uid, number)
    plan = RunPlan.model_validate({key: getattr(spec, key) for key in RunPlan.model_fields})
    run = RetrainRunSpec(
        policy=PolicyReference(name=s.name, uid=s.uid, generation=s.generation, digest=s.digest),
        number=number,
        model_deployment=spec.model_deployment_ref.name,
        reasons=decision.reasons,
        requester=decision.requester,
        decided_at=s.now,
        champion=p.status.champion or _initial(spec),
        champion_revision=s.served.revision if s.served is not None else None,
        snapshot=s.snapshot,
        accelerators=s.accelerators,
        plan=plan,
        template_digest=s.template_digest,
        operator=s.version,
    )
    cancels: tuple[PolicyAction, ...] = ()
    if decision.replaces is not None:
        cancels = (CancelRun(decision.replaces, f"replaced by {name} (concurrencyPolicy Replace)"),)
    names = [one.trigger for one in decision.reasons]
    states = answer_triggers(spec, p.states, names, s.now)
    because = "; ".join(one.message or one.trigger for one in decision.reasons)
    p = p.update(runs=number, active_run=name, pending_run=None)
    event = Event(words.RETRAIN_STARTED, f"{name}: {because}")
    return replace(
        p, states=tuple(states), before=(*p.before, *cancels, CreateRun(name, run)), events=(*p.events, event)
    )


def _initial(spec: RetrainPolicySpec) -> ModelState | None:
    first = spec.initial_model
    return ModelState(uri=first.uri, digest=first.digest) if first is not None else None


def _order_rollback(s: PolicySnapshot, spec: RetrainPolicySpec, p: _Pass, decision: Rollback) -> _Pass:
    names = [one.trigger for one in decision.reasons]
    answered = answer_triggers(spec, p.states, names, s.now)
    states = [new if new.name in names else old for old, new in zip(p.states, answered, strict=True)]
    quarantined = _hold_champion(s, spec, p.status, decision)
    p = p.update(rolled_back=decision.revision, quarantined=quarantined, pending_run=None)
    order = OrderRollback(decision.revision, decision.message)
    event = Event(words.ROLLBACK_ORDERED, f"{decision.revision} -> {decision.to}: {decision.message}", warning=True)
    return replace(p, states=tuple(states), before=(*p.before, order), events=(*p.events, event))


def _hold_champion(
    s: PolicySnapshot, spec: RetrainPolicySpec, status: RetrainPolicyStatus, decision: Rollback
) -> tuple[Quarantined, ...]:
    """A model of a run that is taken back is held, as one that the canary rolled back is."""
    champion = status.champion
    if champion is None or champion.run is None or champion.digest is None:
        return status.quarantined
    if any(one.digest == champion.digest for one in status.quarantined):
        return status.quarantined
    entry = Quarantined(
        digest=champion.digest,
        run=champion.run,
        reason=words.ROLLBACK_ORDERED,
        evidence=decision.message,
        at=s.now,
        scope=spec.quarantine.scope,
    )
    return (*status.quarantined, entry)[-KEPT:]


def _account(s: PolicySnapshot, spec: RetrainPolicySpec, p: _Pass) -> _Pass:
    """What people need to predict it: cooldown, budget, calendar."""
    cooldown = find_cooldown(spec.cooldown, s.runs)
    longest = parse_duration(spec.active_deadline)
    budget = budget_state(spec.budget, s.runs, s.now, accelerators=s.accelerators, longest=longest)
    return p.update(
        cooldown_until=cooldown if cooldown is not None and cooldown > s.now else None,
        budget=budget if spec.budget is not None else None,
        next_schedule_time=find_next_schedule(spec, p.states, s.now, s.uid),
    )


def _forget(s: PolicySnapshot, status: RetrainPolicyStatus) -> tuple[PolicyAction, ...]:
    if s.spec is None:
        return ()
    kept = [one.run for one in (status.champion, status.candidate) if one is not None and one.run is not None]
    held = [one.digest for one in status.quarantined]
    names = list_history(s.spec.history_limits, s.spec.budget, s.runs, s.now, kept=kept, held=held)
    return tuple(ForgetRun(name) for name in names)


def _tell_triggers(before: Iterable[TriggerState], after: Iterable[TriggerState]) -> tuple[Event, ...]:
    known = {one.name: one.state for one in before}
    events = []
    for one in after:
        was = known.get(one.name)
        if one.state in ("Firing", "Latched") and was not in ("Firing", "Latched"):
            events.append(Event(words.TRIGGER_FIRED, f"{one.name}: {one.message}", warning=True))
        elif one.state == "Clear" and was == "Latched":
            events.append(Event(words.TRIGGER_CLEARED, f"{one.name}: {one.message}"))
    return tuple(events)
