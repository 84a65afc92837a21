"""Whose fault it was: Serinus rejects a candidate, waits for a person or tries again by the exit code alone."""

import socket
from pathlib import Path
from typing import Any

import pytest

from examples.checks.serinus_checks import run as run_module
from tests.checks.bench import JSON, check, go
from tests.checks.conftest import Serve
from tests.checks.models import RefusedError, answer_always, build_json_model

ROWS = [{"x": 1, "y": 1}, {"x": 0, "y": 0}, {"x": 1, "y": 0}]
ACCURACY = {"kind": "Metric", "metric": "accuracy"}
CRITICAL = {"kind": "Critical", "mustPass": True}


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_a_model_that_is_away_is_tried_again(tmp_path: Path) -> None:
    run = check(tmp_path, f"http://127.0.0.1:{closed_port()}", [ACCURACY], ROWS, {})
    assert run.code == 75
    assert "was not answered within 0 s (target.reachableWithinSeconds)" in run.said


def test_a_model_that_is_not_ready_is_tried_again(serve: Serve, tmp_path: Path) -> None:
    run = check(tmp_path, serve(lambda *_: (503, {})), [ACCURACY], ROWS, {})
    assert run.code == 75
    assert "HTTP 503" in run.said


def test_an_overload_in_mid_run_is_tried_again(serve: Serve, tmp_path: Path) -> None:
    run = check(tmp_path, serve(answer_always(503, {"error": "busy"})), [ACCURACY], ROWS, {})
    assert run.code == 75
    assert "POST /predict with 3 rows: HTTP 503" in run.said


def test_one_overload_is_no_reason_to_give_up(serve: Serve, tmp_path: Path) -> None:
    asked: list[str] = []
    model = build_json_model()

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        asked.append(method)
        return (503, {}) if asked.count("POST") == 1 and method == "POST" else model(method, path, body)

    run = check(tmp_path, serve(respond), [ACCURACY], ROWS, {})
    assert run.code == 0
    assert asked == ["GET", "POST", "GET", "POST"]


@pytest.mark.parametrize("status", [302, 401, 404, 405])
def test_a_wrong_address_is_not_the_fault_of_the_model(serve: Serve, tmp_path: Path, status: int) -> None:
    run = check(tmp_path, serve(answer_always(status, {})), [ACCURACY], ROWS, {})
    assert run.code == 64
    assert f"POST /predict is answered with HTTP {status}" in run.said
    assert "target.path" in run.said


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"<html>welcome</html>", "the answer is not JSON but '<html>welcome</html>'"),
        (b"\xff\xfe", "the answer is not JSON"),
        ({"result": [1, 0, 1]}, "the answer has no 'predictions'"),
        ({"predictions": [1, 0]}, "there are 2 answers for 3 rows"),
        ({"predictions": "1, 0, 1"}, "the answer is not a list of answers but str"),
        ({"predictions": [{"a": 1}] * 3}, "an answer is an object with ['a']: target.label must name one of them"),
        ({"predictions": [[0.1, 0.9]] * 3}, "an answer has 2 values instead of one label"),
        ([1, 0, 1], "the answer has no 'predictions'"),
    ],
)
def test_an_answer_of_another_form_fails_the_candidate(serve: Serve, tmp_path: Path, said: Any, reason: str) -> None:
    run = check(tmp_path, serve(answer_always(200, said)), [ACCURACY], ROWS, {})
    assert run.code == 1
    assert reason in run.said


def test_a_critical_case_fails_the_run_only_where_it_must_pass(serve: Serve, tmp_path: Path) -> None:
    url = serve(build_json_model())
    must = check(tmp_path, url, [CRITICAL], ROWS, {})
    assert must.code == 1
    assert must.said == "c: 1 of 3 cases that must be right are wrong: row 3: 1 instead of 0"
    may = check(tmp_path, url, [{**CRITICAL, "mustPass": False}], ROWS, {})
    assert may.code == 0
    assert may.values == {"c": pytest.approx(2 / 3), "c_failed": 1}


def test_the_other_checks_are_still_in_the_log_of_a_failed_run(serve: Serve, tmp_path: Path) -> None:
    run = check(tmp_path, serve(build_json_model()), [CRITICAL, {**ACCURACY, "name": "later"}], ROWS, {})
    assert run.code == 1
    assert run.find("later = 0.666666667")


def test_stable_is_measured_and_never_failed(serve: Serve, tmp_path: Path) -> None:
    """Else a candidate that repairs a critical case could never be compared with the version that lacks it."""
    run = check(tmp_path, serve(build_json_model()), [CRITICAL], ROWS, {"SERINUS_TARGET": "stable"})
    assert run.code == 0
    assert run.values["c_failed"] == 1
    assert run.find("mustPass is about the candidate, and this is stable: c: 1 of 3 cases")


def test_a_fault_of_the_checks_themselves_does_not_reject_the_candidate(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(run_module, "CHECKS", {"Metric": fail})
    run = check(tmp_path, serve(build_json_model()), [ACCURACY], ROWS, {})
    assert run.code == 64
    assert run.said == "the checks themselves failed: RuntimeError: boom"
    assert run.find('raise RuntimeError("boom")')


def test_rows_that_the_model_does_not_answer_make_its_metrics_unknown(serve: Serve, tmp_path: Path) -> None:
    def answer(row: Any) -> Any:
        if row["x"] == 0:
            raise RefusedError(500)
        return row["x"]

    critical = {"kind": "Critical", "name": "cases"}
    run = check(tmp_path, serve(build_json_model(answer)), [ACCURACY, critical], ROWS, {})
    assert run.code == 0
    assert run.values == {"c_unanswered": 1, "cases": pytest.approx(1 / 3), "cases_failed": 2}
    assert run.find("c is left out: 1 of 3 rows have no answer")
    assert run.find("row 2: HTTP 500")


def test_null_and_nan_are_no_answers(serve: Serve, tmp_path: Path) -> None:
    run = check(tmp_path, serve(answer_always(200, {"predictions": [1, None, float("nan")]})), [ACCURACY], ROWS, {})
    assert run.code == 0
    assert run.values == {"c_unanswered": 2}


def test_results_that_cannot_be_written_are_known_before_the_model_is_asked(serve: Serve, tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        asked.append(path)
        return 200, {}

    run = go(serve(respond), tmp_path / "checks.yaml", tmp_path / "nowhere" / "results")
    assert run.code == 64
    assert run.find("SERINUS_RESULTS names another file for the results")
    assert asked == []


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"SERINUS_TARGET_URL": ""}, "SERINUS_TARGET_URL '' must be the base URL of a Service"),
        ({"SERINUS_TARGET_URL": "fraud:8080"}, "SERINUS_TARGET_URL 'fraud:8080' must be the base URL"),
        ({"SERINUS_TARGET_URL": "http://"}, "must be the base URL"),
        ({"SERINUS_TARGET_URL": "http://[::"}, "must be the base URL"),
        ({"SERINUS_TARGET": "both"}, "SERINUS_TARGET 'both' must be candidate or stable"),
    ],
)
def test_an_environment_that_is_not_that_of_a_job(tmp_path: Path, env: dict[str, str], problem: str) -> None:
    run = check(tmp_path, "http://127.0.0.1:1", [ACCURACY], ROWS, env)
    assert run.code == 64
    assert problem in run.said


def test_a_model_that_is_too_slow_is_not_known_to_be_wrong(tmp_path: Path) -> None:
    """A socket that listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run = check(tmp_path, url, [ACCURACY], ROWS, {}, target={**JSON, "timeoutSeconds": 0.05})
    assert run.code == 75
    assert "timed out" in run.said
