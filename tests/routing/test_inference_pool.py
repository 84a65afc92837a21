"""InferencePools: one for each revision, with the weights on them."""

import pytest

from serinus.api.route import EndpointPicker
from serinus.core.snapshot import PoolView
from serinus.routing.features import find_missing_features
from serinus.routing.gateway_api import build_route, observe_route
from serinus.routing.inference_pool import build_pool, observe_pool
from serinus.routing.reweigh import reweigh_route
from serinus.routing.side_routes import build_side
from tests.routing.test_gateway_api import OWNER, spec
from tests.routing.test_side_routes import HEADERS

POOLS = {"kind": "InferencePool", "endpointPicker": {"name": "{revision}-epp", "failureMode": "FailOpen"}}
PICKER = EndpointPicker.model_validate(POOLS["endpointPicker"])
CONTENT = {"template": {"spec": {"containers": [{"name": "m", "image": "m", "ports": [{"containerPort": 8000}]}]}}}


def test_a_pool_has_the_pods_the_port_and_the_picker_of_its_revision() -> None:
    pool = build_pool(OWNER, "llm-a", "llm-a", CONTENT, PICKER)
    assert (pool["apiVersion"], pool["kind"]) == ("inference.networking.k8s.io/v1", "InferencePool")
    assert pool["metadata"]["name"] == "llm-a"
    assert pool["spec"] == {
        "selector": {"matchLabels": {"serinus.dev/revision": "llm-a"}},
        "targetPorts": [{"number": 8000}],
        "endpointPickerRef": {
            "group": "",
            "kind": "Service",
            "name": "llm-a-epp",
            "port": {"number": 9002},
            "failureMode": "FailOpen",
        },
    }


@pytest.mark.parametrize(
    ("target", "picker", "view"),
    [
        ("llm-a", PICKER, PoolView("llm-a")),
        ("llm-b", PICKER, PoolView("llm-b")),
        ("llm-a", EndpointPicker(name="shared"), PoolView("llm-a", in_shape=False)),
        ("llm-a", None, PoolView("llm-a")),
    ],
)
def test_what_is_written_is_read_back(target: str, picker: EndpointPicker | None, view: PoolView) -> None:
    assert observe_pool(OWNER, build_pool(OWNER, "llm-a", target, CONTENT, PICKER), CONTENT, picker) == view


def test_the_weights_stand_on_the_pools_and_a_rollback_leaves_them_pools() -> None:
    asked = spec(backend=POOLS)
    route = build_route(OWNER, asked, {"llm-a": 70, "llm-b": 30})
    backends = route["spec"]["rules"][0]["backendRefs"]
    assert [(b["group"], b["kind"], b["name"], b["weight"]) for b in backends] == [
        ("inference.networking.k8s.io", "InferencePool", "llm-a", 70),
        ("inference.networking.k8s.io", "InferencePool", "llm-b", 30),
    ]
    assert not any("port" in b for b in backends)
    route["metadata"]["generation"] = 1
    assert observe_route(OWNER, asked, route).in_shape
    assert not observe_route(OWNER, spec(), route).in_shape
    again = reweigh_route(route, {"llm-a": 100})["spec"]["rules"][0]["backendRefs"]
    assert [(b["kind"], b["name"]) for b in again] == [("InferencePool", "llm-a")]


def test_testers_reach_the_pool_of_the_candidate() -> None:
    (rule,) = build_side(OWNER, spec(backend=POOLS), HEADERS, "Testers", "llm-b")["spec"]["rules"]
    assert [(b["kind"], b["name"]) for b in rule["backendRefs"]] == [("InferencePool", "llm-b")]


def test_a_gateway_that_is_known_to_have_no_pools_is_refused() -> None:
    missing = find_missing_features(spec(backend=POOLS), [], controller="traefik.io/gateway-controller")
    assert missing == [("spec.route.backend.kind", "InferencePool")]
    assert find_missing_features(spec(backend=POOLS), [], controller="example.com/gateway") == []
