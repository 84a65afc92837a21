"""Pull requests at a server that speaks GitHub's API, as far as we use it, and does what servers do."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serinus.forge.access import GitAccess
from serinus.forge.github import Draft, Forge, close_superseded, find_by_head, open_forge, propose, read_state
from serinus.forge.outcome import Away, Closed, PullRequest, Refused
from serinus.net.transport import Transport

TOKEN = "t0ken-that-nobody-may-see"
HEAD, BASE = "serinus/ml/fraud/0123", "main"
DRAFT = Draft(HEAD, BASE, "Promote models:/fraud/7", "| gate | value |")


class GitHub:
    """`fault` answers in its place once for each time that it is in the list."""

    def __init__(self) -> None:
        self.requests: dict[int, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.comments: list[tuple[int, str]] = []
        self.faults: list[Callable[[web.Request], Any]] = []
        self.branches = {HEAD}
        self.transport = Transport(timeout=0.5)
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
            "head": {"ref": head, "sha": "c" * 40, "repo": {"full_name": origin}},
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


@pytest.fixture
async def github():
    github = GitHub()
    async with TestServer(github.app, host="127.0.0.1") as server:
        github.host = f"127.0.0.1:{server.port}"
        yield github
        await github.transport.close()


def reach(github: GitHub, token: str = TOKEN) -> Forge:
    base = f"http://{github.host}"
    access = GitAccess(f"{base}/payments/deploy.git", "x", token, f"{base}/api/v3")
    forge = open_forge(github.transport, access, {github.host: "http"})
    assert isinstance(forge, Forge)
    return forge


def status(number: int, **headers: str) -> Callable[[web.Request], web.Response]:
    return lambda _: web.Response(status=number, headers=headers, text="{}")


async def test_a_pull_request_is_made_once_and_then_kept_up_to_date(github: GitHub) -> None:
    made = await propose(reach(github), DRAFT)
    assert made == PullRequest(1, "https://github.example/payments/deploy/pull/1", "open", HEAD, "c" * 40)
    again = Draft(HEAD, BASE, "Promote again", "x" * 100_000)
    assert await propose(reach(github), again) == made
    assert list(github.requests) == [1]
    assert github.requests[1]["title"] == "Promote again"
    assert 60_000 < len(github.requests[1]["body"]) < 65_536


async def test_an_answer_that_was_lost_makes_no_second_one(github: GitHub) -> None:
    async def hear_and_say_nothing(request: web.Request) -> web.Response:
        github._make(await request.json())
        await asyncio.sleep(1)
        return web.Response()

    github.faults = [lambda _: None, hear_and_say_nothing]
    assert isinstance(await propose(reach(github), DRAFT), Away)
    made = await propose(reach(github), DRAFT)
    assert isinstance(made, PullRequest)
    assert list(github.requests) == [1]


async def test_one_that_another_makes_in_the_same_moment_is_taken(github: GitHub) -> None:
    github.faults = [lambda _: github.add(HEAD) and web.json_response([])]
    made = await propose(reach(github), DRAFT)
    assert isinstance(made, PullRequest)
    assert list(github.requests) == [1]


@pytest.mark.parametrize("merged", [True, False])
async def test_what_a_person_has_ended_stays_ended(github: GitHub, merged: bool) -> None:
    github.add(HEAD, "closed", merged=merged)
    found = await propose(reach(github), DRAFT)
    assert isinstance(found, PullRequest)
    assert (found.state, found.merged_as) == (("merged", "d" * 40) if merged else ("closed", None))
    assert [line for line in github.asked if not line.startswith("GET")] == []
    assert await read_state(reach(github), 1) == found


async def test_the_open_one_is_found_among_older_ones(github: GitHub) -> None:
    assert await find_by_head(reach(github), HEAD) is None
    github.add(HEAD, "closed")
    github.add(HEAD)
    github.add(HEAD, "closed")
    found = await find_by_head(reach(github), HEAD)
    assert isinstance(found, PullRequest)
    assert found.number == 2


async def test_those_of_the_policy_that_are_replaced_are_closed_with_a_word(github: GitHub) -> None:
    for number in range(100):
        github.add(f"feature/{number}")
    old = github.add("serinus/ml/fraud/0000")
    github.add(HEAD)
    github.add("serinus/ml/fraud-2/0000")
    github.add("serinus/ml/fraud/0000", origin="stranger/deploy")
    closed = await close_superseded(reach(github), "serinus/ml/fraud/", HEAD, "Replaced by a newer candidate")
    assert closed == Closed((old,))
    assert github.comments == [(old, "Replaced by a newer candidate")]
    assert [number for number, one in github.requests.items() if one["state"] == "closed"] == [old]
    assert await close_superseded(reach(github), "serinus/ml/fraud/", HEAD, "x") == Closed(())


async def test_the_forge_says_what_is_wrong(github: GitHub) -> None:
    github.branches.clear()
    said = await propose(reach(github), DRAFT)
    assert said == Refused(f"{github.host} refuses: Validation Failed; head")
    wrong = await propose(reach(github, "another"), DRAFT)
    assert wrong == Refused(f"{github.host} does not accept the token (HTTP 401)")
    assert isinstance(await read_state(reach(github), 77), Refused)


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(2)
    return web.Response()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (status(500), Away),
        (status(502), Away),
        (status(429), Away),
        (status(403, **{"X-RateLimit-Remaining": "0"}), Away),
        (status(403, **{"Retry-After": "60"}), Away),
        (status(403), Refused),
        (status(301, Location="/api/v3/repositories/1"), Refused),
        (slow, Away),
        (lambda _: web.Response(text="<html>"), Away),
        (lambda _: web.Response(text='{"a": 1}'), Away),
        (lambda _: web.Response(body=b"[" * 5_000_000), Away),
    ],
)
async def test_what_a_forge_says_instead(github: GitHub, fault: Any, outcome: type) -> None:
    for call in (
        lambda forge: propose(forge, DRAFT),
        lambda forge: close_superseded(forge, "serinus/ml/fraud/", HEAD, "x"),
    ):
        github.faults = [fault]
        said = await call(reach(github))
        assert isinstance(said, outcome), said
        assert TOKEN not in repr(said)
    assert github.requests == {}


async def test_without_an_api_or_a_host_that_is_allowed_nobody_is_asked(github: GitHub) -> None:
    url = f"http://{github.host}/payments/deploy"
    assert open_forge(github.transport, GitAccess(url, "x", TOKEN), {}) is None
    refused = open_forge(github.transport, GitAccess(url, "x", TOKEN, "https://elsewhere.example"), {"x": "https"})
    assert refused == Refused("host elsewhere.example is not among those that may be asked (SERINUS_GIT_HOSTS)")
    deep = open_forge(github.transport, GitAccess(f"{url}/deeper", "x", TOKEN, url), {github.host: "http"})
    assert isinstance(deep, Refused)
    assert github.asked == []
