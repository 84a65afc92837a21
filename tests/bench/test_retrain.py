"""The retraining benchmark: its draws are what they say, its rules count, and its page tells everything."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.bench.figures import Figure, write_json
from tests.bench.judge.page import RETRAINING
from tests.bench.retrain import page
from tests.bench.retrain.__main__ import PARTS, Given
from tests.bench.retrain.alarms import CASES, RULES, Case, count_alarms, draw_delays
from tests.bench.retrain.draws import BINS, calibrate, draw_counts, draw_reference, psi_of, slide
from tests.bench.retrain.fleet import run_fleet
from tests.bench.retrain.rules import count_edges, drift_trigger, fire
from tests.bench.retrain.tables import build_tables

HOUR = timedelta(hours=1)


def test_scores_are_what_theory_says() -> None:
    """Where nothing has changed the index is (bins - 1)(1/n + 1/m) on average, of which the reference has its part."""
    rng = np.random.default_rng(7)
    scores = [psi_of(draw_counts(rng, draw_reference(rng).shares, 1_000, (200,))).mean() for _ in range(20)]
    assert np.mean(scores) == pytest.approx((BINS - 1) * (1 / 1_000 + 1 / 10_000), rel=0.1)
    assert calibrate(rng, 1_000, 0.99) == pytest.approx(0.0217, rel=0.1)


def test_a_window_is_the_sum_of_its_blocks() -> None:
    blocks = np.arange(20).reshape(10, 2)
    assert slide(blocks, 3)[0].tolist() == [0 + 2 + 4, 1 + 3 + 5]
    assert slide(blocks, 3)[-1].tolist() == [14 + 16 + 18, 15 + 17 + 19]
    assert len(slide(blocks, 3)) == 8


def test_rules_count_what_they_should() -> None:
    scores = np.array([0.0, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    assert count_edges(scores, 0.5, 1) == 3
    assert count_edges(scores, 0.5, 4) == 1
    assert fire(drift_trigger(HOUR, 0.5, 1_000), scores, HOUR, 1_000) == [3]
    assert fire(drift_trigger(HOUR, 0.5, 1_000), scores, timedelta(minutes=20), 1_000) == [], "a third of a window each"


def test_more_windows_mean_fewer_false_triggers() -> None:
    found = count_alarms(CASES[0], months=5, seed=1)
    counts = [found[rule] for rule in RULES]
    assert counts[0] > counts[1] > counts[2]
    assert counts[3] > counts[4] > counts[5]


def test_a_gross_shift_is_found_after_three_windows_and_no_sooner() -> None:
    delays = list(draw_delays(Case("", HOUR, 1_200, 0.99), 1.0, 20, 1))
    assert all(one is not None and 2.0 <= one <= 4.0 for one in delays)


def test_a_fleet_asks_once_a_window_and_starts_nothing() -> None:
    cost = run_fleet(20, 3)
    assert (cost.queries, cost.passes, cost.writes, cost.starts) == (60, 20, 20, 0)
    assert cost.memory_bytes > 0


def test_the_page_is_made_of_the_json_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    given = Given(months=1, shifts=2, policies=5, windows=1, seed=1)
    figures = [figure for part in PARTS.values() for figure in part(given)]
    source = write_json("retrain", [*figures, Figure("missed", 2, "runs", 1)], tmp_path)
    target = tmp_path / "page.md"
    target.write_text(f"# Benchmarks\n\n{RETRAINING}\n\nfrom another time\n")
    assert page.main(source, target) == 0
    text = target.read_text()
    assert text.startswith(f"# Benchmarks\n\n{RETRAINING}\n")
    assert "from another time" not in text
    assert "| missed | 2 | <= 1 | runs | **missed** |" in text
    assert page.main(source, target) == 0
    assert target.read_text() == text
    tables = build_tables({one["name"]: one["value"] for one in json.loads(source.read_text())})
    assert [len(table.rows) for table in tables] == [7, 16]
    assert all(table.title[1:] in text for table in tables)
