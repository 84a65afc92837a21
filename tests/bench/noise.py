"""A/A on real noise: equal model servers under real requests, each in turn the candidate of a trial against the others.

    python -m tests.bench.noise --seconds 600

Latencies are those of real processes on this machine, with whatever else it is doing: they hang together in time and
over servers as no simulation makes them. The servers' own expositions are read every second through the profile of
plain HTTP servers, and every server is judged by the operator's own code, in a new trial every minute. None of them is
worse than another, so every rollback is a false one. Needs no cluster."""

import argparse
import asyncio
import os
import socket
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from serinus.core.judge import Verdict
from serinus.core.metric import Metric
from serinus.core.trial import Reading, SignalReading, Trial, TrialState, observe_reading
from serinus.core.verdict import judge_trial
from serinus.metrics.profiles import RUNTIMES, Target, attribute_points
from serinus.metrics.source import Sample, Series
from tests.bench.figures import Figure, publish

NAME = "noise"
SERVERS = 8
RATE = 20.0
"""Requests/s to each server."""
TRIAL_SECONDS = 60
SERVER = Path(__file__).parents[1] / "support" / "model_server.py"
SETTINGS = {"MODEL_VERSION": "v1", "DELAY": "0.02", "FAULT_RATIO": "0.01", "HOST": "127.0.0.1"}
TARGET = Target("noise", "same", "noise")
METRICS = (
    Metric("errors", "ratio", "Errors", 0.45, 1.2, needed=50),
    Metric("latency", "latency", "Latency", 0.45, 1.2, needed=50),
)


async def main(seconds: float) -> list[Figure]:
    """The share of trials that were rolled back, and how many there were."""
    async with AsyncExitStack() as stack:
        ports = [await _start(stack) for _ in range(SERVERS)]
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await asyncio.gather(*(_await_answer(session, port) for port in ports))
        end = time.monotonic() + seconds
        requests = [asyncio.create_task(_send_requests(session, port, end)) for port in ports]
        outcomes = await _judge(session, ports, end)
        await asyncio.gather(*requests)
    rolled_back = sum(outcome is Verdict.BAD for outcome in outcomes)
    return [
        Figure("trials of one server against seven like it", len(outcomes), "trials"),
        Figure("rolled back", 100 * rolled_back / max(len(outcomes), 1), "%", 1.0),
    ]


async def _start(stack: AsyncExitStack) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {**os.environ, **SETTINGS, "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(sys.executable, str(SERVER), env=environment)

    async def stop() -> None:
        process.kill()
        await process.wait()

    stack.push_async_callback(stop)
    return port


async def _await_answer(session: aiohttp.ClientSession, port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                await answer.read()
                return
        except aiohttp.ClientError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def _send_requests(session: aiohttp.ClientSession, port: int, end: float) -> None:
    while time.monotonic() < end:
        await asyncio.gather(_send(session, port), asyncio.sleep(1 / RATE))


async def _send(session: aiohttp.ClientSession, port: int) -> None:
    async with session.get(f"http://127.0.0.1:{port}/") as answer:
        await answer.read()


async def _judge(session: aiohttp.ClientSession, ports: list[int], end: float) -> list[Verdict]:
    """Verdicts of all trials: BAD where one was rolled back at any moment."""
    states: list[TrialState] = []
    over: list[Verdict] = []
    bad: set[int] = set()
    began, started = 0.0, datetime.now(UTC)
    while time.monotonic() < end:
        if not states or time.monotonic() - began >= TRIAL_SECONDS:
            over += _close(states, bad)
            began, started = time.monotonic(), datetime.now(UTC)
            states, bad = [TrialState() for _ in ports], set()
        looks = await asyncio.gather(*(_scrape(session, port) for port in ports))
        for number in range(len(ports)):
            trial = _trial(started)
            states[number] = observe_reading(states[number], trial, _reading(looks, number))
            if judge_trial(states[number], trial).verdict is Verdict.BAD:
                bad.add(number)
        await asyncio.sleep(1)
    return [*over, *_close(states, bad)]


def _close(states: list[TrialState], bad: set[int]) -> list[Verdict]:
    return [Verdict.BAD if number in bad else Verdict.GOOD for number in range(len(states))]


def _trial(started: datetime) -> Trial:
    return Trial("candidate", "stable", started, 10, 1, started, METRICS, 50, 1.0, "the pods", traffic_signal=None)


async def _scrape(session: aiohttp.ClientSession, port: int) -> list[Series]:
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text, now = await answer.text(), time.time()
    own = {"namespace": TARGET.namespace, "pod": f"{TARGET.revision}-{port}-x", "instance": f"127.0.0.1:{port}"}
    return [
        Series({"__name__": sample.name, **sample.labels, **own}, (Sample(now, sample.value),))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def _reading(looks: list[list[Series]], candidate: int) -> Reading:
    others = [series for number, look in enumerate(looks) if number != candidate for series in look]
    signals = {}
    for signal in ("Errors", "Latency"):
        mine, stable = (
            attribute_points(RUNTIMES["HTTP"], {signal}, [TARGET], series)[TARGET, signal]
            for series in (looks[candidate], others)
        )
        signals[signal] = SignalReading(mine, stable, frozenset(point.source for point in (*mine, *stable)))
    return Reading(signals, datetime.now(UTC), time.monotonic())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    title = f"{SERVERS} equal servers, {given.seconds:g} s of real requests, each the candidate of a trial a minute"
    publish(NAME, title, asyncio.run(main(given.seconds)), Console())
