"""What a pod answers, and what it does not, is told apart; nothing it says leads anywhere."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serinus.serving.client import ModelClient, Sent

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def model():
    seen: list[tuple[str, str, bytes]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.headers.get("Content-Type", ""), await request.read()))
        if request.path == "/slow":
            await asyncio.sleep(5)
        if request.path == "/elsewhere":
            return web.Response(status=302, headers={"Location": "/ok"})
        return web.Response(status=500 if request.path == "/bad" else 200)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        client = ModelClient(timeout=20.0)
        yield str(server.make_url("")).rstrip("/"), client, seen
        await client.close()


async def test_a_status_is_an_answer_whatever_it_is(model) -> None:
    url, client, seen = model
    assert await client.send(f"{url}/ok", b"{}") == Sent(200)
    assert await client.send(f"{url}/bad", None) == Sent(500)
    assert await client.send(f"{url}/elsewhere", None) == Sent(302)
    assert seen == [("POST", "application/json", b"{}"), ("GET", "", b""), ("GET", "", b"")]


async def test_silence_is_no_answer(model) -> None:
    url, client, _ = model
    hasty = ModelClient(timeout=0.3)
    assert await hasty.send(f"{url}/slow", None) == Sent(None, "no answer within 0.3s")
    await hasty.close()
    refused = await client.send("http://127.0.0.1:1/", None)
    assert refused.status is None
    assert "127.0.0.1" in refused.message
    assert (await client.send("http://[bad/", None)).status is None
