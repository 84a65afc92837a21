"""The promises of a policy: one run for each reason whatever is lost on the way, held digests, a champion that is never
lost, rollbacks that are ordered once, and nothing written for nothing."""

from datetime import timedelta
from typing import Any

import pytest

from serinus.api import retrainreasons as words
from serinus.api.retrainstatus import ModelState, RetrainPolicyStatus
from serinus.core.retrain.reading import Unknown
from serinus.core.retrain.standing import Served
from tests.core.retrain.policyworld import FIRST, MADE, PolicyWorld
from tests.core.retrain.world import DRIFT, METRIC, START, TEMPLATE, reading, spec

QUALITY: dict[str, Any] = {"name": "quality", "metric": METRIC}
EVENT: dict[str, Any] = {"name": "push", "event": {"type": "push"}}
WEEKLY: dict[str, Any] = {"name": "weekly", "schedule": {"cron": "0 3 * * 1"}}
EAGER: dict[str, Any] = {"cooldown": {"afterSuccess": "0s", "afterFailure": "0s"}, "warmupAfterPromotion": "0s"}


def made() -> ModelState:
    return ModelState(uri=MADE.uri, digest=MADE.digest)


def test_a_degradation_starts_one_run_that_is_named_by_its_number() -> None:
    world = PolicyWorld()
    world.degrade()
    assert len(world.created) == 1
    assert len(world.created[0]) <= 47
    assert world.state() == "Latched"
    assert world.status.active_run == world.created[0]
    run = world.runs[world.created[0]][0]
    assert (run.number, run.champion) == (1, world.status.champion)
    assert run.reasons[0].first_bad_at == START + timedelta(hours=1)


@pytest.mark.parametrize("policy", ["Forbid", "Queue", "Replace"])
def test_a_run_whose_making_was_not_written_down_answers_what_it_was_made_for(policy: str) -> None:
    world = PolicyWorld(spec(QUALITY, concurrencyPolicy=policy, **EAGER))
    world.look(0.8)
    world.now += timedelta(hours=1)
    world.readings["quality"] = reading(0.8, world.now)
    world.turn(loses_status=True)
    world.readings.clear()
    world.settle()
    assert world.state() == "Latched"
    assert world.status.triggers[0].first_bad_at == START + timedelta(hours=1)
    assert words.RETRAIN_STARTED in world.events
    world.hand_over(world.created[0], "Observing")
    world.look(0.8)
    world.send(world.created[0], "Succeeded")
    for _ in range(4):
        world.look(0.8)
    assert len(world.created) == 1, "a success is waited for until the metric has cleared"


@pytest.mark.parametrize("policy", ["Forbid", "Queue", "Replace"])
@pytest.mark.parametrize("text", ["retrain today because I say so", "event push v1"])
def test_a_command_starts_one_run_whatever_was_lost(policy: str, text: str) -> None:
    world = PolicyWorld(spec(EVENT, concurrencyPolicy=policy, **EAGER))
    world.settle()
    world.command = text
    world.turn(loses_status=True)
    world.now += timedelta(minutes=1)
    world.settle()
    assert world.status.last_command is not None
    assert world.status.last_command.outcome == "Accepted"
    assert world.status.pending_run is None
    assert world.cancelled == []
    world.send(world.created[0], "Failed")
    world.now += timedelta(hours=1)
    world.settle()
    world.command = "cancel nothing"
    world.settle()
    world.command = text
    world.settle()
    assert len(world.created) == 1, "nor later, by the same key"


def test_a_command_that_came_after_a_lost_write_is_not_taken_for_the_one_before() -> None:
    world = PolicyWorld(spec(EVENT, concurrencyPolicy="Queue"))
    world.settle()
    world.command = "retrain one"
    world.turn(loses_status=True)
    world.command = "retrain two"
    world.settle()
    assert world.status.pending_run is not None
    assert len(world.created) == 1


