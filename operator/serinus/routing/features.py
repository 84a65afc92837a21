"""What a route asks of its gateway, and what of it the gateway has not: asked before anything is written."""

from collections.abc import Iterable, Mapping

from serinus.api.rollout import TestersSpec
from serinus.api.route import RouteSpec
from serinus.routing.gateway_api import wants_pools
from serinus.routing.mirror import MIRRORS

FILTER_FEATURES: Mapping[str, str] = {
    "RequestMirror": MIRRORS,
    "ResponseHeaderModifier": "HTTPRouteResponseHeaderModification",
    "URLRewrite": "HTTPRoutePathRewrite",
    "CORS": "HTTPRouteCORS",
}
"""Filters beyond the core of the Gateway API, and the feature name under which a GatewayClass declares each."""

GRPC_FILTERS: Mapping[str, frozenset[str]] = {
    "traefik.io/gateway-controller": frozenset({"RequestHeaderModifier", "ExtensionRef"}),
}
"""Filters of a GRPCRoute, by the controller whose GatewayClass does not tell: there are no feature names for them.
Traefik 3.7.15 accepts a route with any other, and fails every call of it."""

NO_POOLS: Mapping[str, str] = {"traefik.io/gateway-controller": "Traefik"}
"""Gateways that answer every request to an InferencePool with 500."""

CLEARS_COOKIES = FILTER_FEATURES["ResponseHeaderModifier"]


def find_missing_features(
    spec: RouteSpec, supported: Iterable[str], testers: TestersSpec | None = None, controller: str | None = None
) -> list[tuple[str, str]]:
    """Fields of the route that this gateway does not support, each with the feature that it lacks.

    `supported` are the names in GatewayClass.status.supportedFeatures, `controller` is its controllerName. An empty
    list means that the gateway does not tell; then everything is trusted. Some gateways accept a route with a filter
    they do not know and answer every request with 500: that is why this is asked first."""
    known = set(supported)
    missing = _find_missing_by_controller(spec, controller)
    if not known:
        return missing
    if spec.kind == "GRPCRoute":
        return missing + ([] if "GRPCRoute" in known else [("spec.route.kind", "GRPCRoute")])
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


def _find_missing_by_controller(spec: RouteSpec, controller: str | None) -> list[tuple[str, str]]:
    missing = []
    if wants_pools(spec) and controller in NO_POOLS:
        missing.append(("spec.route.backend.kind", "InferencePool"))
    known = GRPC_FILTERS.get(controller or "") if spec.kind == "GRPCRoute" else None
    for number, rule in enumerate(spec.rules if known is not None else ()):
        for index, given in enumerate(rule.filters):
            if known is not None and given.get("type") not in known:
                field = f"spec.route.rules[{number}].filters[{index}]"
                missing.append((field, f"{given.get('type')} in a GRPCRoute"))
    return missing
