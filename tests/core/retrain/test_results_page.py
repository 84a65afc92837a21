"""docs/retraining-results.md names what there is."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from serinus.api.gatespec import Gate, GateKind
from serinus.api.runplan import ResultsFrom
from serinus.api.runstatus import GateVerdict
from serinus.core.retrain.bounds import direction_of
from serinus.core.retrain.child import ENVIRONMENT
from serinus.core.retrain.kindtable import KINDS
from serinus.core.retrain.results import Results, read_results
from tests.core.retrain.build import build_plan

PAGE = Path("docs/retraining-results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", [*KINDS, *get_args(ResultsFrom), *get_args(GateVerdict), *ENVIRONMENT])
def test_every_kind_verdict_and_variable_is_on_the_page(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("kind", get_args(GateKind))
def test_the_page_says_of_each_gate_what_is_better(kind: Any) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |"))
    better = row.split("|")[3].strip()
    lower = direction_of(Gate.model_validate({"name": "g", "kind": kind})) == "LowerIsBetter"
    assert better in ("",) if kind in ("Schema", "Signature") else better == ("lower" if lower else "higher")


def test_the_results_on_the_page_can_be_read() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    text = re.sub(r"<[^>]*>", "a" * 64, block)
    results = read_results(text, build_plan())
    assert isinstance(results, Results), results
    assert results.unpinned == ()
    assert json.loads(text)["champion"]["digest"] == results.champion_digest
