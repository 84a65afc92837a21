"""What there is of routes, pools and gateways around a ModelDeployment, and what stands in the way of the one that is
asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from serinus.api import reasons
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.presets import ResolvedRollout
from serinus.api.route import RouteSpec
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.ownership import is_owned
from serinus.core.children import Owner
from serinus.core.snapshot import PoolView, Problem, RouteView, SideKind, SideView
from serinus.engine.store import Key, Store
from serinus.kube.resources import GATEWAYS, GRPCROUTES, INFERENCEPOOLS, ROUTES, Resource
from serinus.metrics.profiles import choose_gateway_profile
from serinus.routing.features import find_missing_features
from serinus.routing.gateway_api import (
    OTHER_KIND,
    is_accepted_by_all,
    is_kept_out,
    list_backends,
    observe_route,
    observe_traces,
    observe_weights,
    wants_pools,
)
from serinus.routing.inference_pool import observe_pool
from serinus.routing.mirror import find_missing_mirror
from serinus.routing.side_routes import SUFFIXES, name_side, observe_side

Raw = dict[str, Any]

KINDS: Final = tuple(ROUTES)


@dataclass(frozen=True)
class Gateways:
    """The Gateways that a route names: by whom they are run, what they say that they can, and which are missing."""

    controller: str | None
    features: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class RoutePair:
    """The route that is asked for, and the one of the other kind where that is still there."""

    main: Raw | None = None
    former: Raw | None = None

    @property
    def present(self) -> Raw | None:
        """The one that requests come in by."""
        return self.main or self.former


def find_routes(store: Store, owner: Owner, kind: str) -> RoutePair:
    """The main routes of a ModelDeployment whose spec asks for `kind`."""
    found = {one: find_owned(store, owner, one, owner.name) for one in KINDS}
    if kind not in KINDS:
        # Whatever a person has written there, the route that serves must be found.
        kind = next((one for one in KINDS if found[one] is not None), KINDS[0])
    return RoutePair(found.get(kind), found.get(OTHER_KIND.get(kind, "")))


def find_owned(store: Store, owner: Owner, kind: str, name: str) -> Raw | None:
    raw = store.get(kind, owner.namespace, name)
    return raw if raw is not None and is_owned(raw, owner) else None


def view_route(owner: Owner, spec: RouteSpec, pair: RoutePair, *, by_place: bool, usable: bool) -> RouteView:
    """The routes as a decision sees them."""
    main, former = pair.main, pair.former
    if spec.mode == "Replicas":
        return RouteView(exists=pair.present is not None)
    if not usable and main is None:
        # It cannot be made, so the old one is the route.
        main, former = former, None
    view = observe_route(owner, spec, main, by_place=by_place)
    # With a spec that must not be put into force there is nothing to compare the route with.
    view = view if usable else replace(view, in_shape=True)
    if former is None:
        return view
    weights = observe_weights(former)
    if main is None:
        # No share may be lost or won by the change of the kind.
        traces = observe_traces(former) if by_place else ()
        backends = list_backends(former)
        return RouteView(weights=weights, backends=backends, by_place=by_place, traces=traces, former=weights)
    if is_kept_out(main):
        # Ours is in the way of ours: that is for us to put right, and no news for anybody.
        return replace(view, accepted=None, message="", former=weights, replaces_former=True)
    message = view.message and f"{view.message}; the {former['kind']} stays until it does"
    return replace(view, former=weights, replaces_former=is_accepted_by_all(main), message=message)


def view_sides(store: Store, owner: Owner, spec: ModelDeploymentSpec) -> dict[SideKind, SideView]:
    """The routes beside the main one. One that is left of another kind makes the present one out of shape."""
    testers = spec.rollout.testers if spec.rollout else None
    found: dict[SideKind, SideView] = {}
    for side in SUFFIXES:
        raws = [find_owned(store, owner, kind, name_side(owner, side)) for kind in KINDS]
        there = sorted((raw for raw in raws if raw is not None), key=lambda raw: raw["kind"] != spec.route.kind)
        view = observe_side(owner, spec.route, testers, side, there[0] if there else None)
        if view is not None:
            found[side] = replace(view, in_shape=view.in_shape and len(there) == 1)
    return found


def view_pools(store: Store, owner: Owner, spec: RouteSpec, contents: Mapping[str, Raw]) -> dict[str, PoolView]:
    """The InferencePools that are there, by revision."""
    picker = spec.backend.endpoint_picker if spec.backend is not None else None
    pools = store.by_owner(INFERENCEPOOLS.kind, owner.namespace, owner.name)
    return {
        pool["metadata"]["name"]: observe_pool(owner, pool, contents.get(pool["metadata"]["name"]), picker)
        for pool in pools
        if is_owned(pool, owner)
    }


def parents_of(namespace: str, spec: RouteSpec) -> list[tuple[str, str]]:
    """Namespace and name of every Gateway the route is attached to."""
    return [(ref.namespace or namespace, ref.name) for ref in spec.parent_refs if ref.kind in (None, "Gateway")]


def look_at_gateways(store: Store, namespace: str, spec: RouteSpec, rollout: ResolvedRollout) -> Gateways:
    """Controller name and supported features of the gateways, and which of them are missing."""
    problems: list[Problem] = []
    controller: str | None = None
    features: list[str] = []
    for number, (gateway_namespace, name) in enumerate(parents_of(namespace, spec)):
        gateway = store.get("Gateway", gateway_namespace, name)
        if gateway is None:
            problems.append(_missing_gateway(store, number, gateway_namespace, name))
            continue
        gateway_class = store.get("GatewayClass", "", gateway.get("spec", {}).get("gatewayClassName", ""))
        by = (gateway_class or {}).get("spec", {}).get("controllerName")
        declared = ((gateway_class or {}).get("status") or {}).get("supportedFeatures") or []
        named = [f["name"] if isinstance(f, dict) else str(f) for f in declared]
        controller = controller or by
        features += named
        problems += _mirroring(rollout, by, named)
    if len(parents_of(namespace, spec)) < len(spec.parent_refs):
        problems += _mirroring(rollout, None, [])
    return Gateways(controller, tuple(features), tuple(problems))


def _missing_gateway(store: Store, number: int, namespace: str, name: str) -> Problem:
    field = f"spec.route.parentRefs[{number}]"
    if store.is_served(GATEWAYS.kind) and not store.is_looked_at(namespace):
        message = f"{field}: this operator does not look into namespace {namespace}: add it to gatewayNamespaces in the"
        return Problem(reasons.GATEWAY_NOT_FOUND, f"{message} values of the chart")
    if store.is_served(GATEWAYS.kind):
        return Problem(reasons.GATEWAY_NOT_FOUND, f"{field}: there is no Gateway {namespace}/{name}")
    message = f"{field}: the cluster has no Gateway API ({GATEWAYS.api_version}): install it and a gateway, or use"
    return Problem(reasons.GATEWAY_UNSUPPORTED, f"{message} spec.route.mode Replicas")


def _mirroring(rollout: ResolvedRollout, controller: str | None, features: list[str]) -> list[Problem]:
    """Why one of the gateways cannot do what strategy Shadow needs."""
    if rollout.shadow is None:
        return []
    profile = choose_gateway_profile(controller)
    known = profile is not None and profile.mirrors
    missing = find_missing_mirror(rollout.shadow.percent, frozenset(features), known=known)
    return [] if missing is None else [Problem(reasons.GATEWAY_UNSUPPORTED, missing)]


def find_obstacles(
    store: Store, claims: ClaimIndex, key: Key, spec: ModelDeploymentSpec, gateways: Gateways
) -> list[Problem]:
    """Why the route that is asked for must not be put into force; empty where nothing is in the way."""
    return [
        *gateways.problems,
        *_missing_kinds(store, spec.route),
        *_missing_features(spec, gateways),
        *_conflicts(claims, key),
    ]


def _missing_kinds(store: Store, spec: RouteSpec) -> list[Problem]:
    if spec.mode != "Gateway":
        return []
    needed: list[tuple[str, Resource]] = []
    if spec.kind == GRPCROUTES.kind:
        needed.append(("spec.route.kind", GRPCROUTES))
    if wants_pools(spec):
        needed.append(("spec.route.backend.kind", INFERENCEPOOLS))
    problems = []
    for field, one in needed:
        value = store.switched_off_by(one.kind)
        if value is not None:
            message = f"{field}: {one.kind} is switched off here: set {value}=true in the values of the chart"
            problems.append(Problem(reasons.NOT_ENABLED, message))
        elif not store.is_served(one.kind):
            message = (
                f"{field}: the cluster has no {one.kind} ({one.api_version}): install its CRD, or remove the field"
            )
            problems.append(Problem(reasons.GATEWAY_UNSUPPORTED, message))
    return problems


def _missing_features(spec: ModelDeploymentSpec, gateways: Gateways) -> list[Problem]:
    testers = spec.rollout.testers if spec.rollout else None
    return [
        Problem(reasons.GATEWAY_UNSUPPORTED, f"{field} needs {feature}, which the gateway does not support: remove it")
        for field, feature in find_missing_features(spec.route, gateways.features, testers, gateways.controller)
    ]


def _conflicts(claims: ClaimIndex, key: Key) -> list[Problem]:
    found = claims.find_conflict(key)
    if found is None:
        return []
    other, (gateway, host, match, _) = found
    message = f"ModelDeployment {other.namespace}/{other.name} is older and serves {host} {match} on {gateway} already"
    return [Problem(reasons.ROUTE_CONFLICT, f"spec.route: {message}; use another host or path")]
