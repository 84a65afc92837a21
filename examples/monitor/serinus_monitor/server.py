"""HTTP: rows and labels come in, metrics go out."""

import asyncio
import hmac
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from .errors import MonitorError
from .exposition import build_registry
from .records import Labelled, Prediction, join_mistakes, read_lines
from .service import Service
from .store import RefusedError

_READING: Final = ("GET", "HEAD")


def build_app(service: Service) -> web.Application:
    """The application; it runs the service's loops while it runs."""
    settings = service.monitor.settings
    registry = build_registry(service.monitor)

    async def take_predictions(request: web.Request) -> web.Response:
        rows, mistakes = read_lines(await _read(request, settings.max_body), Prediction)
        if service.monitor.stable is None:
            # Worth sending again, unlike rows that are wrong.
            raise web.HTTPServiceUnavailable(text=f"{service.stable_problem or 'the monitor is starting'}\n")
        return _answer(service.monitor.take_predictions(rows, service.clock()), mistakes, "prediction")

    async def take_labels(request: web.Request) -> web.Response:
        rows, mistakes = read_lines(await _read(request, settings.max_body), Labelled)
        if service.monitor.stable is None:
            raise web.HTTPServiceUnavailable(text=f"{service.stable_problem or 'the monitor is starting'}\n")
        return _answer(service.monitor.take_labels(rows), mistakes, "label")

    def _answer(said: Counter[str], mistakes: list[str], kind: str) -> web.Response:
        service.monitor.counts[kind, "rejected"] += len(mistakes)
        body = {**said, "rejected": len(mistakes), "mistakes": join_mistakes(mistakes)}
        return web.json_response(body, status=400 if mistakes and not said else 200)

    async def put_reference(request: web.Request) -> web.Response:
        try:
            body = await _read(request, settings.max_body * 16)
            created = await service.put_reference(request.match_info["name"], body)
        except RefusedError as error:
            return web.Response(status=error.status, text=f"{error}\n")
        except MonitorError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        return web.Response(status=201 if created else 200)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def show_health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def show_readiness(_: web.Request) -> web.Response:
        # Ready without a reference too: it may be on its way to this very address.
        return web.json_response(service.describe())

    app = web.Application(middlewares=[_guard(service)])
    app.add_routes(
        [
            web.post("/predictions", take_predictions),
            web.post("/labels", take_labels),
            web.put("/references/{name}", put_reference),
            web.get("/metrics", show_metrics),
            web.get("/healthz", show_health),
            web.get("/readyz", show_readiness),
        ]
    )
    app.cleanup_ctx.append(lambda _: _run(service))
    return app


def _guard(service: Service) -> Middleware:
    """Whoever sends something must have the token, where there is one."""
    file = service.monitor.settings.token_file

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if file is not None and request.method not in _READING:
            wanted = (await asyncio.to_thread(file.read_text)).strip()
            if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {wanted}".encode()):
                raise web.HTTPUnauthorized(text="the token of --token-file is needed, as Authorization: Bearer\n")
        return await handler(request)

    return check


async def _read(request: web.Request, most: int) -> bytes:
    """The body; HTTP 413 where it has more bytes than that, unpacked."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        body += chunk
        if len(body) > most:
            raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(body))
    return bytes(body)


async def _run(service: Service) -> AsyncIterator[None]:
    task = asyncio.create_task(service.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
