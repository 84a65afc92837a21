"""Quantiles: the smallest time that at least so many kept to; a failed request took for ever."""

import threading
from pathlib import Path
from typing import Any

import pytest

from examples.checks.serinus_checks.answers import Failure
from examples.checks.serinus_checks.client import ModelClient
from examples.checks.serinus_checks.latency import summarise
from examples.checks.serinus_checks.settings import read_config
from tests.checks.bench import SAMPLE, check
from tests.checks.conftest import Serve
from tests.checks.models import RefusedError, answer_always, build_json_model

ROWS = [{"x": 1, "y": 1}, {"x": 0, "y": 0}]
FAILED = Failure(500, "no")


def known(times: list[float | Failure]) -> dict[str, float]:
    return {name: one.value for name, one in summarise(times).items() if one.value is not None}


def test_quantiles_are_times_that_were_seen() -> None:
    times: list[float | Failure] = [i / 100 for i in range(100, 0, -1)]
    assert known(times) == {"p50": 0.5, "p95": 0.95, "p99": 0.99, "errors": 0}


@pytest.mark.parametrize(("count", "names"), [(1, {"errors"}), (19, {"p50", "errors"}), (20, {"p50", "p95", "errors"})])
def test_a_quantile_needs_enough_requests(count: int, names: set[str]) -> None:
    assert known([0.1] * count).keys() == names


def test_a_failed_request_does_not_make_the_model_faster() -> None:
    assert known([*[0.1] * 97, *[FAILED] * 3]) == {"p50": 0.1, "p95": 0.1, "errors": 3}
    assert known([*[0.1] * 49, *[FAILED] * 51]) == {"errors": 51}


def test_warm_up_is_not_measured_and_concurrency_is_real(serve: Serve, tmp_path: Path) -> None:
    """Four requests wait for one another: with fewer at once the barrier would break, and its requests fail."""
    barrier, asked = threading.Barrier(4, timeout=60), []

    def answer(row: Any) -> Any:
        asked.append(row)
        barrier.wait()
        return row["x"]

    one = {"kind": "Latency", "requests": 20, "warmup": 4, "concurrency": [4]}
    run = check(tmp_path, serve(build_json_model(answer)), [one], ROWS, {})
    assert run.code == 0
    assert run.values.keys() == {"c_c4_p50", "c_c4_p95", "c_c4_errors"}
    assert run.values["c_c4_errors"] == 0
    assert len(asked) == 24
    assert run.find("c_c4_p99 is left out: 20 requests; at least 100 are needed")


def test_errors_are_counted_and_shown(serve: Serve, tmp_path: Path) -> None:
    def answer(row: Any) -> Any:
        if row["x"] == 0:
            raise RefusedError(500)
        return 1

    one = {"kind": "Latency", "requests": 10, "warmup": 0}
    run = check(tmp_path, serve(build_json_model(answer)), [one], ROWS, {})
    assert run.values["c_errors"] == 5
    assert "c_p50" in run.values
    assert run.find("HTTP 500")


def test_the_time_is_that_of_the_request(serve: Serve) -> None:
    ticks = iter([10.0, 10.25])
    config = read_config(SAMPLE / "checks.yaml")
    said = {"outputs": [{"name": "label", "data": [1]}, {"name": "score", "data": [0.9]}]}
    with ModelClient(serve(answer_always(200, said)), config, clock=lambda: next(ticks)) as model:
        assert model.time_one({"amount": 1.0, "hour": 1, "country": "FR"}) == 0.25
