"""One accelerator for two revisions: never pods of both, the same way back, and the time without service is told."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from serinus.core.judge import Verdict
from serinus.core.plan import Plan
from serinus.core.snapshot import Problem
from tests.core.test_approval import serving
from tests.core.test_validation import check, end
from tests.core.world import CutOffError, World, judged


def rollout(**more: Any) -> dict[str, Any]:
    return {"strategy": "InPlace", "bake": "10s", "drain": "5s", "progressDeadline": "60s", **more}


class Place(World):
    """A world that looks, after every write, whether pods of two revisions are asked for."""

    def pass_once(self) -> Plan:
        plan = super().pass_once()
        asked = {name for name, work in self.workloads.items() if work.wanted > 0}
        there = {name for name, work in self.workloads.items() if work.pods > 0}
        assert len(asked | there) <= 1, f"{asked} are asked for, {there} are there"
        return plan


def place() -> tuple[Place, str]:
    """v1 serves, and from now on there is one place."""
    before = serving()
    world = Place(before.spec)
    world.settle()
    assert world.ready() == ("True", "Serving")
    return world, world.wanted


def test_stable_makes_place_and_comes_no_more() -> None:
    world, old = place()
    new = world.apply("m:2", rollout=rollout())
    world.lingering.add(old)
    world.settle()
    assert world.ready() == ("False", "Swapping")
    assert world.workloads[old].wanted == 0
    assert world.workloads[new].wanted == 0, "the old pods are still ending"
    world.run(10)
    assert world.condition("Available") == "NoReadyPods"
    world.lingering.clear()
    world.run(2)
    assert world.ready() == ("False", "Baking")
    assert world.route.weights == {new: 100}
    assert world.services["m"] == new, "callers inside the cluster are led to who serves"
    world.run(15)
    assert world.ready() == ("True", "Serving")
    assert world.status.stable is not None
    assert world.status.stable.revision == new
    assert world.status.stable.downtime is not None
    assert 10 <= float(world.status.stable.downtime.rstrip("s")) <= 13
    assert world.events.count("Swapped") == 1


def test_what_can_be_asked_before_is_asked_before() -> None:
    world, old = place()
    new = world.apply("m:2", rollout=rollout(approval={"required": "BeforeTraffic"}))
    world.judge = lambda world: judged(Verdict.CANNOT_MEASURE)
    world.run(30)
    assert world.ready() == ("False", "AwaitingApproval")
    world.command = f"approve {new}"
    world.run(30)
    assert world.ready() == ("False", "Holding")
    assert world.workloads[old].ready == 2
    world.judge = lambda world: judged()
    world.run(20)
    assert world.ready() == ("True", "Serving")


@pytest.mark.parametrize("why", ["bad", "deadline", "aborted", "spec put back", "check", "check unknown"])
def test_whatever_goes_wrong_brings_stable_back(why: str) -> None:
    world, old = place()
    checks = [check()] if "check" in why else []
    new = world.apply("m:2", rollout=rollout(bake="60s", validation=checks))
    if why == "deadline":
        world.frozen_pods[new] = None
    world.run(5)
    assert world.workloads[old].wanted == 0
    assert world.workloads[new].wanted == 2
    world.lingering.add(new)
    match why:
        case "bad":
            world.judge = lambda world: judged(Verdict.BAD)
        case "deadline":
            world.run(60)
        case "aborted":
            world.command = f"abort {new}"
        case "spec put back":
            world.apply("m:1", rollout=rollout())
        case "check":
            end(world, f"{new}-cases", '{"recall": 0}')
        case _:
            end(world, f"{new}-cases", "garbage")
    world.settle()
    assert world.route.weights == {old: 100}
    assert world.workloads[old].wanted == 0, "the candidate's pods are still ending"
    world.lingering.clear()
    world.run(3)
    assert world.workloads[old].ready == 2
    assert world.workloads[new].wanted == 0
    assert world.condition("Available") == "StableServing"
    assert world.status.stable is not None
    assert world.status.stable.down_since is None
    assert 1 <= float((world.status.stable.downtime or "0s").rstrip("s")) <= (70 if why == "deadline" else 8)


@pytest.mark.parametrize("checks", [[], [check()]])
def test_something_wrong_with_the_object_while_nobody_serves_brings_stable_back(checks: list[Any]) -> None:
    world, old = place()
    new = world.apply("m:2", rollout=rollout(validation=checks))
    world.frozen_pods[new] = None
    world.run(5)
    assert world.workloads[old].wanted == 0
    world.problems = (Problem("RegistryAway", "spec.model.from: the registry does not answer"),)
    world.run(3)
    assert world.workloads[old].ready == 2
    assert world.condition("Available") == "StableServing"
    assert "Superseded" in {record.phase for record in world.revisions.values()}
    world.problems = ()
    world.frozen_pods.clear()
    world.run(1)
    assert world.status.candidate is not None, "once it is put right the release begins anew"


def test_checks_that_are_never_made_bring_stable_back() -> None:
    world, old = place()
    new = world.apply("m:2", rollout=rollout(validation=[check(timeout="30s")]))
    world.run(5)
    # To the decision a Job that goes before it began is as good as one that a quota refuses.
    world.checks[f"{new}-cases"] = replace(world.checks[f"{new}-cases"], leaving=True)
    world.run(80)
    assert world.workloads[old].wanted == 0
    world.run(20)
    assert world.workloads[old].ready == 2
    assert world.condition("Stalled") == "DeadlineExceeded"


def test_the_way_back_keeps_to_one_place_whatever_the_spec_says_by_then() -> None:
    world, old = place()
    new = world.apply("m:2", rollout=rollout(bake="60s", drain="8760h"))
    world.run(5)
    assert world.route.weights == {new: 100}
    world.lingering.add(new)
    world.apply("m:2", rollout={"bake": "60s", "drain": "8760h"})
    world.judge = lambda world: judged(Verdict.BAD)
    world.run(2)
    assert world.workloads[new].wanted == 0
    assert world.workloads[old].wanted == 0, "the candidate's pods are still ending"
    world.lingering.clear()
    world.run(2)
    assert world.workloads[old].ready == 2


def test_time_in_which_the_candidate_served_is_no_downtime() -> None:
    world, old = place()
    world.apply("m:2", rollout=rollout(bake="10m"))
    world.run(300)
    world.judge = lambda world: judged(Verdict.BAD)
    world.run(5)
    assert world.status.stable is not None
    assert world.status.stable.revision == old
    assert float((world.status.stable.downtime or "").rstrip("s")) < 10
    assert "Swapped" in world.events


def test_another_revision_in_mid_swap_takes_the_place_without_a_detour() -> None:
    world, old = place()
    first = world.apply("m:2", rollout=rollout())
    world.frozen_pods[first] = None
    world.run(5)
    second = world.apply("m:3", rollout=rollout())
    world.run(30)
    assert world.ready() == ("True", "Serving")
    assert world.status.stable is not None
    assert world.status.stable.revision == second
    brought_back = [a for a in world.log if getattr(a, "name", "") == old and getattr(a, "replicas", 0) > 0]
    assert len(brought_back) == 1, "only when it was first installed"


def test_a_change_of_strategy_in_mid_swap_changes_nothing_for_this_release() -> None:
    world, _ = place()
    new = world.apply("m:2", rollout=rollout())
    world.frozen_pods[new] = None
    world.run(3)
    world.apply("m:2", rollout={**rollout(), "strategy": "BlueGreen"})
    world.run(3)
    world.frozen_pods.clear()
    world.run(20)
    assert world.ready() == ("True", "Serving")


def test_a_restart_at_every_write_asks_for_no_second_place() -> None:
    for cut in range(12):
        world, _ = place()
        new = world.apply("m:2", rollout=rollout())
        world.cut_after = cut
        with suppress(CutOffError):
            world.run(20)
        world.cut_after = None
        world.run(40)
        assert world.ready() == ("True", "Serving")
        assert world.status.stable is not None
        assert world.status.stable.revision == new
