"""A metric server on loopback that answers as a test says, well or badly."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from aiohttp import web

from serinus.metrics.prometheus import PrometheusSource

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TIMEOUT = 20.0
"""Seconds that a source waits for a server that answers; so many that a busy machine does not end them."""

SHORT_TIMEOUT = 0.5
"""Seconds that a source waits for a server that a test lets hang."""

MATRIX = [{"metric": {"__name__": "up", "pod": "a"}, "values": [[1000.5, "1"], [1001.5, "2"]]}]


class FakePrometheus:
    """Answers every query through `handler`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.handler: Handler = lambda request: success(MATRIX)
        self.requests: list[web.Request] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.handler(request)

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator["FakePrometheus"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = "{}://{}:{}".format("https" if context else "http", *runner.addresses[0][:2])
        try:
            yield self
        finally:
            await runner.cleanup()


@contextlib.contextmanager
def reading(fake: FakePrometheus, timeout: float = TIMEOUT, **options: Any) -> Iterator[PrometheusSource]:
    """A source that asks `fake`, which answers at a prefix."""
    source = PrometheusSource(fake.url + "/prefix/", timeout=timeout, **options)
    try:
        yield source
    finally:
        source.close()


@contextlib.asynccontextmanager
async def raw_server(talk: Raw) -> AsyncIterator[str]:
    """A server that reads one request and then talks as it likes; yields its address."""

    talking: set[asyncio.Task[None]] = set()

    async def talk_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await talk(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            # Nobody may read any more, and what is left to be sent would keep the socket open.
            writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(asyncio.create_task(talk_once(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


async def success(result: Any, **more: Any) -> web.Response:
    return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": result}, **more})


def always(status: int = 200, text: str = "", headers: dict[str, str] | None = None) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handle


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError
