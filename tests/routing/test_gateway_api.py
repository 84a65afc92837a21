"""HTTPRoutes: weights in, weights out, and what a gateway must support."""

from typing import Any

import pytest

from serinus.api.route import RouteSpec
from serinus.core.children import Owner
from serinus.routing.features import find_missing_features
from serinus.routing.gateway_api import build_route, observe_route, place_backends
from serinus.routing.places import list_claims
from serinus.routing.reweigh import reweigh_route

OWNER = Owner("fraud", "ml", "uid-1")


def spec(**changes: Any) -> RouteSpec:
    return RouteSpec.model_validate({"parentRefs": [{"name": "public"}], "hostnames": ["f.example.com"], **changes})


def stored(weights: dict[str, int], **changes: Any) -> dict[str, Any]:
    """A route as the API server keeps it, with what others have added."""
    route = build_route(OWNER, spec(**changes), weights)
    route["metadata"] |= {"generation": 3, "labels": route["metadata"]["labels"] | {"other": "controller"}}
    route["status"] = {
        "parents": [
            {
                "conditions": [
                    {"type": "Accepted", "status": "True", "observedGeneration": 3},
                    {"type": "ResolvedRefs", "status": "True", "observedGeneration": 3},
                ]
            }
        ]
    }
    return route


@pytest.mark.parametrize("weights", [{"fraud-a": 100}, {"fraud-a": 95, "fraud-b": 5}])
def test_what_is_written_is_read_back(weights: dict[str, int]) -> None:
    view = observe_route(OWNER, spec(), stored(weights))
    assert dict(view.weights) == weights
    assert view.accepted is True
    assert view.in_shape


def test_a_backend_without_weight_is_left_out() -> None:
    backends = build_route(OWNER, spec(), {"fraud-a": 100, "fraud-b": 0})["spec"]["rules"][0]["backendRefs"]
    assert [b["name"] for b in backends] == ["fraud-a"]


def test_a_gateway_that_counts_by_place_gets_a_filter_on_each_backend() -> None:
    weights = {"fraud-a": 95, "fraud-b": 5}
    plain, tagged = (build_route(OWNER, spec(), weights, by_place=by_place) for by_place in (False, True))
    backends = tagged["spec"]["rules"][0]["backendRefs"]
    named = [b["filters"][0]["responseHeaderModifier"]["set"] for b in backends]
    assert named == [[{"name": "Serinus-Revision", "value": name}] for name in weights]
    assert observe_route(OWNER, spec(), tagged, by_place=True).in_shape
    assert not observe_route(OWNER, spec(), plain, by_place=True).in_shape
    assert "filters" not in plain["spec"]["rules"][0]["backendRefs"][0]


@pytest.mark.parametrize(
    ("present", "wanted", "placed"),
    [
        ({}, {"a": 80, "b": 20}, {"a": 80, "b": 20}),
        ({"b": 100}, {"a": 20, "b": 80}, {"b": 80, "a": 20}),
        ({"a": 80, "b": 20}, {"b": 100}, {"a": 0, "b": 100}),
        ({"a": 80, "b": 20}, {"a": 100}, {"a": 100}),
        ({"a": 0, "b": 100}, {"b": 80, "c": 20}, {"c": 20, "b": 80}),
        ({"a": 0, "b": 100}, {"b": 80, "a": 20}, {"a": 20, "b": 80}),
        ({"c": 20, "b": 80}, {"c": 100}, {"c": 100}),
        ({"a": 80, "b": 20}, {"a": 90, "c": 10}, {"a": 90, "c": 10}),
    ],
)
def test_who_has_a_place_keeps_it(present: dict[str, int], wanted: dict[str, int], placed: dict[str, int]) -> None:
    refs = [{"name": name, "weight": weight} for name, weight in present.items()]
    route = {"spec": {"rules": [{"backendRefs": refs}]}} if present else None
    assert list(place_backends(wanted, route).items()) == list(placed.items())


def test_other_weights_keep_the_filters_and_places_of_the_backends() -> None:
    route = build_route(OWNER, spec(), {"fraud-a": 95, "fraud-b": 5}, by_place=True)
    backends = reweigh_route(route, {"fraud-b": 100})["spec"]["rules"][0]["backendRefs"]
    assert [(b["name"], b["weight"], len(b["filters"])) for b in backends] == [("fraud-a", 0, 1), ("fraud-b", 100, 1)]
    route["spec"]["rules"][0]["backendRefs"] = backends
    view = observe_route(OWNER, spec(), route, by_place=True)
    assert (view.backends, view.weights, view.in_shape) == (("fraud-a", "fraud-b"), {"fraud-b": 100}, True)


