"""A model server that answers HTTP/1.1 and, without TLS, HTTP/2 on one port: run by Hypercorn as `server:app`."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

VERSION = os.environ["MODEL_VERSION"].encode()


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"x-model-version", VERSION), (b"content-length", str(len(VERSION)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": VERSION})
