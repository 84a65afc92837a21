"""Profiles: from labels of real expositions to revisions and failures."""

import re

import pytest

from serinus.metrics.profiles import HTTP, TRAEFIK, Profile, Target, attribute_points, build_query, choose_profile
from serinus.metrics.source import Sample, Series

NEW = Target("demo", "digits-33c0471c", "digits")
OLD = Target("demo", "digits-68940451", "digits")


def series(labels: dict[str, str], value: float = 5) -> Series:
    return Series({"instance": "10.0.0.1:80", **labels}, (Sample(1.0, value - 1), Sample(2.0, value)))


def traefik(service: str, code: str = "200") -> Series:
    """Labels as Traefik 3.7.15 exports them."""
    return series({"service": service, "code": code, "method": "GET", "protocol": "http"})


REAL = (
    "httproute-demo-digits-gw-gateways-public-ep-web-0-fadef02c6e8b92094c01"
    "-svc-demo-digits-33c0471c-0@kubernetesgateway"
)


def pattern_of(query: str) -> str:
    found = re.search(r'(?:service|pod)=~"((?:[^"\\]|\\.)*)"', query)
    assert found is not None
    return found.group(1).replace("\\\\", "\\")


def test_traefiks_series_belong_to_their_revision() -> None:
    points = attribute_points(TRAEFIK, [NEW, OLD], [traefik(REAL), traefik(REAL, "503")])
    assert [p.bad for p in points[NEW]] == [False, True]
    assert points[NEW][0].value == 5
    assert points[NEW][0].at == 2.0
    assert points[OLD] == []


def test_the_query_asks_for_just_these_series() -> None:
    query = build_query(TRAEFIK, [NEW, OLD], 4.0)
    assert query.startswith("traefik_service_requests_total{service=~")
    assert query.endswith("}[4s]")
    assert re.fullmatch(pattern_of(query), REAL)
    assert not re.fullmatch(pattern_of(query), REAL.replace("digits-33c0471c", "digits-00000000"))


def test_traefik_folds_dashes_in_the_name_of_the_route_but_not_of_the_service() -> None:
    target = Target("a--b---c", "my--fraud-6a6677a4", "my--fraud")
    label = (
        "httproute-a-b-c-my-fraud-gw-gateways-public-ep-web-0-584d31ffb856c0b4b0f8"
        "-svc-a--b---c-my--fraud-6a6677a4-0@kubernetesgateway"
    )
    assert len(attribute_points(TRAEFIK, [target], [traefik(label)])[target]) == 1
    assert re.fullmatch(pattern_of(build_query(TRAEFIK, [target], 4.0)), label)


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
    points = attribute_points(TRAEFIK, [NEW], [traefik(service)])
    assert points[NEW] == []


def test_a_name_that_contains_svc_is_cut_in_the_right_place() -> None:
    target = Target("demo", "a-svc-b-33c0471c", "a-svc-b")
    label = "httproute-demo-a-svc-b-gw-gateways-public-ep-web-0-ff-svc-demo-a-svc-b-33c0471c-0@kubernetesgateway"
    assert len(attribute_points(TRAEFIK, [target], [traefik(label)])[target]) == 1


@pytest.mark.parametrize("label", ["status", "code", "status_code"])
def test_pods_counters_belong_to_their_revision_by_pod_name(label: str) -> None:
    labels = {"namespace": "demo", "pod": "digits-33c0471c-7484d756c5-9dxzn", "path": "/predict"}
    points = attribute_points(HTTP, [NEW], [series({**labels, label: "500"}), series({**labels, label: "200"})])
    assert [p.bad for p in points[NEW]] == [True, False]


def test_probes_and_scrapes_are_nobodys_requests() -> None:
    labels = {"namespace": "demo", "pod": "digits-33c0471c-7484d756c5-9dxzn", "status": "200"}
    points = attribute_points(
        HTTP, [NEW], [series({**labels, "path": "/healthz"}), series({**labels, "path": "/metrics"})]
    )
    assert points[NEW] == []


def test_a_pod_of_another_namespace_is_somebody_elses() -> None:
    labels = {"namespace": "other", "pod": "digits-33c0471c-7484d756c5-9dxzn", "status": "200"}
    assert attribute_points(HTTP, [NEW], [series(labels)])[NEW] == []


@pytest.mark.parametrize(
    ("controller", "profile"), [("traefik.io/gateway-controller", TRAEFIK), ("example.com/gateway", HTTP), (None, HTTP)]
)
def test_the_gateway_chooses_the_profile(controller: str | None, profile: Profile) -> None:
    assert choose_profile(controller) is profile
