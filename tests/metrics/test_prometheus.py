import asyncio
import contextlib
import gzip
import json
import math
import re
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Answer, Failure, FailureReason, Sample, Series
from serinus.metrics.threads import QueryThreads
from tests.fakes.prometheus import MATRIX, FakePrometheus, Handler, Raw, always, hang, raw_server, success

TIMEOUT = 0.5


@pytest.fixture
async def prometheus() -> AsyncIterator[FakePrometheus]:
    async with FakePrometheus().running() as fake:
        yield fake


@contextlib.contextmanager
def reading(fake: FakePrometheus, **options: Any) -> Any:
    source = PrometheusSource(fake.url + "/prefix/", timeout=TIMEOUT, **options)
    try:
        yield source
    finally:
        source.close()


async def test_samples_come_with_their_own_timestamps(prometheus: FakePrometheus) -> None:
    outcomes: list[str] = []
    with reading(prometheus, on_query=lambda outcome, _: outcomes.append(outcome)) as source:
        answer = await source.fetch_series('up{pod="a"}[15s]')
    assert answer == Answer((Series({"__name__": "up", "pod": "a"}, (Sample(1000.5, 1.0), Sample(1001.5, 2.0))),))
    (request,) = prometheus.requests
    assert request.path == "/prefix/api/v1/query"
    assert dict(request.query) == {"query": 'up{pod="a"}[15s]', "timeout": "0.5s"}
    assert "Authorization" not in request.headers
    assert outcomes == ["Answer"]


async def test_no_series_is_an_answer(prometheus: FakePrometheus) -> None:
    prometheus.handler = lambda request: success([])
    with reading(prometheus) as source:
        assert await source.fetch_series("up[15s]") == Answer(())


async def test_nan_and_infinity_are_kept_for_the_judge(prometheus: FakePrometheus) -> None:
    values = [[1, "NaN"], [2, "+Inf"], [3, "-Inf"], [4, "1e3"]]
    prometheus.handler = lambda request: success([{"metric": {}, "values": values}])
    with reading(prometheus) as source:
        answer = await source.fetch_series("up[15s]")
    read = [sample.value for sample in answer.series[0].samples]
    assert math.isnan(read[0])
    assert read[1:] == [math.inf, -math.inf, 1000.0]


async def test_a_compressed_answer_is_read(prometheus: FakePrometheus) -> None:
    async def handle(request: web.Request) -> web.Response:
        body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": MATRIX}})
        return web.Response(body=gzip.compress(body.encode()), headers={"Content-Encoding": "gzip"})

    prometheus.handler = handle
    with reading(prometheus) as source:
        assert isinstance(await source.fetch_series("up[15s]"), Answer)


def remark(*warnings: str, **more: Any) -> Handler:
    return lambda _: success(MATRIX, warnings=list(warnings), **more)


