"""The metrics of all policies: asked once a window, each query once, and told of only when there is news."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from serinus.api import reasons
from serinus.controllers.analyst import Provider
from serinus.controllers.signals import GIVE_UP_AFTER, Signals
from serinus.controllers.wants import Want, build_reading, build_wants, list_query_problems
from serinus.core.retrain.looks import next_look
from serinus.core.retrain.reading import Unknown
from serinus.engine.store import Key
from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Answer, Failure, QueryResult, Sample, Series
from tests.core.retrain.world import DRIFT, METRIC, spec
from tests.fakes.clock import START, LoopClock, run_jumping
from tests.fakes.prometheus import FakePrometheus, success

HOUR = 3600.0
DEFAULT = Provider("default", "http://prometheus:9090", 15.0, 3.0)
OTHER = Provider("other", "http://other:9090", 15.0, 3.0)


def key(name: str) -> Key:
    return Key("RetrainPolicy", "ml", name)


def want(name: str = "quality", query: str = "q", period: float = HOUR, due: datetime = START, **more: Any) -> Want:
    return Want(name, query, timedelta(seconds=period), due, **more)


class Source:
    """Answers with one sample of the loop's time, or as told; remembers what it was asked, and when."""

    def __init__(self, answer: Callable[[str, float], QueryResult] | None = None, takes: float = 0.0) -> None:
        self.answer = answer or (lambda query, at: number(0.5, at))
        self.takes = takes
        self.asked: list[tuple[float, str]] = []
        self.closed = 0
        self.running = 0
        self.most = 0

    async def fetch_instant(self, query: str) -> QueryResult:
        now = asyncio.get_running_loop().time()
        self.asked.append((now, query))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.takes)
        self.running -= 1
        return self.answer(query, START.timestamp() + now)

    async def fetch_series(self, query: str) -> QueryResult:
        raise NotImplementedError

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1


def number(value: float, at: float) -> Answer:
    return Answer((Series({}, (Sample(at, value),)),))


def play(story: Callable[[Signals, Source, Counter[str]], Awaitable[None]], source: Source | None = None) -> Source:
    source = source or Source()

    async def run() -> None:
        told: Counter[str] = Counter()

        def notify(key: Key, urgent: bool) -> None:
            told[key.name] += 1

        signals = Signals(lambda provider: source, notify, LoopClock())
        try:
            await story(signals, source, told)
        finally:
            await signals.close()

    run_jumping(run())
    return source


def test_one_query_a_window_and_one_word_of_each() -> None:
    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        assert signals.watch(key("a"), DEFAULT, [want()]) == {}
        await asyncio.sleep(24.5 * HOUR)
        assert len(source.asked) == told["a"] == 25
        times = [at for at, _ in source.asked]
        assert all(b - a >= HOUR for a, b in pairwise(times))
        assert signals.watch(key("a"), DEFAULT, [want()])["quality"].value == 0.5
        assert signals.next_at(key("a")) == pytest.approx(times[-1] + HOUR, abs=60)

    play(story)


def test_what_many_policies_ask_alike_is_asked_once() -> None:
    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        for number_ in range(50):
            signals.watch(key(f"p{number_}"), DEFAULT, [want("a", "same"), want("b", "same", samples="rows")])
        await asyncio.sleep(60)
        assert sorted(query for _, query in source.asked) == ["rows", "same"]
        assert signals.queries == 2
        assert set(told.values()) == {1}
        assert len(told) == 50

    play(story)


def test_a_first_look_comes_when_it_is_due_and_a_later_one_may_be_put_off() -> None:
    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        signals.watch(key("a"), DEFAULT, [want(due=START + timedelta(hours=3))])
        await asyncio.sleep(2.9 * HOUR)
        assert source.asked == []
        await asyncio.sleep(0.2 * HOUR)
        assert len(source.asked) == 1
        signals.watch(key("a"), DEFAULT, [want(due=START + timedelta(hours=10))])
        await asyncio.sleep(6.5 * HOUR)
        assert len(source.asked) == 1
        signals.watch(key("a"), DEFAULT, [want(due=START)])
        await asyncio.sleep(60)
        assert len(source.asked) == 2

    play(story)


def test_looks_in_vain_are_told_once_and_become_rare() -> None:
    def away(query: str, at: float) -> QueryResult:
        return Failure("Unreachable", "connection refused")

    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        signals.watch(key("a"), DEFAULT, [want()])
        await asyncio.sleep(24 * HOUR)
        assert told["a"] == 1
        assert 25 <= len(source.asked) <= 29
        reading = signals.watch(key("a"), DEFAULT, [want()])["quality"]
        assert reading.value == Unknown("Unreachable", "connection refused")
        source.answer = lambda query, at: number(0.5, at)
        await asyncio.sleep(1.1 * HOUR)
        assert told["a"] == 2

    play(story, Source(away))