def test_a_queued_command_whose_run_was_not_written_down_is_not_queued_again() -> None:
    world = PolicyWorld(spec(EVENT, concurrencyPolicy="Queue", **EAGER))
    world.command = "retrain one"
    world.settle()
    world.command = "retrain two"
    world.settle()
    world.send(world.created[0], "Failed")
    world.now += timedelta(hours=1)
    world.turn(loses_status=True)
    world.settle()
    assert world.status.pending_run is None
    world.send(world.created[1], "Failed")
    world.now += timedelta(hours=1)
    world.settle()
    assert len(world.created) == 2


def test_a_time_of_the_calendar_is_taken_once_whatever_was_lost() -> None:
    world = PolicyWorld(spec(WEEKLY, concurrencyPolicy="Queue", **EAGER))
    world.now = START + timedelta(hours=3)
    world.turn(loses_status=True)
    world.settle()
    world.send(world.created[0], "Failed")
    world.now += timedelta(hours=1)
    world.settle()
    assert len(world.created) == 1


def rolled_back(world: PolicyWorld) -> str:
    world.command = "retrain one"
    world.settle()
    name = world.created[-1]
    world.hand_over(name)
    world.settle()
    world.send(name, "RolledBack", message="errors 4%")
    world.now += timedelta(minutes=1)
    return name


def test_a_model_that_was_rolled_back_is_held_until_it_is_released() -> None:
    world = PolicyWorld()
    rolled_back(world)
    world.settle()
    assert [one.digest for one in world.status.quarantined] == [MADE.digest]
    assert world.status.quarantined[0].evidence == "errors 4%"
    assert words.QUARANTINED in world.events
    world.command = f"release {MADE.digest}"
    world.settle()
    assert world.status.quarantined, "without a reason nothing is released"
    world.command = f"release {MADE.digest} a bad node"
    world.settle()
    assert not world.status.quarantined
    world.now += timedelta(days=1)
    world.settle()
    assert not world.status.quarantined, "released is released"


def test_a_verdict_is_not_lost_with_a_status_nor_with_a_spec_that_cannot_be_read() -> None:
    world = PolicyWorld()
    rolled_back(world)
    good, world.spec = world.spec, None
    world.settle()
    world.spec = good
    world.settle()
    assert [one.digest for one in world.status.quarantined] == [MADE.digest]


def test_a_verdict_on_a_run_that_was_replaced_meanwhile_is_kept() -> None:
    world = PolicyWorld(spec(QUALITY, concurrencyPolicy="Replace", **EAGER))
    world.command = "retrain one"
    world.settle()
    world.command = "retrain two"
    world.settle()
    first, second = world.created
    assert world.cancelled == [first]
    world.now += timedelta(minutes=1)
    world.send(first, "RolledBack", model=MADE, message="it was stable before it could be cancelled")
    world.settle()
    assert world.status.active_run == second
    assert [one.digest for one in world.status.quarantined] == [MADE.digest]


def test_a_ttl_ends_the_quarantine_by_itself() -> None:
    world = PolicyWorld(spec(quarantine={"ttl": "1h"}))
    rolled_back(world)
    ends = world.now - timedelta(minutes=1) + timedelta(hours=1)
    assert world.settle().wake_at == ends
    world.now = ends
    world.settle()
    assert not world.status.quarantined


def test_the_candidate_is_followed_until_the_champion_is_known() -> None:
    world = PolicyWorld(spec(observation={"bake": "0s"}))
    world.command = "retrain one"
    world.settle()
    name = world.created[0]
    world.hand_over(name)
    world.settle()
    assert world.status.candidate is not None
    assert world.status.candidate.run == name
    world.send(name, "Succeeded")
    world.settle()
    assert world.status.candidate is not None, "the ModelDeployment has not said yet that it is stable"
    world.stable = made()
    world.settle()
    assert world.status.candidate is None
    assert world.status.champion is not None
    assert (world.status.champion.digest, world.status.champion.run) == (MADE.digest, name)