@pytest.mark.parametrize(
    ("handler", "reason", "words"),
    [
        pytest.param(always(503, "no healthy upstream"), "Unreachable", "HTTP 503$", id="503"),
        pytest.param(always(500, '{"error": "disk full"}'), "Unreachable", "HTTP 500: disk full$", id="500 with words"),
        pytest.param(always(404, "not here"), "Unreachable", "HTTP 404: there is no Prometheus", id="404"),
        pytest.param(always(204), "Unreachable", "HTTP 204", id="no content"),
        pytest.param(always(401, "who are you"), "Unauthorized", "HTTP 401: .* or there are none$", id="401"),
        pytest.param(always(403, "not you"), "Unauthorized", "HTTP 403", id="403"),
        pytest.param(always(429, "", {"Retry-After": "9"}), "Throttled", "HTTP 429", id="429 is not retried"),
        pytest.param(always(400, '{"error": "parse error"}'), "QueryRefused", "HTTP 400: parse error", id="bad query"),
        pytest.param(always(422, '{"error": "expanding"}'), "QueryRefused", "HTTP 422: expanding", id="too costly"),
        pytest.param(always(400, "<b>no</b>"), "QueryRefused", "HTTP 400$", id="bad query in HTML"),
        pytest.param(always(414, "long"), "TooLarge", "the query is too long", id="414"),
        pytest.param(always(200, "<html>log in</html>"), "InvalidAnswer", "login page", id="HTML"),
        pytest.param(always(302, "", {"Location": "/login"}), "Unreachable", "redirected", id="redirect"),
        pytest.param(always(200, ""), "InvalidAnswer", "no JSON", id="nothing"),
        pytest.param(always(200, "[]"), "InvalidAnswer", "not one of the Prometheus", id="no object"),
        pytest.param(always(200, "{}"), "InvalidAnswer", "not one of the Prometheus", id="no data"),
        pytest.param(always(200, '{"status": "success"}'), "InvalidAnswer", "no result", id="no result"),
        pytest.param(lambda _: success([1000, "5"]), "InvalidAnswer", "ask for a range", id="scalar"),
        pytest.param(lambda _: success(None), "InvalidAnswer", "ask for a range", id="null"),
        pytest.param(
            lambda _: success([{"metric": {}, "value": [1, "5"]}]), "InvalidAnswer", "single values", id="vector"
        ),
        pytest.param(
            lambda _: success([{"metric": {}, "histograms": []}]), "InvalidAnswer", "native histograms", id="histogram"
        ),
        pytest.param(
            lambda _: success([{"metric": {}, "values": [[1, "many"]]}]), "InvalidAnswer", "no number", id="no number"
        ),
        pytest.param(remark("store down"), "InvalidAnswer", "not complete: store down", id="part"),
        pytest.param(remark(isPartial=True), "InvalidAnswer", "not complete", id="part without a word"),
        pytest.param(lambda _: success(MATRIX * 2), "InvalidAnswer", "the same series twice", id="twice"),
        pytest.param(hang, "Timeout", "no answer within 0.5s|no whole answer in time", id="hang"),
    ],
)
async def test_what_goes_wrong_is_a_value(
    prometheus: FakePrometheus, handler: Handler, reason: FailureReason, words: str
) -> None:
    prometheus.handler = handler
    results: list[object] = []
    started = asyncio.get_running_loop().time()
    with reading(prometheus, on_result=results.append) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure), failure
    assert failure.reason == reason
    assert failure.message.startswith(f"{prometheus.url}/prefix: ")
    assert re.search(words, failure.message), failure.message
    assert len(prometheus.requests) == 1
    assert asyncio.get_running_loop().time() - started < 2 * TIMEOUT
    assert results == [failure]


async def test_a_remark_that_is_no_warning_does_no_harm(prometheus: FakePrometheus) -> None:
    prometheus.handler = remark("PromQL info: metric might not be a counter")
    with reading(prometheus) as source:
        assert isinstance(await source.fetch_series("up[15s]"), Answer)


@pytest.mark.parametrize(
    ("handler", "blamed"),
    [
        (always(400), True),
        (lambda _: success([1000, "5"]), True),
        (always(414), True),
        (always(503), False),
        (always(200, "<html>"), False),
        (lambda _: success([{"metric": {}, "values": [[1, True]]}]), False),
    ],
)
async def test_a_query_is_blamed_only_for_what_its_server_did_right(
    prometheus: FakePrometheus, handler: Handler, blamed: bool
) -> None:
    prometheus.handler = handler
    with reading(prometheus) as source:
        failure = await source.fetch_series("up[15s]")
    assert failure.of_query is blamed


async def test_a_server_that_asks_for_a_pause_gets_it(prometheus: FakePrometheus) -> None:
    prometheus.handler = always(429, "", {"Retry-After": "1"})
    with reading(prometheus) as source:
        await source.fetch_series("up[15s]")
        prometheus.handler = lambda request: success(MATRIX)
        failure = await source.fetch_series("up[15s]")
        assert failure.reason == "Throttled"
        assert len(prometheus.requests) == 1
        await asyncio.sleep(1.1)
        assert isinstance(await source.fetch_series("up[15s]"), Answer)


async def test_the_past_is_asked_by_range(prometheus: FakePrometheus) -> None:
    start, end = datetime(2026, 11, 23, 10, tzinfo=UTC), datetime(2026, 11, 23, 11, tzinfo=UTC)
    with reading(prometheus) as source:
        answer = await source.fetch_history("up", start, end, 30.0)
    assert [sample.value for sample in answer.series[0].samples] == [1.0, 2.0]
    (request,) = prometheus.requests
    assert request.path == "/prefix/api/v1/query_range"
    asked = {"query": "up", "start": "1795428000", "end": "1795431600", "step": "30s", "timeout": "0.5s"}
    assert dict(request.query) == asked


