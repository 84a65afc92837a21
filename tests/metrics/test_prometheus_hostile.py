"""Every way a server can misbehave, eight at once: each gets its word, memory stays, a good server is read in time."""

import asyncio
import contextlib
import gzip
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.fakes.prometheus import MATRIX, TIMEOUT, FakePrometheus, always, hang, raw_server, success

ROOT = Path(__file__).parents[2]
FLOOD = 50_000_000
NOW = time.time()


def body(result: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def sample(time: Any, value: Any) -> list[Any]:
    return [{"metric": {"__name__": "up"}, "values": [[time, value]]}]


SMALL = [{"metric": {"n": str(one)}, "values": []} for one in range(20_000)]
MANY = [{"metric": {"n": str(one)}, "values": [[NOW, "1"]]} for one in range(100_000)]
BODIES: dict[str, tuple[bytes, str]] = {
    "nan": (body(sample(NOW, "NaN")), "Answer"),
    "infinity": (body([*sample(NOW, "+Inf"), {"metric": {}, "values": [[NOW, "-Inf"]]}]), "Answer"),
    "stale": (body(sample(NOW - 86_400, "1")), "Answer"),
    "future": (body(sample(NOW + 86_400, "1")), "InvalidAnswer"),
    "milliseconds": (body(sample(NOW * 1000, "1")), "InvalidAnswer"),
    "strings": (body("up"), "InvalidAnswer"),
    "scalar": (body([NOW, "1"]), "InvalidAnswer"),
    "vector": (body([{"metric": {}, "value": [NOW, "1"]}]), "InvalidAnswer"),
    "twice": (body(MATRIX * 2), "InvalidAnswer"),
    "20,000 series": (body(SMALL), "TooLarge"),
    "100,000 series": (body(MANY), "TooLarge"),
    "a million bytes in one label": (body([{"metric": {"a": "x" * 1_000_000}, "values": []}]), "Answer"),
    "empty objects": (b"[" + b"{}," * 340_000 + b"{}]", "TooLarge"),
    "just as many values as allowed": (b"[" + b'{"":1},' * 14_999 + b"[1]," * 84_999 + b"[1]]", "InvalidAnswer"),
    "nested": (b"[" * 1_000_000, "InvalidAnswer"),
    "digits": (b"1" * 1_000_000, "InvalidAnswer"),
    "no text": (os.urandom(1_000_000), "InvalidAnswer"),
    "gzip bomb": (gzip.compress(b" " * FLOOD), "TooLarge"),
    "bomb in a bomb": (gzip.compress(gzip.compress(b" " * FLOOD)), "InvalidAnswer"),
    "bomb in a bomb, announced": (gzip.compress(gzip.compress(b" " * FLOOD)), "TooLarge"),
    "broken gzip": (gzip.compress(b"{}")[:10] + b"\xff" * 100, "Unreachable"),
}
ERRORS = {
    "500": (500, "Unreachable"),
    "503": (503, "Unreachable"),
    "401": (401, "Unauthorized"),
    "403": (403, "Unauthorized"),
    "429": (429, "Throttled"),
    "400": (400, "QueryRefused"),
    "418": (418, "Unreachable"),
}
LOUD = b"x" * 900_000


async def flood(writer: asyncio.StreamWriter, head: bytes, piece: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n" + head)
    for _ in range(FLOOD // len(piece)):
        writer.write(piece)
        await writer.drain()


async def announced(_: Any, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"Content-Length: %d\r\n\r\n" % FLOOD, b" " * 100_000)


async def unannounced(_: Any, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"\r\n", b" " * 100_000)


async def chunked(_: Any, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"Transfer-Encoding: chunked\r\n\r\n", b"186a0\r\n" + b" " * 100_000 + b"\r\n")


async def endless_header(_: Any, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"X: ", b"x" * 100_000)


async def many_headers(_: Any, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"", b"X: y\r\n" * 10_000)


async def endless_interim(_: Any, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip(_: Any, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


TALKS = {
    "50 MB announced": (announced, "TooLarge"),
    "50 MB unannounced": (unannounced, "TooLarge"),
    "50 MB in chunks": (chunked, "TooLarge"),
    "endless header": (endless_header, "Unreachable"),
    "many headers": (many_headers, "Unreachable"),
    "endless interim answers": (endless_interim, "Timeout"),
    "drip": (drip, "Timeout"),
}


async def serve(request: web.Request) -> web.StreamResponse:
    name = request.path.split("/")[1]
    if name == "hang":
        return await hang(request)
    if name == "html":
        return await always(200, "<html>Sign in</html>", {"Content-Type": "text/html"})(request)
    if name == "redirect":
        return await always(302, "", {"Location": "/html"})(request)
    if name == "loop":
        return await always(307, "", {"Location": str(request.rel_url)})(request)
    if name == "warnings":
        return await success(MATRIX, warnings=["a store could not be reached"])
    if name in ERRORS:
        return web.Response(status=ERRORS[name][0], body=LOUD)
    encoding = "gzip, gzip" if "announced" in name else "gzip" if "gzip" in name or "bomb" in name else "identity"
    return web.Response(body=BODIES[name][0], headers={"Content-Encoding": encoding})


HASTE = 5.0
"""Seconds that a server is waited for which never answers."""

SERVED = {
    "hang": "Timeout",
    "html": "InvalidAnswer",
    "redirect": "Unreachable",
    "loop": "Unreachable",
    "warnings": "InvalidAnswer",
}
EXPECTED = SERVED | {name: word for name, (_, word) in (BODIES | ERRORS | TALKS).items()}


async def test_whatever_servers_do_is_named_costs_little_and_delays_nobody() -> None:
    async with contextlib.AsyncExitStack() as stack:
        good = await stack.enter_async_context(FakePrometheus().running())
        bad = await stack.enter_async_context(FakePrometheus().running())
        bad.handler = serve
        addresses = {name: f"{bad.url}/{name}" for name in EXPECTED}
        for name, (talk, _) in TALKS.items():
            addresses[name] = await stack.enter_async_context(raw_server(talk))
        given = [
            f"{name}={TIMEOUT if EXPECTED[name] != 'Timeout' else HASTE}={address.replace(' ', '%20')}"
            for name, address in addresses.items()
        ]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).parent / "hostile_client.py"),
            good.url,
            *given,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        )
        try:
            out, _ = await asyncio.wait_for(child.communicate(), 300)
        finally:
            if child.returncode is None:
                child.kill()
    assert child.returncode == 0
    told = json.loads(out)
    assert told["results"] == {name: [word] * 3 for name, word in EXPECTED.items()}
    # What the allocator keeps varies with the load of the machine: 6 to 27 MiB were seen.
    assert told["grown"] <= 32
    assert told["peak"] <= 40, "less than one of the floods"
    assert told["slowest"] < HASTE, "less than one server that hangs"
