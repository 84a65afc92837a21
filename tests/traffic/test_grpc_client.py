"""The gRPC client against the gRPC model server on loopback: whose failure it is stands in every line."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.traffic.answers import Tail, count
from tests.traffic.client import Book, Load, send_load
from tests.traffic.grpc_client import connect

SERVER = Path(__file__).parents[1] / "support" / "grpc_model_server.py"


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server that fails half of the calls; its address."""
    port = free_port()
    settings = {"HOST": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(free_port()), "FAULT_RATIO": "0.5"}
    process = subprocess.Popen([sys.executable, str(SERVER)], env={**os.environ, **settings, "MODEL_VERSION": "v7"})
    deadline = time.monotonic() + 20
    try:
        while not listens(port):
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def send(url: str, path: Path, number: int) -> list[tuple[int, str]]:
    load = Load(url, "a.example", rate=200, seconds=10, max_requests=number, timeout=3)
    with path.open("a") as file:
        await send_load(load, Book(file), asyncio.Event(), connect)
    return [(answer.status, answer.version) for answer in Tail(path).read_new()]


async def test_a_call_that_the_model_fails_is_its_own_failure(server: str, tmp_path: Path) -> None:
    await send(server, tmp_path / "out", 60)
    tally = count(Tail(tmp_path / "out").read_new())
    assert tally.requests == tally.of("v7").requests == 60
    assert tally.lost == []
    assert 10 < tally.own_failures < 50


async def test_a_call_that_reaches_no_model_is_lost(tmp_path: Path) -> None:
    assert await send(f"http://127.0.0.1:{free_port()}/", tmp_path / "out", 3) == [(503, "")] * 3
    assert len(count(Tail(tmp_path / "out").read_new()).lost) == 3
