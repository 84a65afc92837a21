"""HTTPRoute of the Gateway API: weights to object and back.

The route is ours, built anew from `spec.route` each time, so no GitOps tool ever compares it. Backends without traffic
are left out: a weight of 0 and an absent backend mean the same, and an absent one cannot point to a Service that
history has removed. The exception are gateways that count by the place of a backend: see `place_backends`."""

from collections.abc import Iterable, Mapping
from typing import Any

from serinus.api.rollout import TestersSpec
from serinus.api.route import RouteRule, RouteSpec
from serinus.core.children import SERVICE_PORT, Owner, build_metadata, is_subset
from serinus.core.snapshot import Mirror, RouteView
from serinus.core.steps import FULL
from serinus.routing.mirror import MIRRORS, build_mirror, observe_mirror

GATEWAY_GROUP = "gateway.networking.k8s.io"

Raw = dict[str, Any]

FILTER_FEATURES: Mapping[str, str] = {
    "RequestMirror": MIRRORS,
    "ResponseHeaderModifier": "HTTPRouteResponseHeaderModification",
    "URLRewrite": "HTTPRoutePathRewrite",
    "CORS": "HTTPRouteCORS",
}
"""Filters beyond the core of the Gateway API, and the feature name under which a GatewayClass declares each."""

CLEARS_COOKIES = FILTER_FEATURES["ResponseHeaderModifier"]

# The API server fills in this match; writing it keeps an object equal to what is stored.
MATCH_ALL: Mapping[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}

REVISION_HEADER = "Serinus-Revision"
"""Header that an answer gets where each backend has a filter of its own."""


TRACE_SCALE = 10_000
"""With weights of this many per percent, a weight of 1 is a millionth of the requests, the least there is."""


def build_backends(
    weights: Mapping[str, int], present: Raw | None, *, by_place: bool, traces: Iterable[str] = ()
) -> list[Raw]:
    """The backends that give each revision its weight (percent). `by_place` is for gateways that count a backend by
    itself only if it has a filter of its own, and by its place: it keeps the places that backends have in the route
    `present`, and lets each name its revision in a header of its answers. The proxies of such a gateway hear of a
    weight before they know the backend, and answer 500 meanwhile: `traces` get a millionth of the requests until then.
    """
    if by_place:
        least = dict.fromkeys(traces, 1)
        shares = {name: weight * TRACE_SCALE for name, weight in weights.items()} | least if least else weights
        return [_backend(name, weight, tagged=True) for name, weight in place_backends(shares, present).items()]
    return [_backend(name, weight, tagged=False) for name, weight in sorted(weights.items()) if weight > 0]


def place_backends(weights: Mapping[str, int], present: Raw | None) -> dict[str, int]:
    """The weights in the order of the backends: who has a place keeps it, newcomers take those of who has left, and who
    has left keeps a weight of 0 where it holds the place of one behind it.
    """
    newcomers = [name for name in weights if name not in list_backends(present)]
    placed: dict[str, int] = {}
    for name in list_backends(present):
        if name in weights or not newcomers:
            placed[name] = weights.get(name, 0)
        else:
            newcomer = newcomers.pop(0)
            placed[newcomer] = weights[newcomer]
    placed |= {name: weights[name] for name in newcomers}
    while placed and placed[next(reversed(placed))] == 0:
        placed.popitem()
    return placed


def build_route(
    owner: Owner,
    spec: RouteSpec,
    weights: Mapping[str, int],
    present: Raw | None = None,
    *,
    by_place: bool = False,
    traces: Iterable[str] = (),
    mirror: Mirror | None = None,
) -> Raw:
    """The HTTPRoute that gives each revision its weight, and `mirror` its copies; for the rest see `build_backends`."""
    backends = build_backends(weights, present, by_place=by_place, traces=traces)
    rules = spec.rules or (RouteRule(),)
    return attach(owner, owner.name, spec, spec.hostnames, [_rule(rule, backends, mirror) for rule in rules])


def attach(owner: Owner, name: str, spec: RouteSpec, hostnames: Iterable[str], rules: list[Raw]) -> Raw:
    """An HTTPRoute with these rules on the parents of `spec`."""
    body: Raw = {"parentRefs": [_parent(ref.dump()) for ref in spec.parent_refs], "rules": rules}
    if hosts := list(hostnames):
        body["hostnames"] = hosts
    return {
        "apiVersion": f"{GATEWAY_GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": build_metadata(owner, name),
        "spec": body,
    }


def is_like(wanted: Raw, raw: Raw) -> bool:
    """Whether a route in the cluster is as we would write it."""
    return is_subset({"spec": wanted["spec"], "metadata": {"labels": wanted["metadata"]["labels"]}}, raw)


def observe_route(owner: Owner, spec: RouteSpec, raw: Raw | None, *, by_place: bool = False) -> RouteView:
    """What the route in the cluster says: weights in force (of its first rule), acceptance by its parents, and whether
    it is in shape.
    """
    if raw is None:
        return RouteView(by_place=by_place)
    weights = observe_weights(raw)
    traces = observe_traces(raw) if by_place else ()
    accepted, message = _acceptance(raw)
    first = (raw.get("spec", {}).get("rules") or [{}])[0]
    mirror = observe_mirror(first, owner.name, len(spec.rules[0].filters) if spec.rules else 0)
    wanted = build_route(owner, spec, weights, raw, by_place=by_place, traces=traces, mirror=mirror)
    in_shape = is_like(wanted, raw)
    return RouteView(
        exists=True,
        weights=weights,
        backends=list_backends(raw),
        by_place=by_place,
        traces=traces,
        mirror=mirror,
        accepted=accepted,
        message=message,
        in_shape=in_shape,
    )


