"""What a ModelDeployment is told to serve, and what became of it there."""

from datetime import UTC, datetime
from typing import Any

from serinus.api.runstatus import RunModel
from serinus.api.status import ResolvedModel
from serinus.core.retrain.fate import find_fate
from serinus.core.retrain.following import find_wanted_model, follow, observe_policy_status
from serinus.core.snapshot import Problem

HELD = "sha256:" + "9" * 64
STABLE = "sha256:" + "1" * 64
MODEL = RunModel(uri="models:/fraud/2", digest="sha256:" + "2" * 64)


def policy(**status: Any) -> dict[str, Any]:
    spec = {"modelDeploymentRef": {"name": "fraud"}, "initialModel": {"uri": "models:/fraud/1"}}
    return {"metadata": {"name": "fraud", "generation": 1}, "spec": spec, "status": status}


def test_a_policy_that_nobody_has_looked_at_yet_sends_nobody_to_its_first_model() -> None:
    found = follow(policy(), "fraud", "fraud")
    assert isinstance(found, str)
    assert "for the first time" in found
    found = follow(policy(observedGeneration=1), "fraud", "fraud")
    assert isinstance(found, ResolvedModel)
    assert found.resolved == "models:/fraud/1"


def test_a_policy_for_another_deployment_or_none_at_all_is_a_problem() -> None:
    assert isinstance(follow(policy(observedGeneration=1), "fraud", "other"), Problem)
    assert isinstance(follow(None, "fraud", "fraud"), Problem)


def test_what_another_version_has_written_costs_neither_champion_nor_held_digests() -> None:
    champion = {"uri": "models:/fraud/7", "digest": STABLE}
    held = {"digest": HELD, "reason": "RolledBack", "at": "2026-01-01T00:00:00Z"}
    odd = {"digest": "sha256:" + "8" * 64, "reason": "x", "at": "2026-01-01T00:00:00Z", "scope": "Galaxy"}
    told = policy(
        observedGeneration=1,
        champion=champion,
        quarantined=[odd, held],
        triggers=[{"name": "a", "state": "Levitating"}, {"name": "b", "state": "Latched"}],
        lastCommand={"text": "x", "outcome": "Sung"},
    )
    status = observe_policy_status(told)
    assert [one.digest for one in status.quarantined] == [HELD]
    assert [one.name for one in status.triggers] == ["b"]
    assert status.last_command is None
    wanted = find_wanted_model(told)
    assert wanted is not None
    assert wanted.uri == "models:/fraud/7"


def revision(name: str, **status: Any) -> dict[str, Any]:
    model = {"uri": MODEL.uri, "digest": MODEL.digest}
    return {"metadata": {"name": name}, "spec": {"content": {"model": model}}, "status": status}


def test_a_verdict_from_before_the_hand_over_is_old() -> None:
    before, after = "2026-03-01T09:00:00Z", "2026-03-01T11:00:00Z"
    handed_at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    fate = find_fate([revision("a", phase="Rejected", rejectedAt=before)], MODEL, handed_at, None)
    assert fate is not None
    assert fate.is_old
    fate = find_fate([revision("a", phase="Rejected", rejectedAt=after)], MODEL, handed_at, None)
    assert fate is not None
    assert not fate.is_old
    assert find_fate([revision("a", phase="Retired", promotedAt=before)], MODEL, handed_at, None) is None
