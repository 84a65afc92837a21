"""Every profile against a Prometheus that has scraped the server's own exposition: through the query that production
sends, to the counts that the judge is given.

`expositions/*.txt` are as scraped, cut down to the series that matter; `*.written.txt` are written by hand where the
server could not be run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from serinus.api.signals import Signal
from serinus.core.counters import BAD, LEVEL, TOTAL, bound_key
from serinus.metrics.profiles import Profile, Target
from serinus.metrics.profiles.gateways import (
    ENVOY_GATEWAY,
    ENVOY_GATEWAY_GRPC,
    ISTIO,
    LINKERD,
    TRAEFIK,
    TRAEFIK_GRPC,
)
from serinus.metrics.profiles.runtimes import (
    BENTOML,
    GRPC,
    HTTP,
    KSERVE,
    MLSERVER,
    RAY_SERVE,
    SGLANG,
    TGI,
    TORCHSERVE,
    TRITON,
    VLLM,
)
from tests.metrics.points import add_up
from tests.metrics.real_prometheus import build_job, read_points, run_prometheus, serve_files

EXPOSITIONS = Path(__file__).parent / "expositions"

POD = Target("shop", "fraud-new", "fraud")
NEW, OLD = (Target("shop", f"fraud-{age}", "fraud") for age in ("new", "old"))
AT_ENVOY = [Target("shop-envoy", f"fraud-{age}", "fraud", place) for age, place in (("old", 0), ("new", 1))]
MIRRORED = Target("mirror--1", "other", "mirrored", 1, mirrored=True)
"""All of 200 requests were mirrored to a server that fails half of what it is asked; a share of them came later."""
AT_TRAEFIK = [Target("shop-public", f"fraud-{digest}", "fraud") for digest in ("2cc66925", "91e6ac6a")]
AT_ENVOY_GRPC = Target("shop--grpc", "fraud-v2", "fraud-envoy", 1)
AT_TRAEFIK_GRPC = Target("shop--grpc", "fraud-v2", "fraud-public")


@dataclass(frozen=True)
class Case:
    """What a signal must come to, summed over all series of a target."""

    file: str
    profile: Profile
    signal: Signal
    target: Target
    sums: dict[str, float]


CASES = [
    Case("traefik-3.7.15", TRAEFIK, "Errors", AT_TRAEFIK[0], {TOTAL: 1243, BAD: 35}),
    Case("traefik-3.7.15", TRAEFIK, "Errors", AT_TRAEFIK[1], {TOTAL: 183, BAD: 23}),
    Case("traefik-3.7.15", TRAEFIK, "Latency", AT_TRAEFIK[1], {TOTAL: 183, bound_key(0.25): 183}),
    Case("envoy-gateway-1.9.1", ENVOY_GATEWAY, "Errors", AT_ENVOY[0], {TOTAL: 1244, BAD: 19}),
    Case("envoy-gateway-1.9.1", ENVOY_GATEWAY, "Errors", AT_ENVOY[1], {TOTAL: 185, BAD: 23}),
    Case("envoy-gateway-1.9.1", ENVOY_GATEWAY, "Latency", AT_ENVOY[1], {TOTAL: 185, bound_key(0.25): 185}),
    Case("traefik-3.7.15-grpc", TRAEFIK_GRPC, "Latency", AT_TRAEFIK_GRPC, {TOTAL: 60, bound_key(0.25): 60}),
    Case("envoy-gateway-1.9.1-grpc", ENVOY_GATEWAY_GRPC, "Errors", AT_ENVOY_GRPC, {TOTAL: 55, BAD: 10}),
    Case("envoy-gateway-1.9.1-grpc", ENVOY_GATEWAY_GRPC, "Latency", AT_ENVOY_GRPC, {TOTAL: 55, bound_key(0.25): 55}),
    Case("grpc.written", GRPC, "Errors", POD, {TOTAL: 100, BAD: 4}),
    Case("grpc.written", GRPC, "Latency", POD, {TOTAL: 100, bound_key(0.25): 97}),
    Case("envoy-gateway-1.9.1", ENVOY_GATEWAY, "Errors", MIRRORED, {TOTAL: 200, BAD: 95}),
    Case("envoy-gateway-1.9.1", ENVOY_GATEWAY, "Errors", replace(MIRRORED, mirrored=False), {}),
    Case("mlserver-1.7.1", MLSERVER, "Errors", POD, {TOTAL: 7, BAD: 1}),
    Case("mlserver-1.7.1", MLSERVER, "Latency", POD, {TOTAL: 7}),
    Case("bentoml-1.4.39", BENTOML, "Errors", POD, {TOTAL: 4, BAD: 1}),
    Case("bentoml-1.4.39", BENTOML, "Latency", POD, {TOTAL: 4}),
    Case("bentoml-1.4.39", BENTOML, "QueueDepth", POD, {LEVEL: 0}),
    Case("kserve-0.21.0", KSERVE, "Latency", POD, {TOTAL: 4, bound_key(0.005): 4}),
    Case("ray-serve-2.60.0", RAY_SERVE, "Errors", POD, {TOTAL: 6, BAD: 1}),
    Case("ray-serve-2.60.0", RAY_SERVE, "Latency", POD, {TOTAL: 6}),
    Case("vllm.written", VLLM, "Errors", POD, {TOTAL: 102, BAD: 3}),
    Case("vllm.written", VLLM, "Aborts", POD, {TOTAL: 100, BAD: 5}),
    Case("vllm.written", VLLM, "TimeToFirstToken", POD, {TOTAL: 100, bound_key(0.1): 60}),
    Case("vllm.written", VLLM, "QueueDepth", POD, {LEVEL: 7}),
    Case("vllm.written", VLLM, "CacheUse", POD, {LEVEL: 0.5}),
    Case("sglang.written", SGLANG, "Errors", POD, {TOTAL: 50, BAD: 3}),
    Case("sglang.written", SGLANG, "Aborts", POD, {TOTAL: 50, BAD: 2}),
    Case("sglang.written", SGLANG, "InterTokenLatency", POD, {TOTAL: 1000, bound_key(0.02): 800}),
    Case("sglang.written", SGLANG, "CacheUse", POD, {LEVEL: 0.28}),
    Case("tgi.written", TGI, "Latency", POD, {TOTAL: 18, bound_key(0.5): 6}),
    Case("tgi.written", TGI, "QueueDepth", POD, {LEVEL: 3}),
    Case("triton.written", TRITON, "Errors", POD, {TOTAL: 33, BAD: 3}),
    Case("triton.written", TRITON, "QueueDepth", POD, {LEVEL: 4}),
    Case("torchserve.written", TORCHSERVE, "Errors", POD, {TOTAL: 47, BAD: 2}),
    Case("istio.written", ISTIO, "Errors", NEW, {TOTAL: 60, BAD: 5}),
    Case("istio.written", ISTIO, "Errors", OLD, {TOTAL: 900}),
    Case("istio.written", ISTIO, "Latency", NEW, {TOTAL: 60, bound_key(0.25): 58}),
    Case("linkerd.written", LINKERD, "Errors", NEW, {TOTAL: 13, BAD: 1}),
    Case("http.written", HTTP, "Errors", POD, {TOTAL: 100, BAD: 2}),
    Case("http.written", HTTP, "Latency", POD, {TOTAL: 100, bound_key(0.25): 97}),
]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped every exposition, each as a pod of its own; its URL."""
    labels = {"namespace": "shop", "pod": "fraud-new-5d4f8c-x2x7k"}
    with serve_files(EXPOSITIONS) as address:
        jobs = [build_job(path.stem, address, path.name, labels) for path in sorted(EXPOSITIONS.glob("*.txt"))]
        with run_prometheus(tmp_path_factory.mktemp("prometheus"), jobs) as url:
            yield url


@pytest.mark.cluster
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.file}-{c.signal}-{c.target.revision}")
async def test_a_signal_is_what_the_server_counted(prometheus: str, case: Case) -> None:
    targets = sorted({case.target, *(other.target for other in CASES if other.profile is case.profile)})
    points = await read_points(prometheus, case.profile, case.signal, case.target, targets)
    sums = add_up(points)
    assert {key: sums.get(key) for key in case.sums} == case.sums
    assert BAD in case.sums or BAD not in sums


@pytest.mark.cluster
def test_every_exposition_is_used() -> None:
    assert {case.file for case in CASES} == {path.stem for path in EXPOSITIONS.glob("*.txt")}
