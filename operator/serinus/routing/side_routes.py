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
from serinus.routing.gateway_api import attach, backend_of, build_head, is_like, list_backends, wants_pools

Raw = dict[str, Any]

SUFFIXES: Final[Mapping[SideKind, str]] = {"Testers": "testers", "Preview": "preview"}


def name_side(owner: Owner, kind: SideKind) -> str:
    return f"{owner.name}-{SUFFIXES[kind]}"


def build_side(owner: Owner, spec: RouteSpec, testers: TestersSpec | None, kind: SideKind, target: str | None) -> Raw:
    """The route of `kind` that leads to the revision `target`, or (None) to stable."""
    if kind == "Preview":
        hosts = spec.preview.hostnames if spec.preview else ()
        backend = _lead(owner, spec, target)
        rules = [{**build_head(spec, rule), "backendRefs": [backend]} for rule in _rules(spec)]
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
    wanted = build_side(owner, spec, testers, kind, target)
    return SideView(target, in_shape=raw["kind"] == spec.kind and is_like(wanted, raw))


def _tester_rules(owner: Owner, spec: RouteSpec, testers: TestersSpec, target: str | None) -> list[Raw]:
    marks = [{"type": "Exact", "name": header.name, "value": header.value} for header in testers.headers]
    cookie = testers.cookie
    rules = []
    # The same rules in the same places with and without a candidate: only where they lead changes.
    for rule in _rules(spec):
        to_candidate = [*marks, *([_cookie(cookie.name, "candidate")] if cookie else [])]
        rules.append({**build_head(spec, rule, to_candidate), "backendRefs": [_lead(owner, spec, target)]})
        if cookie:
            stays = build_head(spec, rule, [_cookie(cookie.name, "stable")])
            rules.append({**stays, "backendRefs": [backend_of(owner.name)]})
    if cookie and target is None:
        rules = [{**rule, "filters": [*rule.get("filters", []), _clear(cookie.name)]} for rule in rules]
    return rules


def _lead(owner: Owner, spec: RouteSpec, target: str | None) -> Raw:
    """The Service of the name stands for stable, whatever the main route leads to."""
    return backend_of(owner.name) if target is None else backend_of(target, pool=wants_pools(spec))


def _rules(spec: RouteSpec) -> tuple[RouteRule, ...]:
    return spec.rules or (RouteRule(),)


def _cookie(name: str, value: str) -> Raw:
    pattern = rf"^(.*;\s*)?{re.escape(name)}={value}(;.*)?$"
    return {"type": "RegularExpression", "name": "Cookie", "value": pattern}


def _clear(name: str) -> Raw:
    header = {"name": "Set-Cookie", "value": f"{name}=; Path=/; Max-Age=0"}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [header]}}