def test_a_model_that_somebody_else_made_stable_ends_the_candidate_of_a_run_that_is_over() -> None:
    world = PolicyWorld(spec(observation={"bake": "0s"}))
    world.command = "retrain one"
    world.settle()
    world.hand_over(world.created[0])
    world.settle()
    world.send(world.created[0], "Succeeded")
    world.stable = ModelState(uri="models:/other/1", digest="sha256:" + "9" * 64)
    world.settle()
    assert world.status.candidate is None


@pytest.mark.parametrize("end", ["Rejected", "RolledBack", "Cancelled", "Failed"])
def test_a_run_that_ends_otherwise_leaves_the_champion(end: str) -> None:
    world = PolicyWorld()
    world.command = "retrain one"
    world.settle()
    world.hand_over(world.created[0])
    world.settle()
    world.send(world.created[0], end)
    world.settle()
    assert world.status.candidate is None
    assert world.status.champion is not None
    assert world.status.champion.digest == FIRST.digest


def test_the_champion_outlives_its_model_deployment() -> None:
    world = PolicyWorld()
    world.settle()
    world.stable, world.served = None, None
    world.settle()
    assert world.status.champion is not None
    assert world.status.champion.digest == FIRST.digest


NEW = Served("fraud-2", START, began_at=START - timedelta(minutes=30), previous="fraud-1")


def blamed(**more: Any) -> PolicyWorld:
    """A policy whose metric goes bad right after a promotion."""
    world = PolicyWorld(spec(QUALITY, **(EAGER | more)), served=NEW)
    world.degrade()
    return world


def test_a_degradation_that_began_with_a_release_is_taken_back_once() -> None:
    world = blamed()
    assert (world.ordered, world.created) == (["fraud-2"], [])
    assert world.status.rolled_back == "fraud-2"
    world.seen["releasing"] = True
    world.look(0.8)
    world.seen.clear()
    world.served = Served("fraud-1", world.now, previous=None)
    world.look(0.8)
    world.look(0.8)
    assert world.ordered == ["fraud-2"]
    assert len(world.created) == 1, "where the return does not help, a run follows"


def test_the_command_of_a_person_is_not_written_over_by_a_rollback() -> None:
    world = PolicyWorld(spec(QUALITY, **EAGER), served=NEW, seen={"deployment_busy": True})
    world.degrade()
    assert world.ordered == []
    assert world.conditions["Suppressed"] == "True"
    world.seen.clear()
    world.settle()
    assert world.ordered == ["fraud-2"]


def test_a_rollback_that_is_refused_is_answered_by_a_run() -> None:
    world = blamed()
    world.seen["undo_failed"] = "no earlier revision is inside the rollback window of 0"
    world.settle()
    assert world.ordered == ["fraud-2"]
    assert len(world.created) == 1
    world.send(world.created[0], "Cancelled")
    world.now += timedelta(hours=1)
    world.settle()
    assert len(world.created) == 1, "a person who cancels is not asked again"


def test_a_rollback_of_long_ago_arms_nothing_after_a_success() -> None:
    world = PolicyWorld(
        spec(QUALITY, **EAGER), status=RetrainPolicyStatus(rolled_back="fraud-0"), served=Served("fraud-1", START)
    )
    world.look(0.8, hours=5)
    world.look(0.8)
    world.hand_over(world.created[0], "Observing")
    world.stable, world.served = made(), Served("fraud-2", world.now + timedelta(minutes=5), previous="fraud-1")
    world.look(0.8)
    world.send(world.created[0], "Succeeded")
    world.settle()
    assert world.state() == "Latched"
    for _ in range(3):
        world.look(0.8)
    assert len(world.created) == 1


def test_a_champion_that_is_taken_back_is_held_for_as_long_as_the_policy_says() -> None:
    champion = made().model_copy(update={"run": "fraud-00000000"})
    status = RetrainPolicyStatus(champion=champion)
    world = PolicyWorld(spec(QUALITY, quarantine={"ttl": "1h"}, **EAGER), status=status, stable=made(), served=NEW)
    world.degrade()
    assert world.status.quarantined[0].digest == MADE.digest
    assert world.status.quarantined[0].until == world.now + timedelta(hours=1)


