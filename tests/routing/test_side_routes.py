"""Routes for testers and preview hosts: narrower than the main route, and nothing of them is judged."""

from typing import Any

import pytest

from serinus.api import rollout
from serinus.core.children import Owner
from serinus.core.snapshot import SideKind
from serinus.routing.features import find_missing_features
from serinus.routing.side_routes import build_side, observe_side
from tests.routing.test_gateway_api import spec

OWNER = Owner("fraud", "ml", "uid-1")
HEADERS = rollout.TestersSpec.model_validate(
    {"headers": [{"name": "x-a", "value": "1"}, {"name": "x-b", "value": "2"}]}
)
COOKIE = rollout.TestersSpec.model_validate({"cookie": {"name": "side"}})
RULES = [
    {"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}, {"headers": [{"name": "h", "value": "v"}]}]},
    {"timeouts": {"request": "10s"}},
]


def rules_of(testers: rollout.TestersSpec, target: str | None, **route: Any) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = build_side(OWNER, spec(**route), testers, "Testers", target)["spec"]["rules"]
    return rules


def test_each_match_is_narrowed_by_each_mark() -> None:
    first, second = rules_of(HEADERS, "fraud-b", rules=RULES)
    assert [[h["name"] for h in match["headers"]] for match in first["matches"]] == [
        ["x-a"],
        ["x-b"],
        ["h", "x-a"],
        ["h", "x-b"],
    ]
    assert [match.get("path", {}).get("value") for match in first["matches"]] == ["/v2", "/v2", None, None]
    assert second["timeouts"] == {"request": "10s"}
    assert [b["name"] for rule in (first, second) for b in rule["backendRefs"]] == ["fraud-b", "fraud-b"]


def test_a_cookie_holds_a_client_on_either_side_and_is_cleared_without_a_candidate() -> None:
    to_candidate, to_stable = rules_of(COOKIE, "fraud-b")
    assert [rule["backendRefs"][0]["name"] for rule in (to_candidate, to_stable)] == ["fraud-b", "fraud"]
    clearing = rules_of(COOKIE, None)
    assert [rule["matches"] for rule in clearing] == [to_candidate["matches"], to_stable["matches"]]
    for rule in clearing:
        assert rule["backendRefs"][0]["name"] == "fraud"
        assert rule["filters"][-1]["responseHeaderModifier"]["add"][0]["value"] == "side=; Path=/; Max-Age=0"


@pytest.mark.parametrize(("kind", "target"), [("Testers", "fraud-b"), ("Preview", "fraud-b"), ("Preview", None)])
def test_what_is_written_is_read_back(kind: SideKind, target: str | None) -> None:
    route = spec(preview={"hostnames": ["next.example.com"]})
    raw = build_side(OWNER, route, HEADERS, kind, target)
    view = observe_side(OWNER, route, HEADERS, kind, raw)
    assert view is not None
    assert (view.target, view.in_shape) == (target, True)
    other = spec(preview={"hostnames": ["other.example.com"]}, hostnames=["g.example.com"])
    changed = observe_side(OWNER, other, HEADERS, kind, raw)
    assert changed is not None
    assert not changed.in_shape


def test_a_preview_has_hosts_of_its_own() -> None:
    raw = build_side(OWNER, spec(preview={"hostnames": ["next.example.com"]}), None, "Preview", "fraud-b")
    assert raw["spec"]["hostnames"] == ["next.example.com"]


def test_a_gateway_that_cannot_clear_a_cookie_is_refused() -> None:
    missing = find_missing_features(spec(), ["HTTPRoute"], COOKIE)
    assert missing == [("spec.rollout.testers.cookie", "HTTPRouteResponseHeaderModification")]
    assert find_missing_features(spec(), ["HTTPRoute"], HEADERS) == []
