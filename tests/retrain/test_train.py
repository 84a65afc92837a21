"""The trainer: what it tells fits, is pinned, and is not told where it would not be true."""

import json
from pathlib import Path
from typing import Any

import pytest

from examples.retrain.fraud import train as trainer
from examples.retrain.fraud.model import digest_of, pack, unpack
from examples.retrain.fraud.rows import (
    drop_incomplete,
    format_rows,
    measure_null_ratio,
    read_snapshot,
    split_rows,
    take_snapshot,
)
from examples.retrain.fraud.settings import read_server_settings, read_trainer_settings
from examples.retrain.fraud.train import TrainingError, build_results, format_results, train
from tests.retrain.test_world import make_rows

ROWS = make_rows("calm", 1)
TRAINED = train(take_snapshot(ROWS), ("linear",))
ENV = {"MLFLOW_TRACKING_URI": "http://mlflow:5000/", "DATA_URL": "http://data:8080"}


def test_the_same_snapshot_gives_the_same_model() -> None:
    again = train(take_snapshot(ROWS), ("linear",))
    assert digest_of(again.content) == digest_of(TRAINED.content)


def test_results_fit_into_a_termination_message_and_pin_everything() -> None:
    snapshot = take_snapshot(ROWS)
    both = train(snapshot, ("linear",), TRAINED.classifier)
    results = build_results(both, snapshot, "run-7", uri="models:/fraud/7", run="a" * 32, champion_digest="sha256:ab")
    told = json.loads(format_results(results))
    assert told["model"] == {"uri": "models:/fraud/7", "digest": digest_of(both.content)}
    assert told["data"] == {"id": "run-7", "digest": snapshot.digest, "rows": len(ROWS), "null_ratio": 0.0}
    assert told["champion"]["digest"] == "sha256:ab"
    assert set(told["champion"]["metrics"]) == set(told["metrics"])
    slices = told["metrics"]["slices"]
    judged = drop_incomplete(split_rows(ROWS)[1])
    assert sum(one["samples"] for one in slices.values()) == len(judged)
    assert told["source"]["revision"].startswith("sha256:")
    with pytest.raises(TrainingError, match="4096"):
        format_results({"metrics": "x" * 4100})


def test_results_are_never_json_that_is_none() -> None:
    with pytest.raises(ValueError, match="JSON"):
        format_results({"metrics": {"f1": float("nan")}})


def test_a_row_that_was_learnt_from_is_never_judged_by() -> None:
    learn, judge = split_rows(ROWS)
    more_learn, more_judge = split_rows([*make_rows("calm", 2), *ROWS])
    assert {row["id"] for row in learn} <= {row["id"] for row in more_learn}
    assert {row["id"] for row in judge} <= {row["id"] for row in more_judge}
    assert 0.35 < len(judge) / len(ROWS) < 0.45


def test_a_snapshot_that_was_touched_is_refused() -> None:
    snapshot = take_snapshot(ROWS)
    assert read_snapshot(format_rows(ROWS), snapshot.digest).digest == snapshot.digest
    touched = [{**ROWS[0], "fraud": not ROWS[0]["fraud"]}, *ROWS[1:]]
    with pytest.raises(ValueError, match=snapshot.digest):
        read_snapshot(format_rows(touched), snapshot.digest)
    with pytest.raises(ValueError, match="list of objects"):
        read_snapshot(b'{"rows": []}', snapshot.digest)


def test_a_model_that_was_touched_is_refused() -> None:
    content = pack(TRAINED.classifier)
    assert unpack(content, digest_of(content)) is not None
    with pytest.raises(ValueError, match="not sha256:00"):
        unpack(content, "sha256:00")


def test_missing_values_are_counted_and_not_learnt_from() -> None:
    holed = [{**row, "amount": None} if number % 10 == 0 else row for number, row in enumerate(ROWS)]
    assert measure_null_ratio(holed) == pytest.approx(0.1 / 4)
    assert measure_null_ratio([]) == 0
    assert len(drop_incomplete(holed)) == len(ROWS) * 9 // 10
    assert train(take_snapshot(holed), ("linear",)).metrics["f1"] > 0.85


@pytest.mark.parametrize(
    ("rows", "families", "said"),
    [
        (ROWS[:300], ("linear",), "too few"),
        ([], ("linear",), "too few"),
        ([{**row, "fraud": False} for row in ROWS], ("linear",), "none is"),
        (ROWS, ("forest",), "FAMILIES is 'forest'; known are linear, committee"),
        (ROWS, (), "FAMILIES is ''"),
    ],
)
def test_what_no_model_can_be_made_of_is_said(rows: Any, families: tuple[str, ...], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        train(take_snapshot(rows), families)


def test_a_training_that_fails_tells_why_and_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = tmp_path / "message"
    monkeypatch.setattr(trainer, "MESSAGE", message)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("DATA_URL", "http://127.0.0.1:9")
    assert trainer.main() == 1
    assert "the data service failed" in message.read_text()
    monkeypatch.delenv("DATA_URL")
    assert trainer.main() == 1
    assert message.read_text() == "DATA_URL is not set; it must be the address of the data service"


def test_settings_name_what_is_wrong() -> None:
    settings = read_trainer_settings({**ENV, "SERINUS_RUN": "fraud-1", "FAMILIES": "linear, committee"})
    assert (settings.tracking, settings.run, settings.families) == (
        "http://mlflow:5000",
        "fraud-1",
        ("linear", "committee"),
    )
    with pytest.raises(ValueError, match="WINDOW_SECONDS is 'long'"):
        read_trainer_settings({**ENV, "WINDOW_SECONDS": "long"})
    with pytest.raises(ValueError, match="SERINUS_MODEL_DIGEST is not set"):
        read_server_settings({"SERINUS_MODEL_URI": "models:/fraud/1"})
