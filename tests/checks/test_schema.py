"""The Schema check: rows against a JSON Schema, features against what the model declares."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.checks.bench import Run, check
from tests.checks.conftest import Serve

SCHEMA = {"type": "object", "properties": {"x": {"type": "number", "maximum": 10}}, "required": ["x"]}
CHECK = {"kind": "Schema", "file": "schema.json"}
COLUMNS = {"protocol": "OpenInference", "model": "m", "reachableWithinSeconds": 0}
MATRIX = {**COLUMNS, "layout": "Matrix", "datatype": "FP32"}
X = {"name": "x", "datatype": "FP64", "shape": [-1, 1]}


def run_schema(
    serve: Serve, folder: Path, metadata: Any, rows: Any = ({"x": 1},), schema: Any = SCHEMA, **fields: Any
) -> Run:
    (folder / "schema.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    status = 200 if metadata is not None else 404

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        return (status, metadata) if path == "/v2/models/m" else (200, {})

    target = fields.pop("target", COLUMNS)
    data = {"rows": {"file": "rows.jsonl"}}
    return check(folder, serve(respond), [{**CHECK, **fields}], rows, {}, target=target, data=data)


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([X], []),
        ([{**X, "datatype": "FP32"}], ["input 'x' is FP32 for the model and given as FP64"]),
        ([X, {"name": "z", "datatype": "FP64"}], ["the model declares an input 'z' that it is not given"]),
        (
            [{**X, "name": "X"}],
            ["the model declares no input 'x'", "the model declares an input 'X' that it is not given"],
        ),
    ],
)
def test_features_against_the_word_of_the_model(serve: Serve, tmp_path: Path, inputs: Any, found: list[str]) -> None:
    run = run_schema(serve, tmp_path, {"inputs": inputs})
    assert run.code == 0
    assert run.values == {"c_mismatches": len(found), "c_invalid_rows": 0}
    for line in found:
        assert run.find(line)


@pytest.mark.parametrize(("width", "count"), [(-1, 0), (1, 0), (2, 1)])
def test_a_matrix_has_a_column_for_each_feature(serve: Serve, tmp_path: Path, width: int, count: int) -> None:
    inputs = [{"name": "input-0", "datatype": "FP32", "shape": [-1, width]}]
    run = run_schema(serve, tmp_path, {"inputs": inputs}, target=MATRIX)
    assert run.values["c_mismatches"] == count


@pytest.mark.parametrize("metadata", [None, {}, {"inputs": []}, {"inputs": "x"}, [1]])
def test_a_model_that_declares_nothing_leaves_it_unknown(serve: Serve, tmp_path: Path, metadata: Any) -> None:
    run = run_schema(serve, tmp_path, metadata, mustPass=True)
    assert run.code == 0
    assert run.values == {"c_invalid_rows": 0}
    assert run.find("c_mismatches is left out")


def test_rows_that_break_the_schema(serve: Serve, tmp_path: Path) -> None:
    rows = [{"x": 1}, {"x": 11}, {"x": "many"}, {"x": None}]
    run = run_schema(serve, tmp_path, {"inputs": [X]}, rows)
    assert run.values["c_invalid_rows"] == 3
    assert run.find("row 2: $.x 11.0 is greater than the maximum of 10")
    assert run.find("row 3: $.x 'many' is not of type 'number'")


@pytest.mark.parametrize(
    ("metadata", "rows", "reason"),
    [
        ({"inputs": [X]}, [{"x": 11}], "c: 0 mismatches and 1 invalid rows: row 1: $.x 11.0"),
        ({"inputs": [{**X, "datatype": "FP32"}]}, [{"x": 1}], "c: 1 mismatches and 0 invalid rows: input 'x' is FP32"),
    ],
)
def test_must_pass(serve: Serve, tmp_path: Path, metadata: Any, rows: Any, reason: str) -> None:
    run = run_schema(serve, tmp_path, metadata, rows, mustPass=True)
    assert run.code == 1
    assert reason in run.said


def test_a_schema_elsewhere_is_not_fetched(serve: Serve, tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        asked.append(path)
        return 200, SCHEMA

    run = run_schema(serve, tmp_path, {"inputs": [X]}, schema={"$ref": f"{serve(respond)}/schema"})
    assert run.code == 64
    assert "schema.json refers to what is not in it" in run.said
    assert asked == []


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("{", "schema.json is not JSON"),
        ({"type": "float"}, "schema.json is not a JSON Schema: 'float' is not valid"),
    ],
)
def test_a_schema_that_cannot_be_used(serve: Serve, tmp_path: Path, schema: Any, problem: str) -> None:
    run = run_schema(serve, tmp_path, {"inputs": [X]}, schema=schema)
    assert run.code == 64
    assert problem in run.said
