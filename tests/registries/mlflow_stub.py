"""An MLflow that answers what it is told to."""

import asyncio
from typing import Any

from aiohttp import web

from serinus.net.transport import Transport
from serinus.registries.mlflow_api import MLflow

VERSION = {"name": "fraud", "version": "7", "source": "s3://m/7", "run_id": "r1", "tags": [{"key": "a", "value": "b"}]}


class World:
    """Answers what it is told to, and remembers aliases and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.authorizations: set[str] = set()
        self.faults: dict[str, Any] = {}
        self.versions: list[Any] = [VERSION]
        self.aliases: dict[str, str] = {}
        self.known: list[str] = []
        self.tags: dict[str, dict[str, str]] = {}
        self.app = web.Application()
        self.app.router.add_route("*", "/api/2.0/mlflow/{path:.*}", self._answer)
        self.mlflow = MLflow(Transport(timeout=20.0), "")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.asked.append((request.method, path))
        self.authorizations.add(request.headers.get("Authorization", ""))
        if f"{request.method} {path}" in self.faults:
            answer = self.faults[f"{request.method} {path}"](request)
            return await answer if asyncio.iscoroutine(answer) else answer
        if path == "model-versions/search":
            self.filter = request.query["filter"]
            return web.json_response({"model_versions": self.versions} if self.versions else {})
        if path == "registered-models/alias":
            return await self._alias(request)
        if path == "model-versions/set-tag":
            said = await request.json()
            self.tags.setdefault(said["version"], {})[said["key"]] = said["value"]
        if path == "model-versions/get":
            number = request.query["version"]
            tags = [{"key": key, "value": value} for key, value in self.tags.get(number, {}).items()]
            return web.json_response({"model_version": {**VERSION, "version": number, "tags": tags}})
        return web.json_response({})

    async def _alias(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            said = await request.json()
            self.aliases[said["alias"]] = said["version"]
            return web.json_response({})
        if request.method == "DELETE":
            del self.aliases[(await request.json())["alias"]]
            return web.json_response({})
        alias = request.query["alias"]
        if alias not in self.aliases:
            return error(400, "INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.")
        return web.json_response({"model_version": {**VERSION, "version": self.aliases[alias]}})


def error(status: int, code: str, message: str = "x") -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)
