"""The data service: keeps labelled payments as they come, and freezes the latest into snapshots that training can name.

POST /rows                [{"id", features, "fraud"}]        204
POST /snapshots           {"name": "run-7", "seconds": 20}   {"id", "digest", "rows"}
GET  /snapshots/DIGEST    the rows

A name that has been given goes on meaning the rows that it did.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from .rows import Row, Snapshot, format_rows, take_snapshot
from .serve import serve

MAX_ROWS: Final = 200_000
MAX_SNAPSHOTS: Final = 50
PORT: Final = 8080


class DataService:
    """Everything is in memory: a pod that is replaced begins again."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, Row]] = deque(maxlen=MAX_ROWS)
        self._snapshots: dict[str, Snapshot] = {}

    def build_app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/rows", self.add_rows)
        app.router.add_post("/snapshots", self.freeze)
        app.router.add_get("/snapshots/{digest}", self.show)
        app.router.add_get("/healthz", self.healthz)
        return app

    async def add_rows(self, request: web.Request) -> web.Response:
        rows: Any = await request.json()
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
            return web.json_response({"error": "the body must be a list of objects, each with an id"}, status=400)
        now = time.time()
        self._rows.extend((now, row) for row in rows)
        return web.Response(status=204)

    async def freeze(self, request: web.Request) -> web.Response:
        wanted: Mapping[str, Any] = await request.json()
        name, seconds = str(wanted["name"]), float(wanted["seconds"])
        if name not in self._snapshots:
            while len(self._snapshots) >= MAX_SNAPSHOTS:
                del self._snapshots[next(iter(self._snapshots))]
            since = time.time() - seconds
            self._snapshots[name] = take_snapshot([row for at, row in self._rows if at >= since])
        kept = self._snapshots[name]
        return web.json_response({"id": name, "digest": kept.digest, "rows": len(kept.rows)})

    async def show(self, request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        found = next((kept for kept in self._snapshots.values() if kept.digest == digest), None)
        if found is None:
            return web.json_response({"error": f"no snapshot has digest {digest}"}, status=404)
        return web.Response(body=format_rows(found.rows), content_type="application/json")

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"rows": len(self._rows)})


if __name__ == "__main__":
    asyncio.run(serve(DataService().build_app(), "0.0.0.0", PORT))  # noqa: S104  # nosec B104 - as above
