"""Around the promotion: a share that stays behind, proof that is asked for, and the watch of what serves."""

import pytest

from tests.e2e.test_metrics import serve
from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import list_weights


@pytest.mark.cluster
def test_a_holdback_keeps_a_share_on_the_old_revision_until_the_bake_ends(model: Model) -> None:
    model.spec["rollout"] |= {"holdback": 10, "bake": "6s"}
    serve(model)
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        new = model.await_weight(90)
        model.await_reason("Serving")
    assert list_weights(route.changes, new) == [20, 50, 90, 100]
    assert model.stable() == new
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_a_regression_that_must_be_excluded_holds_the_last_step_until_it_would_have_been_seen(model: Model) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 50, "hold": "1s"}]
    model.spec["rollout"]["analysis"] |= {"minRequests": 5, "mustDetect": "5"}
    serve(model, FAULT_RATIO=0.01)
    with model.traffic():
        model.apply("v2", behaviour={"FAULT_RATIO": 0.01})
        said = "must be excluded before promotion"
        wait_for("it says why it holds", lambda: said in model.explain(), model.explain)
        model.await_reason("Serving", patience=120)
    summaries = model.get("modelrevision", model.stable())["status"]["analysis"]
    seen = next(one["wouldHaveSeen"] for one in summaries if one["name"] == "errors")
    assert float(seen.removesuffix("x")) <= 5


@pytest.mark.cluster
@pytest.mark.parametrize("answer", ["Alert", "Rollback"])
def test_a_promoted_revision_that_degrades_later_is_told_of_and_goes_back_where_that_is_asked(
    model: Model, answer: str
) -> None:
    model.spec["rollout"]["analysis"]["watch"] = {"for": "1h", "onDegradation": answer}
    serve(model)
    old = model.stable()
    with model.traffic():
        model.apply("v2", behaviour={"FAULTS_AFTER": 60})
        new = model.await_weight(50)
        wait_for("v2 is promoted", lambda: model.stable() == new, model.explain)
        degrading = lambda: model.condition("Degrading").get("status") == "True"  # noqa: E731
        wait_for("the degradation is told of", degrading, model.explain, 90)
        assert "errors" in model.condition("Degrading")["message"]
        model.await_events("SlowDegradation")
        if answer == "Rollback":
            wait_for("the way back is taken", lambda: model.stable() == old, model.explain)
        else:
            assert model.stable() == new
