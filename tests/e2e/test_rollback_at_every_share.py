"""Given up at any share of the traffic, before it and after it: stable gets everything back, and no request is lost."""

from typing import Any

import pytest

from tests.cluster.serinus import kill_operator, start_operator
from tests.support.model import Model, wait_for
from tests.traffic.answers import count


def release_at(model: Model, version: str, share: int) -> str:
    """A release that stands at this share of the traffic: 0 waits for an approval, 100 bakes."""
    rollout: dict[str, Any] = {**model.spec["rollout"], "bake": "60s"}
    rollout.pop("approval", None)
    rollout["steps"] = [{"weight": share, "hold": "60s"}] if 0 < share < 100 else [{"weight": 100}]
    if share == 0:
        rollout["approval"] = {"required": "BeforeTraffic"}
    model.spec["rollout"] = rollout
    model.apply(version)
    if share > 0:
        return model.await_weight(share)
    model.await_reason("AwaitingApproval")
    return str(model.candidate())


def give_up(model: Model, revision: str, stable: str) -> None:
    """Abort it, and see it gone."""
    model.command(f"abort {revision}")
    wait_for(f"the end of {revision}", lambda: model.weights() == {stable: 100}, model.explain)
    wait_for("the word on it", lambda: model.reason() == "RolledBack", model.explain)
    wait_for("its pods are gone", lambda: not model.pods(revision), model.explain)


@pytest.mark.cluster
def test_given_up_before_early_in_the_middle_late_and_at_the_end(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    with model.traffic() as traffic:
        for number, share in enumerate((0, 20, 50, 80, 100), start=2):
            give_up(model, release_at(model, f"v{number}", share), stable)
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.of("v2").requests == 0
    assert all(tally.of(f"v{number}").requests > 0 for number in (3, 4, 5, 6))


@pytest.mark.cluster
def test_given_up_while_no_operator_runs(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    with model.traffic() as traffic:
        bad = release_at(model, "v2", 50)
        kill_operator(model.cluster)
        model.command(f"abort {bad}")
        start_operator(model.cluster)
        wait_for("the way back", lambda: model.weights() == {stable: 100}, model.explain)
        model.await_reason("RolledBack")
    assert count(traffic.answers).explain_lost() == ""
