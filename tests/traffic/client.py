"""Constant-rate HTTP client, a process of its own: `python -m tests.traffic.client --url ... --rate 100 --seconds 60
...`.

Open loop: requests leave on schedule whether or not earlier ones were answered, so a slow server cannot hide its
failures by slowing the client down. Nothing is retried, every request is written down, and both time and number of
requests are bounded: it can never be forgotten running. It knows nothing of Kubernetes; whoever starts it chooses the
network it runs in.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import aiohttp

from tests.traffic.answers import VERSION_HEADER, Answer, format_answer

FLUSH_SECONDS = 0.1
MAX_IN_FLIGHT = 1000


@dataclass(frozen=True)
class Load:
    """What to send: `rate` requests per second for `seconds`, at most `max_requests`. `bodies` are sent by POST, chosen
    at random (a fixed order could fall into step with a gateway's weighted round robin); without any it is GET. Without
    `keep_alive` every request has a connection of its own, as a Service wants it, which splits connections."""

    url: str
    host: str
    rate: float
    seconds: float
    max_requests: int
    timeout: float = 5.0
    bodies: tuple[bytes, ...] = ()
    keep_alive: bool = True


@dataclass
class Book:
    """Every answer, one line each, on disk soon after it came."""

    file: TextIO
    waiting: list[str] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        self.waiting.append(format_answer(answer))

    def flush(self) -> None:
        lines, self.waiting = self.waiting, []
        if lines:
            self.file.write("\n".join(lines) + "\n")
            self.file.flush()


Send = Callable[[], Awaitable[tuple[int, str]]]
"""Sends one request; its status and the version that answered."""

Connect = Callable[[Load], AbstractAsyncContextManager[Send]]


@asynccontextmanager
async def connect_http(load: Load) -> AsyncIterator[Send]:
    connector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        if load.keep_alive
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    headers = {"Host": load.host, "Content-Type": "application/json"}
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=load.timeout)
    ) as session:

        async def send() -> tuple[int, str]:
            body = random.choice(load.bodies) if load.bodies else None
            async with session.request("POST" if body else "GET", load.url, data=body) as response:
                await response.read()
                return response.status, response.headers.get(VERSION_HEADER, "")

        yield send


async def send_load(load: Load, book: Book, stop: asyncio.Event, connect: Connect = connect_http) -> int:
    """Send until time, number or `stop` ends it, then wait for the requests under way. Returns how many were due."""
    clock = asyncio.get_running_loop().time
    under_way: set[asyncio.Task[None]] = set()
    async with connect(load) as send:
        writer = asyncio.create_task(_flush_often(book))
        started, sent = clock(), 0
        try:
            while sent < load.max_requests and not stop.is_set():
                due = started + sent / load.rate
                if due - started >= load.seconds:
                    break
                if due > clock():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), due - clock())
                    continue
                sent += 1
                if len(under_way) >= MAX_IN_FLIGHT:
                    now = time.time()
                    book.add(Answer(now, now, error=f"NotSent: {MAX_IN_FLIGHT} requests are under way"))
                    continue
                task = asyncio.create_task(_send_one(send, book))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if under_way:
                await asyncio.wait(under_way)
        finally:
            writer.cancel()
            book.flush()
    return sent


async def _send_one(send: Send, book: Book) -> None:
    sent = time.time()
    try:
        status, version = await send()
        book.add(Answer(sent, time.time(), status, version))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        book.add(Answer(sent, time.time(), error=f"{type(error).__name__}: {error}"[:200]))


async def _flush_often(book: Book) -> None:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        book.flush()


def read_bodies(path: Path | None) -> tuple[bytes, ...]:
    """One body a line."""
    return tuple(line for line in path.read_bytes().splitlines() if line) if path else ()


async def _run(load: Load, out: Path, connect: Connect) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    parent = os.getppid()
    with out.open("a", encoding="utf-8") as file:
        watcher = asyncio.create_task(_stop_with(parent, stop))
        await send_load(load, Book(file), stop, connect)
        watcher.cancel()


async def _stop_with(parent: int, stop: asyncio.Event) -> None:
    """Whoever started this may be killed without a chance to stop it; then it stops by itself."""
    while os.getppid() == parent:  # noqa: ASYNC110
        await asyncio.sleep(1)
    stop.set()


def run_client(connect: Connect) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="where to send, by address: http://10.0.0.1:8000/predict")
    parser.add_argument("--host", required=True, help="Host header, by which the gateway chooses the route")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, required=True, help="stop after this time")
    parser.add_argument("--max-requests", type=int, required=True, help="stop after this many")
    parser.add_argument("--timeout", type=float, default=Load.timeout, help="seconds until a request counts as failed")
    parser.add_argument("--bodies", type=Path, help="file with one JSON body a line; without it: GET")
    parser.add_argument("--no-keep-alive", dest="keep_alive", action="store_false", help="a connection per request")
    parser.add_argument("--out", type=Path, required=True, help="file that gets one line per request")
    given = parser.parse_args()
    bodies = read_bodies(given.bodies)
    load = Load(
        *(given.url, given.host, given.rate, given.seconds, given.max_requests, given.timeout, bodies, given.keep_alive)
    )
    asyncio.run(_run(load, given.out, connect))


if __name__ == "__main__":
    run_client(connect_http)
