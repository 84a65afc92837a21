"""Percentiles are measured values, and a number that is missing meets no target."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.figures import Figure, build_table, find_percentile, summarise, write_json


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(20, 0, -1)]
    assert find_percentile(values, 0.5) == 10.0
    assert find_percentile(values, 0.95) == 19.0
    assert find_percentile(values, 1.0) == 20.0
    assert find_percentile([7.0], 0.0) == 7.0
    with pytest.raises(ValueError, match="no values"):
        find_percentile([], 0.5)


def test_only_a_target_can_be_missed() -> None:
    figures = summarise("delay", [1.0, 2.0, 4.0], "s", target_p95=3.0)
    assert [(figure.name, figure.value, figure.ok) for figure in figures] == [
        ("delay, p50", 2.0, None),
        ("delay, p95", 4.0, False),
        ("delay, max", 4.0, None),
    ]
    assert Figure("writes", 20, "writes", 20).ok
    assert summarise("delay", [], "s", target_p95=3.0) == [Figure("delay, p95", None, "s", 3.0)]
    assert Figure("delay, p95", None, "s", 3.0).ok is False


def test_what_is_written_can_be_read_by_machines_and_people(tmp_path: Path) -> None:
    figures = [Figure("writes", 21, "writes", 20), Figure("seconds", 1.234, "s"), Figure("lost", None, "requests", 0)]
    written = json.loads(write_json("writes", figures, tmp_path / "new").read_text())
    assert written[0] == {"name": "writes", "value": 21, "unit": "writes", "target": 20, "ok": False}
    assert written[1]["ok"] is None
    console = Console(width=100, record=True, file=None)
    with console.capture() as capture:
        console.print(build_table(figures))
    assert "missed" in capture.get()
    assert "not measured" in capture.get()
