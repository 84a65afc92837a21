"""`spec.route`: where requests come in. The operator fills in the backends and their weights itself."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import HOSTNAME_PATTERN, Duration, Model
from serinus.api.resource import Rule, with_rules
from serinus.api.rollout import FreeForm

RouteMode = Literal["Gateway", "Replicas"]
Hostname = Annotated[str, Field(pattern=HOSTNAME_PATTERN, min_length=1, max_length=253)]
RouteKind = Literal["HTTPRoute", "GRPCRoute"]
BackendKind = Literal["Service", "InferencePool"]
FailureMode = Literal["FailOpen", "FailClose"]
REVISION_PLACEHOLDER: Final = "{revision}"

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
_GRPC_HAS_NO_TIMEOUTS = Rule(
    "self.kind != 'GRPCRoute' || !has(self.rules) || self.rules.all(rule, !has(rule.timeouts))",
    "a GRPCRoute has no timeouts: the deadline of a call is its client's; remove timeouts",
    ".rules",
)
_POOLS_BEHIND_HTTPROUTE = Rule(
    "!has(self.backend) || self.backend.kind != 'InferencePool'"
    " || (self.kind == 'HTTPRoute' && self.mode == 'Gateway')",
    "an InferencePool stands behind an HTTPRoute: leave kind and mode at HTTPRoute and Gateway",
    ".backend",
)
_POOL_HAS_PICKER = Rule(
    "self.kind != 'InferencePool' || has(self.endpointPicker)",
    "an InferencePool needs an endpointPicker",
    ".endpointPicker",
)
_PICKER_IS_FOR_POOLS = Rule(
    "self.kind == 'InferencePool' || !has(self.endpointPicker)",
    "an endpointPicker is for kind InferencePool: remove it",
    ".endpointPicker",
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


class EndpointPicker(Model):
    """The extension that chooses a pod of a pool for each request: a Service in this namespace, which the operator does
    not make."""

    name: Annotated[str, Field(pattern=r"^([a-z0-9-]|\{revision\})+$", max_length=63)]
    """Name of the Service. `{revision}` in it stands for the name of the revision, where each has a picker of its own,
    as the reference implementation wants it: llm-picker, or {revision}-epp."""
    port: Annotated[int, Field(ge=1, le=65535)] = 9002
    """Port of the Service. Default: 9002."""
    failure_mode: FailureMode = "FailClose"
    """What becomes of requests while the picker does not answer. FailOpen: any pod of the pool serves them. FailClose:
    they fail. Default: FailClose."""


class BackendSpec(Model):
    """What the route leads to."""

    model_config = ConfigDict(json_schema_extra=with_rules(_POOL_HAS_PICKER, _PICKER_IS_FOR_POOLS))

    kind: BackendKind = "Service"
    """Service: the pods of a revision. InferencePool: a pool for each revision, of its name, in which an endpoint
    picker chooses by queue and cache; the cluster must have the kind (inference.networking.k8s.io/v1) and a gateway
    that carries it. A pool is judged by its model server's own figures. Default: Service."""
    endpoint_picker: EndpointPicker | None = None
    """Who chooses the pod; InferencePool needs it."""


class PreviewSpec(Model):
    """Host names under which the candidate can be looked at before it has traffic."""

    hostnames: Annotated[tuple[Hostname, ...], Field(min_length=1, max_length=16)]
    """Host names that lead to the candidate as soon as its pods are ready, and to stable while there is none."""


_PREVIEW_NEEDS_ROUTE = Rule(
    "self.mode != 'Replicas' || !has(self.preview)", "mode Replicas makes no route: remove preview", ".preview"
)


class RouteSpec(Model):
    """Where requests come in."""

    model_config = ConfigDict(
        json_schema_extra=with_rules(
            _HAS_PARENT, _NO_PARENT_FOR_REPLICAS, _PREVIEW_NEEDS_ROUTE, _GRPC_HAS_NO_TIMEOUTS, _POOLS_BEHIND_HTTPROUTE
        )
    )

    mode: RouteMode = "Gateway"
    """Gateway makes a route with exact weights. Replicas needs no gateway: it approximates the weights by the number
    of pods behind one Service, and says so. Default: Gateway."""
    kind: RouteKind = "HTTPRoute"
    """Kind of route that is made in mode Gateway. With GRPCRoute the ports of the Services say kubernetes.io/h2c, and
    what fails is told by the status of the call. A change makes the new route first; the old one goes once every
    Gateway has accepted it. Default: HTTPRoute."""
    backend: BackendSpec | None = None
    """What the route leads to. Default: Services."""
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