async def test_a_value_is_asked_as_it_is_now(prometheus: FakePrometheus) -> None:
    prometheus.handler = lambda request: success([{"metric": {"a": "b"}, "value": [5, "7"]}])
    with reading(prometheus) as source:
        assert await source.fetch_instant("sum(up)") == Answer((Series({"a": "b"}, (Sample(5.0, 7.0),)),))
        prometheus.handler = lambda request: success(MATRIX)
        failure = await source.fetch_instant("up[15s]")
    assert failure.reason == "InvalidAnswer"
    assert "samples over time instead; ask for one value" in failure.message


@pytest.mark.parametrize(("ahead", "expected"), [(-3600, Answer), (60, Answer), (3600, Failure)])
async def test_the_servers_own_clock_tells_a_sample_from_the_future(
    prometheus: FakePrometheus, ahead: float, expected: type
) -> None:
    now = datetime.now(UTC).timestamp()
    prometheus.handler = lambda request: success([{"metric": {}, "values": [[now + ahead, "1"]]}])
    with reading(prometheus) as source:
        result = await source.fetch_series("up[15s]")
    assert isinstance(result, expected)
    if isinstance(result, Failure):
        assert result.reason == "InvalidAnswer"
        assert "ahead of the server's own clock" in result.message


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    source = PrometheusSource("http://127.0.0.1:9", timeout=TIMEOUT)
    failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert failure.reason == "Unreachable"


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
        source = PrometheusSource(address, timeout=TIMEOUT)
        started = asyncio.get_running_loop().time()
        failure = await source.fetch_series("up[15s]")
        assert isinstance(failure, Failure)
        assert failure.reason == "Timeout"
        assert asyncio.get_running_loop().time() - started < 3 * TIMEOUT
        await asyncio.sleep(0.2)
        assert [thread for thread in threading.enumerate() if thread.name == "prometheus-query"] == []
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
    source = PrometheusSource("https://{}:{}".format(*server.sockets[0].getsockname()[:2]), timeout=TIMEOUT)
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
        stuck.handler = hang
        threads = QueryThreads()
        bad = [PrometheusSource(stuck.url, timeout=TIMEOUT, threads=threads) for _ in range(2)]
        good = PrometheusSource(prometheus.url, timeout=TIMEOUT, threads=threads)
        waiting = [asyncio.create_task(source.fetch_series("up[15s]")) for source in bad for _ in range(6)]
        await asyncio.sleep(0.1)
        assert len(stuck.requests) == 4
        for _ in range(20):
            started = asyncio.get_running_loop().time()
            assert isinstance(await good.fetch_series("up[15s]"), Answer)
            assert asyncio.get_running_loop().time() - started < 0.2
        assert {result.reason for result in await asyncio.gather(*waiting)} == {"Timeout"}
        for source in (*bad, good):
            source.close()


async def test_there_are_so_many_threads_in_all(prometheus: FakePrometheus) -> None:
    active = peak = 0

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal active, peak
        active += 1
        peak = max(peak, active)
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

    with reading(prometheus) as source:
        with monkeypatch.context() as patched:
            patched.setattr("serinus.metrics.prometheus._query", hang_in_thread)
            failure = await source.fetch_series("up[15s]")
            assert isinstance(failure, Failure)
            assert failure.reason == "Timeout"
        assert isinstance(await source.fetch_series("up[15s]"), Answer)
        with monkeypatch.context() as patched:
            patched.setattr("serinus.metrics.prometheus._query", hang_in_thread)
            for _ in range(6):
                failure = await source.fetch_series("up[15s]")
        assert stuck == 4
        assert "4 earlier queries still hang" in failure.message
        release.set()
        await asyncio.sleep(0.1)
        assert isinstance(await source.fetch_series("up[15s]"), Answer)


async def test_a_caller_who_gives_up_leaves_the_source_usable(prometheus: FakePrometheus) -> None:
    prometheus.handler = hang
    with reading(prometheus) as source:
        query = asyncio.create_task(source.fetch_series("up[15s]"))
        await asyncio.sleep(0.1)
        query.cancel()
        with pytest.raises(asyncio.CancelledError):
            await query
        prometheus.handler = lambda request: success(MATRIX)
        assert isinstance(await source.fetch_series("up[15s]"), Answer)
