"""Routes beside the main one: for testers, whose requests reach the candidate whatever its weight, and for a preview
host.

They are objects of their own, so that what they carry is counted apart from what is judged, and so that nothing in them
can break the main route. The Service of the ModelDeployment's own name stands for stable: a promotion changes nothing
here."""

import re
from collections.abc import Mapping
from typing import Any, Final

from serinus.api.rollout import TestersSpec
from serinus.api.route import RouteRule, RouteSpec
from serinus.core.children import Owner
from serinus.core.snapshot import SideKind, SideView
from serinus.routing.gateway_api import MATCH_ALL, attach, backend_of, is_like, list_backends

Raw = dict[str, Any]

SUFFIXES: Final[Mapping[SideKind, str]] = {"Testers": "testers", "Preview": "preview"}


def name_side(owner: Owner, kind: SideKind) -> str:
    return f"{owner.name}-{SUFFIXES[kind]}"


def build_side(owner: Owner, spec: RouteSpec, testers: TestersSpec | None, kind: SideKind, target: str | None) -> Raw:
    """The route of `kind` that leads to the revision `target`, or (None) to stable."""
    if kind == "Preview":
        hosts = spec.preview.hostnames if spec.preview else ()
        rules = [{**_head(rule), "backendRefs": [backend_of(target or owner.name)]} for rule in _rules(spec)]
        return attach(owner, name_side(owner, kind), spec, hosts, rules)
    rules = _tester_rules(owner, spec, testers or TestersSpec(), target)
    return attach(owner, name_side(owner, kind), spec, spec.hostnames, rules)


def observe_side(
    owner: Owner, spec: RouteSpec, testers: TestersSpec | None, kind: SideKind, raw: Raw | None
) -> SideView | None:
    """Where a side route leads, and whether it is as we would write it; None where there is none."""
    if raw is None:
        return None
    names = list_backends(raw)
    target = names[0] if names and names[0] != owner.name else None
    return SideView(target, in_shape=is_like(build_side(owner, spec, testers, kind, target), raw))


def _tester_rules(owner: Owner, spec: RouteSpec, testers: TestersSpec, target: str | None) -> list[Raw]:
    marks = [{"type": "Exact", "name": header.name, "value": header.value} for header in testers.headers]
    cookie = testers.cookie
    rules = []
    # The same rules in the same places with and without a candidate: only where they lead changes.
    for rule in _rules(spec):
        to_candidate = [*marks, *([_cookie(cookie.name, "candidate")] if cookie else [])]
        rules.append({**_head(rule, to_candidate), "backendRefs": [backend_of(target or owner.name)]})
        if cookie:
            stays = _head(rule, [_cookie(cookie.name, "stable")])
            rules.append({**stays, "backendRefs": [backend_of(owner.name)]})
    if cookie and target is None:
        rules = [{**rule, "filters": [*rule.get("filters", []), _clear(cookie.name)]} for rule in rules]
    return rules


def _rules(spec: RouteSpec) -> tuple[RouteRule, ...]:
    return spec.rules or (RouteRule(),)


def _head(rule: RouteRule, marks: list[Raw] | None = None) -> Raw:
    """Matches, filters and timeouts of a rule; with `marks`, its matches are narrowed to requests that have any."""
    matches = [dict(match) for match in (rule.matches or (MATCH_ALL,))]
    if marks is not None:
        matches = [{**match, "headers": [*match.get("headers", []), mark]} for match in matches for mark in marks]
    body: Raw = {"matches": matches}
    if rule.filters:
        body["filters"] = [dict(f) for f in rule.filters]
    if rule.timeouts is not None:
        body["timeouts"] = rule.timeouts.dump()
    return body


def _cookie(name: str, value: str) -> Raw:
    pattern = rf"^(.*;\s*)?{re.escape(name)}={value}(;.*)?$"
    return {"type": "RegularExpression", "name": "Cookie", "value": pattern}


def _clear(name: str) -> Raw:
    header = {"name": "Set-Cookie", "value": f"{name}=; Path=/; Max-Age=0"}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [header]}}
