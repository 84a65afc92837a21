"""Model servers: what they count, by `spec.runtime`. Their series are found by the labels `namespace` and `pod`."""

from collections.abc import Mapping
from typing import Final, Literal

from serinus.api.route import RouteKind
from serinus.api.signals import Signal
from serinus.metrics.profiles.locate import PODS
from serinus.metrics.profiles.model import Counter, Gauge, Given, Histogram, Profile, Ratio, Refusal

_MEAN: Final = (
    "{} exports only a sum and a count, which give a mean and no share of slow answers: measure at the gateway (source:"
    " Gateway), or export a histogram"
)
_NOT_A_LANGUAGE_MODEL: Final = "{} does not export it: it is known of servers of language models only"
_LLM: Final[tuple[Signal, ...]] = ("TimeToFirstToken", "InterTokenLatency", "CacheUse")
_OTHERS: Final[tuple[Signal, ...]] = ("Aborts", "QueueTime", "QueueDepth")


def _runtime(
    name: str,
    signals: Mapping[Signal, Given],
    cannot: Mapping[Signal, str] | None = None,
    traps: tuple[str, ...] = (),
    path_labels: tuple[str, ...] = (),
) -> Profile:
    refused: dict[Signal, str] = {signal: _NOT_A_LANGUAGE_MODEL.format(name) for signal in _LLM}
    refused |= dict.fromkeys(_OTHERS, f"{name} does not export it")
    refused |= cannot or {}
    missing = {signal: why for signal, why in refused.items() if signal not in signals}
    return Profile(name, "the pods", PODS, signals, missing, traps, path_labels)


HTTP: Final = _runtime(
    "HTTP",
    {
        "Errors": Ratio((Counter("http_requests_total", labels=("status", "code", "status_code")),)),
        "Latency": Histogram("http_request_duration_seconds"),
    },
    traps=("A request that never reached a pod is not seen.",),
    path_labels=("path", "handler", "endpoint", "route"),
)
"""Any server that exports http_requests_total and http_request_duration_seconds."""