def observe_weights(raw: Raw) -> dict[str, int]:
    """Percent by backend of the first rule; all rules are written alike. A trace of weight counts as none."""
    shares = _shares(raw)
    total = sum(shares.values())
    percents = {name: round(FULL * share / total) for name, share in shares.items() if share > 0}
    return {name: percent for name, percent in percents.items() if percent > 0}


def observe_traces(raw: Raw) -> tuple[str, ...]:
    """The backends with no more than a trace of weight."""
    weights = observe_weights(raw)
    return tuple(sorted(name for name, share in _shares(raw).items() if share > 0 and name not in weights))


def _shares(raw: Raw) -> dict[str, int]:
    rules = raw.get("spec", {}).get("rules") or [{}]
    return {backend["name"]: int(backend.get("weight", 1)) for backend in rules[0].get("backendRefs") or ()}


def list_backends(raw: Raw | None) -> tuple[str, ...]:
    """Names of the backends of the first rule in their order, those without weight too."""
    rules = (raw or {}).get("spec", {}).get("rules") or [{}]
    return tuple(backend["name"] for backend in rules[0].get("backendRefs") or ())


def find_missing_features(
    spec: RouteSpec, supported: Iterable[str], testers: TestersSpec | None = None
) -> list[tuple[str, str]]:
    """Fields of the route that this gateway does not support, each with the feature that it lacks.

    `supported` are the names in GatewayClass.status.supportedFeatures. An empty list means that the gateway does not
    tell; then everything is trusted. Some gateways accept a route with a filter they do not know and answer every
    request with 500: that is why this is asked first."""
    known = set(supported)
    if not known:
        return []
    missing = []
    for number, rule in enumerate(spec.rules):
        wanted = [
            (f"spec.route.rules[{number}].filters[{i}]", FILTER_FEATURES.get(str(f.get("type"))))
            for i, f in enumerate(rule.filters)
        ]
        if rule.timeouts is not None and rule.timeouts.request is not None:
            wanted.append((f"spec.route.rules[{number}].timeouts.request", "HTTPRouteRequestTimeout"))
        if rule.timeouts is not None and rule.timeouts.backend_request is not None:
            wanted.append((f"spec.route.rules[{number}].timeouts.backendRequest", "HTTPRouteBackendTimeout"))
        missing += [(field, feature) for field, feature in wanted if feature is not None and feature not in known]
    if testers is not None and testers.cookie is not None and CLEARS_COOKIES not in known:
        missing.append(("spec.rollout.testers.cookie", CLEARS_COOKIES))
    return missing


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
    path = match.get("path") or {}
    parts = [f"{path.get('type', 'PathPrefix')}:{path.get('value', '/')}", str(match.get("method", ""))]
    for kind in ("headers", "queryParams"):
        parts += sorted(f"{kind}:{m.get('name')}={m.get('value')}" for m in match.get(kind) or ())
    return "|".join(parts)


def backend_of(name: str) -> Raw:
    """The only backend of a rule: the Service `name`."""
    return _backend(name, 1, tagged=False)


def _backend(name: str, weight: int, *, tagged: bool) -> Raw:
    body: Raw = {"group": "", "kind": "Service", "name": name, "port": SERVICE_PORT, "weight": weight}
    if tagged:
        header = {"name": REVISION_HEADER, "value": name}
        body["filters"] = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}]
    return body


def _parent(ref: Raw) -> Raw:
    # What the API server would fill in is written out, so that the object equals what is stored.
    return {"group": GATEWAY_GROUP, "kind": "Gateway", **ref}


def _rule(rule: RouteRule, backends: list[Raw], mirror: Mirror | None) -> Raw:
    body: Raw = {"matches": [dict(match) for match in (rule.matches or (MATCH_ALL,))], "backendRefs": backends}
    filters = [*([build_mirror(mirror)] if mirror else []), *(dict(f) for f in rule.filters)]
    if filters:
        body["filters"] = filters
    if rule.timeouts is not None:
        body["timeouts"] = rule.timeouts.dump()
    return body


def _acceptance(raw: Raw) -> tuple[bool | None, str]:
    """All parents must have accepted the route and resolved its backends, for the generation that stands there."""
    generation = raw["metadata"].get("generation", 0)
    parents = raw.get("status", {}).get("parents") or []
    if not parents:
        return None, "no gateway has looked at it"
    for parent in parents:
        for condition in parent.get("conditions") or []:
            if condition["type"] not in ("Accepted", "ResolvedRefs"):
                continue
            if condition.get("observedGeneration", generation) < generation:
                continue  # about an older split; what it says of the parents still holds, of the backends it does not
            if condition["status"] == "False":
                return False, f"{condition['type']} is False, {condition.get('reason')}: {condition.get('message')}"
    return True, ""
