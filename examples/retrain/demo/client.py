"""The client of tests.traffic, with payments: `python -m examples.retrain.demo.client`, with the same options.

Each payment is asked about through the gateway; some seconds later the truth about it goes to the monitor, as a label,
and to the data service, as a row to learn from. What the season is stands in a file that may change at any time. Every
answer is also written down beside the truth: the demo's own measure of quality, which depends on no monitor.
"""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

import aiohttp
import numpy as np

from examples.retrain.fraud.monitoring import format_lines
from examples.retrain.fraud.world import Payment, draw_payments
from tests.traffic.answers import VERSION_HEADER
from tests.traffic.client import Load, Send, run_client

log = logging.getLogger("client")

DRAWN_AT_ONCE: Final = 200
TELL_SECONDS: Final = 0.5
PATIENCE: Final = aiohttp.ClientTimeout(total=5.0)


@dataclass(frozen=True)
class Settings:
    """`season` and `truth` are files: which season it is, and where answers are written down beside the truth. `delay`
    is how many seconds the truth takes."""

    season: Path
    truth: Path
    monitor: str
    data: str
    delay: float
    seed: int


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """KeyError for a variable that is not set."""
    return Settings(
        Path(env["SEASON_FILE"]),
        Path(env["TRUTH_FILE"]),
        env["MONITOR_URL"],
        env["DATA_URL"],
        float(env["LABEL_DELAY"]),
        int(env["SEED"]),
    )


class Payments:
    """An endless stream of payments of whatever season it is."""

    def __init__(self, season: Path, seed: int) -> None:
        self._file = season
        self._rng = np.random.default_rng(seed)
        self._season = ""
        self._drawn: deque[Payment] = deque()

    def draw(self) -> Payment:
        season = self._file.read_text(encoding="utf-8").strip()
        if season != self._season:
            self._season = season
            self._drawn.clear()
        if not self._drawn:
            self._drawn.extend(draw_payments(self._rng, DRAWN_AT_ONCE, season))
        return self._drawn.popleft()


@dataclass(frozen=True)
class Known:
    """A payment and its truth, which may be told from `due` (seconds since the epoch) on."""

    due: float
    id: str
    payment: Payment


class Truth:
    """Tells the truth late, to whoever wants to know it. What cannot be told now is told later."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._waiting: dict[str, deque[Known]] = {settings.monitor: deque(), settings.data: deque()}

    def add(self, name: str, payment: Payment) -> None:
        known = Known(time.time() + self._settings.delay, name, payment)
        for queue in self._waiting.values():
            queue.append(known)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            await asyncio.gather(self.tell_monitor(), self.tell_data())

    async def tell_monitor(self) -> None:
        address = self._settings.monitor
        due = self._take(address)
        lines = format_lines({"id": known.id, "label": known.payment.fraud} for known in due)
        await self._post(address, f"{address}/labels", lines, due)

    async def tell_data(self) -> None:
        address = self._settings.data
        due = self._take(address)
        rows = [{"id": known.id, **known.payment.features, "fraud": known.payment.fraud} for known in due]
        await self._post(address, f"{address}/rows", json.dumps(rows).encode(), due)

    def _take(self, address: str) -> list[Known]:
        now = time.time()
        return [known for known in self._waiting[address] if known.due <= now]

    async def _post(self, address: str, url: str, body: bytes, told: list[Known]) -> None:
        if not told:
            return
        try:
            async with self._session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                if answer.status >= 400:
                    log.warning("%s: HTTP %d: %s", url, answer.status, (await answer.text())[:300])
                if answer.status >= 500:
                    return
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("%s: %r", url, error)
            return
        for _ in told:
            self._waiting[address].popleft()


def format_outcome(asked: float, version: str, said: bool, fraud: bool) -> str:
    """One line of the file of the truth."""
    return json.dumps([round(asked, 3), version, said, fraud], separators=(",", ":"))


@asynccontextmanager
async def connect_payments(load: Load) -> AsyncIterator[Send]:
    settings = read_settings()
    payments = Payments(settings.season, settings.seed)
    prefix, count = f"{settings.seed}-{os.getpid()}", 0
    headers = {"Host": load.host, "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with (
        aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=load.timeout)
        ) as session,
        aiohttp.ClientSession(timeout=PATIENCE) as other,
    ):
        truth = Truth(settings, other)
        teller = asyncio.create_task(truth.run())
        with settings.truth.open("a", encoding="utf-8", buffering=1) as book:

            async def send() -> tuple[int, str]:
                nonlocal count
                count += 1
                name, payment, asked = f"{prefix}-{count}", payments.draw(), time.time()
                body = json.dumps({"id": name, "features": payment.features}).encode()
                async with session.post(load.url, data=body) as response:
                    answer = await response.read()
                    version = response.headers.get(VERSION_HEADER, "")
                    if response.status == 200:
                        _note(book, asked, version, answer, payment)
                        truth.add(name, payment)
                    return response.status, version

            yield send
        teller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await teller


def _note(book: TextIO, asked: float, version: str, answer: bytes, payment: Payment) -> None:
    said: Any = json.loads(answer)["fraud"]
    book.write(format_outcome(asked, version, bool(said), payment.fraud) + "\n")


if __name__ == "__main__":
    run_client(connect_payments)
