"""RetrainPolicies where retraining is switched off: they say so, and nothing is asked, made or watched for them."""

from dataclasses import dataclass
from typing import Final

from serinus.api import reasons
from serinus.core.conditions import keep_conditions
from serinus.core.retrain.following import observe_policy_status
from serinus.core.snapshot import Check
from serinus.engine.clock import Clock
from serinus.engine.store import Key, Store
from serinus.engine.worker import Result
from serinus.kube.errors import Conflict, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import RETRAINPOLICIES

MESSAGE: Final = "retraining is switched off here: set features.retraining=true in the values of the chart"


@dataclass(frozen=True)
class SwitchedOffPolicies:
    """Stands in for the controller of RetrainPolicy."""

    kube: Kube
    store: Store
    clock: Clock

    async def reconcile(self, key: Key) -> Result:
        """One turn: at most one write for each policy, and for each change of its spec."""
        raw = self.store.get(key.kind, key.namespace, key.name)
        if raw is None or raw["metadata"].get("deletionTimestamp"):
            return Result()
        status = observe_policy_status(raw)
        generation = int(raw["metadata"].get("generation") or 0)
        said = Check("False", reasons.NOT_ENABLED, MESSAGE)
        wanted = [(reasons.READY, said), (reasons.STALLED, Check("True", reasons.NOT_ENABLED, MESSAGE))]
        # What was learned while it was switched on is kept. A policy that was never looked at stays so: who follows it
        # must not take its first model for the best that there is.
        seen = None if status.observed_generation is None else generation
        conditions = keep_conditions(status.conditions, wanted, generation, self.clock.now())
        told = status.model_copy(
            update={"conditions": conditions, "phase": "Blocked", "observed_generation": seen, "active_run": None}
        )
        if told == status:
            return Result()
        try:
            written = await self.kube.replace_status(RETRAINPOLICIES, raw, told.dump(), "serinus/status")
        except NotFound:
            return Result()
        except Conflict:
            return Result(retry=True)
        self.store.written(key.kind, written)
        return Result()
