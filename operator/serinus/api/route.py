"""`spec.route`: where requests come in. The operator fills in the backends and their weights itself."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import HOSTNAME_PATTERN, Duration, Model
from serinus.api.resource import Rule, with_rules
from serinus.api.rollout import FreeForm

RouteMode = Literal["Gateway", "Replicas"]
Hostname = Annotated[str, Field(pattern=HOSTNAME_PATTERN, min_length=1, max_length=253)]
RouteKind = Literal["HTTPRoute", "GRPCRoute"]

_HAS_PARENT = Rule(
    "self.mode != 'Gateway' || (has(self.parentRefs) && self.parentRefs.size() > 0)",
    "a route needs a parent: name the Gateway in parentRefs, or set mode: Replicas",
    ".parentRefs",
)
_NO_PARENT_FOR_REPLICAS = Rule(
    "self.mode != 'Replicas' || ((!has(self.parentRefs) || self.parentRefs.size() == 0)"
    " && (!has(self.hostnames) || self.hostnames.size() == 0) && (!has(self.rules) || self.rules.size() == 0))",
    "mode Replicas makes no route: remove parentRefs, hostnames and rules",
)


class ParentRef(Model):
    """What the route is attached to, as in the Gateway API."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the Gateway (or of the Service, with a mesh)."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Namespace of the parent. Default: that of this object. The Gateway decides whom it admits from elsewhere."""
    section_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of one listener of the Gateway. Default: every listener that admits the route."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the parent. Default: every port."""
    group: Annotated[str, Field(max_length=253)] | None = None
    """API group of the parent; empty for a Service. Default: gateway.networking.k8s.io."""
    kind: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Kind of the parent. Default: Gateway."""


class RouteTimeouts(Model):
    """Time limits that the gateway enforces, if it supports them."""

    request: Duration | None = None
    """Longest time until the whole answer is sent; 0s means no limit."""
    backend_request: Duration | None = None
    """Longest time of one attempt to reach a pod; 0s means no limit."""


class RouteRule(Model):
    """A rule of an HTTPRoute or GRPCRoute without its backends."""

    matches: Annotated[tuple[FreeForm, ...], Field(max_length=64)] = ()
    """Which requests the rule is for, in the form of the Gateway API. Default: all."""
    filters: Annotated[tuple[FreeForm, ...], Field(max_length=16)] = ()
    """What is done with a request or an answer, in the form of the Gateway API. A filter that the gateway does not
    support is reported with reason GatewayUnsupported, before any traffic moves."""
    timeouts: RouteTimeouts | None = None
    """Time limits of the rule."""


class PreviewSpec(Model):
    """Host names under which the candidate can be looked at before it has traffic."""

    hostnames: Annotated[tuple[Hostname, ...], Field(min_length=1, max_length=16)]
    """Host names that lead to the candidate as soon as its pods are ready, and to stable while there is none."""


_PREVIEW_NEEDS_ROUTE = Rule(
    "self.mode != 'Replicas' || !has(self.preview)", "mode Replicas makes no route: remove preview", ".preview"
)


class RouteSpec(Model):
    """Where requests come in."""

    model_config = ConfigDict(json_schema_extra=with_rules(_HAS_PARENT, _NO_PARENT_FOR_REPLICAS, _PREVIEW_NEEDS_ROUTE))

    mode: RouteMode = "Gateway"
    """Gateway makes a route with exact weights. Replicas needs no gateway: it approximates the weights by the number
    of pods behind one Service, and says so. Default: Gateway."""
    kind: RouteKind = "HTTPRoute"
    """Kind of route that is made in mode Gateway. Default: HTTPRoute."""
    parent_refs: Annotated[tuple[ParentRef, ...], Field(max_length=32)] = ()
    """The Gateways that the route is attached to; mode Gateway needs at least one."""
    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16)] = ()
    """Host names that the route serves, such as fraud.example.com or *.example.com. Default: those of the
    Gateway's listeners."""
    rules: Annotated[tuple[RouteRule, ...], Field(max_length=16)] = ()
    """Matches, filters and timeouts. Default: one rule for every path."""
    preview: PreviewSpec | None = None
    """Host names under which the candidate can be looked at, whatever its weight; its outcome there is not judged
    where the gateway counts requests by route (Traefik, Envoy Gateway). Default: none."""
