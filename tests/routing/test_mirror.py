"""The mirror of strategy Shadow: in every rule, read back, told from a user's, and gone whenever weights are forced."""

from typing import Any

import pytest

from serinus.core.snapshot import Mirror
from serinus.routing.gateway_api import build_route, observe_route
from serinus.routing.mirror import find_missing_mirror, is_mirrored
from serinus.routing.reweigh import reweigh_route
from tests.routing.test_gateway_api import OWNER, spec

STABLE, NEW = "fraud-0000000a", "fraud-0000000b"
MIRROR = Mirror(NEW, 30)
HEADER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}
USERS = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "fraud-log", "port": 80}}}
RULES = [
    {"matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}], "filters": [HEADER]},
    {"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}]},
]


def build(mirror: Mirror | None, **changes: Any) -> dict[str, Any]:
    return build_route(OWNER, spec(**changes), {STABLE: 100}, mirror=mirror)


def test_it_stands_first_in_every_rule_and_leaves_the_users_filters_alone() -> None:
    first, second = build(MIRROR, rules=RULES)["spec"]["rules"]
    backend = {"group": "", "kind": "Service", "name": NEW, "port": 80}
    ours = {"type": "RequestMirror", "requestMirror": {"backendRef": backend, "percent": 30}}
    assert first["filters"] == [ours, HEADER]
    assert second["filters"] == [ours]
    assert [b["name"] for b in first["backendRefs"]] == [STABLE]


def test_all_requests_are_no_share() -> None:
    (rule,) = build(Mirror(NEW, 100))["spec"]["rules"]
    assert "percent" not in rule["filters"][0]["requestMirror"]


@pytest.mark.parametrize("mirror", [None, MIRROR, Mirror(NEW, 100)])
@pytest.mark.parametrize("rules", [[], RULES])
def test_what_is_written_is_read_back(mirror: Mirror | None, rules: list[Any]) -> None:
    route = build(mirror, rules=rules)
    view = observe_route(OWNER, spec(rules=rules), route)
    assert (view.mirror, view.in_shape) == (mirror, True)
    assert dict(view.weights) == {STABLE: 100}
    assert is_mirrored(route) is (mirror is not None)


def test_one_that_is_not_in_every_rule_is_out_of_shape() -> None:
    route = build(MIRROR, rules=RULES)
    route["spec"]["rules"][1]["filters"] = []
    assert not observe_route(OWNER, spec(rules=RULES), route).in_shape


def test_a_users_own_mirror_is_not_ours() -> None:
    rules = [{"filters": [USERS]}]
    route = build(None, rules=rules)
    view = observe_route(OWNER, spec(rules=rules), route)
    assert (view.mirror, view.in_shape) == (None, True)
    assert not is_mirrored(route)
    assert reweigh_route(route, {STABLE: 100})["spec"]["rules"][0]["filters"] == [USERS]


def test_one_that_nobody_asks_for_any_more_is_seen_whatever_the_rules_say_by_now() -> None:
    view = observe_route(OWNER, spec(), build(MIRROR, rules=RULES))
    assert view.mirror == MIRROR


def test_a_route_whose_spec_cannot_be_used_loses_it() -> None:
    again = reweigh_route(build(MIRROR, rules=RULES), {STABLE: 100})["spec"]["rules"]
    assert again[0]["filters"] == [HEADER]
    assert "filters" not in again[1]


@pytest.mark.parametrize(
    ("percent", "supported", "known", "missing"),
    [
        (100, {"HTTPRouteRequestMirror"}, False, None),
        (30, {"HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"}, False, None),
        (
            30,
            {"HTTPRouteRequestMirror"},
            True,
            "spec.rollout.shadow.percent: 30 needs HTTPRouteRequestPercentageMirror",
        ),
        (
            100,
            {"HTTPRoute"},
            True,
            "spec.rollout.strategy: Shadow needs HTTPRouteRequestMirror, which the gateway does",
        ),
        (100, set(), False, "the gateway does not declare what it supports"),
        (30, set(), True, None),
    ],
)
def test_a_gateway_must_be_known_to_mirror(percent: int, supported: set[str], known: bool, missing: str | None) -> None:
    said = find_missing_mirror(percent, frozenset(supported), known=known)
    assert said is None if missing is None else missing in str(said)
