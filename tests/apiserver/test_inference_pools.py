"""InferencePools with the CRD of the Gateway API Inference Extension; gateway and model servers are simulated."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster.addons import fetch_inference_pools
from tests.cluster.serinus import restart_operator
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

CRD = "inferencepools.inference.networking.k8s.io"
BACKEND = {"kind": "InferencePool", "endpointPicker": {"name": "{revision}-epp", "failureMode": "FailOpen"}}


@pytest.fixture
def pool_model(model: Model) -> Iterator[Model]:
    """A model behind a gateway that is not known to have no pools, in a cluster that has no pools yet."""
    cluster, name = model.cluster, f"inference-{model.namespace}"
    api = {"apiVersion": "gateway.networking.k8s.io/v1"}
    controller = {"controllerName": "example.com/inference-gateway"}
    listeners = [{"name": "web", "port": 8000, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}]
    gateway = {"gatewayClassName": name, "listeners": listeners}
    items = [
        {**api, "kind": "GatewayClass", "metadata": {"name": name}, "spec": controller},
        {**api, "kind": "Gateway", "metadata": {"name": name, "namespace": "gateways"}, "spec": gateway},
    ]
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    # A new kind is noticed with the next list.
    restart_operator(cluster, resync_interval="2s")
    model.spec["route"]["parentRefs"] = [{"name": name, "namespace": "gateways"}]
    model.spec["runtime"] = "VLLM"
    model.spec["rollout"] |= {"steps": [{"weight": 30, "hold": "15s"}], "bake": "2s"}
    errors = {"name": "errors", "errorRatio": {"maxRegression": "1.2"}}
    model.spec["rollout"]["analysis"] = {"minRequests": 20, "metrics": [errors]}
    model.spec["route"]["backend"] = BACKEND
    yield model
    cluster.kubectl("delete", "modeldeployment", model.name, "-n", model.namespace, "--ignore-not-found")
    cluster.kubectl("delete", "crd", CRD, "--ignore-not-found")
    cluster.kubectl("delete", "gateway", name, "-n", "gateways")
    cluster.kubectl("delete", "gatewayclass", name)
    restart_operator(cluster)


def targets(model: Model) -> dict[str, str]:
    """The revision whose pods each pool has."""
    pools = model.cluster.get("inferencepools", "-n", model.namespace)["items"]
    return {pool["metadata"]["name"]: pool["spec"]["selector"]["matchLabels"]["serinus.dev/revision"] for pool in pools}


def test_a_cluster_without_pools_says_so_and_gets_them_weighted_once_it_has_them(pool_model: Model) -> None:
    model = pool_model
    pools = model.spec["route"].pop("backend")
    model.apply("v1")
    # Pods that no gateway counts: nobody has asked them anything, so only the first release needs no judge.
    model.await_reason("Serving")
    stable = model.stable()
    model.spec["route"]["backend"] = pools
    model.apply("v1")
    model.await_reason("GatewayUnsupported")
    assert "InferencePool" in model.condition("Stalled")["message"]
    (backend,) = model.get("httproute")["spec"]["rules"][0]["backendRefs"]
    assert (backend["kind"], backend["name"]) == ("Service", stable)
    model.cluster.kubectl("apply", "--server-side", "-f", str(fetch_inference_pools()))
    model.await_reason("Serving")
    pool = model.get("inferencepool", stable)
    assert pool["spec"]["targetPorts"] == [{"number": 8080}]
    assert pool["spec"]["endpointPickerRef"]["name"] == f"{stable}-epp"

    model.apply("v2")
    second = model.await_weight(30)
    refs = model.get("httproute")["spec"]["rules"][0]["backendRefs"]
    assert {ref["kind"] for ref in refs} == {"InferencePool"}
    assert {ref["name"]: ref["weight"] for ref in refs} == {stable: 70, second: 30}
    model.await_reason("Serving")
    assert model.stable() == second
    assert targets(model)[second] == second

    model.apply("v3", faults=0.5)
    model.await_reason("RolledBack")
    third = model.status()["rejected"]["revision"]
    assert "errors" in model.condition("Ready")["message"]
    assert model.weights() == {second: 100}
    wait_for("the second lever", lambda: targets(model).get(third) == second, model.explain)

    model.apply("v2")
    del model.spec["route"]["backend"]
    model.apply("v2")
    wait_for("no pool is left", lambda: not targets(model), model.explain)
    (backend,) = model.get("httproute")["spec"]["rules"][0]["backendRefs"]
    assert (backend["kind"], backend["name"]) == ("Service", second)
