"""A server that speaks GitHub's API as far as we use it, and does what servers do."""

import asyncio
import re
from collections.abc import Callable, Container
from typing import Any

from aiohttp import web

from serinus.net.transport import Transport

TOKEN = "t0ken-that-nobody-may-see"
HEAD = "serinus/ml/fraud/0123"


class GitHub:
    """`fault` answers in its place once for each time that it is in the list."""

    def __init__(self) -> None:
        self.requests: dict[int, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.comments: list[tuple[int, str]] = []
        self.faults: list[Callable[[web.Request], Any]] = []
        self.branches: Container[str] = {HEAD}
        self.tip: Callable[[str], str] = lambda _: "c" * 40
        self.transport = Transport(timeout=20.0)
        self.host = ""
        self.app = web.Application()
        self.app.router.add_route("*", "/api/v3/repos/payments/deploy/{path:.*}", self._answer)

    def add(self, head: str, state: str = "open", origin: str = "payments/deploy", merged: bool = False) -> int:
        number = len(self.requests) + 1
        self.requests[number] = {
            "number": number,
            "state": state,
            "title": "",
            "body": "",
            "html_url": f"https://github.example/payments/deploy/pull/{number}",
            "head": {"ref": head, "sha": self.tip(head), "repo": {"full_name": origin}},
            "merged_at": "2026-01-01T00:00:00Z" if merged else None,
            "merge_commit_sha": "d" * 40,
        }
        return number

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.asked.append(f"{request.method} {path}")
        if self.faults:
            answer = self.faults.pop(0)(request)
            answer = await answer if asyncio.iscoroutine(answer) else answer
            if answer is not None:
                return answer
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        body = await request.json() if request.can_read_body else {}
        if comment := re.fullmatch(r"issues/(\d+)/comments", path):
            self.comments.append((int(comment[1]), body["body"]))
            return web.json_response({"id": 1}, status=201)
        if one := re.fullmatch(r"pulls/(\d+)", path):
            found = self.requests.get(int(one[1]))
            if found is None:
                return web.json_response({"message": "Not Found"}, status=404)
            found.update(body)
            return web.json_response(found)
        return self._make(body) if request.method == "POST" else self._list(request.query)

    def _make(self, body: dict[str, Any]) -> web.Response:
        if body["head"] not in self.branches:
            return self._invalid([{"field": "head", "code": "invalid"}])
        if any(one["head"]["ref"] == body["head"] and one["state"] == "open" for one in self.requests.values()):
            return self._invalid([{"message": f"A pull request already exists for payments:{body['head']}."}])
        number = self.add(body["head"])
        self.requests[number] |= {"title": body["title"], "body": body["body"]}
        return web.json_response(self.requests[number], status=201)

    def _invalid(self, errors: list[dict[str, str]]) -> web.Response:
        return web.json_response({"message": "Validation Failed", "errors": errors}, status=422)

    def _list(self, query: Any) -> web.Response:
        found = [one for one in self.requests.values() if query["state"] in ("all", one["state"])]
        if "head" in query:
            found = [one for one in found if f"payments:{one['head']['ref']}" == query["head"]]
        size, page = int(query["per_page"]), int(query.get("page", "1"))
        return web.json_response(found[(page - 1) * size : page * size])
