"""Hardly any traffic: a rollout holds for evidence instead of guessing, and goes on when there is some."""

import pytest

from tests.e2e.ask import ask
from tests.support.model import Model, wait_for


@pytest.mark.cluster
def test_it_holds_for_evidence_and_goes_on_when_traffic_comes(model: Model) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 50, "hold": "2s"}]
    model.apply("v1")
    model.await_reason("Serving")
    wait_for("an answer", lambda: ask(model).version == "v1", model.explain)
    model.apply("v2")
    new = model.await_weight(50)
    for _ in range(3):
        assert ask(model).status == 200
    model.await_reason("Holding")
    said = model.condition("Ready")["message"]
    assert "20" in said, "says how many requests are needed"
    assert model.weights()[new] == 50
    with model.traffic():
        model.await_reason("Serving")
    assert model.stable() == new
