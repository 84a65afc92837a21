"""GRPCRoutes: the same weights, other matches, and one kind of route for each host."""

from typing import Any

import pytest

from serinus.api import rollout
from serinus.routing.features import find_missing_features
from serinus.routing.gateway_api import (
    build_route,
    is_accepted_by_all,
    is_kept_out,
    observe_route,
    shares_host,
)
from serinus.routing.places import list_claims
from serinus.routing.reweigh import reweigh_route
from serinus.routing.side_routes import build_side, observe_side
from tests.routing.test_gateway_api import OWNER, spec

Raw = dict[str, Any]
CALL = {"method": {"service": "fraud.Model", "method": "Predict"}}
HEADERS = rollout.TestersSpec.model_validate({"headers": [{"name": "x-a", "value": "1"}]})
TRAEFIK = "traefik.io/gateway-controller"


def grpc(**changes: Any) -> Any:
    return spec(kind="GRPCRoute", **changes)


def test_weights_are_written_and_read_back_as_in_an_httproute() -> None:
    route = build_route(OWNER, grpc(rules=[{"matches": [CALL]}]), {"fraud-a": 75, "fraud-b": 25})
    assert (route["apiVersion"], route["kind"]) == ("gateway.networking.k8s.io/v1", "GRPCRoute")
    assert route["spec"]["rules"][0]["matches"] == [CALL]
    route["metadata"]["generation"] = 1
    view = observe_route(OWNER, grpc(rules=[{"matches": [CALL]}]), route)
    assert (view.kind, dict(view.weights), view.in_shape) == ("GRPCRoute", {"fraud-a": 75, "fraud-b": 25}, True)


def test_without_matches_it_is_for_every_call_and_says_nothing_of_paths() -> None:
    (rule,) = build_route(OWNER, grpc(), {"fraud-a": 100})["spec"]["rules"]
    assert "matches" not in rule


def test_other_weights_keep_the_kind_and_the_rest() -> None:
    route = build_route(OWNER, grpc(rules=[{"matches": [CALL]}]), {"fraud-a": 75, "fraud-b": 25})
    again = reweigh_route(route, {"fraud-a": 100})
    assert again["kind"] == "GRPCRoute"
    assert again["spec"]["rules"][0]["matches"] == [CALL]
    assert [b["name"] for b in again["spec"]["rules"][0]["backendRefs"]] == ["fraud-a"]


def test_testers_are_chosen_by_metadata_of_the_call() -> None:
    every, some = (grpc(rules=rules) for rules in ([], [{"matches": [CALL]}]))
    mark = {"type": "Exact", "name": "x-a", "value": "1"}
    raw = build_side(OWNER, every, HEADERS, "Testers", "fraud-b")
    assert raw["kind"] == "GRPCRoute"
    assert raw["spec"]["rules"][0]["matches"] == [{"headers": [mark]}]
    narrowed = build_side(OWNER, some, HEADERS, "Testers", "fraud-b")["spec"]["rules"][0]["matches"]
    assert narrowed == [{**CALL, "headers": [mark]}]


def test_a_side_route_of_the_other_kind_is_out_of_shape() -> None:
    raw = build_side(OWNER, spec(), HEADERS, "Testers", "fraud-b")
    view = observe_side(OWNER, grpc(), HEADERS, "Testers", raw)
    assert view is not None
    assert (view.target, view.in_shape) == ("fraud-b", False)


def test_a_gateway_that_does_not_say_that_it_has_grpcroutes_is_refused_and_one_that_says_nothing_trusted() -> None:
    assert find_missing_features(grpc(), ["HTTPRoute"]) == [("spec.route.kind", "GRPCRoute")]
    assert find_missing_features(grpc(), ["HTTPRoute", "GRPCRoute"]) == []
    assert find_missing_features(grpc(), []) == []


