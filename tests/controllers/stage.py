"""A whole controller on a fake cluster: real analyst, scripted metrics, a clock that is moved by hand."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serinus.controllers.analyst import Analyst, Provider
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.modeldeployment import ModelDeploymentController
from serinus.controllers.wakeup import Wakeup, owner_of
from serinus.engine.store import Key, Store
from serinus.metrics.source import Answer, QueryResult, Sample, Series
from tests.fakes.clock import FakeClock
from tests.fakes.kube import FakeKube, Raw

ROUTE = "httproute-ml-fraud-gw-gateways-public-ep-web-0-abc"
KEY = Key("ModelDeployment", "ml", "fraud")


def model_deployment(image: str = "m:1", **spec: Any) -> Raw:
    template = {"spec": {"containers": [{"name": "m", "image": image, "ports": [{"containerPort": 80}]}]}}
    body: Raw = {
        "replicas": 2,
        "template": template,
        "route": {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": ["fraud.example.com"]},
        "rollout": {
            "steps": [{"weight": 20, "hold": "5s"}],
            "bake": "5s",
            "drain": "5s",
            "analysis": {"minRequests": 20},
        },
    }
    metadata = {"name": KEY.name, "namespace": KEY.namespace}
    return {"apiVersion": "serinus.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": body | spec}


@dataclass
class Meter:
    """A Prometheus with one counter pair per revision, or a failure instead."""

    stage: "Stage"
    counts: dict[tuple[str, str], float] = field(default_factory=dict)
    failure: QueryResult | None = None
    queries: list[str] = field(default_factory=list)

    def serve(self, revision: str, good: float, bad: float = 0) -> None:
        for code, number in (("200", good), ("500", bad)):
            self.counts[revision, code] = self.counts.get((revision, code), 0) + number

    async def fetch_series(self, query: str) -> QueryResult:
        self.queries.append(query)
        if self.failure is not None:
            return self.failure
        now = self.stage.clock.now().timestamp()
        return Answer(
            tuple(
                Series(
                    {
                        "__name__": "traefik_service_requests_total",
                        "service": f"{ROUTE}-svc-ml-{revision}-0@kubernetesgateway",
                        "code": code,
                        "instance": "gw",
                    },
                    (Sample(now, value),),
                )
                for (revision, code), value in self.counts.items()
                if value
            )
        )

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        return Answer(())

    async def fetch_instant(self, query: str) -> QueryResult:
        return Answer(())

    def close(self) -> None:
        return None


class Stage:
    """The controller and its surroundings. `turn` is one reconcile, `settle` as many as there is work for."""

    def __init__(self, namespaces: Sequence[str] = ()) -> None:
        self.clock = FakeClock()
        self.store = Store(owner_of, namespaces=namespaces)
        self.kube = FakeKube(self.store)
        self.claims = ClaimIndex()
        self.wakeup = Wakeup(self.store, self.claims, lambda key: None)
        self.meter = Meter(self)
        self.events: list[tuple[str, str, str]] = []
        self.slices_late = False
        self.analyst = Analyst(self._source, lambda key, urgent: None, self.clock)
        self.controller = ModelDeploymentController(
            self.kube,  # type: ignore[arg-type]
            self.store,
            self.claims,
            self.analyst,
            self,
            self.clock,
        )
        self.put_platform()

    def _source(self, provider: Provider) -> Meter:
        return self.meter

    async def emit_event(self, regarding: Raw, event_type: str, reason: str, message: str) -> bool:
        self.events.append((event_type, reason, message))
        return True

    def put_platform(self) -> None:
        self.kube.put(
            {
                "kind": "GatewayClass",
                "metadata": {"name": "traefik"},
                "spec": {"controllerName": "traefik.io/gateway-controller"},
                "status": {"supportedFeatures": [{"name": "HTTPRoute"}]},
            }
        )
        gateway = {"name": "public", "namespace": "gateways"}
        self.kube.put({"kind": "Gateway", "metadata": gateway, "spec": {"gatewayClassName": "traefik"}})
        provider = {"address": "http://prometheus:9090", "scrapeInterval": "1s"}
        self.kube.put({"kind": "MetricsProvider", "metadata": {"name": "default"}, "spec": provider})

    def apply(self, raw: Raw) -> Raw:
        old = self.kube.objects.get(("ModelDeployment", raw["metadata"]["namespace"], raw["metadata"]["name"]))
        obj = self.kube.put({**raw, "status": (old or {}).get("status", {})})
        self.wakeup.notify("ModelDeployment", obj)
        return obj

    def object(self, kind: str = "ModelDeployment", name: str = KEY.name) -> Raw:
        return self.kube.objects[kind, KEY.namespace, name]

    def condition(self, type_: str) -> tuple[str, str] | None:
        conditions = self.object().get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == type_), None)

    def weights(self, kind: str = "HTTPRoute") -> dict[str, int]:
        refs = self.object(kind)["spec"]["rules"][0]["backendRefs"]
        return {ref["name"]: ref["weight"] for ref in refs}

    async def turn(self) -> float | None:
        result = await self.controller.reconcile(KEY)
        return 0.0 if result.retry else result.requeue_after

    async def settle(self) -> None:
        for _ in range(30):
            wait = await self.turn()
            self.world_follows()
            if wait is None or wait > 0.02:
                return
        raise AssertionError("does not settle")

    async def run(self, seconds: int) -> None:
        """Let whole seconds pass, reading the metrics and settling in each."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            await self.read_metrics()
            await self.settle()

    async def read_metrics(self) -> None:
        """One beat of the analyst, without waiting for its own."""
        for provider, beat in list(self.analyst._beats.items()):
            await self.analyst._read_all(self.meter, provider, beat)
        await asyncio.sleep(0)

    def put_pods(self, deployment: Raw, size: int) -> None:
        """As many ready pods, with the Service of their revision leading to them (unless `slices_late`)."""
        name, where = deployment["name"], {"namespace": deployment["namespace"]}
        for number in range(size):
            labels = deployment["labels"]
            self.kube.put({"kind": "Pod", "metadata": {"name": f"{name}-{number}", "labels": labels, **where}})
        if not self.slices_late:
            self.lead_to_pods(deployment, size)

    def lead_to_pods(self, deployment: Raw, size: int) -> None:
        """The EndpointSlice of a revision's own Service, with this many of its pods."""
        name, where = deployment["name"], {"namespace": deployment["namespace"]}
        endpoints = [{"targetRef": {"kind": "Pod", "name": f"{name}-{number}"}} for number in range(size)]
        labels = {**deployment["labels"], "kubernetes.io/service-name": name}
        metadata = {"name": f"{name}-slice", "labels": labels, **where}
        self.kube.put({"kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints})

    def world_follows(self) -> None:
        """Deployments get their pods, Services lead to them, routes are accepted."""
        for (kind, _, _), obj in list(self.kube.objects.items()):
            if kind == "Deployment":
                size = obj["spec"]["replicas"]
                status = {"replicas": size, "readyReplicas": size}
                if obj.get("status") != status:
                    self.kube.put({**obj, "status": status})
                    self.put_pods(obj["metadata"], size)
            if kind in ("HTTPRoute", "GRPCRoute") and not obj.get("status"):
                accepted = [{"type": type_, "status": "True"} for type_ in ("Accepted", "ResolvedRefs")]
                self.kube.put({**obj, "status": {"parents": [{"conditions": accepted}]}})