def test_a_provider_that_is_away_is_asked_a_few_times_only() -> None:
    def away(query: str, at: float) -> QueryResult:
        return Failure("Timeout", "no answer within 3s")

    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        for number_ in range(1000):
            signals.watch(key(f"p{number_}"), DEFAULT, [want("a", f"q{number_}")])
        await asyncio.sleep(60)
        assert GIVE_UP_AFTER <= len(source.asked) <= 2 * GIVE_UP_AFTER
        assert len(told) == 1000

    play(story, Source(away, takes=3.0))


def test_few_queries_are_under_way_at_once() -> None:
    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        for number_ in range(100):
            signals.watch(key(f"p{number_}"), DEFAULT, [want("a", f"q{number_}")])
        await asyncio.sleep(60)
        assert (len(source.asked), source.most) == (100, 4)

    play(story, Source(takes=0.1))


def test_a_slow_provider_delays_nobody_else() -> None:
    slow, quick = Source(takes=600.0), Source()

    async def run() -> None:
        signals = Signals(lambda one: quick if one == DEFAULT else slow, lambda key, urgent: None, LoopClock())
        signals.watch(key("a"), OTHER, [want()])
        signals.watch(key("b"), DEFAULT, [want()])
        await asyncio.sleep(60)
        assert signals.watch(key("b"), DEFAULT, [want()])
        assert not signals.watch(key("a"), OTHER, [want()])
        await signals.close()

    run_jumping(run())
    assert (slow.closed, quick.closed) == (1, 1)


def test_nothing_is_asked_for_who_is_forgotten() -> None:
    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        signals.watch(key("a"), DEFAULT, [want(), want("drift", "d")])
        await asyncio.sleep(60)
        signals.watch(key("a"), DEFAULT, [want()])
        await asyncio.sleep(HOUR)
        assert Counter(query for _, query in source.asked) == {"q": 2, "d": 1}
        signals.forget(key("a"))
        signals.forget(key("a"))
        await asyncio.sleep(10 * HOUR)
        assert (len(source.asked), source.closed, signals.active, signals.next_at(key("a"))) == (3, 1, 0, None)
        signals.watch(key("a"), DEFAULT, [want()])
        await asyncio.sleep(60)
        assert len(source.asked) == 4

    play(story)


def test_another_query_or_provider_is_asked_at_once() -> None:
    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        signals.watch(key("a"), DEFAULT, [want()])
        await asyncio.sleep(60)
        assert signals.watch(key("a"), DEFAULT, [want(query="other")]) == {}
        await asyncio.sleep(60)
        signals.watch(key("a"), OTHER, [want(query="other")])
        await asyncio.sleep(60)
        assert [query for _, query in source.asked] == ["q", "other", "other"]

    play(story)


def test_a_wall_clock_that_jumps_makes_no_window_count_twice() -> None:
    jumps = [timedelta(0)]

    class Jumping(LoopClock):
        def now(self) -> datetime:
            return super().now() + jumps[-1]

    source = Source()

    async def run() -> None:
        signals = Signals(lambda provider: source, lambda key, urgent: None, Jumping())
        for hours in (0, 5, -3, 1000, 2):
            jumps.append(timedelta(hours=hours))
            signals.watch(key("a"), DEFAULT, [want(due=START + jumps[-1])])
            await asyncio.sleep(60)
        assert len(source.asked) == 1
        await signals.close()

    run_jumping(run())


def test_a_window_that_is_not_new_is_asked_for_again_without_a_word() -> None:
    def stuck(query: str, at: float) -> QueryResult:
        return number(START.timestamp() if query == "end" else 0.5, at)

    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        signals.watch(key("a"), DEFAULT, [want(window_end="end")])
        await asyncio.sleep(24 * HOUR)
        assert told["a"] == 1

    play(story, Source(stuck))


POLICY = spec(
    {
        "name": "quality",
        "metric": METRIC
        | {
            "query": 'model_quality{version="{{revision}}"}',
            "labelDelay": "24h",
            "compareOffset": "168h",
            "minLabelCoverage": {"query": "model_label_coverage_ratio", "value": "80%"},
            "windowEnd": "model_window_end",
        },
    },
    {"name": "drift", "metric": DRIFT | {"query": "max(model_drift_score)"}},
    {"name": "new", "newData": {"query": 'rows_total{table="x"}', "minNewRows": 1}},
    {"name": "nightly", "schedule": {"cron": "0 3 * * *"}},
)


def wants_of(policy: Any, revision: str | None = "fraud-1a2b3c4d") -> tuple[tuple[Want, ...], dict[str, Any]]:
    wants, problems = build_wants(policy, "ml", revision, next_look(policy, (), START), START)
    return wants, dict(problems)


