"""Native histograms, in the form that the documentation of Prometheus' HTTP API gives them."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.counters import TOTAL, bound_key
from serinus.metrics.answers import observe_series
from serinus.metrics.native import GRID, NativeError, read_native
from serinus.metrics.profiles import Target, attribute_points
from serinus.metrics.profiles.runtimes import HTTP
from serinus.metrics.source import Answer, Failure

POD = {"namespace": "shop", "pod": "fraud-new-5d4f8c-x2x7k", "instance": "10.0.0.1:80"}
NAME = "http_request_duration_seconds"
TARGET = Target("shop", "fraud-new", "fraud")


def look(at: float, *buckets: tuple[float, float, float]) -> list[Any]:
    """A sample; buckets by bounds and count."""
    count = sum(n for _, _, n in buckets)
    given = [[0, str(left), str(right), str(n)] for left, right, n in buckets]
    return [at, {"count": str(count), "sum": "1.5", "buckets": given}]


FINE = [(2 ** (k / 8), 2 ** ((k + 1) / 8), 1.0) for k in range(-40, -16)]
"""24 answers between 1/32 s and 1/4 s, in buckets that grow by 2^(1/8)."""


def item(**more: Any) -> dict[str, Any]:
    return {"metric": {**POD, "__name__": NAME}, **more}


def test_a_native_histogram_is_read_as_a_classic_one_at_bounds_that_are_exact() -> None:
    answer = observe_series([item(histograms=[look(1.0, *FINE[:8]), look(2.0, *FINE)])])
    assert isinstance(answer, Answer)
    points = attribute_points(HTTP, {"Latency"}, [TARGET], answer.series)[TARGET, "Latency"]
    sums = {key: point.value for point in points for key in point.keys}
    assert sums[TOTAL] == 24
    assert sums[bound_key(0.0625)] == 8
    assert sums[bound_key(0.125)] == 16
    assert sums[bound_key(0.25)] == 24
    assert sums[bound_key(0.03125)] == 0
    assert {point.at for point in points} == {2.0}


def test_a_bound_inside_a_bucket_is_left_out() -> None:
    found = read_native([look(1.0, (0.0625, 0.25, 5.0))])
    assert "0.125" not in found
    assert found["0.25"] == [[1.0, "5"]]
    assert len(found) == len(GRID) + 1 - 3, "0.088, 0.125 and 0.177 are inside"


def test_the_zero_bucket_is_below_every_bound() -> None:
    assert read_native([look(1.0, (-1e-128, 1e-128, 3.0))])["0.0009765625"] == [[1.0, "3"]]


def test_classic_buckets_of_the_same_histogram_come_first() -> None:
    classic = {"metric": {**POD, "__name__": f"{NAME}_bucket", "le": "+Inf"}, "values": [[2.0, "7"]]}
    answer = observe_series([item(histograms=[look(2.0, *FINE)]), classic])
    assert isinstance(answer, Answer)
    assert [series.labels["le"] for series in answer.series] == ["+Inf"]


@pytest.mark.parametrize(
    ("histograms", "said"),
    [
        ("x", "no list"),
        ([1], "no pair"),
        ([[1, {"count": "many"}]], "number that is none"),
        ([[1, {"count": "1", "buckets": 3}]], "buckets are no list"),
        ([[1, {"count": "1", "buckets": [[0, "2", "1", "1"]]}]], "ends before it begins"),
    ],
)
def test_what_is_no_histogram_is_said(histograms: Any, said: str) -> None:
    answer = observe_series([item(histograms=histograms)])
    assert isinstance(answer, Failure)
    assert said in answer.message


@given(
    st.recursive(
        st.none() | st.floats() | st.text(max_size=5), lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(), x)
    )
)
def test_whatever_comes_is_a_histogram_or_an_error(samples: Any) -> None:
    with contextlib.suppress(NativeError):
        assert "+Inf" in read_native(samples)