def test_a_filter_that_traefik_answers_with_an_error_is_refused() -> None:
    asked = grpc(rules=[{"filters": [{"type": "RequestHeaderModifier"}, {"type": "ResponseHeaderModifier"}]}])
    named = [("spec.route.rules[0].filters[1]", "ResponseHeaderModifier in a GRPCRoute")]
    assert find_missing_features(asked, ["GRPCRoute"], controller=TRAEFIK) == named
    assert find_missing_features(asked, [], controller="gateway.envoyproxy.io/gatewayclass-controller") == []


@pytest.mark.parametrize(
    ("match", "path"),
    [
        ({}, {"value": "/"}),
        (CALL, {"type": "Exact", "value": "/fraud.Model/Predict"}),
        ({"method": {"service": "fraud.Model"}}, {"type": "PathPrefix", "value": "/fraud.Model/"}),
    ],
)
def test_a_call_and_the_request_for_its_path_are_one_claim(match: Raw, path: Raw) -> None:
    assert list_claims("ml", grpc(rules=[{"matches": [match]}])) == list_claims(
        "ml", spec(rules=[{"matches": [{"path": path}]}])
    )
    other = {"method": {"service": "other.Model", "method": "Predict"}}
    assert list_claims("ml", grpc(rules=[{"matches": [match]}])) != list_claims(
        "ml", grpc(rules=[{"matches": [other]}])
    )


def said(*conditions: tuple[str, str, str], parents: int = 1, generation: int = 1) -> Raw:
    route = build_route(OWNER, grpc(), {"fraud-a": 100})
    route["metadata"]["generation"] = generation
    told = [{"type": t, "status": s, "reason": r, "observedGeneration": 1} for t, s, r in conditions]
    route["status"] = {"parents": [{"conditions": told}] * parents}
    return route


TAKEN = ("Accepted", "True", "Accepted")
RESOLVED = ("ResolvedRefs", "True", "ResolvedRefs")


@pytest.mark.parametrize(
    ("route", "accepted", "kept_out"),
    [
        (said(TAKEN, RESOLVED), True, False),
        (said(TAKEN), False, False),
        (said(parents=0), False, False),
        (said(TAKEN, RESOLVED, generation=2), False, False),
        (said(TAKEN, ("ResolvedRefs", "False", "BackendNotFound")), False, False),
        (said(("Accepted", "False", "NotAllowedByListeners"), RESOLVED), False, False),
        # As Traefik 3.7.15 says it of the younger of two routes.
        (said(("Accepted", "False", "HostnameConflict"), RESOLVED), False, True),
    ],
)
def test_who_takes_the_place_of_another_must_have_been_accepted_by_all(
    route: Raw, accepted: bool, kept_out: bool
) -> None:
    assert (is_accepted_by_all(route), is_kept_out(route)) == (accepted, kept_out)


@pytest.mark.parametrize(
    ("hosts", "parent", "shared"),
    [
        (["f.example.com"], "public", True),
        (["g.example.com"], "public", False),
        (["*.example.com"], "public", True),
        (["*.com"], "public", True),
        (["*.example.org"], "public", False),
        ([], "public", True),
        (["f.example.com"], "private", False),
    ],
)
def test_routes_share_a_host_only_on_the_same_gateway(hosts: list[str], parent: str, shared: bool) -> None:
    mine = build_route(OWNER, grpc(), {"fraud-a": 100})
    other = build_route(OWNER, spec(hostnames=hosts, parentRefs=[{"name": parent}]), {"fraud-a": 100})
    assert shares_host(other, mine) is shared
    assert shares_host(mine, other) is shared


def test_a_route_on_no_gateway_shares_no_host() -> None:
    mine = build_route(OWNER, grpc(), {"fraud-a": 100})
    for spec_ in ({}, {"rules": []}, {"parentRefs": None, "hostnames": None}):
        other = {"metadata": {"name": "theirs", "namespace": "ml"}, "spec": spec_}
        assert not shares_host(other, mine)
        assert not shares_host(mine, other)
