"""A right is missing: it is said on the object that is held by it, and on nothing else."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from serinus.api import reasons
from serinus.api.meta import UNSEEN, Condition
from serinus.controllers.recorder import Recorder
from serinus.core.conditions import keep_conditions
from serinus.core.snapshot import Check, Problem
from serinus.engine.clock import Clock
from serinus.engine.store import Key, Refusal, Store
from serinus.engine.worker import Result
from serinus.kube.errors import Conflict, Denied, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import RETRAINPOLICIES, Resource

Raw = dict[str, Any]
A = TypeVar("A")

RELEASE_KINDS: Final = frozenset(
    {
        "ModelDeployment",
        "ModelRevision",
        "MetricsProvider",
        "Deployment",
        "Service",
        "ConfigMap",
        "Pod",
        "Job",
        "EndpointSlice",
        "HTTPRoute",
        "GRPCRoute",
        "InferencePool",
        "Gateway",
        "GatewayClass",
    }
)
"""What a release is decided on."""

log = structlog.get_logger(__name__)


def problem_of(denied: Denied) -> Problem:
    """What is said of a write that was denied."""
    return Problem(reasons.ACCESS_DENIED, f"{denied.explain()}: give it the right; until then it is tried again")


def find_refused(
    store: Store, namespace: str, *, of_releases: bool, gateways: Iterable[str] | None = None
) -> list[Problem]:
    """What is said where kinds may not be read, so that what is known of them may be old, or where their CRD is older
    than this operator, so that what is written may be lost. Of the kinds that releases are decided on, or of all; of
    Gateways where they are in these namespaces."""
    places = [namespace] if gateways is None else sorted(gateways)
    found = [one for one in store.refusals(namespace) if one.kind != "Gateway"]
    found += dict.fromkeys(one for place in places for one in store.refusals(place) if one.kind == "Gateway")
    refused = [one for one in found if not of_releases or one.kind in RELEASE_KINDS]
    outdated = [why for kind, why in store.outdated().items() if not of_releases or kind in RELEASE_KINDS]
    return [*(_problem_of_refusal(one) for one in refused), *(Problem(reasons.CRD_OUTDATED, why) for why in outdated)]


def _problem_of_refusal(refusal: Refusal) -> Problem:
    message = f"{refusal.message}, and what it knows of {refusal.kind} may be old: give it the right"
    return Problem(reasons.ACCESS_DENIED, message)


async def tidy_up(recorder: Recorder, raw: Raw, do: Callable[[A], Awaitable[object]], actions: Iterable[A]) -> bool:
    """Carry out what nobody waits for; whether every right was there. One that is missing is worth an Event and no
    condition: a record that is at its end does not change by it."""
    problem: Problem | None = None
    for action in actions:
        try:
            await do(action)
        except Denied as denied:
            problem = problem_of(denied)
    if problem is not None:
        log.warning("not tidied up, tried again", name=raw["metadata"]["name"], error=problem.message)
        await recorder.emit_event(raw, "Warning", problem.reason, problem.message)
    return problem is None


@dataclass(frozen=True)
class DeniedTeller:
    """Says on an object of `resource` what keeps a turn from being carried out."""

    resource: Resource
    kube: Kube
    store: Store
    recorder: Recorder
    clock: Clock

    async def tell(self, key: Key, denied: Denied, *, urgent: bool = False) -> Result:
        """Write it beside what the status says, or, where that is what may not be written, as an Event."""
        problem = problem_of(denied)
        log.warning("not carried out, tried again", key=str(key), error=problem.message)
        raw = self.store.get(key.kind, key.namespace, key.name)
        if raw is None:
            return Result()
        status = raw.get("status") or {}
        old = tuple(Condition.model_validate(one) for one in status.get("conditions") or ())
        conditions = self._add(old, raw, problem)
        if conditions == old:
            return Result(retry=True, urgent=urgent)
        told = {**self._seen(status, raw), "conditions": [one.dump() for one in conditions]}
        try:
            self.store.written(key.kind, await self.kube.replace_status(self.resource, raw, told, "serinus/status"))
        except (Conflict, NotFound):
            return Result(retry=True, urgent=urgent)
        except Denied as worse:
            problem = problem_of(worse)
        await self.recorder.emit_event(raw, "Warning", problem.reason, problem.message)
        return Result(retry=True, urgent=urgent)

    def _add(self, old: tuple[Condition, ...], raw: Raw, problem: Problem) -> tuple[Condition, ...]:
        said = [(reasons.STALLED, Check("True", problem.reason, problem.message))]
        if any(one.type == reasons.READY for one in old) or not old:
            said.insert(0, (reasons.READY, Check("False", problem.reason, problem.message)))
        generation = int(raw["metadata"].get("generation") or 0)
        fresh = {one.type: one for one in keep_conditions(old, said, generation, self.clock.now())}
        kept = [fresh.pop(one.type, one) for one in old if one.type != reasons.RECONCILING]
        return (*kept, *fresh.values())

    def _seen(self, status: Raw, raw: Raw) -> Raw:
        """The status as one of this generation: tools that wait by kstatus read no condition of another."""
        if self.resource == RETRAINPOLICIES and status.get("observedGeneration") in (None, UNSEEN):
            # Who follows a policy that was never looked at must not take its first model for the best that there is.
            return {name: value for name, value in status.items() if name != "observedGeneration"}
        return {**status, "observedGeneration": int(raw["metadata"].get("generation") or 0)}
