"""Corrupted input: what is done to the rows, and how a refusal, a worse answer and a crash are told apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.checks.serinus_checks.config import Corruption, Datatype, RobustnessCheck
from examples.checks.serinus_checks.corruption import measure_spread, spoil
from tests.checks.bench import JSON, Run, check
from tests.checks.conftest import Serve
from tests.checks.models import RefusedError, build_json_model

FEATURES: dict[str, Datatype] = {"a": "FP64", "n": "UINT8", "t": "BYTES", "b": "BOOL"}
CLEAN = [{"a": float(i), "n": i, "t": "text", "b": True} for i in range(100)]
ROBUST = {"kind": "Robustness", "metric": "accuracy", "fraction": 1.0, "values": 1.0}
ROWS = [{"x": i % 2, "y": i % 2} for i in range(20)]


def spoil_clean(kind: Corruption, **fields: Any) -> list[dict[str, Any]]:
    wanted = RobustnessCheck(kind="Robustness", name="c", data="d", metric="accuracy", **fields)
    return spoil(kind, CLEAN, FEATURES, wanted, measure_spread(CLEAN, FEATURES))


def count_changes(rows: list[dict[str, Any]]) -> list[int]:
    return [sum(row[name] != old[name] for name in FEATURES) for row, old in zip(rows, CLEAN, strict=True)]


@pytest.mark.parametrize("kind", ["Nulls", "SwappedTypes", "OutOfRange"])
@pytest.mark.parametrize(("share", "changed"), [(0.01, 1), (0.25, 1), (0.5, 2), (0.75, 3)])
def test_a_share_of_the_values_is_corrupted_and_at_least_one(kind: Corruption, share: float, changed: int) -> None:
    assert count_changes(spoil_clean(kind, values=share)) == [changed] * 100


def test_nulls_are_null_and_swapped_types_are_of_another_type() -> None:
    nulls, swapped = spoil_clean("Nulls", values=1), spoil_clean("SwappedTypes", values=1)
    assert nulls == [dict.fromkeys(FEATURES)] * 100
    assert swapped == [{"a": "not-a-value", "n": "not-a-value", "t": 12345, "b": "not-a-value"}] * 100


def test_out_of_range_is_far_beyond_the_data_and_within_the_datatype() -> None:
    rows = spoil_clean("OutOfRange", values=1)
    assert {row["a"] for row in rows} == {99 + 990, -990}
    assert {row["n"] for row in rows} == {255}, "an unsigned number has nothing below 0"
    assert {len(row["t"]) for row in rows} == {10_000}
    assert {row["b"] for row in rows} == {True}


def test_noise_is_in_standard_deviations_and_hits_numbers_only() -> None:
    rows = spoil_clean("Noise", noise=0.5)
    moved = [row["a"] - old["a"] for row, old in zip(rows, CLEAN, strict=True)]
    deviation = float(np.std(range(100)))
    assert 0.4 * deviation < float(np.std(moved)) < 0.6 * deviation
    assert abs(float(np.mean(moved))) < 0.2 * deviation
    assert all(isinstance(row["n"], int) and 0 <= row["n"] <= 255 for row in rows)
    assert {(row["t"], row["b"]) for row in rows} == {("text", True)}


@pytest.mark.parametrize("kind", ["Nulls", "Noise", "OutOfRange", "SwappedTypes"])
def test_the_same_seed_corrupts_in_the_same_way(kind: Corruption) -> None:
    assert spoil_clean(kind, seed=1) == spoil_clean(kind, seed=1)
    assert spoil_clean(kind, seed=1) != spoil_clean(kind, seed=2)


def run_against(serve: Serve, folder: Path, answer: Any, **fields: Any) -> Run:
    run = check(folder, serve(build_json_model(answer)), [{**ROBUST, **fields}], ROWS, {})
    assert run.code == 0, run.log
    return run


def test_a_refusal_is_no_error_and_no_drop(serve: Serve, tmp_path: Path) -> None:
    def refuse(row: Any) -> Any:
        if row["x"] is None:
            raise RefusedError(422)
        return row["x"]

    run = run_against(serve, tmp_path, refuse, corruptions=["Nulls"])
    assert run.values == {"c_nulls_errors": 0, "c_nulls_refused": 20}
    assert run.find("c_nulls_drop is left out: there are no rows")


def test_a_guess_for_null_costs_the_rows_it_is_wrong_for(serve: Serve, tmp_path: Path) -> None:
    run = run_against(serve, tmp_path, lambda row: row["x"] or 0, corruptions=["Nulls"])
    assert run.values == {"c_nulls_drop": 0.5, "c_nulls_errors": 0, "c_nulls_refused": 0}


def test_the_drop_of_an_error_is_positive_too_when_it_gets_worse(serve: Serve, tmp_path: Path) -> None:
    run = run_against(serve, tmp_path, lambda row: row["x"] or 0, corruptions=["Nulls"], metric="mae")
    assert run.values["c_nulls_drop"] == 0.5


@pytest.mark.parametrize("broken", ["500", "null", "another form"])
def test_a_crash_is_counted_and_told(serve: Serve, tmp_path: Path, broken: str) -> None:
    def answer(row: Any) -> Any:
        if not isinstance(row["x"], str):
            return row["x"]
        if broken == "500":
            raise RefusedError(500)
        return None if broken == "null" else {"a": 1}

    run = run_against(serve, tmp_path, answer, corruptions=["SwappedTypes"], fraction=0.5)
    assert run.values == {"c_swapped_types_errors": 10, "c_swapped_types_refused": 0}
    assert run.find("10 of 20 rows are corrupted")
    assert run.find("SwappedTypes: 0 answered, 0 refused, 10 errors")
    told = {"500": "HTTP 500", "null": "answered with null or NaN", "another form": "an answer is an object"}
    assert run.find(told[broken])


def test_a_server_that_stays_away_after_a_corrupted_row_is_tried_again(serve: Serve, tmp_path: Path) -> None:
    """Nothing more is known of it, and the reason is in the log."""
    model, gone = build_json_model(), [False]

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        if body is not None and body["instances"][0]["x"] is None:
            gone[0] = True
            raise ConnectionAbortedError
        return (503, {}) if gone[0] else model(method, path, body)

    run = check(tmp_path, serve(respond), [{**ROBUST, "corruptions": ["Nulls"]}], ROWS, {}, target=JSON)
    assert run.code == 75
    assert "HTTP 503" in run.said


def test_a_corruption_that_no_feature_can_have_is_left_out(serve: Serve, tmp_path: Path) -> None:
    one = {**ROBUST, "corruptions": ["Noise"]}
    rows = [{"x": "1", "y": 1}]
    run = check(tmp_path, serve(build_json_model()), [one], rows, {}, features={"x": "BYTES"})
    assert run.values == {}
    assert run.find("c_noise_drop is left out: no feature has a type that this can be done to")
