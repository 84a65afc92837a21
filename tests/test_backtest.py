"""A policy over the past, as the command runs it: with a fake past, and with a real Prometheus that has one."""

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus import backtest as command
from serinus.backtest import BacktestError, describe, read_policy, render, run_backtest
from serinus.core.retrain.backtest import Assumed
from serinus.metrics.source import Answer, Failure, QueryResult, Sample, Series
from serinus.replay import Printer
from tests.api.cases import load_example
from tests.cluster import bootstrap
from tests.core.retrain.world import METRIC, TEMPLATE

END = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
START = END - timedelta(days=10)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Lines(Printer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, text: str) -> None:
        self.lines.append(text)


Shape = Callable[[str, datetime], list[float]]


class Past:
    """Answers range queries from a function of query and time."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.asked: list[tuple[str, datetime, datetime]] = []

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        self.asked.append((query, start, end))
        series: dict[int, list[Sample]] = {}
        at = start
        while at <= end:
            for number, value in enumerate(self.shape(query, at)):
                series.setdefault(number, []).append(Sample(at.timestamp(), value))
            at += timedelta(seconds=step)
        return Answer(tuple(Series({"n": str(n)}, tuple(samples)) for n, samples in series.items()))

    async def fetch_series(self, query: str) -> QueryResult:
        raise NotImplementedError

    async def fetch_instant(self, query: str) -> QueryResult:
        raise NotImplementedError

    def close(self) -> None:
        return None


def manifest(**more: Any) -> dict[str, Any]:
    spec = {
        "modelDeploymentRef": {"name": "fraud"},
        "template": {**TEMPLATE, "spec": {"template": {"spec": {"restartPolicy": "Never", **pod()}}}},
        "activeDeadline": "4h",
        "triggers": [{"name": "quality", "metric": METRIC}],
    }
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "RetrainPolicy",
        "metadata": {"name": "fraud", "namespace": "ml"},
        "spec": spec | more,
    }


def pod() -> dict[str, Any]:
    return {"containers": [{"name": "t", "image": "t:1", "resources": {"limits": {"nvidia.com/gpu": 2}}}]}


async def replayed(shape: Shape, assumed: Assumed | None = None, **more: Any) -> dict[str, Any]:
    policy = read_policy(yaml.safe_dump(manifest(**more)), None)
    assumed = assumed or Assumed(4 * HOUR, accelerators=2)
    found = await run_backtest(Past(shape), policy, START, END, assumed=assumed, step=None)
    return describe(policy, found, START, END, assumed)


def fell(query: str, at: datetime) -> list[float]:
    """Bad from the third day on, well again from the sixth."""
    return [0.8 if START + 3 * DAY <= at < START + 6 * DAY else 0.95]


def times(told: dict[str, Any], what: str) -> list[datetime]:
    return [datetime.fromisoformat(one["at"]) for one in told["happenings"] if one["what"] == what]


async def test_a_degradation_of_the_past_would_have_been_trained_for_once() -> None:
    told = await replayed(fell)
    assert times(told, "Fired") == times(told, "Started") == [START + 3 * DAY + HOUR]
    assert times(told, "Ended") == [START + 3 * DAY + 5 * HOUR]
    assert times(told, "Cleared") == [START + 6 * DAY + HOUR]
    assert (told["runs"], told["acceleratorHours"]) == (1, 8.0)
    (trigger,) = told["triggers"]
    assert (trigger["looks"], trigger["known"], trigger["unknown"]) == (241, 240, {"Warmup": 1})


async def test_runs_that_fail_come_again_and_again_until_the_budget_is_spent() -> None:
    budget = {"maxAcceleratorHours": 20, "window": "168h"}
    told = await replayed(fell, Assumed(4 * HOUR, succeeds=False, accelerators=2), budget=budget)
    assert (told["runs"], told["acceleratorHours"]) == (2, 16.0)
    assert (
        told["held"] == {"Cooldown": 2, "ConcurrencyForbid": 2, "BudgetExhausted": 1} or told["held"]["Cooldown"] >= 1
    )
    assert told["held"] == {"Cooldown": 2, "BudgetExhausted": 1}


async def test_history_that_is_missing_is_said_and_not_guessed() -> None:
    def late(query: str, at: datetime) -> list[float]:
        return [0.8] if at >= END - 5 * HOUR else []

    told = await replayed(late)
    (trigger,) = told["triggers"]
    assert (trigger["looks"], trigger["known"]) == (241, 5)
    assert trigger["knownSince"] == "2026-11-23T19:00:00.000Z"
    assert trigger["unknown"] == {"NoData": 235, "Warmup": 1}
    says = "5 of 241 looks, from 2026-11-23T19:00:00.000Z on (NoData 235, Warmup 1)"
    assert any(says in line for line in render(told))
    nothing = await replayed(lambda query, at: [])
    assert nothing["runs"] == 0
    assert any("NOT TESTED, there is no history of it" in line for line in render(nothing))


async def test_what_cannot_be_one_number_is_unknown_in_the_past_too() -> None:
    told = await replayed(lambda query, at: [0.8, 0.7] if at < END - 5 * DAY else [math.nan])
    (trigger,) = told["triggers"]
    assert (told["runs"], trigger["known"]) == (0, 0)
    assert trigger["unknown"] == {"InvalidQuery": 120, "NotANumber": 121}


async def test_calendars_and_blackouts_are_replayed_and_events_are_left_out() -> None:
    told = await replayed(
        lambda query, at: [0.95],
        triggers=[
            {"name": "nightly", "schedule": {"cron": "0 3 * * *"}},
            {"name": "told", "event": {"type": "t"}},
            {"name": "quality", "metric": METRIC},
        ],
        blackouts=[{"cron": "0 0 * * 6", "duration": "48h"}],
        cooldown={"afterSuccess": "1h"},
    )
    assert told["schedules"] == {"nightly": 8}, "Saturday's and Sunday's are one, at the end of the blackout"
    assert told["leftOut"] == ["told"]
    held = {"Blackout": 2, "ConcurrencyForbid": 2}
    assert (told["runs"], told["held"]) == (6, held), "Monday's comes while the run that had waited is under way"


async def test_long_histories_are_fetched_in_parts() -> None:
    policy = read_policy(
        yaml.safe_dump(manifest(triggers=[{"name": "quality", "metric": METRIC | {"window": "1m"}}])), None
    )
    past = Past(fell)
    found = await run_backtest(past, policy, START, END, assumed=Assumed(HOUR), step=None)
    assert found.coverage["quality"].looks == 14_401
    assert len(past.asked) == 3
    assert {query for query, _, _ in past.asked} == {'model_quality{namespace="ml"}'}
    assert found.count("Fired") == {"quality": 1}


async def test_the_worked_example_can_be_replayed() -> None:
    policy = read_policy(yaml.safe_dump(load_example("retrainpolicy")), None)

    def shape(query: str, at: datetime) -> list[float]:
        if "samples" in query:
            return [5000.0]
        return [0.5] if "drift" in query else fell(query, at) if "quality" in query else [1e6]

    assumed = Assumed(4 * HOUR)
    found = await run_backtest(Past(shape), policy, START, END, assumed=assumed, step=None)
    fired = found.count("Fired")
    assert (fired["drift"], fired["accuracy"], fired["weekly"]) == (1, 1, 2)
    assert found.runs


async def test_a_server_that_does_not_answer_is_an_error() -> None:
    class Gone(Past):
        async def fetch_history(self, *_: object) -> QueryResult:
            return Failure("Unreachable", "connection refused")

    policy = read_policy(yaml.safe_dump(manifest()), None)
    with pytest.raises(BacktestError, match="connection refused"):
        await run_backtest(Gone(fell), policy, START, END, assumed=Assumed(HOUR), step=None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "no YAML"),
        ("kind: Job", "must have one RetrainPolicy, not 0"),
        (yaml.safe_dump_all([manifest(), manifest()]), "not 2"),
        (yaml.safe_dump(manifest(activeDeadline="soon")), "spec.activeDeadline"),
        (
            yaml.safe_dump(manifest(triggers=[{"name": "q", "metric": METRIC | {"query": "vector(1)"}}])),
            "spec.triggers[0].metric.query: vector() is not allowed",
        ),
        (yaml.safe_dump(manifest() | {"metadata": {"name": "fraud"}}), "metadata.namespace is missing"),
    ],
)
def test_a_file_that_is_no_policy_says_what_is_wrong(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    assert command.main(["backtest", "-f", str(file), "--prometheus", "http://127.0.0.1:1"]) == 2
    assert says in capsys.readouterr().err


def test_arguments_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(manifest()))
    given = ["backtest", "-f", str(file), "--prometheus", "http://127.0.0.1:1"]
    assert command.main([*given, "--days", "0"]) == 2
    assert command.main([*given, "--timeout", "1s"]) == 1
    assert "Unreachable" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main([*given, "--end", "2026-11-24T00:00:00"])


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """A Prometheus whose last ten days hold a degradation of three, in the namespace ml and for an hour in another."""
    if shutil.which("prometheus") is None:
        bootstrap.install_packages()
    lines = ["# TYPE model_quality gauge"]
    at = START
    while at <= END:
        (value,) = fell("", at)
        lines.append(f'model_quality{{namespace="ml",metric="f1"}} {value} {at.timestamp():.0f}')
        at += timedelta(minutes=4)
    lines += [f'model_quality{{namespace="other",metric="f1"}} 0.1 {START.timestamp():.0f}', "# EOF", ""]
    (tmp_path / "past").write_text("\n".join(lines))
    create = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "past"), str(tmp_path / "data")]
    subprocess.run(create, check=True, capture_output=True)
    (tmp_path / "prometheus.yml").write_text("{}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    start = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    start += [f"--web.listen-address={address}", "--storage.tsdb.retention.time=10y"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(start, stdout=log, stderr=log)
    try:
        _await_ready(f"http://{address}/-/ready", process, tmp_path / "log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"Prometheus does not start:\n{log.read_text()[-2000:]}")


@pytest.mark.cluster
def test_a_real_prometheus_is_replayed(prometheus: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(manifest()))
    given = ["backtest", "-f", str(file), "--prometheus", prometheus, "--end", "2026-11-24T00:00:00Z", "--days", "12"]
    out = Lines()
    assert command.main([*given, "--json"], out) == 0
    told = json.loads(out.lines[0])
    assert times(told, "Started") == [START + 3 * DAY + HOUR]
    assert times(told, "Cleared") == [START + 6 * DAY + HOUR]
    (trigger,) = told["triggers"]
    assert (trigger["looks"], trigger["known"]) == (289, 240)
    assert trigger["unknown"] == {"NoData": 48, "Warmup": 1}
    table = Lines()
    assert command.main(given, table) == 0
    assert "runs: 1, 8 accelerator-hours (2 accelerators for 4h each, every run Succeeded)" in table.lines
