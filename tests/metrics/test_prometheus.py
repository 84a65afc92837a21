import asyncio
import contextlib
import gzip
import json
import math
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from serinus.metrics.prometheus import PrometheusSource, observe_series
from serinus.metrics.source import Answer, Failure, FailureReason, Sample, Series

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TIMEOUT = 0.5
MATRIX = [{"metric": {"__name__": "up", "pod": "a"}, "values": [[1000.5, "1"], [1001.5, "2"]]}]


class FakePrometheus:
    """Answers every query through `handler`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.handler: Handler = lambda request: success(MATRIX)
        self.requests: list[web.Request] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.handler(request)


@pytest.fixture
async def prometheus() -> AsyncIterator[FakePrometheus]:
    fake = FakePrometheus()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield fake
    await runner.cleanup()


@contextlib.contextmanager
def reading(fake: FakePrometheus, **options: Any) -> Any:
    source = PrometheusSource(fake.url + "/prefix/", timeout=TIMEOUT, **options)
    try:
        yield source
    finally:
        source.close()


async def success(result: Any, **more: Any) -> web.Response:
    return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": result}, **more})


def always(status: int = 200, text: str = "", headers: dict[str, str] | None = None) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handle


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


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


async def test_a_token_that_rotates_is_sent_as_it_is_now(prometheus: FakePrometheus) -> None:
    tokens = iter(["one", "two"])
    with reading(prometheus, token=lambda: next(tokens)) as source:
        await source.fetch_series("up[15s]")
        await source.fetch_series("up[15s]")
    assert [request.headers["Authorization"] for request in prometheus.requests] == ["Bearer one", "Bearer two"]


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


@pytest.mark.parametrize(
    ("handler", "reason", "words"),
    [
        pytest.param(always(503, "no healthy upstream"), "Unreachable", "HTTP 503: no healthy upstream", id="503"),
        pytest.param(always(401, "who are you"), "Unreachable", "HTTP 401", id="401"),
        pytest.param(always(429, "", {"Retry-After": "9"}), "Unreachable", "HTTP 429", id="429 is not retried"),
        pytest.param(always(400, '{"error": "parse error"}'), "InvalidAnswer", "refused.*parse error", id="bad query"),
        pytest.param(always(422, '{"error": "expanding"}'), "InvalidAnswer", "refused.*expanding", id="too costly"),
        pytest.param(always(200, "<html>log in</html>"), "InvalidAnswer", "login page", id="HTML"),
        pytest.param(always(302, "", {"Location": "/login"}), "Unreachable", "redirected to /login", id="redirect"),
        pytest.param(always(200, "[]"), "InvalidAnswer", "cannot be read", id="no object"),
        pytest.param(always(200, "{}"), "InvalidAnswer", "cannot be read", id="no data"),
        pytest.param(lambda _: success([1000, "5"]), "InvalidAnswer", "ask for a range", id="scalar"),
        pytest.param(lambda _: success(None), "InvalidAnswer", "ask for a range", id="null"),
        pytest.param(
            lambda _: success([{"metric": {}, "value": [1, "5"]}]), "InvalidAnswer", "single values", id="vector"
        ),
        pytest.param(
            lambda _: success([{"metric": {}, "histograms": []}]), "InvalidAnswer", "native histograms", id="histogram"
        ),
        pytest.param(
            lambda _: success([{"metric": {}, "values": [[1, "many"]]}]), "InvalidAnswer", "sample", id="no number"
        ),
        pytest.param(
            lambda _: success(MATRIX, warnings=["store down"]), "InvalidAnswer", "not complete: store down", id="part"
        ),
        pytest.param(hang, "Timeout", "in time", id="hang"),
    ],
)
async def test_what_goes_wrong_is_a_value(
    prometheus: FakePrometheus, handler: Handler, reason: FailureReason, words: str
) -> None:
    prometheus.handler = handler
    started = asyncio.get_running_loop().time()
    with reading(prometheus) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure), failure
    assert failure.reason == reason
    assert re.search(words, failure.message), failure.message
    assert len(prometheus.requests) == 1
    assert asyncio.get_running_loop().time() - started < 2 * TIMEOUT


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


async def test_a_dripping_answer_ends_at_the_deadline(prometheus: FakePrometheus) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    prometheus.handler = drip
    started = asyncio.get_running_loop().time()
    with reading(prometheus) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert failure.reason == "Timeout"
    assert asyncio.get_running_loop().time() - started < 3 * TIMEOUT


async def test_one_query_at_a_time_per_server_and_servers_do_not_wait_for_each_other(
    prometheus: FakePrometheus,
) -> None:
    active = peak = 0

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal active, peak
        active += 1
        peak = max(peak, active)
        await asyncio.sleep(0.1)
        active -= 1
        return await success(MATRIX)

    prometheus.handler = slow
    started = asyncio.get_running_loop().time()
    sources = [PrometheusSource(prometheus.url, timeout=TIMEOUT) for _ in range(8)]
    answers = await asyncio.gather(*(source.fetch_series("up[15s]") for source in sources for _ in range(3)))
    assert all(isinstance(answer, Answer) for answer in answers)
    assert peak == 8
    assert asyncio.get_running_loop().time() - started < 1.5
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
        return Answer(())

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


def test_labels_are_text_whatever_was_sent() -> None:
    assert observe_series([{"metric": {"code": 200}, "values": []}]) == Answer((Series({"code": "200"}, ()),))
