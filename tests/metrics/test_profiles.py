"""Profiles: from labels of real expositions to revisions and failures."""

import re
from dataclasses import replace
from typing import Any, get_args

import pytest

from serinus.api.modeldeployment import Runtime
from serinus.api.signals import Signal
from serinus.core.counters import BAD, LEVEL, TOTAL, Point, bound_key
from serinus.metrics.profiles import (
    GATEWAYS,
    RUNTIMES,
    Profile,
    Refusal,
    Target,
    attribute_points,
    build_query,
    choose_gateway_profile,
    choose_runtime_profile,
    find_profile,
    find_shape_problem,
)
from serinus.metrics.profiles.gateways import (
    ENVOY,
    ENVOY_GATEWAY,
    ENVOY_GATEWAY_GRPC,
    ISTIO,
    LINKERD,
    TRAEFIK,
    TRAEFIK_GRPC,
)
from serinus.metrics.profiles.runtimes import GRPC, HTTP, RAY_SERVE, SGLANG, TGI, TRITON, VLLM
from serinus.metrics.source import Sample, Series
from tests.metrics.points import add_up

NEW = Target("demo", "digits-33c0471c", "digits", position=1)
OLD = Target("demo", "digits-68940451", "digits", position=0)
POD = {"namespace": "demo", "pod": "digits-33c0471c-7484d756c5-9dxzn"}


def read(
    profile: Profile, series: list[Series], signal: Signal = "Errors", targets: list[Target] | None = None
) -> dict[Target, list[Point]]:
    found = attribute_points(profile, {signal}, targets or [NEW, OLD], series)
    return {target: points for (target, _), points in found.items()}


def series(labels: dict[str, str], value: float = 5) -> Series:
    return Series({"instance": "10.0.0.1:80", **labels}, (Sample(1.0, value - 1), Sample(2.0, value)))


def traefik(service: str, code: str = "200") -> Series:
    """Labels as Traefik 3.7.15 exports them."""
    name = "traefik_service_requests_total"
    return series({"__name__": name, "service": service, "code": code, "method": "GET", "protocol": "http"})


REAL = (
    "httproute-demo-digits-gw-gateways-public-ep-web-0-fadef02c6e8b92094c01"
    "-svc-demo-digits-33c0471c-0@kubernetesgateway"
)


def pattern_of(query: str) -> str:
    found = re.search(r'(?:service|pod)=~"((?:[^"\\]|\\.)*)"', query)
    assert found is not None
    return found.group(1).replace("\\\\", "\\")


def test_traefiks_series_belong_to_their_revision() -> None:
    points = read(TRAEFIK, [traefik(REAL), traefik(REAL, "503")])
    assert [p.keys for p in points[NEW]] == [(TOTAL,), (TOTAL, BAD)]
    assert points[NEW][0].value == 5
    assert points[NEW][0].at == 2.0
    assert points[OLD] == []


def test_the_query_asks_for_just_these_series() -> None:
    query = build_query(TRAEFIK, {"Errors"}, [NEW, OLD], 4.0)
    assert query.startswith('{__name__=~"traefik_service_requests_total",service=~')
    assert query.endswith("}[4s]")
    assert re.fullmatch(pattern_of(query), REAL)
    assert not re.fullmatch(pattern_of(query), REAL.replace("digits-33c0471c", "digits-00000000"))


def test_several_signals_are_one_query() -> None:
    query = build_query(TRAEFIK, {"Errors", "Latency"}, [NEW, OLD], 4.0)
    assert "traefik_service_request_duration_seconds_bucket|" in query
    assert query.count("[4s]") == 1


def test_traefik_folds_dashes_in_the_name_of_the_route_but_not_of_the_service() -> None:
    target = Target("a--b---c", "my--fraud-6a6677a4", "my--fraud")
    label = (
        "httproute-a-b-c-my-fraud-gw-gateways-public-ep-web-0-584d31ffb856c0b4b0f8"
        "-svc-a--b---c-my--fraud-6a6677a4-0@kubernetesgateway"
    )
    assert len(read(TRAEFIK, [traefik(label)], targets=[target])[target]) == 1
    assert re.fullmatch(pattern_of(build_query(TRAEFIK, {"Errors"}, [target], 4.0)), label)