def test_an_idle_policy_writes_nothing() -> None:
    world = PolicyWorld(spec(QUALITY, EVENT, WEEKLY))
    world.look(0.95)
    writes = world.writes
    for minute in range(5):
        world.now += timedelta(minutes=minute)
        assert not world.turn().write_status
    assert world.writes == writes


@pytest.mark.parametrize("passes", [5])
def test_an_unknown_metric_is_told_once_and_costs_no_write_per_pass(passes: int) -> None:
    world = PolicyWorld()
    world.readings["quality"] = reading(Unknown("NoData", "there is none"), START)
    plan = world.settle()
    assert world.conditions["SignalHealthy"] == "Unknown"
    assert plan.wake_at == START + timedelta(hours=3), "nobody else wakes it to say so"
    world.now = START + timedelta(hours=3)
    world.settle()
    assert world.conditions["SignalHealthy"] == "False"
    writes = world.writes
    for _ in range(passes):
        world.now += timedelta(minutes=10)
        world.settle()
    assert world.writes == writes
    assert world.created == []


@pytest.mark.parametrize("mode", ["Recommend", "Observe"])
def test_advice_is_written_once(mode: str) -> None:
    world = PolicyWorld(spec(QUALITY, mode=mode))
    world.degrade()
    assert world.created == []
    assert world.status.recommendation
    writes = world.writes
    for _ in range(5):
        world.now += timedelta(minutes=1)
        world.turn()
    assert world.writes == writes


def test_whatever_others_say_the_status_can_be_written() -> None:
    triggers = [{"name": f"t{number}", "metric": METRIC | {"query": "q" * 900}} for number in range(16)]
    world = PolicyWorld(spec(*triggers, template=TEMPLATE))
    for name in [one["name"] for one in triggers]:
        world.readings[name] = reading(Unknown("NoData", "x" * 4000), START)
    world.command = "retrain " + "k" * 200 + " " + "n" * 3000
    world.seen["provider_problem"] = None
    world.settle()
    run = world.runs[world.created[0]][0]
    assert len(run.reasons) <= 16
    assert len(world.status.model_dump_json()) < 16_384


def test_a_spec_that_cannot_be_read_loses_nothing() -> None:
    world = PolicyWorld(spec({"name": "drift", "metric": DRIFT}, QUALITY))
    world.degrade()
    before = world.status
    world.spec = None
    world.settle()
    assert world.status.triggers == before.triggers
    assert world.status.champion == before.champion
    assert world.status.phase == "Blocked"


@pytest.mark.parametrize("end", ["Failed", "Succeeded", "RolledBack"])
def test_a_status_that_was_wiped_out_trains_nothing_by_itself(end: str) -> None:
    world = PolicyWorld(spec(QUALITY, EVENT, **EAGER))
    world.degrade()
    world.hand_over(world.created[0])
    world.send(world.created[0], end)
    world.now += timedelta(hours=5)
    world.readings.clear()
    world.status = RetrainPolicyStatus()
    world.events.clear()
    world.settle()
    for _ in range(3):
        world.look(0.95)
    assert len(world.created) == 1
    assert world.status.runs == 1
    assert words.RETRAIN_STARTED not in world.events
    assert bool(world.status.quarantined) == (end == "RolledBack"), "what was held is held again"


def test_what_was_never_looked_at_is_not_called_healthy_and_a_query_that_cannot_be_asked_is_named() -> None:
    world = PolicyWorld()
    world.turn()
    assert world.conditions["SignalHealthy"] == "Unknown"
    world.seen["query_problems"] = ("spec.triggers[0].metric.query: expected a closing brace",)
    world.turn()
    assert world.conditions["SignalHealthy"] == "False"
