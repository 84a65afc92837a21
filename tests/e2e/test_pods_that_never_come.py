"""Pods that do not come: stable serves on, the words of the kubelet are told, and a better revision gets through."""

import time
from typing import Any

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count


def without_image(template: dict[str, Any]) -> None:
    template["spec"]["containers"][0]["image"] = "localhost/no-such-model:1"


@pytest.mark.cluster
def test_an_image_that_does_not_exist_is_named_and_given_up_at_the_deadline(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.spec["rollout"]["progressDeadline"] = "20s"
    with model.traffic() as traffic:
        model.apply("v2", change=without_image)
        model.await_reason("ImagePullFailed")
        assert "no-such-model" in model.condition("Ready")["message"]
        model.await_reason("RolledBack")
        assert model.condition("Stalled")["reason"] == "DeadlineExceeded"
        assert model.weights() == {stable: 100}
        # A better one needs nobody to clear up.
        model.apply("v3")
        model.await_reason("Serving", patience=90)
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_a_first_revision_without_an_image_is_freed_by_a_better_one(model: Model) -> None:
    model.apply("v1", change=without_image)
    model.await_reason("ImagePullFailed")
    model.apply("v2")
    model.await_reason("Serving")


@pytest.mark.cluster
def test_a_pause_may_outlive_the_deadline(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    model.spec["rollout"] |= {
        "progressDeadline": "20s",
        "steps": [{"weight": 50, "hold": "1s"}, {"pause": {"for": "25s"}}],
    }
    with model.traffic() as traffic:
        model.apply("v2")
        model.await_reason("Paused")
        model.await_reason("Serving", patience=120)
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_a_model_that_loads_for_long_says_so_and_one_that_crashes_is_given_up_at_once(model: Model) -> None:
    def slow(template: dict[str, Any]) -> None:
        template["spec"]["containers"][0]["readinessProbe"]["initialDelaySeconds"] = 14

    def crashing(template: dict[str, Any]) -> None:
        template["spec"]["containers"][0]["command"] = ["/usr/bin/python3", "-c", "raise SystemExit(3)"]

    model.spec["replicas"] = 1
    model.apply("v1", change=slow)
    model.await_reason("LoadingModel")
    assert "its model is loading, since" in model.condition("Ready")["message"]
    model.await_reason("Serving")
    stable = model.stable()
    model.spec["rollout"]["progressDeadline"] = "30m"
    with model.traffic() as traffic:
        model.apply("v2", change=crashing)
        model.await_reason("CrashLooping")
        model.await_reason("RolledBack", patience=90)
        assert model.condition("Stalled")["reason"] == "CrashLooping"
        message = model.status()["rejected"]["message"]
        assert "exit code 3 (Error), see kubectl logs" in message
        assert model.weights() == {stable: 100}
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_a_candidate_that_loses_all_pods_gives_its_traffic_back_until_they_return(model: Model) -> None:
    def slow(template: dict[str, Any]) -> None:
        template["spec"]["containers"][0]["readinessProbe"]["initialDelaySeconds"] = 8

    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.spec["rollout"]["steps"] = [{"weight": 50, "hold": "1s"}, {"pause": {}}]
    with model.traffic() as traffic:
        model.apply("v2", change=slow)
        candidate = model.await_weight(50, patience=90)
        model.await_reason("Paused")
        died = time.time()
        # Without grace, as when a node is gone.
        now = ("--force", "--grace-period=0", "--wait=false")
        model.cluster.kubectl("delete", "pod", "-n", model.namespace, "-l", f"serinus.dev/revision={candidate}", *now)
        wait_for("no weight", lambda: model.weights() == {stable: 100}, model.explain)
        given_back = time.time()
        assert model.candidate() == candidate, "it is not rejected for that"
        model.await_weight(50, patience=60)
    lost = [answer for answer in traffic.answers if answer.lost]
    assert all(died - 1 < answer.sent < given_back + 1 for answer in lost), "only what was on its way when they died"
