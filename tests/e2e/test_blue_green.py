"""BlueGreen: everything is ready and looked at before one move, and the way back stays open through the bake."""

import pytest

from tests.e2e.ask import ask
from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.route import list_weights


@pytest.mark.cluster
def test_one_move_after_a_look_at_the_preview_host(model: Model) -> None:
    release_after_a_look(model)


@pytest.mark.cluster
def test_one_move_after_a_look_at_the_preview_host_behind_envoy(envoy_model: Model) -> None:
    release_after_a_look(envoy_model)


def release_after_a_look(model: Model) -> None:
    preview = f"next.{model.host}"
    model.spec["route"]["preview"] = {"hostnames": [preview]}
    model.apply("v1")
    model.await_reason("Serving")
    del model.spec["rollout"]["steps"]
    model.spec["rollout"] |= {"strategy": "BlueGreen", "approval": {"required": "BeforePromotion"}}
    with model.traffic() as traffic, model.route_watch() as route:
        wait_for("stable at the preview host", lambda: ask(model, host=preview).version == "v1", model.explain)
        model.apply("v2")
        model.await_reason("AwaitingApproval")
        new = model.candidate()
        assert new
        wait_for("v2 at the preview host", lambda: ask(model, host=preview).version == "v2", model.explain)
        assert len(model.pods(new)) == 2
        traffic.read()
        assert count(traffic.answers).of("v2").requests == 0
        model.command(f"approve {new}")
        model.await_reason("Serving")
    assert list_weights(route.changes, new) == [100]
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.own_failures == 0


@pytest.mark.cluster
def test_a_bad_release_comes_back_in_the_bake(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    served_by = model.pods(stable)
    del model.spec["rollout"]["steps"]
    model.spec["rollout"] |= {"strategy": "BlueGreen", "bake": "60s"}
    with model.traffic() as traffic:
        model.apply("v2", faults=0.5)
        model.await_reason("RolledBack")
        assert model.weights() == {stable: 100}
    assert model.pods(stable) == served_by, "no pod had to be started for the way back"
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_direct_moves_at_once_without_a_lost_request(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    del model.spec["rollout"]["steps"]
    del model.spec["rollout"]["bake"]
    model.spec["rollout"]["strategy"] = "Direct"
    with model.traffic() as traffic:
        model.apply("v2")
        wait_for("v2", lambda: model.weights() == {model.stable(): 100} and model.reason() == "Serving", model.explain)
        wait_for("an answer of v2", lambda: (traffic.read(), count(traffic.answers).of("v2").requests)[1], str)
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.of("v2").requests > 0