@pytest.mark.parametrize(
    "service",
    [
        REAL.replace("httproute-demo-digits", "httproute-demo-other"),
        REAL.replace("@kubernetesgateway", "@kubernetescrd"),
        "api@internal",
        "",
    ],
)
def test_series_of_others_are_left_out(service: str) -> None:
    assert read(TRAEFIK, [traefik(service)])[NEW] == []


def test_a_name_that_contains_svc_is_cut_in_the_right_place() -> None:
    target = Target("demo", "a-svc-b-33c0471c", "a-svc-b")
    label = "httproute-demo-a-svc-b-gw-gateways-public-ep-web-0-ff-svc-demo-a-svc-b-33c0471c-0@kubernetesgateway"
    assert len(read(TRAEFIK, [traefik(label)], targets=[target])[target]) == 1


@pytest.mark.parametrize("label", ["status", "code", "status_code"])
def test_pods_counters_belong_to_their_revision_by_pod_name(label: str) -> None:
    labels = {"__name__": "http_requests_total", **POD, "path": "/predict"}
    points = read(HTTP, [series({**labels, label: "500"}), series({**labels, label: "200"})])
    assert [p.keys for p in points[NEW]] == [(TOTAL, BAD), (TOTAL,)]
    assert points[NEW][0].unit == POD["pod"]


def test_probes_and_scrapes_are_nobodys_requests() -> None:
    labels = {"__name__": "http_requests_total", **POD, "status": "200"}
    assert read(HTTP, [series({**labels, "path": path}) for path in ("/healthz", "/metrics")])[NEW] == []


def test_a_pod_of_another_namespace_is_somebody_elses() -> None:
    labels = {"__name__": "http_requests_total", **POD, "namespace": "other", "status": "200"}
    assert read(HTTP, [series(labels)])[NEW] == []


def test_buckets_are_bounds_in_seconds() -> None:
    name = "ray_serve_deployment_processing_latency_ms_bucket"
    given = [series({"__name__": name, **POD, "le": le}, n) for le, n in (("250", 3), ("+Inf", 4))]
    assert add_up(read(RAY_SERVE, given, "Latency")[NEW]) == {bound_key(0.25): 3, TOTAL: 4}


def test_a_summary_is_refused_in_words_that_help() -> None:
    quantile = series({"__name__": "http_request_duration_seconds", **POD, "quantile": "0.99"})
    assert "is a summary" in (find_shape_problem(HTTP, {"Latency"}, [quantile]) or "")
    assert find_shape_problem(HTTP, {"Errors"}, [quantile]) is None


def test_how_a_request_ended_is_a_label_of_vllm() -> None:
    name = "vllm:request_success_total"
    given = [
        series({"__name__": name, **POD, "finished_reason": reason}, n)
        for reason, n in (("stop", 90), ("error", 3), ("abort", 7))
    ]
    assert add_up(read(VLLM, given)[NEW]) == {TOTAL: 100, BAD: 3}
    assert add_up(read(VLLM, given, "Aborts")[NEW]) == {TOTAL: 100, BAD: 7}
    depth = series({"__name__": "vllm:num_requests_waiting", **POD}, 12)
    assert read(VLLM, [depth], "QueueDepth")[NEW][0].keys == (LEVEL,)


def test_failures_that_no_other_series_counts_are_added() -> None:
    good = series({"__name__": "ray_serve_deployment_request_counter_total", **POD}, 5)
    bad = series({"__name__": "ray_serve_deployment_error_counter_total", **POD}, 1)
    assert add_up(read(RAY_SERVE, [good, bad])[NEW]) == {TOTAL: 6, BAD: 1}


def test_failures_that_are_part_of_the_requests_are_not() -> None:
    total = series({"__name__": "sglang:num_requests_total", **POD}, 50)
    aborted = series({"__name__": "sglang:num_aborted_requests_total", **POD}, 2)
    assert add_up(read(SGLANG, [total, aborted], "Aborts")[NEW]) == {TOTAL: 50, BAD: 2}


