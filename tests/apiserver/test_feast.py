"""The commands of examples/feast on a real Feast. No API server is needed; the library is too big for the fast tier."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from serinus.core.checkjobs import read_report
from tests.cluster.bootstrap import python_tools
from tests.cluster.paths import REPOSITORY

pytestmark = pytest.mark.apiserver

FEAST = "feast==0.67.0"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    command = [str(python_tools(FEAST) / "python"), str(Path(__file__).parent / "feast_calls.py")]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "examples" / "feast"), "FEAST_USAGE": "False"}
    folder = tmp_path_factory.mktemp("feast")
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def data(answer: Any) -> Any:
    assert answer["code"] == 0, answer
    return answer["said"]["data"]


def test_the_schema_is_that_of_the_features(told: Any) -> None:
    assert told["schema"]["code"] == 0
    schema = told["schema"]["said"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"] == {
        "amount": {"type": "number"},
        "trips": {"type": "integer"},
        "city": {"type": "string"},
    }
    assert schema["required"] == ["amount", "city", "trips"]
    jsonschema.validate({"amount": 1.5, "trips": 2, "city": "a"}, schema)
    full = told["full"]["said"]["schema"]["properties"]
    assert full["profile__flags"] == {"type": "array", "items": {"type": "boolean"}}
    assert full["profile__since"] == {"type": "string", "format": "date-time"}
    assert full["stats__trips"] == {"type": "integer"}


def test_what_was_never_materialised_has_no_age(told: Any) -> None:
    assert "value" not in told["never"]["said"]
    assert data(told["never"]) == {"freshness": {"views": {"stats": {}}, "unknown_views": 1}}


def test_ages_are_told_by_view_and_the_oldest_of_them(told: Any) -> None:
    found = data(told["fresh"])["freshness"]
    ages = found["views"]["stats"]
    assert 0 <= ages["materialized_age_seconds"] < 180
    assert 3600 <= ages["newest_age_seconds"] < 3600 + 180
    assert (found["oldest_age_seconds"], found["unknown_views"]) == (ages["newest_age_seconds"], 0)
    # What a gate's Job is read by.
    assert read_report(json.dumps(told["fresh"]["said"])) == {"value": ages["newest_age_seconds"]}
    stale = data(told["nothing new"])["freshness"]
    assert "oldest_age_seconds" not in stale
    assert stale["unknown_views"] == 1


def test_a_view_that_is_not_online_has_no_age_of_its_materialisation(told: Any) -> None:
    found = data(told["offline"])["freshness"]
    assert found["views"]["profile"] == {}
    assert (found["unknown_views"], "oldest_age_seconds" in found) == (1, False)


def test_a_reference_is_the_same_for_the_same_question(told: Any) -> None:
    reference = data(told["reference"])
    assert DIGEST.fullmatch(reference["digest"])
    assert reference["digest"] == reference["reference"]
    assert re.fullmatch(r"feast:payments/fraud@\S+\+00:00#[0-9a-f]{12}", reference["id"])
    assert reference["rows"] == 3
    assert data(told["again"]) == reference
    assert data(told["later"])["digest"] != reference["digest"]
    assert data(told["redefined"])["digest"] != reference["digest"]


def test_the_digest_of_a_file_is_that_of_its_values(told: Any) -> None:
    first, again, rewritten = data(told["file"]), data(told["file again"]), data(told["rewritten"])
    assert first == again
    assert first["digest"] != first["reference"]
    assert first["null_ratio"] == pytest.approx(1 / 9, abs=1e-6)
    assert (rewritten["id"], rewritten["reference"]) == (first["id"], first["reference"])
    assert rewritten["digest"] != first["digest"]
    assert told["rows"] == [1, 2, 3]
    assert told["columns"] == ["card", "event_timestamp", "label", "amount", "city", "trips"]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("unknown", 64, "project payments has no feature service nobody; known: fraud, wide"),
        ("future", 65, "future.csv asks for features after"),
        ("timeless", 65, "timeless.csv has no column event_timestamp"),
        ("no frame", 64, "there is no entity frame nothing.csv"),
        ("no zone", 64, "2026-01-01T00:00:00 has no time zone"),
        ("no task", 64, "invalid choice: 'dance'"),
        ("no repo", 64, "holds no feature_store.yaml"),
    ],
)
def test_what_cannot_be_answered_is_said(told: Any, asked: str, code: int, said: str) -> None:
    assert told[asked]["code"] == code, told[asked]
    assert said in told[asked]["said"]
