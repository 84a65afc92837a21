"""A decision about a policy in the making: what the steps of `policy.decide_policy` hand on to each other."""

from dataclasses import dataclass, field, replace
from typing import Any

from serinus.api.retrainstatus import RetrainPolicyStatus, TriggerState
from serinus.core.plan import Event
from serinus.core.retrain.commands import Retrain
from serinus.core.retrain.policyview import PolicyAction
from serinus.core.retrain.standing import Decision, Nothing


@dataclass(frozen=True)
class Pass:
    """`status` so far, the states of the triggers, a command that is for the decision to answer, and what is to be done
    and told."""

    status: RetrainPolicyStatus
    states: tuple[TriggerState, ...] = ()
    retrain: Retrain | None = None
    before: tuple[PolicyAction, ...] = ()
    events: tuple[Event, ...] = ()
    decision: Decision = field(default_factory=Nothing)

    def update(self, **changes: Any) -> "Pass":
        """The same with other fields in its status."""
        return replace(self, status=self.status.model_copy(update=changes))

    def tell(self, event: Event) -> "Pass":
        """The same with one more event."""
        return replace(self, events=(*self.events, event))