def test_envoy_gateway_names_clusters_by_the_place_of_the_backend() -> None:
    labels = {"__name__": "envoy_cluster_upstream_rq_xx", "envoy_response_code_class": "5"}
    place = "httproute/demo/digits/rule/0/backend/{}"
    given = [series({**labels, "envoy_cluster_name": place.format(i)}, 10 + i) for i in (0, 1)]
    merged = series({**labels, "envoy_cluster_name": "httproute/demo/digits/rule/0"})
    points = read(ENVOY_GATEWAY, [*given, merged])
    assert add_up(points[OLD]) == {TOTAL: 10, BAD: 10}
    assert add_up(points[NEW]) == {TOTAL: 11, BAD: 11}
    assert ENVOY_GATEWAY.needs_filter


@pytest.mark.parametrize("words", ["", "_Predict", "_Model_Predict_2"])
def test_the_status_of_a_call_stands_at_the_end_of_envoys_name(words: str) -> None:
    place = {"envoy_cluster_name": "grpcroute/demo/digits/rule/0/backend/1", "envoy_grpc_bridge_service": "demo"}
    statuses = {"0": 90, "3": 4, "5": 2, "13": 3, "14": 1}
    given = [series({"__name__": f"envoy_cluster_grpc{words}_{code}", **place}, n) for code, n in statuses.items()]
    others = ["total", "success", "failure", "request_message_count"]
    given += [series({"__name__": f"envoy_cluster_grpc{words}_{word}", **place}, 100) for word in others]
    assert add_up(read(ENVOY_GATEWAY_GRPC, given)[NEW]) == {TOTAL: 100, BAD: 4}
    http = [series({**one.labels, "envoy_cluster_name": "httproute/demo/digits/rule/0/backend/1"}) for one in given]
    assert read(ENVOY_GATEWAY_GRPC, http)[NEW] == []
    asked = build_query(ENVOY_GATEWAY_GRPC, {"Errors"}, [NEW, OLD], 4.0)
    assert asked.startswith('{__name__=~"envoy_cluster_grpc(_.+)?_[0-9]+",envoy_cluster_name=~"grpcroute/')


def test_a_gateway_that_calls_every_call_unknown_is_not_asked_for_errors() -> None:
    assert find_profile("Errors", TRAEFIK_GRPC, GRPC) is GRPC
    assert find_profile("Latency", TRAEFIK_GRPC, GRPC) is TRAEFIK_GRPC
    refused = find_profile("Errors", TRAEFIK_GRPC, GRPC, "Gateway")
    assert isinstance(refused, Refusal)
    assert "source: Runtime" in refused.message


@pytest.mark.parametrize("controller", GATEWAYS)
def test_every_gateway_has_a_word_on_grpc_or_none_is_taken_for_another(controller: str) -> None:
    profile = choose_gateway_profile(controller, "GRPCRoute")
    assert profile is not None
    assert profile is not choose_gateway_profile(controller)
    assert "Errors" in {*profile.signals, *profile.cannot}


def test_behind_a_grpcroute_a_plain_server_is_a_grpc_server() -> None:
    assert choose_runtime_profile("HTTP", "GRPCRoute") is GRPC
    assert choose_runtime_profile("Triton", "GRPCRoute") is TRITON


def test_envoy_gateway_counts_mirrored_requests_by_the_place_of_the_filter() -> None:
    labels = {"__name__": "envoy_cluster_upstream_rq_xx", "envoy_response_code_class": "5"}
    route = "httproute/demo/digits/rule/{}"
    names = [route.format(end) for end in ("0/backend/0", "0/backend/1", "0-mirror-0", "1-mirror-0", "0-mirror-1")]
    given = [series({**labels, "envoy_cluster_name": name}, 10**i) for i, name in enumerate(names)]
    new = replace(NEW, mirrored=True)
    points = read(ENVOY_GATEWAY, given, targets=[new, OLD])
    assert add_up(points[OLD]) == {TOTAL: 1, BAD: 1}
    assert add_up(points[new])[TOTAL] == 10 + 100 + 1000, "its own, and what is mirrored in every rule by our filter"
    assert add_up(read(ENVOY_GATEWAY, given)[NEW])[TOTAL] == 10
    query = build_query(ENVOY_GATEWAY, {"Errors"}, [new], 4)
    pattern = re.search(r'envoy_cluster_name=~"([^"]+)"', query)
    assert pattern is not None
    matched = [name for name in names if re.fullmatch(pattern.group(1).replace("\\\\", "\\"), name)]
    assert matched == names[:4]


