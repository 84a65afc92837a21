"""Shadow: the candidate answers mirrored requests, and nobody sees an answer of it before it is known to be good."""

import re
from typing import Any

import pytest

from tests.e2e.test_metrics import LATENCY, judge_by, serve
from tests.e2e.test_validation import check
from tests.support.model import Model, wait_for
from tests.traffic.answers import Tally, count
from tests.traffic.route import list_weights
from tests.traffic.runner import Traffic

NUMBERS = re.compile(r"so far errors [\d.]+% on")
COMPARE = """
import json, os, urllib.request as u
asked = [u.urlopen(os.environ[name] + "/", timeout=10) for name in ("SERINUS_TARGET_URL", "SERINUS_STABLE_URL")]
versions = [answer.headers["x-model-version"] for answer in asked]
assert versions[1] == "v1", versions
with open("/dev/termination-log", "w") as out:
    json.dump({"agreement": {"v2": 0.99, "v3": 0.4}[versions[0]]}, out)
"""


def scoring() -> dict[str, Any]:
    return {**check(COMPARE), "name": "agreement", "bounds": {"agreement": {"min": "0.9"}}}


def serve_first(model: Model, **shadow: Any) -> str:
    model.apply("v1")
    model.await_reason("Serving")
    model.spec["rollout"] |= {"strategy": "Shadow", "shadow": {"hold": "4s", **shadow}}
    return model.stable()


def mirrors(model: Model) -> list[tuple[str, int]]:
    """Whom the route mirrors to, and how many percent."""
    filters = [f for rule in model.get("httproute")["spec"]["rules"] for f in rule.get("filters", ())]
    found = [f["requestMirror"] for f in filters if f["type"] == "RequestMirror"]
    return [(one["backendRef"]["name"], one.get("percent", 100)) for one in found]


def await_mirror(model: Model, percent: int = 100) -> str:
    """Wait until requests are mirrored; to whom."""
    found = wait_for("a mirror", lambda: mirrors(model), model.explain)
    assert [share for _, share in found] == [percent]
    return found[0][0]


def await_refused(model: Model, traffic: Traffic, stable: str) -> Tally:
    """Wait until the candidate is rejected in its shadow time; what clients were answered."""
    model.await_reason("RolledBack", patience=90)
    assert "no client saw its answers to them" in model.condition("Ready")["message"]
    assert mirrors(model) == []
    assert model.weights() == {stable: 100}
    traffic.read()
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert set(tally.versions) == {"v1"}
    return tally


@pytest.mark.cluster
def test_a_good_release_is_promoted_and_nobody_sees_it_while_it_is_mirrored_to(envoy_model: Model) -> None:
    model = envoy_model
    stable = serve_first(model, percent=50, hold="8s", scoring=[scoring()])
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        new = await_mirror(model, 50)
        said = wait_for("numbers", lambda: NUMBERS.search(model.condition("Ready")["message"]), model.explain)
        assert said is not None
        assert model.reason() == "Shadowing"
        assert model.weights() == {stable: 100}
        assert model.status()["phase"] == "Shadowing"
        traffic.read()
        assert set(count(traffic.answers).versions) == {"v1"}
        model.await_reason("Serving", patience=120)
        assert model.stable() == new
        assert mirrors(model) == []
    assert list_weights(route.changes, new) == [20, 50, 100]
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.own_failures == 0
    record = model.get("modelrevision", new)["status"]["validation"]
    assert [(one["name"], one["outcome"], one["message"]) for one in record] == [
        ("agreement", "Passed", "agreement 0.99")
    ]


@pytest.mark.cluster
def test_a_bad_release_is_rejected_by_mirrored_requests_and_no_client_sees_it(envoy_model: Model) -> None:
    model = envoy_model
    stable = serve_first(model, hold="60s")
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2", faults=0.5)
        bad = await_mirror(model)
        await_refused(model, traffic, stable)
        assert "errors" in model.condition("Ready")["message"]
        model.spec["rollout"]["shadow"] = {"hold": "2s", "scoring": [scoring()]}
        model.apply("v3")
        worse = await_mirror(model)
        await_refused(model, traffic, stable)
        said = model.condition("Ready")["message"]
        assert "agreement: agreement 0.4, at least 0.9 is asked for" in said, "not what the one before has answered"
    assert list_weights(route.changes, bad) == list_weights(route.changes, worse) == []


@pytest.mark.cluster
def test_a_slower_release_is_rejected_by_mirrored_requests(envoy_model: Model) -> None:
    model = envoy_model
    judge_by(model, LATENCY)
    serve(model, DELAY=0.02)
    model.spec["rollout"] |= {"strategy": "Shadow", "shadow": {"hold": "60s"}}
    with model.traffic() as traffic:
        wait_for("400 answers", lambda: traffic.read() or len(traffic.answers) > 400, lambda: "")
        model.apply("v2", behaviour={"DELAY": 0.06})
        await_mirror(model)
        await_refused(model, traffic, model.stable())
    assert "latency" in model.condition("Ready")["message"]


@pytest.mark.cluster
def test_a_gateway_that_cannot_mirror_is_named_and_nothing_is_released(model: Model) -> None:
    stable = serve_first(model)
    with model.traffic() as traffic:
        model.apply("v2")
        model.await_reason("GatewayUnsupported")
        assert "HTTPRouteRequestMirror" in model.condition("Ready")["message"]
        assert model.candidate() is None
        assert model.weights() == {stable: 100}
        assert len(model.cluster.get("modelrevisions", "-n", model.namespace)["items"]) == 1
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert set(tally.versions) == {"v1"}
