"""The client against servers on loopback: it keeps its rate, its bounds, and writes down every failure."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests.traffic.answers import Answer, Tail, count, format_answer
from tests.traffic.client import Book, Load, send_load
from tests.traffic.runner import Traffic


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/predict", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/predict"
    finally:
        await runner.cleanup()


async def send(load: Load, path: Path, stop: asyncio.Event | None = None) -> list[Answer]:
    with path.open("a") as file:
        await send_load(load, Book(file), stop or asyncio.Event())
    return Tail(path).read_new()


async def until(happened: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        await asyncio.sleep(0.05)


async def test_a_slow_server_does_not_slow_the_client_down(tmp_path: Path) -> None:
    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response(headers={"x-model-version": "v1"})

    async with serving(slow) as url:
        load = Load(url, "a.example", rate=100, seconds=0.5, max_requests=1000, timeout=20)
        answers = await send(load, tmp_path / "out")
    assert len(answers) == 50
    assert all(answer.ok for answer in answers)
    assert max(a.sent for a in answers) < min(a.answered for a in answers), "all left before any was answered"


async def test_number_of_requests_is_bounded(tmp_path: Path) -> None:
    async def fine(_request: web.Request) -> web.Response:
        return web.Response()

    async with serving(fine) as url:
        answers = await send(Load(url, "a.example", rate=1000, seconds=60, max_requests=7), tmp_path / "out")
    assert len(answers) == 7


async def test_host_body_version_and_failures_are_what_was_sent(tmp_path: Path) -> None:
    seen: list[tuple[str, str, bytes]] = []

    async def failing(request: web.Request) -> web.Response:
        seen.append((request.method, request.headers["Host"], await request.read()))
        return web.Response(status=500, headers={"x-model-version": "v3"})

    async with serving(failing) as url:
        load = Load(url, "digits.example", rate=100, seconds=1, max_requests=3, bodies=(b'{"pixels":[]}',))
        tally = count(await send(load, tmp_path / "out"))
    assert seen == [("POST", "digits.example", b'{"pixels":[]}')] * 3
    assert (tally.of("v3").failures, tally.own_failures, tally.lost) == (3, 3, [])


async def test_refused_and_late_answers_are_written_down(tmp_path: Path) -> None:
    async def never(_request: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response()

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/predict"
        refused = await send(Load(nobody, "a.example", rate=10, seconds=1, max_requests=1), tmp_path / "refused")
    async with serving(never) as url:
        late = await send(Load(url, "a.example", rate=10, seconds=1, max_requests=1, timeout=0.2), tmp_path / "late")
    assert refused[0].lost
    assert "Connector" in refused[0].error
    assert late[0].error.startswith("TimeoutError")


async def test_as_a_process_it_stops_when_asked_and_loses_nothing(tmp_path: Path) -> None:
    asked = 0

    async def fine(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.3)
        return web.json_response({}, headers={"x-model-version": "v1"})

    def popen(command: Sequence[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(command, cwd=tmp_path, text=True)

    async with serving(fine) as url:
        out = tmp_path / "build" / "answers"
        out.parent.mkdir()
        out.write_text(format_answer(Answer(1.0, 1.1, 200, "of an earlier run")) + "\n")
        traffic = Traffic(popen, out, url=url, host="a.example", rate=50, seconds=60, max_requests=5000)
        assert traffic.read() == []
        with traffic:
            await until(traffic.read)
            assert traffic.running
            await asyncio.to_thread(traffic.stop)
        assert not traffic.running
    assert 0 < len(traffic.answers) == asked
    assert all(answer.ok for answer in traffic.answers)


async def test_it_stops_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    async def fine(_request: web.Request) -> web.Response:
        return web.Response()

    out, note = tmp_path / "answers", tmp_path / "pid"
    async with serving(fine) as url:
        client = [sys.executable, "-m", "tests.traffic.client", "--url", url, "--host", "a", "--rate", "20"]
        client += ["--seconds", "60", "--max-requests", "5000", "--out", str(out)]
        code = (
            "import json, subprocess, sys, time, pathlib; p = subprocess.Popen(json.loads(sys.argv[1]));"
            "pathlib.Path(sys.argv[2]).write_text(str(p.pid)); out = pathlib.Path(sys.argv[3])\n"
            "while not (out.exists() and out.stat().st_size): time.sleep(0.05)"
        )
        parent = [sys.executable, "-c", code, json.dumps(client), str(note), str(out)]
        await asyncio.to_thread(subprocess.run, parent, check=True, timeout=30)
        pid = int(note.read_text())
        await until(lambda: not _is_running(pid))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