@pytest.mark.parametrize(
    ("profile", "labels"),
    [
        (ENVOY, {"__name__": "envoy_cluster_upstream_rq_xx", "envoy_cluster_name": "demo/digits-33c0471c/80"}),
        (ENVOY, {"__name__": "envoy_cluster_upstream_rq_xx", "envoy_cluster_name": "demo_digits-33c0471c_80"}),
        (
            ISTIO,
            {
                "__name__": "istio_requests_total",
                "reporter": "source",
                "destination_workload": "digits-33c0471c",
                "destination_workload_namespace": "demo",
            },
        ),
        (
            LINKERD,
            {
                "__name__": "outbound_http_route_backend_response_statuses_total",
                "backend_name": "digits-33c0471c",
                "backend_namespace": "demo",
            },
        ),
    ],
)
def test_other_planes_name_the_service_or_workload(profile: Profile, labels: dict[str, str]) -> None:
    code = {"envoy_response_code_class": "2", "response_code": "200", "http_status": "200"}
    assert len(read(profile, [series({**labels, **code})])[NEW]) == 1
    foreign = {k: v.replace("demo", "other") for k, v in labels.items()}
    assert read(profile, [series({**foreign, **code})])[NEW] == []


def test_only_one_end_of_a_request_is_counted_in_istio() -> None:
    labels = {
        "__name__": "istio_requests_total",
        "reporter": "destination",
        "destination_workload": "digits-33c0471c",
        "destination_workload_namespace": "demo",
    }
    assert read(ISTIO, [series(labels)])[NEW] == []


def test_the_gateway_gives_what_it_can_and_the_runtime_the_rest() -> None:
    assert find_profile("Errors", TRAEFIK, VLLM) is TRAEFIK
    assert find_profile("TimeToFirstToken", TRAEFIK, VLLM) is VLLM
    assert find_profile("Errors", TRAEFIK, VLLM, "Runtime") is VLLM
    assert find_profile("Errors", None, HTTP) is HTTP


@pytest.mark.parametrize(
    ("signal", "runtime", "source", "said"),
    [
        ("Latency", TRITON, "Runtime", "give a mean"),
        ("Errors", TGI, "Runtime", "measure at the gateway"),
        ("TimeToFirstToken", HTTP, "Auto", "language models only"),
        ("CacheUse", HTTP, "Gateway", "does not see the model server's queue"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words_that_help(
    signal: Any, runtime: Profile, source: Any, said: str
) -> None:
    found = find_profile(signal, TRAEFIK, runtime, source)
    assert isinstance(found, Refusal)
    assert said in found.message
    assert isinstance(find_profile("Errors", None, HTTP, "Gateway"), Refusal)


@pytest.mark.parametrize("profile", [*GATEWAYS.values(), *RUNTIMES.values()], ids=lambda p: p.name)
def test_every_signal_is_given_or_refused_with_a_reason(profile: Profile) -> None:
    signals = set(get_args(Signal))
    assert set(profile.signals) | set(profile.cannot) == signals
    assert not set(profile.signals) & set(profile.cannot)


def test_profiles_are_chosen_by_controller_and_runtime() -> None:
    assert choose_gateway_profile("traefik.io/gateway-controller") is TRAEFIK
    assert choose_gateway_profile("example.com/gateway") is None
    assert choose_gateway_profile(None) is None
    assert choose_gateway_profile("gateway.envoyproxy.io/gatewayclass-controller") is ENVOY_GATEWAY
    assert choose_runtime_profile("VLLM") is VLLM
    assert set(RUNTIMES) == set(get_args(Runtime))
