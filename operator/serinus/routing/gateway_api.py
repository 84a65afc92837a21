"""HTTPRoute and GRPCRoute of the Gateway API: weights to object and back.

The route is ours, built anew from `spec.route` each time, so no GitOps tool ever compares it. Backends without traffic
are left out: a weight of 0 and an absent backend mean the same, and an absent one cannot point to a Service that
history has removed. The exception are gateways that count by the place of a backend: see `place_backends`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from serinus.api.route import RouteKind, RouteRule, RouteSpec
from serinus.core.children import SERVICE_PORT, Owner, build_metadata, is_subset
from serinus.core.snapshot import Mirror, RouteView
from serinus.core.steps import FULL
from serinus.routing.mirror import build_mirror, observe_mirror

GATEWAY_GROUP = "gateway.networking.k8s.io"
POOL_GROUP = "inference.networking.k8s.io"

OTHER_KIND: Final[Mapping[str, RouteKind]] = {"HTTPRoute": "GRPCRoute", "GRPCRoute": "HTTPRoute"}
"""The kind that a route of ours had before, where it has changed."""

Raw = dict[str, Any]

# The API server fills in this match; writing it keeps an object equal to what is stored.
MATCH_ALL: Mapping[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}

REVISION_HEADER = "Serinus-Revision"
"""Header that an answer gets where each backend has a filter of its own."""


TRACE_SCALE = 10_000
"""With weights of this many per percent, a weight of 1 is a millionth of the requests, the least there is."""


def build_backends(
    weights: Mapping[str, int],
    present: Raw | None,
    *,
    by_place: bool,
    traces: Iterable[str] = (),
    pools: bool = False,
) -> list[Raw]:
    """The backends that give each revision its weight (percent): its Service, or with `pools` its InferencePool.
    `by_place` is for gateways that count a backend by itself only if it has a filter of its own, and by its place: it
    keeps the places that backends have in the route `present`, and lets each name its revision in a header of its
    answers. The proxies of such a gateway hear of a weight before they know the backend, and answer 500 meanwhile:
    `traces` get a millionth of the requests until then.
    """
    if by_place:
        least = dict.fromkeys(traces, 1)
        shares = {name: weight * TRACE_SCALE for name, weight in weights.items()} | least if least else weights
        placed = place_backends(shares, present).items()
        return [_backend(name, weight, tagged=True, pool=pools) for name, weight in placed]
    return [_backend(name, weight, pool=pools) for name, weight in sorted(weights.items()) if weight > 0]


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
    """The route that gives each revision its weight, and `mirror` its copies; for the rest see `build_backends`."""
    backends = build_backends(weights, present, by_place=by_place, traces=traces, pools=wants_pools(spec))
    rules = [
        {**build_head(spec, rule, mirror=mirror), "backendRefs": backends} for rule in spec.rules or (RouteRule(),)
    ]
    return attach(owner, owner.name, spec, spec.hostnames, rules)


def wants_pools(spec: RouteSpec) -> bool:
    """Whether the route leads to InferencePools."""
    return spec.backend is not None and spec.backend.kind == "InferencePool"


def leads_to_pools(raw: Raw) -> bool:
    """Whether the route in the cluster leads to InferencePools."""
    rules = raw.get("spec", {}).get("rules") or [{}]
    return any(backend.get("kind") == "InferencePool" for backend in rules[0].get("backendRefs") or ())


def build_head(
    spec: RouteSpec, rule: RouteRule, marks: Iterable[Raw] | None = None, *, mirror: Mirror | None = None
) -> Raw:
    """Matches, filters and timeouts of a rule; with `marks`, its matches are narrowed to requests that have any of
    these headers."""
    matches = [dict(match) for match in rule.matches]
    if marks is not None:
        narrow = matches or [{}] if spec.kind == "GRPCRoute" else matches or [dict(MATCH_ALL)]
        matches = [{**match, "headers": [*match.get("headers", []), mark]} for match in narrow for mark in marks]
    elif spec.kind == "HTTPRoute":
        matches = matches or [dict(MATCH_ALL)]
    body: Raw = {"matches": matches} if matches else {}
    filters = [*([build_mirror(mirror)] if mirror else []), *(dict(f) for f in rule.filters)]
    if filters:
        body["filters"] = filters
    if rule.timeouts is not None:
        body["timeouts"] = rule.timeouts.dump()
    return body


def attach(owner: Owner, name: str, spec: RouteSpec, hostnames: Iterable[str], rules: list[Raw]) -> Raw:
    """A route with these rules on the parents of `spec`."""
    body: Raw = {"parentRefs": [_parent(ref.dump()) for ref in spec.parent_refs], "rules": rules}
    if hosts := list(hostnames):
        body["hostnames"] = hosts
    return {
        "apiVersion": f"{GATEWAY_GROUP}/v1",
        "kind": spec.kind,
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
        kind=raw["kind"],
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


def is_accepted_by_all(raw: Raw) -> bool:
    """Whether every parent has said that it takes the route as it stands, and finds its backends."""
    generation = raw["metadata"].get("generation", 0)
    said = [_words(parent, generation) for parent in raw.get("status", {}).get("parents") or ()]
    wanted = {"Accepted": "True", "ResolvedRefs": "True"}
    return len(said) >= len(raw["spec"].get("parentRefs") or ()) and all(wanted.items() <= one.items() for one in said)


def is_kept_out(raw: Raw) -> bool:
    """Whether a gateway refuses the route for the hosts that a route of another kind has: it takes one kind for each
    host, the older route's."""
    return any(
        condition.get("reason") == "HostnameConflict" and condition["status"] == "False"
        for parent in raw.get("status", {}).get("parents") or ()
        for condition in parent.get("conditions") or ()
    )


def shares_host(one: Raw, other: Raw) -> bool:
    """Whether two routes may be asked for the same host on the same Gateway; when in doubt, yes. They may be anybody's,
    and of any form that the API server takes."""
    specs = [route.get("spec") or {} for route in (one, other)]
    parents = [
        {(ref.get("namespace") or route["metadata"]["namespace"], ref["name"]) for ref in spec.get("parentRefs") or ()}
        for route, spec in zip((one, other), specs, strict=True)
    ]
    hosts = [spec.get("hostnames") or ["*"] for spec in specs]
    return bool(parents[0] & parents[1]) and any(_overlap(a, b) for a in hosts[0] for b in hosts[1])


def _overlap(one: str, other: str) -> bool:
    wild, plain = sorted((one, other), key=lambda host: not host.startswith("*"))
    return plain == wild or (wild.startswith("*") and plain.removeprefix("*").endswith(wild[1:]))


def _words(parent: Raw, generation: int) -> dict[str, str]:
    return {
        condition["type"]: condition["status"]
        for condition in parent.get("conditions") or ()
        if condition.get("observedGeneration", generation) >= generation
    }


def backend_of(name: str, *, pool: bool = False) -> Raw:
    """The only backend of a rule: the Service or the pool `name`."""
    return _backend(name, 1, pool=pool)


def _backend(name: str, weight: int, *, tagged: bool = False, pool: bool = False) -> Raw:
    if pool:
        return {"group": POOL_GROUP, "kind": "InferencePool", "name": name, "weight": weight}
    body: Raw = {"group": "", "kind": "Service", "name": name, "port": SERVICE_PORT, "weight": weight}
    if tagged:
        header = {"name": REVISION_HEADER, "value": name}
        body["filters"] = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}]
    return body


def _parent(ref: Raw) -> Raw:
    # What the API server would fill in is written out, so that the object equals what is stored.
    return {"group": GATEWAY_GROUP, "kind": "Gateway", **ref}


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
