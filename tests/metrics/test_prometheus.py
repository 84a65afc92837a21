import asyncio
import gzip
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Answer, Failure, FailureReason, Sample, Series
from tests.fakes.prometheus import (
    MATRIX,
    SHORT_TIMEOUT,
    TIMEOUT,
    FakePrometheus,
    Handler,
    always,
    hang,
    reading,
    success,
)


async def test_samples_come_with_their_own_timestamps(prometheus: FakePrometheus) -> None:
    outcomes: list[str] = []
    with reading(prometheus, on_query=lambda outcome, _: outcomes.append(outcome)) as source:
        answer = await source.fetch_series('up{pod="a"}[15s]')
    assert answer == Answer((Series({"__name__": "up", "pod": "a"}, (Sample(1000.5, 1.0), Sample(1001.5, 2.0))),))
    (request,) = prometheus.requests
    assert request.path == "/prefix/api/v1/query"
    assert dict(request.query) == {"query": 'up{pod="a"}[15s]', "timeout": "20s"}
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
    ],
)
async def test_what_goes_wrong_is_a_value(
    prometheus: FakePrometheus, handler: Handler, reason: FailureReason, words: str
) -> None:
    prometheus.handler = handler
    results: list[object] = []
    with reading(prometheus, on_result=results.append) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure), failure
    assert failure.reason == reason
    assert failure.message.startswith(f"{prometheus.url}/prefix: ")
    assert re.search(words, failure.message), failure.message
    assert len(prometheus.requests) == 1
    assert results == [failure]


async def test_a_server_that_hangs_is_a_timeout(prometheus: FakePrometheus) -> None:
    prometheus.handler = hang
    with reading(prometheus, timeout=SHORT_TIMEOUT) as source:
        async with asyncio.timeout(TIMEOUT):
            failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure), failure
    assert failure.reason == "Timeout"
    assert re.search("no answer within 0.5s|no whole answer in time", failure.message), failure.message


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
    asked = {"query": "up", "start": "1795428000", "end": "1795431600", "step": "30s", "timeout": "20s"}
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
