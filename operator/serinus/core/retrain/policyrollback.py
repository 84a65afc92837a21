"""The cheapest cure: the ModelDeployment is told to take its stable revision back, by the command that people would
give. It is told once; where the return does not help, or does not come, a run follows."""

from dataclasses import replace

from serinus.api import retrainreasons as words
from serinus.api.meta import parse_duration
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import Quarantined, RetrainPolicyStatus, TriggerState
from serinus.core.plan import Event
from serinus.core.retrain.groups import answer_triggers
from serinus.core.retrain.policypass import Pass
from serinus.core.retrain.policyview import OrderRollback, PolicySnapshot
from serinus.core.retrain.quarantine import hold_digest
from serinus.core.retrain.standing import Hold, Rollback
from serinus.core.retrain.states import move


def arm_again(s: PolicySnapshot, status: RetrainPolicyStatus) -> tuple[TriggerState, ...]:
    """The triggers, with those that only a rollback has answered armed again: once the revision before serves they are
    looked at anew, when their degradation began being remembered; where it will not come back they ask for a run."""
    served = s.served
    if status.rolled_back is None or served is None:
        return status.triggers
    returned = served.revision != status.rolled_back
    if not returned and s.undo_failed is None:
        return status.triggers

    def arm(one: TriggerState) -> TriggerState:
        if one.state != "Latched" or one.since is None or _was_trained_for(s, one):
            return one
        if not returned:
            return move(one, "Firing", s.now, windows=0)
        if one.since >= served.since:
            return one
        return move(one, "Unknown", s.now, reason=words.WARMUP, windows=0, message=f"{served.revision} is back")

    return tuple(map(arm, status.triggers))


def _was_trained_for(s: PolicySnapshot, state: TriggerState) -> bool:
    """Whether it was a run that latched the trigger."""
    return any(
        state.name in one.triggers and state.since is not None and one.decided_at >= state.since for one in s.runs
    )


def wait_for_deployment(spec: RetrainPolicySpec, decision: Rollback) -> Hold:
    """A command on the ModelDeployment that is not carried out yet is not written over."""
    message = f"ModelDeployment {spec.model_deployment_ref.name} has a command to carry out first; {decision.message}"
    return Hold(words.WAITING, None, message, decision.reasons, reply=decision.reply)


def order_rollback(s: PolicySnapshot, spec: RetrainPolicySpec, p: Pass, decision: Rollback) -> Pass:
    """The pass with the order, the triggers answered by it, and the model held if a run made it."""
    names = [one.trigger for one in decision.reasons]
    answered = answer_triggers(spec, p.states, names, s.now)
    states = [new if new.name in names else old for old, new in zip(p.states, answered, strict=True)]
    p = p.update(
        rolled_back=decision.revision, quarantined=_hold_champion(s, spec, p.status, decision), pending_run=None
    )
    order = OrderRollback(decision.revision, decision.message)
    p = p.tell(Event(words.ROLLBACK_ORDERED, f"{decision.revision} -> {decision.to}: {decision.message}", warning=True))
    return replace(p, states=tuple(states), before=(*p.before, order))


def _hold_champion(
    s: PolicySnapshot, spec: RetrainPolicySpec, status: RetrainPolicyStatus, decision: Rollback
) -> tuple[Quarantined, ...]:
    """A model of a run that is taken back is held, as one that the canary rolled back is."""
    champion, ttl = status.champion, spec.quarantine.ttl
    if champion is None or champion.run is None or champion.digest is None:
        return status.quarantined
    entry = Quarantined(
        digest=champion.digest,
        run=champion.run,
        reason=words.ROLLBACK_ORDERED,
        evidence=decision.message,
        at=s.now,
        until=s.now + parse_duration(ttl) if ttl is not None else None,
        scope=spec.quarantine.scope,
    )
    return hold_digest(status.quarantined, entry)
