"""The controller of MetricsProvider on a fake cluster, with a server that answers as told, in time that jumps."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serinus.api.metricsprovider import MetricsProviderSpec
from serinus.controllers.access import AccessReader, build_provider
from serinus.controllers.analyst import Provider
from serinus.controllers.metricsprovider import MetricsProviderController
from serinus.engine.store import Key, Store
from serinus.kube.errors import KubeError
from serinus.kube.resources import Resource
from serinus.kube.secrets import SecretReader
from serinus.metrics.source import Access, Answer, Failure, FetchAccess, QueryResult
from tests.fakes.clock import LoopClock, run_jumping
from tests.fakes.kube import FakeKube, Raw

KEY = Key("MetricsProvider", "", "prom")
HOME = "serinus-system"
CREDENTIALS = {"secretRef": {"name": "prom-token", "key": "token"}}
TLS = {"caSecretRef": {"name": "prom-ca", "key": "ca.crt"}}
PEM = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
DOWN = Failure("Unreachable", "http://prom:9090: the connection is refused")


class Kube(FakeKube):
    """Counts what is read of Secrets, and may refuse it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.reads: list[tuple[str, str]] = []
        self.refusal: KubeError | None = None

    async def get(self, resource: Resource, namespace: str, name: str) -> Raw:
        if resource.kind == "Secret":
            self.reads.append((namespace, name))
            if self.refusal is not None:
                raise self.refusal
        return await super().get(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str = "", label_selector: str | None = None) -> Any:
        raise AssertionError("nothing is listed")

    def put_secret(self, name: str, namespace: str = HOME, **data: str) -> None:
        encoded = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
        self.put({"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": encoded})


@dataclass
class Meter:
    """A source that asks for access as the real one does, and then answers as it is told."""

    world: "World"
    access: FetchAccess
    on_result: Callable[[QueryResult], None]
    closed: bool = False

    async def fetch_instant(self, query: str) -> QueryResult:
        self.world.queries.append(query)
        access = await self.access(False)
        result = access if isinstance(access, Failure) else self.world.answer(access)
        if isinstance(result, Failure) and result.reason == "Unauthorized":
            access = await self.access(True)
            result = access if isinstance(access, Failure) else self.world.answer(access)
        self.on_result(result)
        return result

    async def fetch_series(self, query: str) -> QueryResult:
        return await self.fetch_instant(query)

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        return await self.fetch_instant(query)

    def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """The controller, a fake cluster, and turns that are taken as soon as they are asked for."""

    answer: Callable[[Access], QueryResult] = lambda access: Answer(())
    queries: list[str] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    sources: list[Meter] = field(default_factory=list)
    waiting: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store = Store()
        self.kube = Kube(self.store)
        clock = LoopClock()
        access = AccessReader(self.store, SecretReader(self.kube, HOME, clock))  # type: ignore[arg-type]
        self.controller = MetricsProviderController(
            self.kube,  # type: ignore[arg-type]
            self.store,
            self,
            clock,
            access,
            self._open,
            self.waiting.add,
        )

    def _open(self, provider: Provider, access: FetchAccess, on_result: Callable[[QueryResult], None]) -> Meter:
        self.sources.append(Meter(self, access, on_result))
        return self.sources[-1]

    async def emit_event(self, regarding: Raw, event_type: str, reason: str, message: str) -> bool:
        self.events.append((event_type, reason))
        return True

    def apply(self, address: str = "http://prom:9090", **spec: Any) -> None:
        old = self.kube.objects.get(("MetricsProvider", "", KEY.name), {})
        self.kube.put(
            {
                "apiVersion": "serinus.dev/v1alpha1",
                "kind": "MetricsProvider",
                "metadata": {"name": KEY.name},
                "spec": {"address": address, **spec},
                "status": old.get("status", {}),
            }
        )
        self.waiting.add(KEY)

    async def run(self, seconds: float) -> None:
        """Let time pass, taking turns as they come."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            while self.waiting:
                result = await self.controller.reconcile(self.waiting.pop())
                if result.retry:
                    self.waiting.add(KEY)
            await asyncio.sleep(0.25)

    def ready(self) -> tuple[str, str, int]:
        """Status, reason and generation of the condition Ready."""
        status = self.kube.objects["MetricsProvider", "", KEY.name]["status"]
        condition = status["conditions"][0]
        assert condition["type"] == "Ready"
        assert condition["observedGeneration"] == status["observedGeneration"]
        return condition["status"], condition["reason"], status["observedGeneration"]

    def message(self) -> str:
        return str(self.kube.objects["MetricsProvider", "", KEY.name]["status"]["conditions"][0]["message"])

    def spec(self) -> MetricsProviderSpec:
        return MetricsProviderSpec.model_validate(self.kube.objects["MetricsProvider", "", KEY.name]["spec"])

    def use(self) -> Meter:
        """A source as a rollout has it."""
        source = self.controller.make_source(build_provider(KEY.name, self.spec()))
        assert isinstance(source, Meter)
        return source


def play(story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    """Run a story in time that jumps."""

    async def run() -> World:
        world = World()
        try:
            await story(world)
        finally:
            await world.controller.close()
        return world

    return run_jumping(run())
