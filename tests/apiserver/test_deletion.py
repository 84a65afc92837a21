"""Deleting in the middle of a release waits for nobody, while the operator runs and looks on."""

import json
from typing import Any

import pytest

from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver
CHILDREN = "modelrevisions,deployments,replicasets,services,httproutes,pods"
ORPHANS = 6
"""The garbage collector and the operator race for each; one alone might be won by chance."""


def build_half_way(model: Model) -> str:
    """A candidate that stays at 20 %; its name."""
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "5m"}]
    model.apply("v1")
    model.await_reason("Serving")
    model.apply("v2")
    return model.await_weight(20)


def delete(model: Model, *names: str, cascade: str) -> None:
    model.cluster.kubectl(
        *("delete", "modeldeployment", *(names or (model.name,)), "-n", model.namespace),
        *(f"--cascade={cascade}", "--timeout=55s"),
    )


def set_finalizers(model: Model, names: Any) -> None:
    patch = json.dumps({"metadata": {"finalizers": names}})
    model.cluster.kubectl(*("patch", "modeldeployment", model.name, "-n", model.namespace, "--type=merge", "-p", patch))


def list_children(model: Model) -> list[str]:
    listed = model.cluster.get(CHILDREN, "-n", model.namespace, "-l", f"serinus.dev/deployment={model.name}")["items"]
    return [f"{item['kind']}/{item['metadata']['name']}" for item in listed]


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_deleted_half_way_nothing_is_left(model: Model, cascade: str) -> None:
    build_half_way(model)
    delete(model, cascade=cascade)
    wait_for("nothing is left", lambda: not list_children(model), lambda: "\n".join(list_children(model)))
    assert not model.cluster.get("modeldeployments", "-n", model.namespace)["items"]


def test_a_model_that_is_going_away_gives_all_traffic_to_stable_first(model: Model) -> None:
    new = build_half_way(model)
    stable = model.stable()
    # A finalizer of somebody else keeps it in between for as long as we look.
    set_finalizers(model, ["example.com/backup"])
    model.cluster.kubectl("delete", "modeldeployment", model.name, "-n", model.namespace, "--wait=false")
    wait_for("stable has it all", lambda: model.weights() == {stable: 100}, model.explain)
    assert model.pods(new), "who is asked to leave keeps his pods: requests may still be under way"
    set_finalizers(model, None)
    wait_for("nothing is left", lambda: not list_children(model), lambda: "\n".join(list_children(model)))


def test_left_behind_on_purpose_the_routes_stay_and_lead_to_somebody(model: Model) -> None:
    names = [f"left-{number}" for number in range(ORPHANS)]
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "5m"}]
    for version in ("v1", "v2"):
        for model.name in names:
            model.apply(version, route={**model.spec["route"], "hostnames": [f"{model.name}.example.com"]})
        for model.name in names:
            if version == "v1":
                model.await_reason("Serving")
            else:
                model.await_weight(20)
    delete(model, *names, cascade="orphan")
    # What still names its owner now is swept by the garbage collector; an object made later would be swept later.
    sweep_once(model)
    routes = model.cluster.get("httproutes", "-n", model.namespace)["items"]
    assert sorted(route["metadata"]["name"] for route in routes) == names
    assert [route["metadata"].get("ownerReferences") for route in routes] == [None] * ORPHANS
    for route in routes:
        backends = [ref["name"] for ref in route["spec"]["rules"][0]["backendRefs"] if ref["weight"] > 0]
        for backend in backends:
            model.get("service", backend)
            assert model.pods(backend)


def sweep_once(model: Model) -> None:
    """Wait until the garbage collector has removed something that was orphaned after everything else."""
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    metadata = {"name": "late", "namespace": model.namespace, "ownerReferences": [reference]}
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))

    def is_swept() -> bool:
        listed = model.cluster.get("configmaps", "-n", model.namespace)["items"]
        return "late" not in {item["metadata"]["name"] for item in listed}

    wait_for("the garbage collector was here", is_swept, lambda: "")
