"""Size, time and threads: what a query may take, whatever its server does."""

import asyncio
import contextlib
import gzip
import threading
from typing import Any

import pytest
from aiohttp import web

from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Answer, Failure
from serinus.metrics.threads import QueryThreads
from tests.fakes.prometheus import MATRIX, SHORT_TIMEOUT, TIMEOUT, FakePrometheus, Raw, raw_server, reading, success


@pytest.mark.parametrize("announced", [True, False])
async def test_a_huge_answer_is_refused_before_it_is_read(prometheus: FakePrometheus, announced: bool) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        if announced:
            response.content_length = 50_000_000
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(500):
                await response.write(b" " * 100_000)
                sent += 100_000
        return response

    prometheus.handler = flood
    with reading(prometheus) as source:
        failure = await source.fetch_series("up[15s]")
        assert isinstance(failure, Failure)
        assert failure.reason == "TooLarge"
        assert sent < 20_000_000
        prometheus.handler = lambda request: success(MATRIX)
        assert isinstance(await source.fetch_series("up[15s]"), Answer)


async def test_a_compressed_bomb_is_measured_unpacked(prometheus: FakePrometheus) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    prometheus.handler = handle
    with reading(prometheus) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert failure.reason == "TooLarge"


async def drip_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    await drip_for_ever(writer, b" ")


async def drip_body_of_a_connection_that_ends(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
    await drip_for_ever(writer, b" ")


async def drip_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await drip_for_ever(writer, b"1\r\n \r\n")


async def drip_status(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await drip_for_ever(writer, b"H")


async def drip_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    await drip_for_ever(writer, b"x")


async def drip_interim_answers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await drip_for_ever(writer, b"HTTP/1.1 100 Continue\r\n\r\n")


async def drip_for_ever(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "talk",
    [
        drip_body,
        drip_body_of_a_connection_that_ends,
        drip_chunks,
        drip_status,
        drip_headers,
        drip_interim_answers,
    ],
)
async def test_a_dripping_answer_ends_at_the_deadline_and_so_does_its_thread(talk: Raw) -> None:
    async with raw_server(talk) as address:
        source = PrometheusSource(address, timeout=SHORT_TIMEOUT)
        async with asyncio.timeout(TIMEOUT):
            failure = await source.fetch_series("up[15s]")
            assert isinstance(failure, Failure)
            assert failure.reason == "Timeout"
            while any(thread.name == "prometheus-query" for thread in threading.enumerate()):  # noqa: ASYNC110  other threads do it
                await asyncio.sleep(0.05)
        source.close()


@pytest.mark.parametrize(
    "words",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"\x15\x03\x01\x00\x02\x02"],
)
async def test_what_is_no_http_or_breaks_off_is_unreachable(words: bytes) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)

    async with raw_server(talk) as address:
        source = PrometheusSource(address, timeout=TIMEOUT)
        failure = await source.fetch_series("up[15s]")
        source.close()
    assert isinstance(failure, Failure)
    assert failure.reason == "Unreachable"
    assert "0x" not in failure.message


async def test_a_handshake_that_hangs_ends_in_time() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    source = PrometheusSource("https://{}:{}".format(*server.sockets[0].getsockname()[:2]), timeout=SHORT_TIMEOUT)
    failure = await source.fetch_series("up[15s]")
    source.close()
    server.close()
    assert isinstance(failure, Failure)
    assert failure.reason == "Timeout"


async def test_a_source_that_is_closed_keeps_no_connection(prometheus: FakePrometheus) -> None:
    prometheus.handler = slow_success
    source = PrometheusSource(prometheus.url, timeout=TIMEOUT)
    query = asyncio.create_task(source.fetch_series("up[15s]"))
    await asyncio.sleep(0.1)
    source.close()
    assert isinstance(await query, Answer)
    assert source._idle == []


async def slow_success(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.2)
    return await success(MATRIX)


async def test_a_server_that_hangs_has_a_few_places_and_nobody_else_waits_for_it(prometheus: FakePrometheus) -> None:
    async with FakePrometheus().running() as stuck:
        release = asyncio.Event()

        async def hang(_: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.Response(status=503)

        stuck.handler = hang
        threads = QueryThreads()
        bad = [PrometheusSource(stuck.url, timeout=TIMEOUT, threads=threads) for _ in range(2)]
        good = PrometheusSource(prometheus.url, timeout=TIMEOUT, threads=threads)
        waiting = [asyncio.create_task(source.fetch_series("up[15s]")) for source in bad for _ in range(6)]
        async with asyncio.timeout(TIMEOUT):
            while len(stuck.requests) < 4:  # noqa: ASYNC110  other threads do it
                await asyncio.sleep(0.05)
        for _ in range(20):
            assert isinstance(await good.fetch_series("up[15s]"), Answer)
        assert len(stuck.requests) == 4
        assert not any(query.done() for query in waiting)
        release.set()
        assert {result.reason for result in await asyncio.gather(*waiting)} == {"Unreachable"}
        for source in (*bad, good):
            source.close()


async def test_there_are_so_many_threads_in_all(prometheus: FakePrometheus) -> None:
    active = peak = 0
    full = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal active, peak
        active += 1
        peak = max(peak, active)
        if active >= 6:
            full.set()
        await full.wait()
        await asyncio.sleep(0.05)
        active -= 1
        return await success(MATRIX)

    prometheus.handler = slow
    threads = QueryThreads(per_server=4, in_all=6)
    paths = [f"{prometheus.url}/{number}" for number in range(4)]
    sources = [PrometheusSource(path, timeout=TIMEOUT, threads=threads) for path in paths]
    answers = await asyncio.gather(*(source.fetch_series("up[15s]") for source in sources for _ in range(6)))
    assert all(isinstance(answer, Answer) for answer in answers)
    assert peak == 6
    for source in sources:
        source.close()


async def test_a_thread_that_never_comes_back_blocks_neither_the_next_query_nor_for_ever(
    prometheus: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    stuck = 0

    def hang_in_thread(*_: Any, **__: Any) -> Answer:
        nonlocal stuck
        stuck += 1
        release.wait(30)
        raise OSError

    threads = QueryThreads()
    with (
        reading(prometheus, timeout=SHORT_TIMEOUT, threads=threads) as hasty,
        reading(prometheus, threads=threads) as source,
    ):
        with monkeypatch.context() as patched:
            patched.setattr("serinus.metrics.prometheus._query", hang_in_thread)
            failure = await hasty.fetch_series("up[15s]")
            assert isinstance(failure, Failure)
            assert failure.reason == "Timeout"
        assert isinstance(await source.fetch_series("up[15s]"), Answer)
        with monkeypatch.context() as patched:
            patched.setattr("serinus.metrics.prometheus._query", hang_in_thread)
            for _ in range(6):
                failure = await hasty.fetch_series("up[15s]")
        assert stuck == 4
        assert "4 earlier queries still hang" in failure.message
        release.set()
        async with asyncio.timeout(TIMEOUT):
            while not isinstance(await source.fetch_series("up[15s]"), Answer):  # noqa: ASYNC110  other threads do it
                await asyncio.sleep(0.05)
