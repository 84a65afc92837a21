"""A configuration that cannot be used is refused with field, value and cure, before anybody is asked."""

from pathlib import Path
from typing import Any

import pytest

from tests.checks.bench import check, go

ROWS = [{"x": 1, "y": 1}]
METRIC = {"kind": "Metric", "metric": "accuracy"}
NOBODY = "http://127.0.0.1:1"
OIP = {"protocol": "OpenInference", "model": "m"}

FAULTS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"metric": "acuracy"}, {}, 'checks[0].metric "acuracy" must be one of accuracy, average_precision,'),
    ({"kind": "Drift"}, {}, "checks[0].kind \"Drift\" must be one of 'Schema', 'Critical', 'Metric'"),
    ({"data": "test"}, {}, 'checks[0].data "test" must be one of rows'),
    ({"name": "c-1"}, {}, 'checks[0].name "c-1" must match ^[A-Za-z_][A-Za-z0-9_]*$'),
    ({"bounds": 1}, {}, "checks[0].bounds is not a field"),
    ({"metric": "roc_auc"}, {}, 'checks[0] measures "roc_auc" and so needs target.score'),
    ({"kind": "Slices"}, {}, "checks[0].by is required"),
    ({}, {"target": {"path": "/p"}}, "target.protocol is required"),
    ({}, {"features": {}}, "features {} must have at least 1 item"),
    ({}, {"features": {"x": "FP63"}}, 'features.x "FP63" must be one of'),
    ({}, {"data": {"rows": {"file": "rows.parquet"}}}, 'data.rows.file "rows.parquet" must match'),
    ({}, {"data": {"rows": {"file": "rows.jsonl"}}}, 'data.rows.label is required: check "c" compares with it'),
    ({}, {"target": {"protocol": "gRPC"}}, "target.protocol \"gRPC\" must be one of 'OpenInference', 'JSON'"),
    ({}, {"target": {"protocol": "JSON"}}, "target.path is required"),
    ({}, {"target": {**OIP, "batch": 0}}, "target.batch 0 must be greater than or equal to 1"),
    ({}, {"target": {**OIP, "layout": "Rows"}}, "target.layout \"Rows\" must be one of 'Columns' or 'Matrix'"),
    ({}, {"target": {**OIP, "timeoutSeconds": "soon"}}, 'target.timeoutSeconds "soon" must be a valid number'),
    (
        {},
        {"target": {"protocol": "JSON", "path": "/p", "requestKey": None, "rows": "Arrays"}},
        "rows must be Objects where requestKey is null",
    ),
]


@pytest.mark.parametrize(("change", "more", "problem"), FAULTS, ids=[problem[:40] for *_, problem in FAULTS])
def test_a_field_that_cannot_be_used(tmp_path: Path, change: Any, more: Any, problem: str) -> None:
    run = check(tmp_path, NOBODY, [{**METRIC, **change}], ROWS, {}, **more)
    assert run.code == 64
    assert problem in run.said
    assert ";" not in run.said, "one fault, told once"


def test_nothing_to_check_is_a_mistake(tmp_path: Path) -> None:
    run = check(tmp_path, NOBODY, [], ROWS, {})
    assert (run.code, run.said) == (64, "checks [] must have at least 1 item after validation, not 0")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    run = check(tmp_path, NOBODY, [{**METRIC, "metric": "a"}, {"kind": "Latency", "requests": 0}], ROWS, {})
    assert "checks[0].metric" in run.said
    assert "checks[1].requests 0" in run.said


def test_two_checks_of_one_name_would_report_the_same_value_twice(tmp_path: Path) -> None:
    run = check(tmp_path, NOBODY, [METRIC, METRIC], ROWS, {})
    assert (run.code, run.said) == (64, 'checks[1].name "c" must be unique')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "checks.yaml cannot be read: No such file or directory"),
        ("target: [", "checks.yaml is not YAML"),
        ("- 1", "checks.yaml must hold an object with target, features, data and checks"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / "checks.yaml").write_text(text)
    run = go(NOBODY, tmp_path / "checks.yaml", tmp_path / "results")
    assert run.code == 64
    assert problem in run.said


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("a.csv", "", "a.csv has no rows"),
        ("a.csv", "x,y\n", "a.csv has no rows"),
        ("a.csv", "x,z\n1,2\n", "a.csv has no column y; it has x, z"),
        ("a.csv", "x,y\n1,2,3\n", "a.csv row 1 has more values than the header has columns"),
        ("a.csv", "x,y\n1,1\nmany,1\n", "a.csv row 2: x 'many' is not FP64"),
        ("a.csv", "x,y\n1,\n", "a.csv row 1: y has no label"),
        ("a.jsonl", '{"x": 1, "y": 1}\n{', "a.jsonl line 2 is not JSON"),
        ("a.jsonl", "[1]", "a.jsonl line 1 must be an object, not [1]"),
        ("a.jsonl", None, "a.jsonl cannot be read: No such file or directory"),
    ],
)
def test_data_that_cannot_be_used(tmp_path: Path, file: str, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / file).write_text(text)
    run = check(tmp_path, NOBODY, [METRIC], ROWS, {}, data={"rows": {"file": file, "label": "y"}})
    assert run.code == 64
    assert problem in run.said
