"""Whatever JSON comes: an Answer or a Failure, never an exception; and nothing wrong passes for an Answer."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serinus.metrics.answers import (
    MAX_OBJECTS,
    MAX_SERIES,
    MAX_VALUES,
    Read,
    observe_series,
    observe_values,
    read_body,
    read_error,
)
from serinus.metrics.source import Answer, Failure, Sample, Series

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=30,
)
LABELS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4)
NUMBER = st.floats().map(str) | st.sampled_from(["NaN", "+Inf", "-Inf", "1e5", "", "0x1", "1_0", " 1", "١"])
SAMPLE = st.tuples(st.floats() | st.integers() | JSON, NUMBER | JSON).map(list)
SERIES = st.fixed_dictionaries(
    {"metric": LABELS | JSON},
    optional={
        "values": st.lists(SAMPLE | JSON, max_size=4) | JSON,
        "value": SAMPLE | JSON,
        "histograms": JSON,
        "histogram": JSON,
    },
)
RESULT = st.lists(SERIES | JSON, max_size=4) | JSON
READS = st.sampled_from([observe_series, observe_values])


def check(result: object) -> None:
    assert isinstance(result, Answer | Failure)
    if isinstance(result, Failure):
        assert len(result.message) < 400
        return
    for series in result.series:
        assert all(isinstance(text, str) for pair in series.labels.items() for text in pair)
        times = [sample.timestamp for sample in series.samples]
        assert times == sorted(times)
        assert all(math.isfinite(time) and time >= 0 for time in times)
        assert all(type(sample.value) is float for sample in series.samples)


@given(READS, RESULT)
@example(observe_series, [{"metric": {}, "values": [[10**400, "1"]]}])
@example(observe_series, [{"metric": {}, "values": [[math.nan, "1"]]}])
@example(observe_values, [{"metric": {}, "value": [1, "1e999"]}])
def test_any_result_is_read_or_refused(read: Read, result: Any) -> None:
    check(read(result))


@given(READS, RESULT, JSON, st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_body_is_read_or_refused(read: Read, result: Any, other: Any, server_time: float | None) -> None:
    envelope = {"status": "success", "data": {"result": result}, "warnings": other}
    for answer in (envelope, other, {"status": "success", "data": other}):
        body = json.dumps(answer).encode()
        check(read_body(body, read, server_time))
        assert isinstance(read_error(body), str)


@given(READS, st.binary(max_size=200))
@example(observe_series, b"[" * 100_000)
@example(observe_series, b'{"a":' * 100_000)
@example(observe_series, b"1" * 10_000)
@example(observe_series, b'{"status":"success","data":{"result":[{"metric":{},"values":[[Infinity,"1"]]}]}}')
@example(observe_series, b"\xff\xfe")
def test_bytes_that_are_no_json_are_refused(read: Read, body: bytes) -> None:
    result = read_body(body, read)
    assert isinstance(result, Failure)
    assert read_error(body) == ""


@given(
    st.lists(
        st.tuples(LABELS, st.lists(st.tuples(st.integers(0, 10**10), st.floats()), max_size=5)),
        max_size=5,
        unique_by=lambda pair: tuple(sorted(pair[0].items())),
    )
)
def test_what_was_sent_is_what_is_read(sent: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> None:
    def words(value: float) -> str:
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))

    result = observe_series([{"metric": labels, "values": [[t, words(v)] for t, v in pairs]} for labels, pairs in sent])
    assert isinstance(result, Answer)
    for series, (labels, pairs) in zip(result.series, sent, strict=True):
        assert series.labels == labels
        expected = sorted(pairs, key=lambda pair: pair[0])
        assert [sample.timestamp for sample in series.samples] == [time for time, _ in expected]
        assert [repr(sample.value) for sample in series.samples] == [repr(value) for _, value in expected]


def test_labels_are_text_whatever_was_sent() -> None:
    assert observe_series([{"metric": {"code": 200}, "values": []}]) == Answer((Series({"code": "200"}, ()),))


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"metric": None, "values": []}, "a series without labels"),
        ({"values": []}, "a series without labels"),
        ({"metric": {"a": None}, "values": []}, "a label that is no text"),
        ({"metric": {"a": ["b"]}, "values": []}, "a label that is no text"),
        ({"metric": {}, "values": {}}, "samples that are no list"),
        ({"metric": {}, "values": "ab"}, "samples that are no list"),
        ({"metric": {}, "values": ["12"]}, "no pair of time and value"),
        ({"metric": {}, "values": [[1]]}, "no pair of time and value"),
        ({"metric": {}, "values": [["1", "1"]]}, "without a time in seconds"),
        ({"metric": {}, "values": [[True, "1"]]}, "without a time in seconds"),
        ({"metric": {}, "values": [[-1, "1"]]}, "without a time in seconds"),
        ({"metric": {}, "values": [[1.7e12, "1"]]}, "without a time in seconds"),
        ({"metric": {}, "values": [[1, 1]]}, "whose value is no number"),
        ({"metric": {}, "values": [[1, None]]}, "whose value is no number"),
        ({"metric": {}, "values": [[1, "1_000"]]}, "whose value is no number"),
        ({"metric": {}, "values": [[1, "nan"]]}, "whose value is no number"),
        ({"metric": {}, "values": [[1, " 1"]]}, "whose value is no number"),
    ],
)
def test_a_wrong_type_anywhere_is_named(item: Any, words: str) -> None:
    result = observe_series([item])
    assert isinstance(result, Failure)
    assert (result.reason, result.of_query) == ("InvalidAnswer", False)
    assert words in result.message


def test_samples_out_of_order_are_put_in_order() -> None:
    result = observe_series([{"metric": {}, "values": [[2, "20"], [1, "10"]]}])
    assert result == Answer((Series({}, (Sample(1.0, 10.0), Sample(2.0, 20.0))),))


@pytest.mark.parametrize("number", [MAX_SERIES, MAX_SERIES + 1])
def test_so_many_series_are_too_many(number: int) -> None:
    result = observe_series([{"metric": {"n": str(one)}, "values": []} for one in range(number)])
    if number <= MAX_SERIES:
        assert isinstance(result, Answer)
    else:
        assert isinstance(result, Failure)
        assert (result.reason, result.of_query) == ("TooLarge", True)


@pytest.mark.parametrize("body", [b"[" + b"1," * MAX_VALUES + b"1]", b"[" + b"{}," * MAX_OBJECTS + b"{}]"])
def test_many_small_values_are_not_even_parsed(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("parsed"))
    result = read_body(body, observe_series)
    assert isinstance(result, Failure)
    assert result.reason == "TooLarge"


def test_of_an_error_only_its_words_are_shown() -> None:
    assert read_error(b'{"status": "error", "error": "bad \\u001b[31m\\n query", "secret": "x"}') == "bad [31m query"
    assert len(read_error(json.dumps({"error": "x" * 5000}).encode())) == 300
    assert read_error(b'{"error": "' + b"x" * 100_000 + b'"}') == ""
