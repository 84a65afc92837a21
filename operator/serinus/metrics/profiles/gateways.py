"""Gateways and meshes: what they count of each backend, by the controllerName of their GatewayClass."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from serinus.api.route import RouteKind
from serinus.api.signals import Signal
from serinus.metrics.profiles.locate import (
    ENVOY_BACKEND,
    ENVOY_CLUSTER,
    ENVOY_GRPC_BACKEND,
    ISTIO_WORKLOAD,
    LINKERD_BACKEND,
    TRAEFIK_GRPC_SERVICE,
    TRAEFIK_SERVICE,
)
from serinus.metrics.profiles.model import Counter, Given, Histogram, Profile, Ratio

_NO_TOKENS: Final = "a gateway does not see tokens: set spec.runtime to your model server and source: Runtime"
_NO_QUEUE: Final = "a gateway does not see the model server's queue: set spec.runtime to your model server"
_NOT_AT_A_GATEWAY: Final[Mapping[Signal, str]] = {
    "Aborts": "a gateway does not tell broken-off answers from others: set spec.runtime and source: Runtime",
    "TimeToFirstToken": _NO_TOKENS,
    "InterTokenLatency": _NO_TOKENS,
    "QueueTime": _NO_QUEUE,
    "QueueDepth": _NO_QUEUE,
    "CacheUse": _NO_QUEUE,
}
_STREAMS: Final = "A streamed answer counts as good once its head was sent, even if it breaks off: add runtime metrics."
_ENVOY_MS: Final = tuple(
    ms / 1000
    for ms in (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000)
)
_ENVOY_SIGNALS: Final[Mapping[Signal, Given]] = {
    "Errors": Ratio((Counter("envoy_cluster_upstream_rq_xx", labels=("envoy_response_code_class",)),)),
    "Latency": Histogram("envoy_cluster_upstream_rq_time", scale=0.001, buckets=_ENVOY_MS),
}

TRAEFIK: Final = Profile(
    name="Traefik",
    measured_at="the gateway",
    locator=TRAEFIK_SERVICE,
    signals={
        "Errors": Ratio((Counter("traefik_service_requests_total", labels=("code",)),)),
        "Latency": Histogram("traefik_service_request_duration_seconds", buckets=(0.1, 0.3, 1.2, 5.0)),
    },
    cannot=_NOT_AT_A_GATEWAY,
    traps=(
        "Its default buckets are 0.1, 0.3, 1.2 and 5 s, too coarse for most models: set metrics.prometheus.buckets.",
        "Its service label joins namespace and name of route and Service with dashes: two objects whose joined names"
        " are equal and whose content is equal share a series.",
        "Needs metrics.prometheus.addServicesLabels.",
        _STREAMS,
    ),
)

ENVOY_GATEWAY: Final = Profile(
    name="Envoy Gateway",
    measured_at="the gateway",
    locator=ENVOY_BACKEND,
    signals=_ENVOY_SIGNALS,
    cannot=_NOT_AT_A_GATEWAY,
    traps=(
        "All backends of a rule are one Envoy cluster, unless they have filters of their own. The route gets some: an"
        " answer names its revision in the header Serinus-Revision.",
        "Clusters are named by the place in backendRefs, so backends keep theirs; one of weight 0 may stay there.",
        "Mirrored requests are counted apart, under the mirror's own cluster: .../rule/N-mirror-I.",
        "While the Service that a route mirrors to does not exist, it answers every request of the route with 500; one"
        " without ready pods is left out.",
        "Its GatewayClass does not declare supportedFeatures; that it mirrors requests is known.",
        "Prometheus must scrape the proxies: /stats/prometheus on port 19001, as their pods' annotations say.",
        "envoy_cluster_external_upstream_* count the same requests again.",
        _STREAMS,
    ),
    needs_filter=True,
    mirrors=True,
)

ENVOY: Final = Profile(
    name="Envoy",
    measured_at="the gateway",
    locator=ENVOY_CLUSTER,
    signals=_ENVOY_SIGNALS,
    cannot=_NOT_AT_A_GATEWAY,
    traps=(
        "Clusters must be named NAMESPACE/SERVICE or NAMESPACE_SERVICE, more may follow after another / or _.",
        "envoy_cluster_external_upstream_* count the same requests again.",
        "Histograms are flushed every 5 s.",
        _STREAMS,
    ),
)

ISTIO: Final = Profile(
    name="Istio",
    measured_at="the gateway",
    locator=ISTIO_WORKLOAD,
    signals={
        "Errors": Ratio((Counter("istio_requests_total", labels=("response_code",), only=(("reporter", "source"),)),)),
        "Latency": Histogram("istio_request_duration_milliseconds", scale=0.001, only=(("reporter", "source"),)),
    },
    cannot=_NOT_AT_A_GATEWAY,
    traps=("Both ends of a request report it; only reporter=source is read, which gateways are.", _STREAMS),
)

LINKERD: Final = Profile(
    name="Linkerd",
    measured_at="the callers' proxies",
    locator=LINKERD_BACKEND,
    signals={
        "Errors": Ratio((Counter("outbound_http_route_backend_response_statuses_total", labels=("http_status",)),)),
        "Latency": Histogram("outbound_http_route_backend_response_duration_seconds"),
    },
    cannot=_NOT_AT_A_GATEWAY,
    traps=("Measured at the proxies of the callers, so callers outside the mesh are not seen.", _STREAMS),
)

GATEWAYS: Final[Mapping[str, Profile]] = {
    "traefik.io/gateway-controller": TRAEFIK,
    "gateway.envoyproxy.io/gatewayclass-controller": ENVOY_GATEWAY,
    "istio.io/gateway-controller": ISTIO,
    "istio.io/mesh-controller": ISTIO,
    "linkerd.io/gateway-controller": LINKERD,
    "projectcontour.io/gateway-controller": ENVOY,
}
"""By the controllerName of the GatewayClass."""


GRPC_FAILURES: Final = frozenset({"2", "4", "12", "13", "14", "15"})
"""Statuses that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, as
OpenTelemetry has it for gRPC servers."""

TRAEFIK_GRPC: Final = replace(
    TRAEFIK,
    name="Traefik, GRPCRoute",
    locator=TRAEFIK_GRPC_SERVICE,
    signals={"Latency": TRAEFIK.signals["Latency"]},
    cannot={
        **_NOT_AT_A_GATEWAY,
        "Errors": "Traefik gives every gRPC call the code 2, however it ended: export grpc_server_handled_total from"
        " the pods and use source: Runtime",
    },
    traps=(*TRAEFIK.traps[:-1], "Seen with Traefik 3.7.15: the code of a call that succeeded is 2, too."),
)

ENVOY_GATEWAY_GRPC: Final = replace(
    ENVOY_GATEWAY,
    mirrors=False,
    name="Envoy Gateway, GRPCRoute",
    locator=ENVOY_GRPC_BACKEND,
    signals={
        "Errors": Ratio((Counter("envoy_cluster_grpc", bad_values=GRPC_FAILURES, by_status=True),)),
        "Latency": ENVOY_GATEWAY.signals["Latency"],
    },
    traps=(
        *ENVOY_GATEWAY.traps[:-1],
        "The HTTP status of a gRPC call is 200 however it ended, so envoy_cluster_upstream_rq_xx is not read.",
        "The names of the series contain parts of service and method; their last word is the status of the call.",
        "An answer without a gRPC status is not counted at all, neither as good nor as failed.",
        "Needs telemetry.metrics.enableGRPCStats of the EnvoyProxy, which is on unless it is turned off.",
    ),
)


def _untried(profile: Profile) -> Profile:
    why = f"what {profile.name} counts of gRPC calls has not been tried: measure at the pods (source: Runtime)"
    cannot = {**profile.cannot, **dict.fromkeys(profile.signals, why)}
    return replace(profile, name=f"{profile.name}, GRPCRoute", signals={}, cannot=cannot, traps=())


GRPC_GATEWAYS: Final[Mapping[str, Profile]] = {
    controller: {TRAEFIK: TRAEFIK_GRPC, ENVOY_GATEWAY: ENVOY_GATEWAY_GRPC}.get(profile) or _untried(profile)
    for controller, profile in GATEWAYS.items()
}
"""The same for routes of kind GRPCRoute."""


def choose_gateway_profile(controller: str | None, route_kind: RouteKind = "HTTPRoute") -> Profile | None:
    """The profile of a gateway by its controllerName and the kind of the route; None where it is not known."""
    return (GRPC_GATEWAYS if route_kind == "GRPCRoute" else GATEWAYS).get(controller or "")
