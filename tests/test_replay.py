"""The judge over the past, as the command runs it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from serinus import replay as command
from serinus.metrics.source import Answer, Failure, QueryResult, Sample, Series
from serinus.replay import Printer, Replay, ReplayError, build_parser, join_matchers, run_replay

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
REPLAY = Replay(
    address="http://prometheus:9090",
    total="http_requests_total",
    bad='http_requests_total{status=~"5.."}',
    candidate='pod=~"new-.+"',
    stable='pod=~"old-.+"',
    start=START,
    end=START + timedelta(minutes=20),
    step=timedelta(seconds=15),
    history=timedelta(hours=1),
    max_regression=1.2,
    false_alarm=0.01,
    min_requests=0,
    unit="pod",
)


class Lines(Printer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, text: str) -> None:
        self.lines.append(text)


class Past:
    """Counters that grow by 10 requests a second and pod; the candidate fails a share of them since `START`."""

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self.queries: list[str] = []

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        self.queries.append(query)
        new = "new-" in query
        born = START if new else START - timedelta(hours=5)
        rate = 10.0 * ((self.ratio if new else 0.005) if "5.." in query else 1.0)
        samples, at = [], start
        while at <= end:
            if at >= born:
                samples.append(Sample(at.timestamp(), float(int(rate * (at - born).total_seconds()))))
            at += timedelta(seconds=step)
        pods = ["new-1"] if new else ["old-1", "old-2", "old-3"]
        return Answer(tuple(Series({"pod": pod, "instance": pod}, tuple(samples)) for pod in pods if samples))

    async def fetch_series(self, query: str) -> QueryResult:
        raise NotImplementedError

    async def fetch_instant(self, query: str) -> QueryResult:
        raise NotImplementedError

    def close(self) -> None:
        return None


async def test_a_bad_release_of_the_past_would_have_been_taken_back_early() -> None:
    out = Lines()
    assert await run_replay(Past(0.2), REPLAY, as_json=False, out=out) == 3
    assert out.lines[-1].startswith("would have rolled back at 10:00:")
    assert "errors 20.0% on candidate" in out.lines[-2]


async def test_a_good_one_would_have_been_left_alone() -> None:
    out, past = Lines(), Past(0.005)
    assert await run_replay(past, REPLAY, as_json=False, out=out) == 0
    assert out.lines[-1] == "would have been left alone; at the end: Good"
    assert past.queries[0] == 'http_requests_total{pod=~"old-.+"}', "stable's past comes first"


async def test_every_look_can_be_had_as_json() -> None:
    out = Lines()
    await run_replay(Past(0.005), REPLAY, as_json=True, out=out)
    looks = [json.loads(line) for line in out.lines[:-1]]
    assert len(looks) == 81
    assert looks[-1]["requests"] == 12_000
    assert looks[-1]["threshold"] == pytest.approx(100)


async def test_what_cannot_be_read_is_said() -> None:
    class Gone(Past):
        async def fetch_history(self, *_: object) -> QueryResult:
            return Failure("Unreachable", "connection refused")

    with pytest.raises(ReplayError, match="connection refused"):
        await run_replay(Gone(0), REPLAY, as_json=False, out=Lines())
    early = replace(REPLAY, start=START - timedelta(hours=3), end=START - timedelta(hours=2))
    with pytest.raises(ReplayError, match="no sample of candidate"):
        await run_replay(Past(0), early, as_json=False, out=Lines())


def test_matchers_are_added_to_a_selector() -> None:
    assert join_matchers("a", 'b="c"') == 'a{b="c"}'
    assert join_matchers('a{b="c",}', 'd="e"') == 'a{b="c",d="e"}'
    assert join_matchers("a{}", 'd="e"') == 'a{d="e"}'


def test_arguments_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    common = ["replay", "--address", "http://x", "--total", "t", "--bad", "b", "--candidate", "c", "--stable", "s"]
    given = build_parser().parse_args([*common, "--start", "2026-11-24T10:00:00Z", "--end", "2026-11-24T11:00:00Z"])
    assert given.start == START
    assert command.main([*common, "--start", "2026-11-24T11:00:00Z", "--end", "2026-11-24T10:00:00Z"]) == 2
    assert "--end must be later" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build_parser().parse_args([*common, "--start", "2026-11-24T10:00:00", "--end", "2026-11-24T11:00:00Z"])
    assert "no time zone" in capsys.readouterr().err
