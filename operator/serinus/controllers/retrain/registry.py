"""MLflow as a run sees it: results that training has only logged there, and an alias that leads to the champion."""

import json
from dataclasses import dataclass
from typing import Final

from serinus.api import retrainreasons as words
from serinus.api.modeluri import Reference, parse_reference
from serinus.api.runplan import AliasSpec, ResultsSpec
from serinus.controllers.inquiry import Later
from serinus.controllers.retrain.desk import Order
from serinus.core.retrain.runview import Handed
from serinus.core.snapshot import Problem
from serinus.net.outcome import Away, Refused
from serinus.registries.mlflow import (
    GATES_TAG,
    OUTCOME_TAG,
    RUN_TAG,
    AliasAt,
    AliasMoved,
    Version,
    move_alias,
    read_alias,
    read_version_of,
    set_tags,
)
from serinus.registries.mlflow_api import MLflow
from serinus.registries.mlflow_runs import build_results, find_trained, read_run
from serinus.registries.outcome import NotFound
from serinus.registries.writable import check_writable

REPLACES_TAG: Final = "serinus.replaces"
"""On a version: the one that the alias led to before, or `-`. MLflow keeps no history, and an operator that ends
between the move and its own record would not know any more."""
NOTHING: Final = "-"


async def fetch_results(mlflow: MLflow, source: ResultsSpec, run: str) -> str | Later:
    """What RetrainRun `run` has logged, as JSON text."""
    if source.registry is None:
        return Later(Problem(words.RESULTS_MISSING, "spec.results.registry is missing"))
    version = await find_trained(mlflow, source.registry.name, run)
    if not isinstance(version, Version):
        return Later(Problem(words.RESULTS_MISSING, version.message), soon=not isinstance(version, Refused))
    told = await read_run(mlflow, version.run) if version.run else None
    if isinstance(told, NotFound | Away | Refused):
        return Later(Problem(words.RESULTS_MISSING, told.message), soon=isinstance(told, Away))
    return json.dumps(build_results(version, told))


@dataclass(frozen=True)
class AliasCarrier:
    """Hands a candidate over by letting an alias lead to it. `writable`: NAMESPACE/PATTERN, as the admin says it."""

    mlflow: MLflow
    writable: tuple[str, ...]

    async def hand_over(self, order: Order) -> Handed | Later:
        """Before the alias is moved, the candidate's version is told what it led to."""
        spec = order.spec.plan.promotion.alias or AliasSpec()
        version = await self._find(order, spec)
        if not isinstance(version, Version):
            return _say(version)
        known = await read_alias(self.mlflow, version.name, spec.alias)
        if not isinstance(known, AliasAt):
            return _say(known)
        if known.version == version.number:
            before = version.tags.get(REPLACES_TAG, NOTHING)
        else:
            before = known.version or NOTHING
            tags = {RUN_TAG: order.run, GATES_TAG: _tell_gates(order), REPLACES_TAG: before}
            tagged = await set_tags(self.mlflow, version, tags)
            if isinstance(tagged, NotFound | Away | Refused):
                return _say(tagged)
            moved = await move_alias(self.mlflow, version.name, spec.alias, version.number)
            if not isinstance(moved, AliasMoved):
                return _say(moved) if not isinstance(moved, AliasAt) else _wait("the alias is not set")
        return Handed(f"models:/{version.name}@{spec.alias}", None if before == NOTHING else before)

    async def watch(self, order: Order, reference: str) -> Handed | Later:
        """An alias that was moved is moved."""
        return Handed(reference)

    async def restore(self, order: Order) -> bool | Later:
        """Let the alias lead to what it led to before, unless somebody has moved it since."""
        spec, promotion = order.spec.plan.promotion.alias or AliasSpec(), order.status.promotion
        version = await self._find(order, spec)
        if isinstance(version, NotFound):
            return True
        if not isinstance(version, Version):
            return _say(version)
        known = await read_alias(self.mlflow, version.name, spec.alias)
        if not isinstance(known, AliasAt):
            return isinstance(known, NotFound) or _say(known)
        before = (promotion.before if promotion is not None else None) or version.tags.get(REPLACES_TAG)
        # Where nobody knows what it led to before, it stays: without it, whoever follows it would have no model at all.
        if known.version == version.number and before is not None:
            target = None if before == NOTHING else before
            moved = await move_alias(self.mlflow, version.name, spec.alias, target)
            if not isinstance(moved, AliasMoved | AliasAt):
                return _say(moved)
        tagged = await set_tags(self.mlflow, version, {OUTCOME_TAG: str(order.status.phase)})
        return _say(tagged) if isinstance(tagged, Away) else True

    async def _find(self, order: Order, spec: AliasSpec) -> Version | NotFound | Away | Refused:
        """The candidate's version; Refused where it may not be written, before MLflow is asked for it."""
        model = order.status.model
        reference = parse_reference(model.uri) if model is not None else None
        if isinstance(reference, Reference) and reference.scheme == "models" and not reference.is_alias:
            if spec.name not in (None, reference.path):
                return Refused(f"spec.promotion.alias.name is {spec.name}, and the candidate is {reference.uri}")
            name, number = reference.path, reference.version or ""
        elif spec.name is None:
            return Refused("spec.promotion.alias.name is missing: the candidate's address names no version in MLflow")
        else:
            name, number = spec.name, None
        refused = check_writable(self.writable, order.namespace, name)
        if refused is not None:
            return refused
        if number is None:
            found = await find_trained(self.mlflow, name, order.run)
        else:
            found = await read_version_of(self.mlflow, name, number)
        # A database that takes capitals for small letters finds another model than was asked for.
        known = found.name if isinstance(found, Version) else name
        return check_writable(self.writable, order.namespace, known) or found


def _tell_gates(order: Order) -> str:
    """Each gate's verdict and value, short enough for a tag."""
    told = [
        f"{gate.name}={gate.verdict}" + ("" if gate.value is None else f" ({gate.value})")
        for gate in order.status.gates
    ]
    return "; ".join(told)[:1000] or "none"


def _say(outcome: NotFound | Away | Refused) -> Later:
    if isinstance(outcome, Away):
        return Later(Problem(words.WAITING, outcome.message), soon=True)
    access = isinstance(outcome, Refused) and outcome.access
    return Later(Problem(words.WAITING if access else words.PROMOTION_REFUSED, outcome.message))


def _wait(message: str) -> Later:
    return Later(Problem(words.WAITING, message), soon=True)
