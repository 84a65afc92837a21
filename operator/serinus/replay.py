"""`python -m serinus judge replay`: the judge over the past of a Prometheus, for a pair of counters.

It drives the very code that judges releases, so that people can see what it would have said of a release they know.
Reads metrics, writes nothing but lines of text."""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serinus.api.meta import parse_duration, parse_ratio
from serinus.core.counters import BAD, TOTAL, Point
from serinus.core.judge import Verdict
from serinus.core.metric import Metric
from serinus.core.snapshot import Judgement
from serinus.core.trial import Reading, SignalReading, Trial, observe_history, observe_reading, open_trial
from serinus.core.verdict import judge_trial
from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Access, Answer, MetricSource, Series

SIGNAL = "counters"
CHUNK = timedelta(hours=1)
"""Time that one query covers: servers limit how much an answer holds."""


@dataclass(frozen=True)
class Replay:
    """What is replayed. `total` and `bad` are selectors, `candidate` and `stable` matchers that are added to them."""

    address: str
    total: str
    bad: str
    candidate: str
    stable: str
    start: datetime
    end: datetime
    step: timedelta
    history: timedelta
    max_regression: float
    false_alarm: float
    min_requests: int
    unit: str


class ReplayError(Exception):
    """The past cannot be read; the message says why."""


Frames = Mapping[float, Sequence[Point]]
"""Points by time of the look (Unix seconds)."""


async def fetch_frames(source: MetricSource, replay: Replay, matchers: str, start: datetime, end: datetime) -> Frames:
    """The looks at one side between two moments. Raises ReplayError where the server does not answer as it should."""
    frames: dict[float, list[Point]] = {}
    for selector, keys in ((replay.total, (TOTAL,)), (replay.bad, (BAD,))):
        query = join_matchers(selector, matchers)
        begin = start
        while begin < end:
            until = min(begin + CHUNK, end)
            result = await source.fetch_history(query, begin, until, replay.step.total_seconds())
            if not isinstance(result, Answer):
                raise ReplayError(f"{query}: {result.reason}: {result.message}")
            for series in result.series:
                for point in build_points(series, keys, replay.unit):
                    frames.setdefault(point.at, []).append(point)
            begin = until + replay.step
    return frames


def build_points(series: Series, keys: tuple[str, ...], unit: str) -> Iterator[Point]:
    """One point for each sample of a series."""
    labels = series.labels
    identity = "\x00".join(f"{k}={v}" for k, v in sorted(labels.items())) + "\x00" + keys[0]
    pod = labels.get(unit, labels.get("instance", ""))
    for sample in series.samples:
        yield Point(identity, pod, labels.get("instance", ""), sample.value, sample.timestamp, keys)


def join_matchers(selector: str, matchers: str) -> str:
    """Add matchers to a plain selector: `a{b="c"}` and `d="e"` make `a{b="c",d="e"}`."""
    selector = selector.strip()
    if not selector.endswith("}"):
        return f"{selector}{{{matchers}}}"
    head = selector[:-1].rstrip().rstrip(",")
    return f"{head}{matchers}}}" if head.endswith("{") else f"{head},{matchers}}}"


def judge_past(replay: Replay, past: Frames, candidate: Frames, stable: Frames) -> Iterator[tuple[datetime, Judgement]]:
    """The judge's word at every look, as it would have been given then."""
    metric = Metric("errors", "ratio", SIGNAL, margin=replay.max_regression, needed=replay.min_requests)
    seconds = replay.step.total_seconds()
    trial = Trial(
        candidate="candidate",
        stable="stable",
        started_at=replay.start,
        weight=50,
        step=1,
        step_started_at=replay.start,
        metrics=(metric,),
        min_requests=replay.min_requests,
        interval_seconds=seconds,
        measured_at=replay.address,
        false_alarm=replay.false_alarm,
        traffic_signal=None,
    )
    state = observe_history(open_trial(()), trial, SIGNAL, [past[at] for at in sorted(past)], seconds)
    for at in sorted({*candidate, *stable}):
        mine, other = candidate.get(at, ()), stable.get(at, ())
        sources = frozenset(point.source for point in (*mine, *other))
        now = datetime.fromtimestamp(at, UTC)
        state = observe_reading(state, trial, Reading({SIGNAL: SignalReading(mine, other, sources)}, now, at))
        yield now, judge_trial(state, trial)


