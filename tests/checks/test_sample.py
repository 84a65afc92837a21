"""The configuration that the README shows, run against the sample model: every value it promises, with its number."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from examples.checks.sample.server import respond
from tests.checks.bench import SAMPLE, Run, go
from tests.checks.conftest import Serve

CONFIG = SAMPLE / "checks.yaml"

KNOWN = {
    "schema_mismatches": 0,
    "schema_invalid_rows": 0,
    "critical": 1,
    "critical_failed": 0,
    "recall": 75 / 80,
    "recall_unanswered": 0,
    "auc_unanswered": 0,
    "accuracy_region_north": 58 / 60,
    "accuracy_region_south": 46 / 50,
    "accuracy_region_west": 38 / 40,
    "accuracy_worst": 46 / 50,
    "accuracy_gap": 58 / 60 - 46 / 50,
    "accuracy_unanswered": 0,
    "fair_demographic_parity_difference": 0,
    "fair_equalized_odds_difference": 29 / 30 - 42 / 45,
    "fair_recall_difference": 29 / 30 - 42 / 45,
    "fair_unanswered": 0,
    "robust_nulls_drop": 0,
    "robust_nulls_errors": 0,
    "robust_noise_errors": 0,
    "robust_noise_refused": 0,
    "robust_out_of_range_errors": 0,
    "robust_out_of_range_refused": 0,
    "robust_swapped_types_drop": 0,
    "robust_swapped_types_errors": 0,
    "latency_errors": 0,
    "latency_c8_errors": 0,
}
"""Counted by hand from holdout.csv: the sample model says fraud from 500 on."""

MEASURED = {
    *(f"latency_{name}" for name in ("p50", "p95", "p99", "c8_p50", "c8_p95", "c8_p99")),
    "auc",
    "robust_noise_drop",
    "robust_out_of_range_drop",
    "robust_nulls_refused",
    "robust_swapped_types_refused",
}


def run_as_json(url: str, tmp_path: Path) -> Run:
    """The same checks by the other protocol, from a copy of the sample."""
    config = yaml.safe_load(CONFIG.read_text())
    config["target"] = {"protocol": "JSON", "path": "/predict", "label": "label", "score": "score"}
    for name in ("holdout.csv", "critical.jsonl", "schema.json"):
        (tmp_path / name).write_text((SAMPLE / name).read_text())
    (tmp_path / "checks.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return go(url, tmp_path / "checks.yaml", tmp_path / "results")


def count_auc() -> float:
    """The share of pairs of a fraud and another payment that are in the right order; a tie is half of one."""
    with (SAMPLE / "holdout.csv").open() as lines:
        rows = [(float(row["amount"]), row["fraud"] == "1") for row in csv.DictReader(lines)]
    scored = [(min(amount / 1000, 1.0), fraud) for amount, fraud in rows]
    pairs = [(a, b) for a, fraud in scored if fraud for b, other in scored if not other]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def test_every_value_of_the_sample_is_the_one_counted_by_hand(serve: Serve, tmp_path: Path) -> None:
    run = go(serve(respond), CONFIG, tmp_path / "results", SERINUS_REVISION="fraud-7c9d2b10")
    assert run.code == 0, run.log
    assert set(run.values) == {*KNOWN, *MEASURED}
    assert {name: run.values[name] for name in KNOWN} == pytest.approx(KNOWN)
    assert run.values["auc"] == pytest.approx(count_auc())
    assert 0 < run.values["latency_p50"] <= run.values["latency_p95"] <= run.values["latency_p99"] < 5
    assert 0 < run.values["robust_nulls_refused"] < 80
    assert "fraud-7c9d2b10" in run.log[0]


def test_plain_json_gives_the_same_values_except_what_only_metadata_knows(serve: Serve, tmp_path: Path) -> None:
    url = serve(respond)
    mine, other = run_as_json(url, tmp_path), go(url, CONFIG, tmp_path / "other")
    timed = {name for name in other.values if name.startswith(("latency_p", "latency_c8_p"))}
    expected = {name: value for name, value in other.values.items() if name not in timed}
    del expected["schema_mismatches"]
    assert mine.code == 0
    assert {name: value for name, value in mine.values.items() if name not in timed} == expected
    assert "schema_mismatches is left out: protocol JSON has no metadata" in mine.find("schema_mismatches")


def test_the_log_says_what_was_asked_and_which_rows_are_wrong(serve: Serve, tmp_path: Path) -> None:
    run = go(serve(respond), CONFIG, tmp_path / "results")
    begin = run.log.index("recall: Metric with holdout.csv, 160 rows")
    assert run.log[begin + 1] == "  row tx-003: 1 instead of 0"
    assert run.log[begin + 6 : begin + 8] == ("  ... and 5 more", "  recall = 0.9375")


def test_it_runs_as_a_program_with_its_environment_only(serve: Serve, tmp_path: Path) -> None:
    results = tmp_path / "results"
    config = tmp_path / "checks.yaml"
    sample = yaml.safe_load(CONFIG.read_text())
    sample["data"] = {"critical": {**sample["data"]["critical"], "file": str(SAMPLE / "critical.jsonl")}}
    sample["checks"] = [sample["checks"][1]]
    config.write_text(yaml.safe_dump(sample))
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SAMPLE.parent),
        "SERINUS_TARGET_URL": serve(respond),
        "SERINUS_TARGET": "candidate",
        "SERINUS_CHECKS_CONFIG": str(config),
        "SERINUS_RESULTS": str(results),
    }
    done = subprocess.run(
        [sys.executable, "-m", "serinus_checks"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(results.read_text()) == {"critical": 1, "critical_failed": 0}
    assert "critical: Critical with" in done.stdout
