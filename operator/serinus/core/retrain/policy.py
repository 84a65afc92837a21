"""What a RetrainPolicy comes to in one pass.

    what became of runs -> triggers -> the command -> start, hold, roll back or nothing -> a status

Runs are made before the status says so, by a name that is made from their number: an operator that dies in between
finds the run and counts it, and never makes a second one."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from serinus.api import retrainreasons as words
from serinus.api.meta import parse_duration
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainrun import PolicyReference, RetrainRunSpec
from serinus.api.retrainstatus import ModelState, RetrainPolicyStatus, TriggerState
from serinus.api.runplan import RunPlan
from serinus.api.status import CommandOutcome
from serinus.core.plan import Event
from serinus.core.retrain.absorb import absorb_runs
from serinus.core.retrain.assess import Seen, assess_triggers, find_next_schedule
from serinus.core.retrain.decision import build_pending, count_suppressed, decide_start
from serinus.core.retrain.events import remember_key
from serinus.core.retrain.fit import fit_status
from serinus.core.retrain.groups import COMMAND, answer_triggers, build_summary, pass_over
from serinus.core.retrain.limits import resolve_warmup
from serinus.core.retrain.policyorders import answer_command, obey_command
from serinus.core.retrain.policypass import Pass
from serinus.core.retrain.policyrollback import arm_again, order_rollback, wait_for_deployment
from serinus.core.retrain.policystatus import build_phase, build_policy_conditions, next_evaluation, wake_at
from serinus.core.retrain.policyview import CancelRun, CreateRun, ForgetRun, PolicyAction, PolicyPlan, PolicySnapshot
from serinus.core.retrain.records import budget_state, find_cooldown, list_history
from serinus.core.retrain.standing import Decision, Hold, Nothing, Reply, Rollback, Standing, Start
from serinus.core.snapshot import Problem


def decide_policy(s: PolicySnapshot) -> PolicyPlan:
    """Where the loop stands, and what is to be done. Total and pure; time is `s.now`."""
    p = absorb_runs(s, Pass(s.status.model_copy(update={"observed_generation": s.generation})))
    warm_until = None
    if s.spec is not None:
        warm_until = s.served.since + resolve_warmup(s.spec) if s.served is not None else None
        p = _assess(s, s.spec, p, warm_until)
        p = obey_command(s, s.spec, p)
        p = _decide(s, s.spec, p)
        p = _account(s, s.spec, p)
    status = p.status.model_copy(update={"triggers": p.states if s.spec is not None else p.status.triggers})
    status = status.model_copy(update={"next_evaluation_time": next_evaluation(s, status, warm_until)})
    status = status.model_copy(update={"signal": build_summary(status.triggers), "phase": build_phase(s, status)})
    conditions = build_policy_conditions(s, status, p.decision)
    status = status.model_copy(update={"conditions": conditions})
    # A status must always be writable, whatever others have put into it: validated, texts are cut to what is allowed.
    status = fit_status(RetrainPolicyStatus.model_validate(status.model_dump()))
    return PolicyPlan(
        status=status,
        write_status=status != s.status,
        before=p.before,
        after=_forget(s, status),
        events=(*p.events, *_tell_triggers(s.status.triggers, status.triggers)),
        wake_at=wake_at(s, status, p.decision),
        warm_until=warm_until,
    )


def name_run(policy: str, uid: str, number: int) -> str:
    """The name of a run: always the same for the same policy and number."""
    mark = hashlib.sha256(f"{uid}/{number}".encode()).hexdigest()[:8]
    return f"{policy}-{mark}"


def _assess(s: PolicySnapshot, spec: RetrainPolicySpec, p: Pass, warm_until: datetime | None) -> Pass:
    seen = Seen(
        uid=s.uid,
        since=s.created_at,
        readings=s.readings,
        warm_until=warm_until,
        rejected=s.rejected,
        is_own=s.rejected_is_own,
    )
    return replace(p, states=assess_triggers(spec, arm_again(s, p.status), seen, s.now))


def _decide(s: PolicySnapshot, spec: RetrainPolicySpec, p: Pass) -> Pass:
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
    if isinstance(decision, Rollback) and s.deployment_busy:
        decision = wait_for_deployment(spec, decision)
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
        p = answer_command(s, p, ("retrain", retrain.key), outcome, reply.message if reply is not None else "")
        if outcome == "Accepted":
            p = p.update(handled_keys=remember_key(p.status.handled_keys, retrain.mark))
    match decision:
        case Start():
            return _start(s, spec, p, decision)
        case Rollback():
            return order_rollback(s, spec, p, decision)
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


def _start(s: PolicySnapshot, spec: RetrainPolicySpec, p: Pass, decision: Start) -> Pass:
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


def _account(s: PolicySnapshot, spec: RetrainPolicySpec, p: Pass) -> Pass:
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
