"""From scores to JSON, to tables, to the page: nothing is lost, and what was missed is said."""

import json
import math
from pathlib import Path

import pytest

from tests.bench.figures import write_json
from tests.bench.judge.cost import Cost
from tests.bench.judge.page import build_page, main
from tests.bench.judge.production import NAME
from tests.bench.judge.race import HELD, OTHERS, Key
from tests.bench.judge.report import Entry, build_entries, read_entries
from tests.bench.judge.scenarios import SCENARIOS, Scenario
from tests.bench.judge.score import Score, find_wilson
from tests.bench.judge.tables import build_tables

COSTS = {"errors": Cost(0.1, 0.3, 6.0, 3000, 9000, 400)}


def score(scenario: Scenario, rolled_back: int, median: float = math.inf) -> Score:
    found = 0.0 if scenario.harmless else rolled_back / 100
    return Score(100, rolled_back / 100, find_wilson(rolled_back, 100), found, 0.0, median, 2 * median, 13.0, 0)


@pytest.fixture
def entries() -> list[Entry]:
    """Serinus rolls back 3 of 100 good releases and finds everything after 60 s; the others find nothing."""
    scores: dict[Key, Score] = {}
    for scenario in SCENARIOS:
        scores[scenario.name, NAME] = score(scenario, 3) if scenario.harmless else score(scenario, 100, 60.0)
        scores[scenario.name, HELD] = scores[scenario.name, NAME]
        for rule in OTHERS:
            scores[scenario.name, rule] = score(scenario, 0)
    return build_entries(SCENARIOS, scores, COSTS, 100, 7)


def find(entries: list[Entry], scenario: str, measure: str, rule: str = NAME) -> Entry:
    return next(e for e in entries if (e.scenario, e.measure, e.rule) == (scenario, measure, rule))


def test_targets_are_for_serinus_alone_and_are_judged(entries: list[Entry]) -> None:
    assert {entry.rule for entry in entries if entry.target is not None} == {NAME}
    steady = find(entries, "steady", "rolled back")
    assert (steady.value, steady.target, steady.ok) == (3.0, 1.0, False)
    assert (steady.low, steady.high) == pytest.approx((1.0255, 8.4519), abs=1e-3)
    assert find(entries, "20x", "median delay").ok is False
    assert find(entries, "4x", "median delay over the limit").value == 60 / 150
    assert find(entries, "4x", "median delay over the limit").ok
    assert find(entries, "errors", "CPU per metric and tick").value == pytest.approx(0.4)
    assert find(entries, "errors", "CPU per metric and tick").ok is False


def test_a_passing_trouble_has_no_target_and_no_delay(entries: list[Entry]) -> None:
    passing = [entry for entry in entries if entry.scenario == "candidate alone at 6 % for 30 s" and entry.rule == NAME]
    assert [(entry.measure, entry.target) for entry in passing] == [("rolled back", None)]


def test_what_was_never_found_is_no_number(entries: list[Entry]) -> None:
    never = find(entries, "20x", "median delay", "the first form")
    assert never.value is None
    assert find(entries, "20x", "found", "the first form").value == 0.0


def test_both_errors_have_one_price(entries: list[Entry]) -> None:
    prices = [find(entries, "", f"expected cost, c = {c}").value for c in (10, 100, 1000)]
    assert prices == pytest.approx([13.0 + 0.3, 13.0 + 3.0, 13.0 + 30.0])


def test_the_page_is_made_of_the_json_alone(entries: list[Entry], tmp_path: Path) -> None:
    source = write_json("judge", entries, tmp_path)
    assert {"name", "value", "unit", "target", "ok"} <= set(json.loads(source.read_text())[0])
    assert read_entries(source) == entries
    page = tmp_path / "benchmarks.md"
    assert main(source, page) == 0
    text = page.read_text()
    assert text == build_page(entries)
    assert "100 simulated rollouts per row" in text
    assert "| steady | 3.0 (1.0 to 8.5) |" in text
    assert "| 20x | 60 (13) | – (13) 0 % |" in text
    assert "**missed**" in text
    for scenario in SCENARIOS:
        assert f"| {scenario.name} |" in text


def test_a_page_without_figures_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path / "none.json", tmp_path / "page.md") == 1
    assert "make bench-judge" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_rows_are_as_wide_as_their_heading(entries: list[Entry]) -> None:
    tables = build_tables(entries)
    assert [table.title for table in tables][:2] == ["Targets", "False rollbacks"]
    for table in tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.heading)}
