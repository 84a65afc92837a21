"""What a route lays claim to: two ModelDeployments must not share one."""

from collections.abc import Mapping
from typing import Any

from serinus.api.route import RouteRule, RouteSpec


def list_claims(namespace: str, spec: RouteSpec) -> frozenset[tuple[str, str, str, str]]:
    """What the route lays claim to: (gateway, host name, canonical match, listener) for every combination, the listener
    empty where the route is attached to all; two objects must not share one.
    """
    gateways = [(f"{ref.namespace or namespace}/{ref.name}", ref.section_name or "") for ref in spec.parent_refs]
    hosts = spec.hostnames or ("*",)
    matches = {_canonical(match) for rule in (spec.rules or (RouteRule(),)) for match in (rule.matches or ({},))}
    hosts = (*hosts, *(spec.preview.hostnames if spec.preview else ()))
    return frozenset(
        (gateway, host, match, listener) for gateway, listener in gateways for host in hosts for match in matches
    )


def _canonical(match: Mapping[str, Any]) -> str:
    call = match.get("method")
    if isinstance(call, dict):
        # A call is a request for a path; a host is one kind of route's, so both kinds must be comparable.
        service, method = (call.get(part) or "" for part in ("service", "method"))
        exact = call.get("type", "Exact") == "Exact"
        kind = ("Exact" if service and method else "PathPrefix" if service else "Method") if exact else "Regular"
        match = {**match, "path": {"type": kind, "value": f"/{service}/{method}"}, "method": ""}
    path = match.get("path") or {}
    parts = [f"{path.get('type', 'PathPrefix')}:{path.get('value', '/')}", str(match.get("method", ""))]
    for kind in ("headers", "queryParams"):
        parts += sorted(f"{kind}:{m.get('name')}={m.get('value')}" for m in match.get(kind) or ())
    return "|".join(parts)
