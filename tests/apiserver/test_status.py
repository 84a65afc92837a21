"""Every status that is ever written reads the same in every tool, and every transition is told once."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from tests.apiserver.conftest import Surroundings
from tests.kstatus import assess_health, assess_kstatus
from tests.support.model import Model, wait_for
from tests.traffic.watch import read_changes

Raw = dict[str, Any]
pytestmark = pytest.mark.apiserver


class Reading(NamedTuple):
    """How the tools read a situation; `available` "any" where it depends on what else serves."""

    available: str
    kstatus: str
    health: str


TABLE = {
    "Deploying": Reading("any", "InProgress", "Progressing"),
    "WaitingForCapacity": Reading("any", "InProgress", "Progressing"),
    "QuotaExceeded": Reading("any", "InProgress", "Progressing"),
    "Serving": Reading("True", "Current", "Healthy"),
    "CanaryProgressing": Reading("True", "InProgress", "Progressing"),
    "Holding": Reading("True", "InProgress", "Progressing"),
    "Baking": Reading("True", "InProgress", "Progressing"),
    "Paused": Reading("True", "InProgress", "Suspended"),
    "AwaitingApproval": Reading("True", "InProgress", "Suspended"),
    "Frozen": Reading("True", "InProgress", "Suspended"),
    "RolledBack": Reading("True", "Failed", "Degraded"),
    "InvalidSpec": Reading("True", "Failed", "Degraded"),
    "GatewayNotFound": Reading("any", "Failed", "Degraded"),
    "ScaledToZero": Reading("any", "Current", "Suspended"),
}


@contextmanager
def history(model: Model) -> Iterator[list[Raw]]:
    """Every version of the ModelDeployment from now on, however late the watch of it begins."""
    seen: list[Raw] = []
    path = f"/apis/serinus.dev/v1alpha1/namespaces/{model.namespace}/modeldeployments"
    now = json.loads(model.cluster.kubectl("get", "--raw", path).stdout)["metadata"]["resourceVersion"]
    command = [str(model.cluster.kubectl_path), "--kubeconfig", str(model.cluster.kubeconfig)]
    command += ["get", "--raw", f"{path}?watch=1&resourceVersion={now}"]
    with model.cluster.popen(command, stdout=subprocess.PIPE, text=True) as process:

        def read() -> None:
            seen.extend(change.object for change in read_changes(process.stdout or ()) if change.kind != "DELETED")

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield seen
        finally:
            process.terminate()
            reader.join(timeout=10)


def read_reasons(seen: list[Raw]) -> list[str]:
    """Reasons of Ready in the order in which they came, each checked against the table for every tool."""
    reasons: list[str] = []
    for obj in seen:
        status = obj.get("status") or {}
        if status.get("observedGeneration") != obj["metadata"]["generation"]:
            assert (assess_kstatus(obj), assess_health(obj)) == ("InProgress", "Progressing")
            continue
        conditions = {condition["type"]: condition for condition in status["conditions"]}
        reason = conditions["Ready"]["reason"]
        available = conditions["Available"]["status"] if TABLE[reason].available != "any" else "any"
        said = Reading(available, assess_kstatus(obj), assess_health(obj))
        assert said == TABLE[reason], f"{reason}: {json.dumps(status, indent=1)}"
        assert len(json.dumps(status)) <= 8192
        assert not {"Reconciling", "Stalled"} <= set(conditions)
        if not reasons or reasons[-1] != reason:
            reasons.append(reason)
    return reasons


def assert_told_once(model: Model, *reasons: str) -> None:
    told = model.await_events(*reasons)
    assert len(told) == len(set(told)), told


def test_from_the_first_install_over_a_canary_to_nothing(model: Model) -> None:
    with history(model) as seen:
        model.apply("v1")
        model.await_reason("Serving")
        model.apply("v2")
        model.await_reason("Serving")
        model.apply("v2", replicas=0)
        model.await_reason("ScaledToZero")
        wait_for("nothing serves", lambda: model.condition("Available")["status"] == "False", model.explain)
        reasons = read_reasons(seen)
    # How often a canary holds for a moment depends on the scrapes.
    told = [reason for reason in reasons if reason != "Holding"]
    assert told[:2] == ["Deploying", "Serving"]
    assert told[-2:] == ["Serving", "ScaledToZero"]
    assert {"CanaryProgressing", "Baking"} <= set(told[2:-2])
    assert_told_once(model, "RolloutStarted", "WeightRaised", "Baking", "Promoted", "ScaledToZero")


def test_paused_by_the_spec_and_by_a_step(model: Model) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "2s"}, {"pause": {}}, {"weight": 50, "hold": "1s"}]
    with history(model) as seen:
        model.apply("v1")
        model.await_reason("Serving")
        model.apply("v2", paused=True)
        model.await_reason("Paused")
        new = wait_for("a candidate", model.candidate, model.explain)
        model.apply("v2", paused=False)
        model.await_weight(20)
        model.await_reason("Paused")
        model.command(f"resume {new}")
        model.await_reason("Serving")
        assert read_reasons(seen).count("Paused") == 2
    assert_told_once(model, "Paused", "Promoted")


def test_frozen_and_then_waiting_for_a_person(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    now = datetime.now(UTC)
    # The window began a minute or two ago and is over in thirty seconds.
    begins = now.replace(second=0) - timedelta(minutes=1)
    duration = f"{int((now - begins).total_seconds()) + 30}s"
    model.spec["rollout"]["freeze"] = [{"cron": f"{begins.minute} {begins.hour} * * *", "duration": duration}]
    model.spec["rollout"]["approval"] = {"required": "BeforePromotion"}
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "10s"}]
    with history(model) as seen:
        model.apply("v2")
        model.await_reason("Frozen")
        assert model.candidate() is None
        model.await_reason("AwaitingApproval", patience=90)
        model.command(f"approve {model.candidate()}")
        model.await_reason("Serving")
        read_reasons(seen)
    assert_told_once(model, "Frozen", "AwaitingApproval", "Approved", "Promoted")


def test_rolled_back_and_then_a_spec_that_cannot_be(model: Model) -> None:
    with history(model) as seen:
        model.apply("v1")
        model.await_reason("Serving")
        stable = model.stable()
        model.apply("v2", faults=0.3)
        model.await_reason("RolledBack")
        assert model.condition("Stalled")["reason"] == "AnalysisFailed"
        (container,) = model.get()["spec"]["template"]["spec"]["containers"]
        container["terminationMessagePolicy"] = "Sometimes"
        model.apply("v3", template={"spec": {"containers": [container]}})
        model.await_reason("InvalidSpec")
        assert 'terminationMessagePolicy: Unsupported value: "Sometimes"' in model.condition("Stalled")["message"], (
            model.explain()
        )
        assert model.weights() == {stable: 100}
        model.apply("v1")
        model.await_reason("Serving")
        assert model.stable() == stable
        read_reasons(seen)
    assert_told_once(model, "AnalysisFailed", "InvalidSpec")


def test_a_gateway_that_does_not_exist(model: Model) -> None:
    route = model.spec["route"]
    with history(model) as seen:
        model.apply("v1", route={**route, "parentRefs": [{"name": "nowhere", "namespace": "gateways"}]})
        model.await_reason("GatewayNotFound")
        assert "spec.route.parentRefs[0]" in model.condition("Stalled")["message"]
        model.apply("v1")
        model.await_reason("Serving")
        assert read_reasons(seen)[0] == "GatewayNotFound"


def test_holding_while_nothing_can_be_measured(model: Model, surroundings: Surroundings) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "10s"}]
    with history(model) as seen:
        model.apply("v1")
        model.await_reason("Serving")
        model.apply("v2")
        model.await_weight(20)
        surroundings.answer("empty")
        model.await_reason("Holding")
        surroundings.answer("well")
        model.await_reason("Serving")
        read_reasons(seen)
    assert_told_once(model, "Holding")
