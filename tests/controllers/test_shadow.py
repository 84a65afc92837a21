"""Shadow in the controller: who may mirror, and that the mirror goes whatever is wrong by then."""

from dataclasses import dataclass
from typing import Any

import pytest

from serinus.metrics.source import Answer, QueryResult, Sample, Series
from tests.controllers.stage import Meter, Stage, model_deployment

Raw = dict[str, Any]
SHADOW: Raw = {
    "strategy": "Shadow",
    "shadow": {"hold": "60s"},
    "steps": [{"weight": 20, "hold": "5s"}],
    "bake": "5s",
    "analysis": {"minRequests": 20},
}
MIRRORS = ("HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror")
ENVOY = "gateway.envoyproxy.io/gatewayclass-controller"


@dataclass
class EnvoyMeter(Meter):
    """The same with counters by the place in the route, such as 0/backend/0 or 0-mirror-0."""

    async def fetch_series(self, query: str) -> QueryResult:
        self.queries.append(query)
        now = self.stage.clock.now().timestamp()
        labels = {"__name__": "envoy_cluster_upstream_rq_xx", "instance": "gw"}
        named = [
            ({"envoy_cluster_name": f"httproute/ml/fraud/rule/{place}", "envoy_response_code_class": code[0]}, value)
            for (place, code), value in self.counts.items()
        ]
        return Answer(tuple(Series({**labels, **own}, (Sample(now, value),)) for own, value in named if value))


@pytest.fixture
async def stage():
    stage = Stage()
    stage.meter = EnvoyMeter(stage)
    yield stage
    await stage.analyst.close()


def put_class(stage: Stage, controller: str, *features: str) -> None:
    status = {"supportedFeatures": [{"name": name} for name in features]} if features else {}
    spec = {"controllerName": controller}
    stage.kube.put({"kind": "GatewayClass", "metadata": {"name": "traefik"}, "spec": spec, "status": status})


async def serve_first(stage: Stage) -> str:
    stage.apply(model_deployment())
    await stage.settle()
    return str(stage.object()["status"]["stable"]["revision"])


def mirrors(stage: Stage) -> list[Raw]:
    filters = [f for rule in stage.object("HTTPRoute")["spec"]["rules"] for f in rule.get("filters", ())]
    return [f["requestMirror"] for f in filters if f["type"] == "RequestMirror"]


async def in_shadow(stage: Stage) -> tuple[str, str]:
    """Names of stable and of a candidate that requests are mirrored to."""
    put_class(stage, ENVOY)
    stable = await serve_first(stage)
    stage.meter.serve("0/backend/0", 1000)
    stage.meter.serve("0-mirror-0", 10, 90)
    stage.apply(model_deployment("m:2", rollout=SHADOW))
    await stage.settle()
    await stage.run(3)
    new = str(stage.object()["status"]["candidate"]["revision"])
    assert mirrors(stage) == [{"backendRef": {"group": "", "kind": "Service", "name": new, "port": 80}}]
    return stable, new


@pytest.mark.parametrize(
    ("controller", "features", "named"),
    [
        ("traefik.io/gateway-controller", ("HTTPRoute",), "needs HTTPRouteRequestMirror, which the gateway does not"),
        ("example.com/unknown", (), "needs HTTPRouteRequestMirror, and the gateway does not declare"),
        ("example.com/unknown", MIRRORS[:1], "spec.rollout.shadow.percent: 30 needs HTTPRouteRequestPercentageMirror"),
    ],
)
async def test_a_gateway_that_is_not_known_to_mirror_is_refused_and_nothing_is_released(
    stage: Stage, controller: str, features: tuple[str, ...], named: str
) -> None:
    stable = await serve_first(stage)
    put_class(stage, controller, *features)
    stage.apply(model_deployment("m:2", rollout={**SHADOW, "shadow": {"percent": 30}}))
    await stage.settle()
    assert stage.condition("Stalled") == ("True", "GatewayUnsupported")
    said = next(c["message"] for c in stage.object()["status"]["conditions"] if c["type"] == "Stalled")
    assert named in said
    assert stage.object()["status"].get("candidate") is None
    assert stage.weights() == {stable: 100}
    assert mirrors(stage) == []


async def test_a_parent_that_is_no_gateway_is_not_known_to_mirror(stage: Stage) -> None:
    put_class(stage, ENVOY)
    await serve_first(stage)
    service = {"name": "fraud-front", "kind": "Service", "group": ""}
    route = {"parentRefs": [{"name": "public", "namespace": "gateways"}, service]}
    stage.apply(model_deployment("m:2", rollout=SHADOW, route=route))
    await stage.settle()
    assert stage.condition("Stalled") == ("True", "GatewayUnsupported")


async def test_envoy_gateway_is_known_to_mirror_and_is_asked_for_what_it_mirrored(stage: Stage) -> None:
    stable, new = await in_shadow(stage)
    assert stage.weights() == {stable: 100}
    stage.meter.serve("0/backend/0", 400)
    stage.meter.serve("0-mirror-0", 100, 300)
    await stage.run(2)
    rejected = stage.object()["status"]["rejected"]
    assert (rejected["revision"], rejected["reason"]) == (new, "AnalysisFailed")
    assert "(300 of 400)" in rejected["message"], "what an earlier mirror has counted is past"
    assert mirrors(stage) == []


async def test_good_mirrored_requests_lead_to_the_first_step_with_evidence_of_its_own(stage: Stage) -> None:
    stable, new = await in_shadow(stage)
    for _ in range(70):
        stage.meter.serve("0/backend/0", 50)
        if mirrors(stage):
            stage.meter.serve("0-mirror-0", 50)
        await stage.run(1)
    assert stage.weights() == {stable: 80, new: 20}
    assert mirrors(stage) == []
    (evidence,) = [e for e in stage.object()["status"]["candidate"]["evidence"] if e["metric"] == "errors"]
    assert evidence.get("candidateTotal", 0) < 60


async def test_deletion_removes_the_mirror_and_waits_for_nothing(stage: Stage) -> None:
    stable, _ = await in_shadow(stage)
    raw = stage.object()
    raw["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    stage.kube.put(raw)
    assert await stage.turn() is None
    assert mirrors(stage) == []
    assert stage.weights() == {stable: 100}


async def test_an_abort_removes_the_mirror_though_the_spec_cannot_be_used_any_more(stage: Stage) -> None:
    stable, new = await in_shadow(stage)
    nowhere = {"parentRefs": [{"name": "nowhere", "namespace": "gateways"}], "hostnames": ["fraud.example.com"]}
    raw = model_deployment("m:2", rollout=SHADOW, route=nowhere)
    raw["metadata"]["annotations"] = {"serinus.dev/command": f"abort {new}"}
    stage.apply(raw)
    await stage.settle()
    assert stage.object("ModelRevision", new)["status"]["phase"] == "Rejected"
    assert mirrors(stage) == []
    assert stage.weights() == {stable: 100}
