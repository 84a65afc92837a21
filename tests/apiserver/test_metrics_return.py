"""What an outage of the metrics may not do, and what happens once they are back."""

import time
from typing import Any

import pytest

from tests.apiserver.conftest import Surroundings
from tests.kstatus import assess_health, assess_kstatus
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver


def serve_first(model: Model, **rollout: Any) -> str:
    model.spec["rollout"] |= {"steps": [{"weight": 50, "hold": "1s"}], "bake": "2s", **rollout}
    model.apply("v1")
    model.await_reason("Serving")
    return model.stable()


def await_measured(model: Model) -> None:
    """Wait until the candidate's first figures are there: only then does an outage hide something."""
    wait_for("metrics are fresh", lambda: model.condition("MetricsHealthy")["status"] != "Unknown", model.explain)


def set_faults(model: Model, revision: str, share: float) -> None:
    """Let a share of a revision's requests fail from now on."""
    fault = f"example.com/fault-ratio={share}"
    model.cluster.kubectl("annotate", "deployment", revision, fault, "--overwrite", "-n", model.namespace)


def test_nobody_is_promoted_out_of_a_bake_that_nobody_could_see(model: Model, surroundings: Surroundings) -> None:
    stable = serve_first(model, bake="15s")
    model.apply("v2")
    model.await_reason("Baking")
    surroundings.answer("down")
    model.await_reason("Holding")
    time.sleep(2)  # the bake was over before it said so; nothing else is to come
    status = model.status()
    assert status["stable"]["revision"] == stable
    assert status["candidate"]["phase"] == "Baking"
    assert (assess_kstatus(model.get()), assess_health(model.get())) == ("InProgress", "Progressing")
    surroundings.answer("well")
    model.await_reason("Serving")
    assert model.stable() == status["candidate"]["revision"]


def test_what_failed_while_nobody_could_see_counts_once_the_metrics_are_back(
    model: Model, surroundings: Surroundings
) -> None:
    stable = serve_first(model, steps=[{"weight": 50, "hold": "5m"}])
    model.apply("v2")
    new = model.await_weight(50)
    await_measured(model)
    surroundings.answer("broken")
    wait_for("the outage is told", lambda: model.condition("MetricsHealthy")["reason"] == "Unreachable", model.explain)
    set_faults(model, new, 0.5)
    wait_for("enough has failed", lambda: surroundings.count_failures(new) >= 50, model.explain)
    assert model.weights()[new] == 50
    set_faults(model, new, 0.0)
    surroundings.answer("well")
    model.await_reason("RolledBack")
    assert model.weights() == {stable: 100}
    assert model.condition("Stalled")["reason"] == "AnalysisFailed"


@pytest.mark.parametrize(
    ("choice", "reason", "readings"),
    [("Rollback", "RolledBack", ("Failed", "Degraded")), ("Proceed", "Serving", ("Current", "Healthy"))],
)
def test_after_max_hold_it_goes_as_the_user_chose(
    model: Model, surroundings: Surroundings, choice: str, reason: str, readings: tuple[str, str]
) -> None:
    analysis = {"minRequests": 20, "maxHold": "2s", "onInconclusive": choice}
    stable = serve_first(model, analysis=analysis, steps=[{"weight": 50, "hold": "15s"}])
    model.apply("v2")
    new = model.await_weight(50)
    surroundings.answer("down")
    model.await_reason(reason)
    assert (assess_kstatus(model.get()), assess_health(model.get())) == readings
    assert model.stable() == (stable if choice == "Rollback" else new)
    if choice == "Rollback":
        assert model.condition("Stalled")["reason"] == "Inconclusive"
