"""The monitor's server on 127.0.0.1, with a clock that the test holds and loops that it turns itself."""

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from examples.monitor.serinus_monitor.errors import StableUnknownError
from examples.monitor.serinus_monitor.monitor import Monitor, Stable
from examples.monitor.serinus_monitor.server import build_app
from examples.monitor.serinus_monitor.service import Service
from examples.monitor.serinus_monitor.store import Store
from tests.monitor.bench import START, settings


@dataclass
class Told:
    """A source of versions that says what the test wants."""

    stable: Stable | str = field(default_factory=lambda: Stable("v1", "sha256:aa", START))

    async def read(self) -> Stable:
        if isinstance(self.stable, str):
            raise StableUnknownError(self.stable)
        return self.stable


@dataclass
class Stand:
    client: "TestClient[Any, Any]"
    service: Service
    source: Told
    folder: Path
    log: list[str]
    now: float = START

    async def post(self, path: str, body: bytes, method: str = "POST", **headers: str) -> tuple[int, str]:
        async with self.client.request(method, path, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def scrape(self) -> str:
        async with self.client.get("/metrics") as answer:
            assert answer.status == 200
            return await answer.text()


Open = Callable[..., Coroutine[Any, Any, Stand]]


@pytest.fixture
async def open_monitor(tmp_path: Path) -> AsyncIterator[Open]:
    """Start a monitor with these options; references are files in a folder of the test."""
    clients = []

    async def start(**options: Any) -> Stand:
        # The loops hardly ever turn by themselves: the test does it.
        given = {"references": f"file://{tmp_path}/references/{{digest}}.jsonl", "poll": 3600.0, **options}
        session, source, log = ClientSession(), Told(), list[str]()
        chosen = settings(**given)
        stand: Stand
        service = Service(Monitor(chosen), source, Store(chosen, session), log.append, lambda: stand.now)
        app = build_app(service)
        app.on_cleanup.append(lambda _: session.close())
        client = TestClient(TestServer(app, host="127.0.0.1"))
        stand = Stand(client, service, source, tmp_path / "references", log)
        await client.start_server()
        clients.append(client)
        await service.follow()
        return stand

    yield start
    for client in clients:
        await client.close()