_GRPC_FAILURES: Final = frozenset(
    {"Unknown", "DeadlineExceeded", "Unimplemented", "Internal", "Unavailable", "DataLoss"}
    | {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)

GRPC: Final = _runtime(
    "gRPC",
    {
        "Errors": Ratio(
            (Counter("grpc_server_handled_total", labels=("grpc_code", "code"), bad_values=_GRPC_FAILURES),)
        ),
        "Latency": Histogram("grpc_server_handling_seconds"),
    },
    traps=(
        "A request that never reached a pod is not seen.",
        "Interceptors for Go, Java and Python export these series; the histogram often has to be turned on.",
        "Cancelled and refused calls (bad arguments, no permission, quota) are no failures of the model.",
    ),
    path_labels=("grpc_service",),
)
"""Any server that exports grpc_server_handled_total and grpc_server_handling_seconds."""

VLLM: Final = _runtime(
    "vLLM",
    {
        "Errors": Ratio(
            (
                Counter("vllm:request_success_total", labels=("finished_reason",), bad_values=frozenset({"error"})),
                Counter("vllm:admission_rejections_total", "Always"),
            )
        ),
        "Aborts": Ratio(
            (Counter("vllm:request_success_total", labels=("finished_reason",), bad_values=frozenset({"abort"})),)
        ),
        "Latency": Histogram("vllm:e2e_request_latency_seconds"),
        "TimeToFirstToken": Histogram("vllm:time_to_first_token_seconds"),
        "InterTokenLatency": Histogram("vllm:inter_token_latency_seconds"),
        "QueueTime": Histogram("vllm:request_queue_time_seconds"),
        "QueueDepth": Gauge("vllm:num_requests_waiting"),
        "CacheUse": Gauge("vllm:kv_cache_usage_perc"),
    },
    traps=(
        "Despite its name request_success_total counts every finished request; how it ended is a label.",
        "An aborted request is mostly a client that went away: it is no error, but a signal of its own.",
    ),
)

SGLANG: Final = _runtime(
    "SGLang",
    {
        "Errors": Ratio((Counter("sglang:http_responses_total", labels=("status_code",)),)),
        "Aborts": Ratio((Counter("sglang:num_requests_total"), Counter("sglang:num_aborted_requests_total", "Part"))),
        "Latency": Histogram("sglang:e2e_request_latency_seconds"),
        "TimeToFirstToken": Histogram("sglang:time_to_first_token_seconds"),
        "InterTokenLatency": Histogram("sglang:inter_token_latency_seconds"),
        "QueueTime": Histogram("sglang:queue_time_seconds"),
        "QueueDepth": Gauge("sglang:num_queue_reqs"),
        "CacheUse": Gauge("sglang:token_usage"),
    },
    path_labels=("endpoint",),
)

TGI: Final = _runtime(
    "TGI",
    {
        "Latency": Histogram("tgi_request_duration"),
        "InterTokenLatency": Histogram("tgi_request_mean_time_per_token_duration"),
        "QueueTime": Histogram("tgi_request_queue_duration"),
        "QueueDepth": Gauge("tgi_queue_size"),
    },
    {
        "Errors": "TGI counts requests when they arrive and successes when they end, so the difference is no count of"
        " failures: measure at the gateway (source: Gateway)",
        "TimeToFirstToken": "TGI does not export the time to the first token",
    },
    traps=("tgi_request_mean_time_per_token_duration is a mean per request: one long pause in it does not show.",),
)

TRITON: Final = _runtime(
    "Triton",
    {
        "Errors": Ratio((Counter("nv_inference_request_success"), Counter("nv_inference_request_failure", "Always"))),
        "QueueDepth": Gauge("nv_inference_pending_request_count"),
    },
    {"Latency": _MEAN.format("Triton"), "QueueTime": _MEAN.format("Triton")},
    traps=("summary_latencies gives quantiles, which cannot be joined over pods or compared as counts.",),
)

MLSERVER: Final = _runtime(
    "MLServer",
    {
        "Errors": Ratio(
            (Counter("model_infer_request_success_total"), Counter("model_infer_request_failure_total", "Always"))
        ),
        "Latency": Histogram("rest_server_request_duration_seconds"),
    },
    traps=(
        "model_infer_request_duration is a mean; the latency is the REST server's, of all models of a pod together.",
        "Requests by gRPC are in the errors and not in the latency.",
        "Metrics have a port of their own (metrics_port).",
    ),
    path_labels=("path",),
)

KSERVE: Final = _runtime(
    "KServe",
    {"Latency": Histogram("request_predict_seconds")},
    {"Errors": "KServe's model server counts no errors: measure at the gateway (source: Gateway)"},
    traps=("A failed request is in the latency too.",),
)

BENTOML: Final = _runtime(
    "BentoML",
    {
        "Errors": Ratio((Counter("bentoml_service_request_total", labels=("http_response_code",)),)),
        "Latency": Histogram("bentoml_service_request_duration_seconds"),
        "QueueDepth": Gauge("bentoml_service_request_in_progress"),
    },
    traps=("Probes are counted as endpoints like others; the usual paths are left out.",),
    path_labels=("endpoint",),
)

RAY_SERVE: Final = _runtime(
    "Ray Serve",
    {
        "Errors": Ratio(
            (
                Counter("ray_serve_deployment_request_counter_total"),
                Counter("ray_serve_deployment_error_counter_total", "Always"),
            )
        ),
        "Latency": Histogram("ray_serve_deployment_processing_latency_ms", scale=0.001),
        "QueueDepth": Gauge("ray_serve_deployment_queued_queries"),
    },
    traps=(
        "Its request counter leaves failed requests out, so they are added.",
        "An application of several deployments counts a request in each of them.",
        "Metrics appear 10 to 25 s after the first request.",
    ),
    path_labels=("route",),
)

TORCHSERVE: Final = _runtime(
    "TorchServe",
    {
        "Errors": Ratio((Counter("Requests2XX"), Counter("Requests4XX"), Counter("Requests5XX", "Always"))),
    },
    {"Latency": _MEAN.format("TorchServe"), "QueueTime": _MEAN.format("TorchServe")},
    traps=("Its last release is of September 2024.",),
)

RUNTIMES: Final[Mapping[str, Profile]] = {
    "VLLM": VLLM,
    "SGLang": SGLANG,
    "TGI": TGI,
    "Triton": TRITON,
    "MLServer": MLSERVER,
    "KServe": KSERVE,
    "BentoML": BENTOML,
    "RayServe": RAY_SERVE,
    "TorchServe": TORCHSERVE,
    "HTTP": HTTP,
}
"""By `spec.runtime`."""

Source = Literal["Auto", "Gateway", "Runtime"]


def choose_runtime_profile(runtime: str, route_kind: RouteKind = "HTTPRoute") -> Profile:
    """The profile of a model server; plain HTTP where it is not known, or plain gRPC behind a GRPCRoute."""
    found = RUNTIMES.get(runtime, HTTP)
    return GRPC if found is HTTP and route_kind == "GRPCRoute" else found


def find_profile(
    signal: Signal, gateway: Profile | None, runtime: Profile, source: Source = "Auto"
) -> Profile | Refusal:
    """Who gives a signal: the gateway if it can, else the model server; or whom the user chose. A refusal says why
    nobody does.
    """
    if source == "Gateway" and gateway is None:
        return Refusal(f"{signal} cannot be had from the gateway: it does not tell revisions apart, or is not known")
    asked = [
        p for p, wanted in ((gateway, "Gateway"), (runtime, "Runtime")) if p is not None and source in ("Auto", wanted)
    ]
    for profile in asked:
        if signal in profile.signals:
            return profile
    said = "; ".join(f"{p.name}: {p.cannot.get(signal, 'not exported')}" for p in asked)
    return Refusal(f"{signal} cannot be had. {said}")