def test_who_has_a_trace_has_its_place_and_a_millionth_of_the_requests() -> None:
    split = build_route(OWNER, spec(), {"fraud-a": 50, "fraud-b": 50}, by_place=True)
    left = build_route(OWNER, spec(), {"fraud-b": 100}, split, by_place=True, traces=["fraud-a"])
    backends = left["spec"]["rules"][0]["backendRefs"]
    assert [(b["name"], b["weight"]) for b in backends] == [("fraud-a", 1), ("fraud-b", 1_000_000)]
    view = observe_route(OWNER, spec(), left, by_place=True)
    assert (view.weights, view.traces, view.in_shape) == ({"fraud-b": 100}, ("fraud-a",), True)
    assert reweigh_route(left, {"fraud-b": 100}, view.traces)["spec"]["rules"] == left["spec"]["rules"]


def test_shares_are_read_as_percent_whatever_their_sum() -> None:
    view = observe_route(OWNER, spec(), stored({"fraud-a": 30, "fraud-b": 10}))
    assert view.weights == {"fraud-a": 75, "fraud-b": 25}


def test_every_rule_gets_the_same_split() -> None:
    rules = [{"matches": [{"path": {"type": "PathPrefix", "value": p}}]} for p in ("/v1", "/v2")]
    built = build_route(OWNER, spec(rules=rules), {"fraud-a": 75, "fraud-b": 25})["spec"]["rules"]
    assert built[0]["backendRefs"] == built[1]["backendRefs"]
    assert [rule["matches"][0]["path"]["value"] for rule in built] == ["/v1", "/v2"]


def test_what_the_api_server_fills_in_is_written_out() -> None:
    route = build_route(OWNER, spec(), {"fraud-a": 100})["spec"]
    assert route["parentRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}]
    assert route["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


def test_another_controllers_label_changes_nothing() -> None:
    assert observe_route(OWNER, spec(), stored({"fraud-a": 100})).in_shape


def test_a_changed_host_is_out_of_shape() -> None:
    assert not observe_route(OWNER, spec(hostnames=["g.example.com"]), stored({"fraud-a": 100})).in_shape


@pytest.mark.parametrize(
    ("conditions", "accepted"),
    [
        ([{"type": "Accepted", "status": "False", "reason": "NoMatchingListenerHostname", "message": "no"}], False),
        ([{"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "message": "no"}], False),
        ([{"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "observedGeneration": 2}], True),
        ([{"type": "Accepted", "status": "True"}], True),
    ],
)
def test_acceptance_is_the_gateways_word_for_what_stands_there(conditions: list[Any], accepted: bool) -> None:
    route = stored({"fraud-a": 100})
    route["status"]["parents"][0]["conditions"] = conditions
    assert observe_route(OWNER, spec(), route).accepted is accepted


def test_a_route_nobody_has_looked_at_is_unknown() -> None:
    route = stored({"fraud-a": 100})
    del route["status"]
    assert observe_route(OWNER, spec(), route).accepted is None
    assert observe_route(OWNER, spec(), None).exists is False


def test_unsupported_fields_are_named_before_they_are_used() -> None:
    rules = [{"filters": [{"type": "RequestMirror"}], "timeouts": {"request": "10s"}}]
    missing = find_missing_features(spec(rules=rules), ["HTTPRoute"])
    assert missing == [
        ("spec.route.rules[0].filters[0]", "HTTPRouteRequestMirror"),
        ("spec.route.rules[0].timeouts.request", "HTTPRouteRequestTimeout"),
    ]
    assert find_missing_features(spec(rules=rules), ["HTTPRouteRequestMirror", "HTTPRouteRequestTimeout"]) == []


def test_a_gateway_that_does_not_tell_is_trusted() -> None:
    assert find_missing_features(spec(rules=[{"filters": [{"type": "RequestMirror"}]}]), []) == []


def test_the_same_host_and_path_on_the_same_gateway_is_one_claim() -> None:
    here = list_claims("ml", spec())
    assert here == list_claims("ml", spec(rules=[{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]))
    assert not here & list_claims("ml", spec(hostnames=["g.example.com"]))
    assert not here & list_claims("other", spec())
    assert not here & list_claims("ml", spec(rules=[{"matches": [{"path": {"value": "/v2"}}]}]))


def test_reweighing_keeps_everything_but_the_weights() -> None:
    rules = [{"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}]}]
    route = stored({"fraud-a": 75, "fraud-b": 25}, rules=rules)
    again = reweigh_route(route, {"fraud-a": 100})
    assert [b["name"] for b in again["spec"]["rules"][0]["backendRefs"]] == ["fraud-a"]
    assert again["spec"]["rules"][0]["filters"] == route["spec"]["rules"][0]["filters"]
    assert again["spec"]["hostnames"] == ["f.example.com"]
    assert "status" not in again
