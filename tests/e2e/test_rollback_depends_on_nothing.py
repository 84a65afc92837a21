"""A candidate that turns bad leaves, whatever else is closed, paused or broken at that moment."""

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count

TURNS_BAD = {"FAULTS_AFTER": 40.0}
"""Seconds after its start; by then it stands at half of the traffic."""


def release_that_turns_bad(model: Model) -> str:
    model.apply("v1")
    model.await_reason("Serving")
    model.spec["rollout"]["steps"] = [{"weight": 50, "hold": "5s"}, {"weight": 60, "hold": "120s"}]
    return model.stable()


def check_back_on(model: Model, stable: str) -> None:
    model.await_reason("RolledBack", patience=150)
    assert model.weights() == {stable: 100}
    assert model.condition("Stalled")["reason"] == "AnalysisFailed"


@pytest.mark.cluster
def test_while_a_person_has_not_approved(model: Model) -> None:
    stable = release_that_turns_bad(model)
    model.spec["rollout"]["steps"] = [{"weight": 50, "hold": "2s"}]
    model.spec["rollout"]["approval"] = {"required": "BeforePromotion"}
    with model.traffic() as traffic:
        model.apply("v2", behaviour=TURNS_BAD)
        model.await_reason("AwaitingApproval")
        check_back_on(model, stable)
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_while_it_is_paused(model: Model) -> None:
    stable = release_that_turns_bad(model)
    with model.traffic() as traffic:
        model.apply("v2", behaviour=TURNS_BAD)
        candidate = model.await_weight(50)
        model.command(f"pause {candidate}")
        model.await_reason("Paused")
        check_back_on(model, stable)
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_while_a_pod_of_stable_is_not_ready(model: Model) -> None:
    stable = release_that_turns_bad(model)
    with model.traffic():
        model.apply("v2", behaviour=TURNS_BAD)
        model.await_weight(50)
        chosen = ("pods", "-n", model.namespace, "-l", f"serinus.dev/revision={stable}")
        broken = model.cluster.get(*chosen)["items"][0]["metadata"]["name"]
        image = ("set", "image", f"pod/{broken}", "model=localhost/no-such-image:1")
        model.cluster.kubectl(*image, "-n", model.namespace)
        wait_for("one pod of stable", lambda: model.status()["stable"]["readyReplicas"] == 1, model.explain)
        check_back_on(model, stable)


@pytest.mark.cluster
def test_while_its_own_pods_come_and_go(model: Model) -> None:
    stable = release_that_turns_bad(model)
    with model.traffic():
        model.apply("v2", behaviour=TURNS_BAD)
        candidate = model.await_weight(50)
        for _ in range(3):
            model.cluster.kubectl(
                "delete", "pods", "-n", model.namespace, "-l", f"serinus.dev/revision={candidate}", "--wait=false"
            )
            wait_for("its pods again", lambda: model.pods(candidate), model.explain)
        check_back_on(model, stable)