def test_queries_are_confined_and_asked_of_the_time_that_labels_take() -> None:
    (quality, drift, new), problems = wants_of(POLICY)
    assert problems == {}
    assert quality.value == 'model_quality{version="fraud-1a2b3c4d",namespace="ml"} offset 86400s'
    assert quality.before == 'model_quality{version="fraud-1a2b3c4d",namespace="ml"} offset 691200s'
    assert quality.coverage == 'model_label_coverage_ratio{namespace="ml"} offset 86400s'
    assert quality.window_end == 'model_window_end{namespace="ml"} offset 86400s'
    assert (drift.value, drift.samples) == ('max(model_drift_score{namespace="ml"})', 'rows{namespace="ml"}')
    assert (new.value, new.period) == ('rows_total{table="x",namespace="ml"}', timedelta(minutes=15))
    assert 'version="fraud-none"' in wants_of(POLICY, None)[0][0].value


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ('model_quality{namespace="other"}', "leave out the matcher on namespace, the operator itself adds"),
        ("vector(1)", "vector() is not allowed"),
        ("sum(", "cannot be read"),
        ("model_quality < 0.9", "a comparison has no value where it does not hold"),
        ("avg_over_time(x[30d])", "at most 168h"),
    ],
)
def test_a_query_that_may_not_be_asked_is_unknown_and_says_why(query: str, says: str) -> None:
    policy = spec({"name": "quality", "metric": METRIC | {"query": query}})
    wants, problems = wants_of(policy)
    assert wants == ()
    value = problems["quality"].value
    assert isinstance(value, Unknown)
    assert (value.reason, says in value.message) == (reasons.INVALID_QUERY, True)
    ((field, message),) = list_query_problems(policy)
    assert (field, says in message) == ("spec.triggers[0].metric.query", True)


def test_the_pod_may_be_chosen_and_windows_may_be_long() -> None:
    policy = spec({"name": "quality", "metric": METRIC | {"query": 'avg_over_time(x{pod=~"monitor-.*"}[24h])'}})
    assert wants_of(policy)[0][0].value == 'avg_over_time(x{pod=~"monitor-.*",namespace="ml"}[86400s])'


def test_readings_of_answers() -> None:
    at = START.timestamp()
    asked = want(samples="n", delay=timedelta(hours=24))
    reading = build_reading(asked, {"q": number(0.9, at), "n": number(700, at)}, START)
    assert (reading.value, reading.samples, reading.at) == (0.9, 700.0, START)
    assert reading.window_end == START - timedelta(hours=24)
    many = Answer((Series({"v": "1"}, (Sample(at, 1),)), Series({"v": "2"}, (Sample(at, 2),))))
    value = build_reading(asked, {"q": many, "n": many}, START).value
    assert isinstance(value, Unknown)
    assert (value.reason, "2 values where one is meant" in value.message) == ("InvalidQuery", True)
    nothing = build_reading(asked, {"q": Answer(()), "n": number(7, at)}, START).value
    assert isinstance(nothing, Unknown)
    assert nothing.reason == "NoData"
    ends = want(window_end="e")
    milliseconds = build_reading(ends, {"q": number(1, at), "e": number(at * 1000, at)}, START).value
    assert isinstance(milliseconds, Unknown)
    assert "it must be a Unix time in seconds" in milliseconds.message
    assert build_reading(ends, {"q": number(1, at), "e": number(at - 60, at)}, START).window_end == START - timedelta(
        minutes=1
    )


async def test_a_real_source_asks_a_server() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        query = request.query["query"]
        value = "0.42" if query.startswith("model_quality") else "not a number"
        return await success([{"metric": {}, "value": [1764000000.0, value]}])

    fake = FakePrometheus()
    fake.handler = handle
    async with fake.running() as server:
        told = asyncio.Event()
        provider = Provider("default", server.url, 1.0, 20.0)
        from serinus.engine.clock import SystemClock

        signals = Signals(
            lambda one: PrometheusSource(one.address, timeout=one.timeout),
            lambda key, urgent: told.set(),
            SystemClock(),
        )
        wants = [
            want("good", 'model_quality{namespace="ml"}', 1.0),
            want("bad", 'model_drift{namespace="ml"}', 1.0),
        ]
        signals.watch(key("a"), provider, wants)
        async with asyncio.timeout(60):
            while len(found := signals.watch(key("a"), provider, wants)) < len(wants):
                told.clear()
                await told.wait()
        assert found["good"].value == 0.42
        assert isinstance(found["bad"].value, Unknown)
        assert found["bad"].value.reason == "InvalidAnswer"
        await signals.close()
    assert {request.path for request in fake.requests} == {"/api/v1/query"}


def test_a_window_of_a_millisecond_is_looked_at_once_a_scrape() -> None:
    async def story(signals: Signals, source: Source, told: Counter[str]) -> None:
        for _ in range(600):
            signals.watch(key("greedy"), DEFAULT, [want(period=0.001)])
            await asyncio.sleep(0.1)
        assert told["greedy"] == len(source.asked)

    source = play(story)
    assert 3 <= len(source.asked) <= 5
    assert all(later - before >= DEFAULT.interval for (before, _), (later, _) in pairwise(source.asked))
