"""An incompatible feature schema is shown to nobody, costs no pod, and stands in the way of nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from serinus.core.features import Features
from serinus.core.snapshot import Snapshot
from tests.core.world import World, spec

OLD: Features = {"amount": ["number"], "country": ["string"]}
NARROW: Features = {"amount": ["integer"]}
WIDE: Features = {"amount": ["number"], "country": ["null", "string"], "age": ["integer"]}
SOURCE = {"uri": "oci://host/fraud:7"}


class Described(World):
    """Revisions have the feature schema that `schemas` gives for their image."""

    schemas: dict[str, Features]

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), features=self.schemas)


def tell(**schema: Any) -> Any:
    return {"from": SOURCE, "schema": {"configMap": "features", "key": "schema.json", **schema}}


def released(new: Features | None, **changes: Any) -> Described:
    world = Described(spec("m:1", model=tell()))
    first = world.wanted
    world.schemas = {first: OLD}
    world.settle()
    changes.setdefault("model", tell())
    second = world.apply("m:2", **changes)
    if new is not None:
        world.schemas[second] = new
    world.settle()
    return world


def test_removed_and_retyped_features_are_named_and_no_pod_was_made() -> None:
    world = released(NARROW)
    assert world.ready() == ("False", "RolledBack")
    assert world.condition("Stalled") == "SchemaIncompatible"
    rejected = world.status.rejected
    assert rejected is not None
    assert "feature 'amount' was number and is integer; feature 'country' was removed" in rejected.message
    assert world.revisions[rejected.revision].rejected
    assert world.workloads[rejected.revision].wanted == 0
    assert all(getattr(action, "replicas", 0) == 0 for action in world.log if _is_about(action, rejected.revision))
    assert all(rejected.revision not in weights for weights in world.weights)


def _is_about(action: Any, revision: str) -> bool:
    return getattr(action, "name", None) == revision


@pytest.mark.parametrize("strategy", ["BlueGreen", "Direct", "InPlace"])
def test_it_holds_for_every_strategy(strategy: str) -> None:
    world = released(NARROW, rollout={"strategy": strategy, "bake": "20s"})
    assert world.condition("Stalled") == "SchemaIncompatible"
    assert world.status.stable is not None
    assert world.status.stable.downtime is None


@pytest.mark.parametrize(
    ("new", "model"),
    [
        (WIDE, tell()),
        (OLD, tell()),
        (None, tell()),
        (NARROW, tell(onIncompatible="Proceed")),
        (NARROW, {"from": SOURCE}),
    ],
)
def test_whatever_breaks_nobody_is_released(new: Features | None, model: Any) -> None:
    world = released(new, model=model)
    world.run(60)
    assert world.ready() == ("True", "Serving")
    assert world.status.stable is not None
    assert world.status.stable.revision == world.wanted


def test_a_person_may_let_it_pass_afterwards() -> None:
    world = released(NARROW)
    rejected = world.wanted
    assert world.apply("m:2", model=tell(onIncompatible="Proceed")) == rejected
    world.settle()
    assert world.status.candidate is None
    world.command = f"retry {rejected}"
    world.run(60)
    assert world.status.stable is not None
    assert world.status.stable.revision == rejected


def test_no_schema_stands_before_the_way_back() -> None:
    world = released(WIDE)
    world.run(60)
    old = next(name for name, features in world.schemas.items() if features == OLD)
    assert world.apply("m:1", model=tell()) == old
    world.run(60)
    assert world.status.stable is not None
    assert world.status.stable.revision == old
