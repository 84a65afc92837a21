"""A small model server: POST /predict, GET /healthz, GET /metrics.

Shows what a container needs for a release without a failed request: it listens only once a first inference has
succeeded, and after SIGTERM goes on answering until gateways have had time to take it out.
"""

import asyncio
import contextlib
import json
import logging
import random
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

from .model import PIXELS, Model, load
from .settings import Settings, read_settings

log = logging.getLogger("digits")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEEP_ALIVE_SECONDS = 620.0
"""Longer than any gateway keeps an idle connection: whoever closes first must be the one who sends the requests."""


class Telemetry:
    """Requests and their duration by route, never by raw path: a scanner must not be able to make new series."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests", "Requests answered.", ("method", "path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "Time to answer, in seconds.",
            ("method", "path"),
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0),
            registry=self.registry,
        )

    def count(self, request: web.Request, status: int, seconds: float) -> None:
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else "other"
        method = request.method if resource is not None else "other"
        self.requests.labels(method, path, str(status)).inc()
        self.seconds.labels(method, path).observe(seconds)


class Server:
    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.settings = settings
        self.telemetry = Telemetry()
        self.draining = False

    def build_app(self) -> web.Application:
        app = web.Application(middlewares=[self._observe], client_max_size=64 * 1024)
        app.router.add_post("/predict", self.predict)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/metrics", self.metrics)
        return app

    async def predict(self, request: web.Request) -> web.Response:
        pixels = _read_pixels(await request.read())
        if isinstance(pixels, str):
            return web.json_response({"error": pixels}, status=400)
        if random.random() < self.settings.fault_ratio:  # noqa: S311 - no secret
            return web.json_response({"error": "the model failed, as FAULT_RATIO asks"}, status=500)
        digit = self.model.predict(pixels)
        return web.json_response({"digit": digit, "version": self.settings.version})

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": self.settings.version})

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.telemetry.registry), content_type="text/plain", charset="utf-8")

    @web.middleware
    async def _observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            response = web.json_response({"error": refusal.reason}, status=refusal.status)
        except Exception as error:  # a model may raise anything; the client still gets an answer with a version
            log.warning("prediction failed: %r", error)
            response = web.json_response({"error": f"{type(error).__name__}: {error}"}, status=500)
        response.headers["x-model-version"] = self.settings.version
        if self.draining:
            response.force_close()
        self.telemetry.count(request, response.status, time.perf_counter() - started)
        return response


def _read_pixels(body: bytes) -> list[float] | str:
    """The 64 pixels of {"pixels": [...]}, or a sentence that says what is wrong."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        return "the body is not JSON"
    pixels = document.get("pixels") if isinstance(document, dict) else None
    if not isinstance(pixels, list) or len(pixels) != PIXELS:
        return f'the body must be {{"pixels": [...]}} with {PIXELS} numbers'
    if not all(isinstance(p, int | float) and not isinstance(p, bool) and 0 <= p <= 16 for p in pixels):
        return "every pixel must be a number from 0 to 16"
    return pixels


async def serve(server: Server, stop: asyncio.Event) -> None:
    """Answer until `stop` is set, then for `drain_seconds` more, then finish what is under way."""
    settings = server.settings
    runner = web.AppRunner(
        server.build_app(), access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS, shutdown_timeout=2.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
        log.info("%s serves on port %d", settings.version, settings.port)
        await stop.wait()
        server.draining = True
        await asyncio.sleep(settings.drain_seconds)
    finally:
        await runner.cleanup()


async def _run(settings: Settings) -> None:
    model = load(settings.model)
    model.predict([0.0] * PIXELS)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await serve(Server(model, settings), stop)


def main() -> None:
    disable_created_metrics()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(read_settings()))


if __name__ == "__main__":
    main()
