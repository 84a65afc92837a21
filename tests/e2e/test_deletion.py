"""Deleting never waits for the operator, and leaves either nothing or, where asked, everything that serves."""

import pytest

from tests.cluster.serinus import start_operator, stop_operator
from tests.support.model import Model, wait_for
from tests.traffic.answers import count

CHILDREN = "modelrevisions,deployments,services,httproutes,pods"


def children(model: Model) -> list[str]:
    listed = model.cluster.get(CHILDREN, "-n", model.namespace, "-l", f"serinus.dev/deployment={model.name}")["items"]
    return [f"{item['kind']}/{item['metadata']['name']}" for item in listed]


@pytest.mark.cluster
def test_a_model_deleted_in_the_middle_of_a_release_leaves_nothing(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    model.apply("v2")
    wait_for("a candidate", model.candidate, model.explain)
    model.cluster.kubectl("delete", "modeldeployment", model.name, "-n", model.namespace, "--timeout=60s")
    wait_for("nothing is left", lambda: not children(model), lambda: "\n".join(children(model)), 120)


@pytest.mark.cluster
def test_children_left_on_purpose_serve_on_and_are_taken_up_again(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    served_by = model.pods(stable)
    with model.traffic() as traffic:
        stop_operator(model.cluster)
        try:
            model.cluster.kubectl(
                *("delete", "modeldeployment", model.name, "-n", model.namespace),
                *("--cascade=orphan", "--timeout=60s"),
            )
        finally:
            start_operator(model.cluster)
        assert "HTTPRoute/fraud" in children(model)
        model.apply("v1")
        model.await_reason("Serving")
    assert model.stable() == stable
    assert model.pods(stable) == served_by
    assert count(traffic.answers).explain_lost() == ""
