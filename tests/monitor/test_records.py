"""Lines as strangers send them: each wrong one is named, and spoils no other."""

import json
import math
from typing import Any

import pytest

from examples.monitor.serinus_monitor.records import (
    LONGEST_LINE,
    Labelled,
    Prediction,
    as_number,
    as_text,
    join_mistakes,
    read_lines,
)

GOOD = {"id": "a", "time": 1.5, "features": {"x": 1}, "prediction": 0}


def read_one(**change: Any) -> tuple[list[Prediction], list[str]]:
    return read_lines(json.dumps({**GOOD, **change}).encode(), Prediction)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "line 1: id: Input should be a valid string, not None"),
        ({"id": ""}, "id: String should have at least 1 character, not ''"),
        ({"id": "x" * 129}, "id: String should have at most 128 characters"),
        ({"time": "yesterday"}, "time: must be Unix seconds or RFC 3339 with a time zone, not 'yesterday'"),
        ({"time": "2026-11-26T10:00:00"}, "time: must be Unix seconds or RFC 3339 with a time zone"),
        ({"time": math.nan}, "time: must be Unix seconds"),
        ({"time": math.inf}, "time: must be Unix seconds"),
        ({"time": True}, "time: must be Unix seconds"),
        ({"time": 10**400}, "time: must be Unix seconds or RFC 3339 with a time zone, not (a longer integer)"),
        ({"features": [1, 2]}, "features: Input should be"),
        ({"features": {str(n): n for n in range(1001)}}, "features: Dictionary should have at most 1000 items"),
        ({"prediction": {"a": 1}}, "prediction"),
        ({"prediction": "x" * 257}, "prediction"),
        ({"slice": ["eu"]}, "slice: Input should be a valid string, not ['eu']"),
    ],
)
def test_a_wrong_line_is_named_with_field_value_and_what_would_be_right(change: dict[str, Any], said: str) -> None:
    rows, mistakes = read_one(**change)
    assert rows == []
    assert said in mistakes[0]
    assert len(mistakes[0]) < 600, "a huge value is not repeated"


@pytest.mark.parametrize(
    "line", [b"{", b"null", b"[1]", b'"a"', b"\xff\xfe", b'{"id": ' + b"[" * 5000, b"{}", b"1e999", b"a" * 70_000]
)
def test_what_is_no_object_is_refused_and_the_lines_around_it_are_read(line: bytes) -> None:
    good = json.dumps(GOOD).encode()
    rows, mistakes = read_lines(b"\n".join([good, line, b"", good]), Prediction)
    assert len(rows) == 2
    assert len(mistakes) == 1
    assert mistakes[0].startswith("line 2: ")


def test_a_line_has_a_bound() -> None:
    _, mistakes = read_one(features={"x": "y" * LONGEST_LINE})
    assert f"at most {LONGEST_LINE} are read" in mistakes[0]


def test_times_with_a_zone_and_either_name_of_the_revision_are_read_and_other_fields_are_ignored() -> None:
    rows, mistakes = read_one(time="1970-01-01T01:00:01.5+01:00", version="fraud-1", id=17, more={"a": 1})
    assert mistakes == []
    assert (rows[0].time, rows[0].revision, rows[0].id) == (1.5, "fraud-1", "17")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, "1", True, None, [], {}])
def test_what_is_no_finite_number_is_missing(value: Any) -> None:
    assert math.isnan(as_number(value))


def test_classes_are_the_same_however_they_are_written() -> None:
    assert as_text(1) == as_text(1.0) == as_text("1") == "1"
    assert as_text(True) == "true"
    assert as_text(0.5) == "0.5"
    assert as_text(math.nan) is None
    assert as_text(10**5000) == "(a longer integer)"
    assert as_text([1]) == "(no scalar)"


def test_features_are_taken_as_they_come_nan_and_wrong_types_included() -> None:
    rows, mistakes = read_lines(
        b'{"id":"a","time":1,"features":{"x":NaN,"y":"text","z":[1],"w":' + b"9" * 4000 + b'},"prediction":1}',
        Prediction,
    )
    assert mistakes == [], "what a model was really asked is worth knowing"
    assert set(rows[0].features) == {"x", "y", "z", "w"}


def test_labels_may_be_null_and_must_be_scalars() -> None:
    rows, mistakes = read_lines(b'{"id":"a","label":null}\n{"id":"b","label":{}}\n{"id":"c"}', Labelled)
    assert [row.id for row in rows] == ["a"]
    assert len(mistakes) == 2


def test_the_first_mistakes_are_told_and_the_others_counted() -> None:
    assert join_mistakes([str(n) for n in range(1000)]) == ["0", "1", "2", "3", "4", "and 995 more"]
