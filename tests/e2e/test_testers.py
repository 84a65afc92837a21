"""Requests that are marked reach the candidate whatever its weight, nobody else does, and nothing is left behind."""

from typing import Any

import pytest

from tests.e2e.ask import ask
from tests.support.model import Model, wait_for
from tests.traffic.answers import count

MARKED = {"x_model_revision": "candidate"}
HEADERS = [{"name": "x-model-revision", "value": "candidate"}]


def release_waiting_for_approval(model: Model, **rollout: Any) -> str:
    """v1 serves, v2 is the candidate at 0 % and waits."""
    model.apply("v1")
    model.await_reason("Serving")
    model.spec["rollout"] |= {"approval": {"required": "BeforeTraffic"}, **rollout}
    model.apply("v2")
    model.await_reason("AwaitingApproval")
    candidate = model.candidate()
    assert candidate
    return candidate


def check_headers(model: Model) -> None:
    new = release_waiting_for_approval(model, testers={"headers": HEADERS})
    with model.traffic() as traffic:
        wait_for("a tester on v2", lambda: ask(model, **MARKED).version == "v2", model.explain)
        assert {ask(model, **MARKED).version for _ in range(10)} == {"v2"}
        assert {ask(model, x_model_revision="other").version for _ in range(5)} == {"v1"}
        traffic.read()
        assert count(traffic.answers).of("v2").requests == 0, "who is not marked stays on stable"
        model.command(f"approve {new}")
        model.await_reason("Serving")
        assert {ask(model, **MARKED).version for _ in range(5)} == {"v2"}
        wait_for("the way of testers to stable", lambda: lead_of_testers(model) == ["fraud"], model.explain)
        assert {ask(model, **MARKED).version for _ in range(5)} == {"v2"}
    assert count(traffic.answers).explain_lost() == ""


def lead_of_testers(model: Model) -> list[str]:
    route = model.get("httproute", "fraud-testers")
    return [ref["name"] for rule in route["spec"]["rules"] for ref in rule["backendRefs"]]


@pytest.mark.cluster
def test_marked_requests_reach_the_candidate_at_weight_zero(model: Model) -> None:
    check_headers(model)


@pytest.mark.cluster
def test_marked_requests_reach_the_candidate_at_weight_zero_behind_envoy(envoy_model: Model) -> None:
    check_headers(envoy_model)


@pytest.mark.cluster
def test_failures_of_testers_judge_nobody(model: Model) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 1, "hold": "15s"}]
    model.apply("v1")
    model.await_reason("Serving")
    model.spec["rollout"]["testers"] = {"headers": HEADERS}
    with model.traffic():
        model.apply("v2")
        model.await_weight(1)
        wait_for("a tester on v2", lambda: ask(model, **MARKED).version == "v2", model.explain)
        new = model.candidate()
        told = [ask(model, **MARKED, x_fault="1") for _ in range(25)]
        assert {one.status for one in told} == {500}
        model.await_reason("Serving", patience=90)
        assert model.stable() == new


def check_cookies(model: Model) -> None:
    new = release_waiting_for_approval(model, testers={"cookie": {"name": "side"}}, bake="20s")
    wait_for("a client on v2", lambda: ask(model, Cookie="a=b; side=candidate").version == "v2", model.explain)
    assert {ask(model, Cookie="side=candidate").version for _ in range(5)} == {"v2"}
    assert ask(model, Cookie="beside=candidate").version == "v1"
    with model.traffic():
        model.command(f"promote {new} 1")
        wait_for("the promotion heard", lambda: model.status()["candidate"].get("forcedStep"), model.explain)
        model.command(f"approve {new}")
        wait_for("all traffic", lambda: model.weights().get(new) == 100, model.explain)
        assert {ask(model, Cookie="side=stable").version for _ in range(5)} == {"v1"}, "stays during the bake"
        model.await_reason("Serving", patience=90)
    cleared = wait_for("the end", lambda: ask(model, Cookie="side=stable").cookie, model.explain)
    assert cleared == "side=; Path=/; Max-Age=0"
    assert ask(model).cookie == ""


@pytest.mark.cluster
def test_a_cookie_keeps_a_client_on_its_side_and_is_cleared_at_the_end(model: Model) -> None:
    check_cookies(model)


@pytest.mark.cluster
def test_a_cookie_keeps_a_client_on_its_side_behind_envoy(envoy_model: Model) -> None:
    check_cookies(envoy_model)
