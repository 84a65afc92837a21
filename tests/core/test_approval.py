"""A person must agree where that was asked for; nothing that people hold back ever holds back a rollback."""

from datetime import timedelta

from serinus.core.judge import Verdict
from tests.core.world import World, judged, spec

STEPS = {
    "steps": [{"weight": 5, "hold": "10s"}, {"weight": 50, "hold": "10s"}],
    "bake": "20s",
    "drain": "5s",
    "progressDeadline": "60s",
}


def rollout(required: str) -> dict[str, object]:
    return {**STEPS, "approval": {"required": required}}


def serving() -> World:
    world = World(spec("m:1"))
    world.settle()
    return world


def test_before_traffic_nothing_goes_to_the_candidate_until_somebody_agrees() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BeforeTraffic"))
    world.run(300)
    assert world.ready() == ("False", "AwaitingApproval")
    assert world.status.candidate is not None
    assert world.status.candidate.weight == 0
    assert all(new not in weights for weights in world.weights)
    message = next(c.message for c in world.status.conditions if c.type == "Ready")
    assert f'serinus.dev/command="approve {new}"' in message
    world.command, world.command_by = f"approve {new} looks fine", "ada"
    world.run(60)
    assert world.status.stable is not None
    assert world.status.stable.revision == new
    assert world.status.last_command is not None
    assert (world.status.last_command.outcome, world.status.last_command.by) == ("Accepted", "ada")
    assert "approved by ada" in (world.revisions[new].message or "")


def test_before_promotion_the_last_step_is_held_and_no_pods_are_loaded_for_what_may_not_come() -> None:
    world = serving()
    new = world.apply("m:2", replicas=4, rollout=rollout("BeforePromotion"))
    world.run(300)
    assert world.ready() == ("False", "AwaitingApproval")
    assert world.status.candidate is not None
    assert world.status.candidate.weight == 50
    assert world.workloads[new].wanted == 2
    world.command = f"approve {new}"
    world.settle()
    assert world.status.candidate.weight == 100


def test_an_approval_may_come_before_it_is_asked_for() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BeforePromotion"))
    world.run(3)
    world.command = f"approve {new}"
    world.run(60)
    assert world.status.stable is not None
    assert world.status.stable.revision == new
    assert "AwaitingApproval" not in world.events


def test_an_approval_of_another_revision_opens_nothing() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BeforeTraffic"))
    world.settle()
    world.command = "approve m-00000000"
    world.run(60)
    assert world.status.candidate is not None
    assert world.status.candidate.weight == 0
    assert world.status.last_command is not None
    assert world.status.last_command.outcome == "Ignored"
    assert new in world.status.last_command.message


def test_promote_is_no_approval() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BeforePromotion"))
    world.run(5)
    world.command = f"promote {new}"
    world.run(60)
    assert world.ready() == ("False", "AwaitingApproval")


def test_a_bad_candidate_goes_back_while_it_waits_for_an_approval() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BeforePromotion"))
    world.run(60)
    assert world.ready() == ("False", "AwaitingApproval")
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert world.ready() == ("False", "RolledBack")
    assert world.route.weights.get(new, 0) == 0


def test_the_deadline_stands_still_while_an_approval_is_missing() -> None:
    world = serving()
    new = world.apply("m:2", rollout=rollout("BeforeTraffic"))
    world.run(7200, step=60)
    world.frozen_pods[new] = None
    world.pods_come()
    world.run(30)
    assert world.status.candidate is not None, "a pod that is lost after hours has its own time to come back"
    world.run(90)
    assert world.status.candidate is None


def test_a_first_revision_waits_too() -> None:
    world = World(spec("m:1", rollout=rollout("BeforeTraffic")))
    world.run(30)
    assert world.ready() == ("False", "AwaitingApproval")
    assert not world.weights
    world.command = f"approve {world.wanted}"
    world.settle()
    assert world.ready() == ("True", "Serving")


def test_a_return_inside_the_rollback_window_asks_nobody() -> None:
    world = serving()
    old = world.wanted
    new = world.apply("m:2")
    world.run(120)
    assert world.status.stable is not None
    assert world.status.stable.revision == new
    world.apply("m:1", rollout=rollout("BeforeTraffic"))
    world.run(60)
    assert world.status.stable.revision == old


def test_waiting_for_an_approval_costs_one_write() -> None:
    world = serving()
    world.apply("m:2", rollout=rollout("BeforeTraffic"))
    world.run(30)
    before = world.status_writes
    world.run(timedelta(hours=1).total_seconds(), step=30)
    assert world.status_writes == before