async def run_replay(source: MetricSource, replay: Replay, *, as_json: bool, out: "Printer") -> int:
    """Replay and print; 0 where the candidate would have been left alone, 3 where it would have been rolled back."""
    before = await fetch_frames(source, replay, replay.stable, replay.start - replay.history, replay.start)
    candidate = await fetch_frames(source, replay, replay.candidate, replay.start, replay.end)
    stable = await fetch_frames(source, replay, replay.stable, replay.start, replay.end)
    if not candidate or not stable:
        missing = "candidate" if not candidate else "stable"
        raise ReplayError(f"there is no sample of {missing} between {replay.start} and {replay.end}")
    last: Verdict | None = None
    for at, judgement in judge_past(replay, before, candidate, stable):
        if as_json:
            out.print(json.dumps(describe(at, judgement)))
        elif judgement.verdict is not last:
            out.print(f"{at:%Y-%m-%d %H:%M:%SZ}  {judgement.verdict.value:17}  {judgement.message}")
        last = judgement.verdict
        if judgement.verdict is Verdict.BAD:
            out.print(
                f"would have rolled back at {at:%H:%M:%SZ}, {(at - replay.start).total_seconds():.0f}s after start"
            )
            return 3
    out.print(f"would have been left alone; at the end: {last.value if last else 'nothing was measured'}")
    return 0


def describe(at: datetime, judgement: Judgement) -> dict[str, object]:
    """One look as a JSON object."""
    figure = judgement.figures[0]
    return {
        "at": at.isoformat(),
        "verdict": judgement.verdict.value,
        "candidate": figure.candidate,
        "stable": figure.stable,
        "requests": figure.samples,
        "evidence": math.exp(min(figure.log_evidence, 700.0)),
        "threshold": math.exp(figure.log_threshold),
        "message": judgement.message,
    }


class Printer:
    """Standard output, replaceable in tests."""

    def print(self, text: str) -> None:
        print(text)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m serinus judge")
    replay = parser.add_subparsers(dest="command", required=True).add_parser(
        "replay", help="run the judge over the past of a Prometheus", description=__doc__
    )
    add = replay.add_argument
    add("--address", required=True, help="address of the Prometheus, such as http://localhost:9090")
    add("--total", required=True, help="selector of the counter of all requests, without rate()")
    add("--bad", required=True, help="selector of the counter of those among them that failed")
    add("--candidate", required=True, help="""matchers that choose the candidate, such as 'pod=~"fraud-7c9d.+"'""")
    add("--stable", required=True, help="matchers that choose stable")
    add("--start", required=True, type=_moment, help="when the release began, such as 2026-11-24T10:00:00Z")
    add("--end", required=True, type=_moment, help="when it ended")
    add("--step", default="15s", type=parse_duration, help="the scrape interval (default 15s)")
    add("--history", default="1h", type=parse_duration, help="how far back stable is learnt from (default 1h)")
    add("--max-regression", default=1.2, type=float, help="regression that is allowed, a factor (default 1.2)")
    add("--false-alarm", default="1%", type=parse_ratio, help="chance to roll back a good release (default 1%%)")
    add("--min-requests", default=0, type=int, help="requests that make the candidate known (default 0)")
    add("--unit", default="pod", help="label that tells pods apart (default pod)")
    add("--token-file", type=Path, help="file with a bearer token")
    add("--json", action="store_true", help="print every look as a line of JSON")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 left alone, 3 rolled back, 2 wrong arguments, 1 the past cannot be read."""
    given = build_parser().parse_args(arguments)
    fields = {name: getattr(given, name) for name in Replay.__dataclass_fields__}
    replay = Replay(**fields)
    if replay.end <= replay.start:
        print("serinus: --end must be later than --start", file=sys.stderr)
        return 2
    token = given.token_file

    async def read_token(renew: bool) -> Access:
        return Access(token.read_text().strip() if token else None)

    async def run() -> int:
        source = PrometheusSource(replay.address, timeout=30.0, access=read_token)
        try:
            return await run_replay(source, replay, as_json=given.json, out=Printer())
        finally:
            source.close()

    try:
        return asyncio.run(run())
    except ReplayError as error:
        print(f"serinus: {error}", file=sys.stderr)
        return 1


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone: add Z for UTC")
    return moment
