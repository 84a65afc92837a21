"""The model server: POST /predict, GET /healthz, GET /metrics.

Loads the model that SERINUS_MODEL_URI names, refuses one whose bytes are not those of SERINUS_MODEL_DIGEST, and tells
the monitor of every prediction without making anybody wait for it.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

from .model import predict, unpack
from .monitoring import PredictionLog
from .serve import serve
from .settings import ServerSettings, read_server_settings
from .tracking import Tracker
from .world import CENTRES, NORTH, Features

log = logging.getLogger("server")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FIRST: Final[Features] = {**dict.fromkeys(CENTRES, 1.0), "region": NORTH}
"""What the first inference is made of, before anything listens."""


class Server:
    def __init__(self, classifier: Any, settings: ServerSettings) -> None:
        self.classifier = classifier
        self.settings = settings
        self.version = name_version(settings.uri)
        self.predictions = PredictionLog(settings)
        self.draining = False
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests", "Requests answered.", ("method", "path", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time to answer, in seconds.",
            ("method", "path"),
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0),
            registry=self.registry,
        )

    def build_app(self) -> web.Application:
        app = web.Application(middlewares=[self._observe], client_max_size=64 * 1024)
        app.router.add_post("/predict", self.predict)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/metrics", self.metrics)
        app.cleanup_ctx.append(self.predictions.run)
        return app

    async def predict(self, request: web.Request) -> web.Response:
        """{"id", "features"} in, {"id", "fraud"} out; the id is by which the truth will be known."""
        try:
            body: Any = json.loads(await request.read())
            name, features = str(body["id"]), dict(body["features"])
            fraud = bool(predict(self.classifier, [features])[0])
        except (ValueError, KeyError, TypeError) as error:
            return web.json_response({"error": f"the body must be {{id, features}}: {error}"}, status=400)
        self.predictions.add(name, features, fraud)
        return web.json_response({"id": name, "fraud": fraud, "version": self.version})

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": self.version})

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.registry), content_type="text/plain", charset="utf-8")

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
        response.headers["x-model-version"] = self.version
        if self.draining:
            response.force_close()
        resource = request.match_info.route.resource
        # By route, never by raw path: a scanner must not be able to make new series.
        path, method = (resource.canonical, request.method) if resource is not None else ("other", "other")
        self._requests.labels(method, path, str(response.status)).inc()
        self._seconds.labels(method, path).observe(time.perf_counter() - started)
        return response

    def drain(self) -> None:
        self.draining = True


def name_version(uri: str) -> str:
    """What answers call themselves: `models:/fraud/3` is `fraud/3`."""
    return uri.removeprefix("models:/") if uri.startswith("models:/") else uri.rpartition("/")[2]


def main() -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = read_server_settings()
    classifier = unpack(Tracker(settings.tracking).fetch_model(settings.uri), settings.digest)
    predict(classifier, [FIRST])
    server = Server(classifier, settings)
    log.info("%s serves on port %d", server.version, settings.port)
    asyncio.run(serve(server.build_app(), "0.0.0.0", settings.port, settings.drain_seconds, server.drain))  # noqa: S104  # nosec B104


if __name__ == "__main__":
    main()
