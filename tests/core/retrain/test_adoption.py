"""An operator that died between making a run and saying so has decided: there is no second run, whatever asked for it
and whatever the concurrencyPolicy."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import RetrainPolicyStatus, RetrainRunStatus
from serinus.core.retrain.policy import decide_policy
from serinus.core.retrain.policyview import CreateRun, PolicyPlan, PolicySnapshot
from serinus.core.retrain.records import observe_run
from tests.core.retrain.world import HOUR, METRIC, START, reading, spec

TRIGGERS: dict[str, dict[str, Any]] = {
    "command": {"event": {"type": "unused"}},
    "event": {"event": {"type": "model_version.created"}},
    "schedule": {"schedule": {"cron": "30 * * * *"}},
    "metric": {"metric": METRIC | {"consecutiveWindows": 1}},
    "newData": {"newData": {"query": "rows", "minNewRows": 100}},
}
COMMANDS = {"command": "retrain k1 because", "event": "event model_version.created v7"}
NOW = START + HOUR


def see(given: RetrainPolicySpec, kind: str, **more: Any) -> PolicySnapshot:
    readings = {}
    if kind in ("metric", "newData"):
        readings = {"one": reading(0.5 if kind == "metric" else 1000, NOW)}
    seen: dict[str, Any] = {"readings": readings, "command": COMMANDS.get(kind), "command_by": "ada", "now": NOW}
    seen["status"] = RetrainPolicyStatus.model_validate(
        {"triggers": [{"name": "one", "state": "Clear", "since": START, "knownAt": START, "baseline": "10"}]}
        if kind == "newData"
        else {}
    )
    return PolicySnapshot(
        name="fraud",
        namespace="ml",
        uid="uid",
        generation=1,
        created_at=START,
        spec=given,
        digest="0" * 64,
        template_digest="0" * 64,
        **seen | more,
    )


def made(plan: PolicyPlan) -> list[CreateRun]:
    return [action for action in plan.before if isinstance(action, CreateRun)]


def keep(snapshot: PolicySnapshot, run: CreateRun, **status: Any) -> PolicySnapshot:
    """The snapshot with the run, as a later pass reads it."""
    raw = {"metadata": {"name": run.name}, "spec": run.spec.dump(), "status": status}
    record = observe_run(raw)
    assert record is not None
    statuses = {run.name: RetrainRunStatus.model_validate(status)}
    return replace(snapshot, runs=(record,), run_statuses=statuses)


@pytest.mark.parametrize("concurrency", ["Forbid", "Queue", "Replace"])
@pytest.mark.parametrize("kind", TRIGGERS)
def test_a_run_that_nobody_could_tell_of_is_the_only_one(kind: str, concurrency: str) -> None:
    given = spec({"name": "one", **TRIGGERS[kind]}, concurrencyPolicy=concurrency, cooldown={"afterSuccess": "0s"})
    before = see(given, kind)
    first = decide_policy(before)
    [run] = made(first)
    # A minute later, the readings of before are gone and the status is what it was.
    again = keep(replace(before, readings={}, now=NOW + timedelta(minutes=1)), run, phase="Training")
    second = decide_policy(again)
    assert made(second) == []
    assert second.before == ()
    status = second.status
    assert (status.runs, status.active_run, status.pending_run) == (1, run.name, None)
    assert status.handled_keys == first.status.handled_keys
    [told], [expected] = status.triggers, first.status.triggers
    assert (told.state, told.value, told.first_bad_at) == (expected.state, expected.value, expected.first_bad_at)
    if kind in COMMANDS:
        assert status.last_command is not None
        assert status.last_command.outcome == "Accepted"
    ended = keep(replace(again, status=status, now=NOW + HOUR / 4), run, phase="Succeeded", finishedAt=str(NOW))
    third = decide_policy(ended)
    assert made(third) == []
    assert third.status.pending_run is None


def test_a_command_that_came_later_is_answered_by_the_rules() -> None:
    given = spec()
    before = see(given, "command")
    [run] = made(decide_policy(before))
    again = keep(replace(before, command="retrain k2"), run, phase="Training")
    told = decide_policy(again).status.last_command
    assert told is not None
    assert told.outcome == "Refused"
    assert "under way" in (told.message or "")


def test_what_is_known_already_is_not_answered_twice() -> None:
    given = spec({"name": "one", **TRIGGERS["metric"]}, cooldown={"afterFailure": "0s"})
    before = see(given, "metric")
    first = decide_policy(before)
    [run] = made(first)
    cleared = [one.model_copy(update={"state": "Clear"}) for one in first.status.triggers]
    known = first.status.model_copy(update={"triggers": tuple(cleared)})
    later = keep(replace(before, status=known, readings={}), run, phase="Training")
    assert decide_policy(later).status.triggers[0].state == "Clear"
