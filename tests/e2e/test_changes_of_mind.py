"""Another spec in the middle of a release: what was asked for last counts, by way of stable, and no client notices."""

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import list_weights

SLOW = [{"weight": 20, "hold": "2s"}, {"weight": 50, "hold": "60s"}]
QUICK = [{"weight": 20, "hold": "2s"}, {"weight": 50, "hold": "2s"}]


def half_way(model: Model, version: str = "v2") -> str:
    """A release that stands at 50 %; the candidate's name."""
    model.spec["rollout"]["steps"] = SLOW
    model.apply(version)
    return model.await_weight(50)


@pytest.mark.cluster
def test_a_third_revision_in_mid_run_starts_from_stable_at_the_first_step(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    with model.traffic() as traffic, model.route_watch() as route:
        second = half_way(model)
        model.spec["rollout"]["steps"] = QUICK
        model.apply("v3")
        model.await_reason("Serving", patience=90)
        third = model.stable()
        wait_for("the second one is gone", lambda: not model.pods(second), model.explain)
    assert list_weights(route.changes, second) == [20, 50, 0]
    assert list_weights(route.changes, third) == [20, 50, 100]
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.of("v2").requests > 0
    assert model.get("modelrevision", second)["status"]["phase"] == "Superseded"


@pytest.mark.cluster
def test_the_promoted_spec_put_back_is_an_abort_and_the_bad_one_needs_a_retry(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    with model.traffic() as traffic:
        second = half_way(model)
        model.apply("v1")
        model.await_reason("Serving")
        assert model.stable() == stable
        assert model.weights() == {stable: 100}
        assert model.get("modelrevision", second)["status"]["phase"] == "Rejected"
        model.apply("v2")
        model.await_reason("RolledBack")
        assert model.candidate() is None
        model.command(f"retry {second}")
        wait_for("the second one again", lambda: model.candidate() == second, model.explain)
        model.command(f"promote {second}")
        model.await_reason("Serving")
        assert model.stable() == second
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_a_third_revision_overtakes_the_way_back(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    with model.traffic() as traffic, model.route_watch() as route:
        second = half_way(model)
        model.apply("v1")
        model.spec["rollout"]["steps"] = QUICK
        model.apply("v3")
        model.await_reason("Serving", patience=90)
        third = model.stable()
        wait_for("the second one is gone", lambda: not model.pods(second), model.explain)
    assert list_weights(route.changes, second)[-1] == 0
    assert list_weights(route.changes, third) == [20, 50, 100]
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_a_return_to_what_served_before_skips_the_steps(model: Model) -> None:
    model.spec["rollout"]["steps"] = QUICK
    model.apply("v1")
    model.await_reason("Serving")
    first = model.stable()
    model.spec["rollout"] |= {"bake": "2s"}
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2")
        model.await_reason("Serving")
        assert model.stable() != first
        model.apply("v1")
        wait_for("the first one", lambda: model.stable() == first, model.explain)
        model.await_reason("Serving")
    assert list_weights(route.changes, first)[-1] == 100
    assert list_weights(route.changes, first).count(20) == 0, "no step on the way back"
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_template_and_size_in_one_change_are_both_honoured(model: Model) -> None:
    model.spec["rollout"]["steps"] = QUICK
    model.apply("v1")
    model.await_reason("Serving")
    with model.traffic() as traffic:
        model.apply("v2", replicas=4)
        candidate = model.await_weight(50)
        assert len(model.pods(candidate)) >= 2
        model.await_reason("Serving", patience=90)
        assert model.stable() == candidate
        wait_for("four pods", lambda: model.status()["stable"]["readyReplicas"] == 4, model.explain)
    assert count(traffic.answers).explain_lost() == ""
