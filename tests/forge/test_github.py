"""Pull requests at a server that speaks GitHub's API, as far as we use it, and does what servers do."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serinus.forge.access import GitAccess
from serinus.forge.github import Draft, Forge, close_superseded, find_by_head, open_forge, propose, read_state
from serinus.forge.outcome import Away, Closed, PullRequest, Refused
from serinus.net.transport import Transport
from tests.forge.github_stub import HEAD, TOKEN, GitHub

BASE = "main"
DRAFT = Draft(HEAD, BASE, "Promote models:/fraud/7", "| gate | value |", "c" * 40)


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
    again = Draft(HEAD, BASE, "Promote again", "x" * 100_000, "c" * 40)
    assert await propose(reach(github), again) == made
    assert list(github.requests) == [1]
    assert github.requests[1]["title"] == "Promote again"
    assert 60_000 < len(github.requests[1]["body"]) < 65_536


async def test_an_answer_that_was_lost_makes_no_second_one(github: GitHub) -> None:
    async def hear_and_say_nothing(request: web.Request) -> web.Response:
        github._make(await request.json())
        await asyncio.sleep(1)
        return web.Response()

    patient, github.transport = github.transport, Transport(timeout=0.5)
    github.faults = [lambda _: None, hear_and_say_nothing]
    assert isinstance(await propose(reach(github), DRAFT), Away)
    await github.transport.close()
    github.transport = patient
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


@pytest.mark.parametrize("merged", [True, False])
async def test_what_is_wanted_again_with_another_commit_is_asked_for_anew(github: GitHub, merged: bool) -> None:
    github.add(HEAD, "closed", merged=merged)
    made = await propose(reach(github), dataclasses.replace(DRAFT, commit="e" * 40))
    assert isinstance(made, PullRequest)
    assert (made.number, made.state) == (2, "open")


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
    github.branches = ()
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
    if fault is slow:
        github.transport = Transport(timeout=0.5)
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
