"""From the answers to users' queries to points, or to what is wrong with the query."""

import math

import pytest

from serinus.core.counters import BAD, LEVEL, TOTAL, Point, bound_key
from serinus.metrics.promql import (
    QueryProblem,
    Scope,
    TypedQuery,
    attribute_query_points,
    parse_query,
    read_instant,
)
from serinus.metrics.source import Sample, Series

NEW = Scope("ml", "fraud-7c9d2b10")
OLD = Scope("ml", "fraud-51aa0c9e")
POD = "fraud-7c9d2b10-5d4f8-x2x9z"


def series(value: float = 5.0, **labels: str) -> Series:
    return Series({"instance": "10.0.0.1:80", **labels}, (Sample(1.0, value - 1), Sample(2.0, value)))


def of_pod(value: float = 5.0, pod: str = POD, **labels: str) -> Series:
    return series(value, namespace="ml", pod=pod, **labels)


def points(found: dict[Scope, list[Point]] | QueryProblem) -> dict[Scope, list[Point]]:
    assert isinstance(found, dict), found
    return found


def test_the_newest_sample_belongs_to_the_revision_of_its_pod() -> None:
    found = points(
        attribute_query_points(
            "counter", [NEW, OLD], [of_pod(7.0), of_pod(9.0, "fraud-51aa0c9e-5d4f8-aaaaa")], (TOTAL, BAD)
        )
    )
    (mine,), (other,) = found[NEW], found[OLD]
    assert (mine.unit, mine.source, mine.value, mine.at, mine.keys) == (POD, "10.0.0.1:80", 7.0, 2.0, (TOTAL, BAD))
    assert (other.unit, other.value) == ("fraud-51aa0c9e-5d4f8-aaaaa", 9.0)
    assert mine.series != other.series


@pytest.mark.parametrize(
    "labels",
    [
        {"namespace": "other", "pod": POD},
        {"pod": POD},
        {"namespace": "ml"},
        {"namespace": "ml", "pod": "fraud-00000000-5d4f8-x2x9z"},
        {"namespace": "ml", "pod": "fraud-7c9d2b10"},
        {"namespace": "ml", "pod": "fraud-7c9d2b10-x2x9z"},
        {"namespace": "ml", "pod": "fraud-7c9d2b10-more-5d4f8-x2x9z"},
        {"namespace": "ml", "pod": "fraud-7c9d2b10-5d4f8-X"},
        {"namespace": "ml", "pod": f"{POD}\n"},
    ],
)
def test_a_series_of_somebody_else_belongs_to_nobody(labels: dict[str, str]) -> None:
    assert attribute_query_points("counter", [NEW, OLD], [series(**labels)], (TOTAL,)) == {NEW: [], OLD: []}


def test_a_series_without_samples_is_left_out() -> None:
    empty = Series({"namespace": "ml", "pod": POD}, ())
    assert attribute_query_points("gauge", [NEW], [empty]) == {NEW: []}


def test_a_series_that_is_bad_and_part_of_all_is_counted_under_two_names() -> None:
    names = {
        point.series
        for keys in ((BAD,), (TOTAL,))
        for point in points(attribute_query_points("counter", [NEW], [of_pod()], keys))[NEW]
    }
    assert len(names) == 2


def test_several_series_of_a_counter_for_one_pod_are_several_points() -> None:
    found = points(attribute_query_points("counter", [NEW], [of_pod(a="1"), of_pod(a="2")], (TOTAL,)))
    assert len({point.series for point in found[NEW]}) == 2


def test_buckets_count_towards_their_bounds() -> None:
    given = [of_pod(le=le) for le in ("0.25", "1", "2.5e+00", "+Inf")]
    found = points(attribute_query_points("histogram", [NEW], given))
    assert [p.keys for p in found[NEW]] == [(bound_key(0.25),), (bound_key(1),), (bound_key(2.5),), (TOTAL,)]


@pytest.mark.parametrize("labels", [{}, {"le": ""}, {"le": "fast"}, {"le": "NaN"}])
def test_a_series_without_a_bound_is_no_bucket(labels: dict[str, str]) -> None:
    found = attribute_query_points("histogram", [NEW], [of_pod(le="1"), of_pod(__name__="x_bucket", **labels)])
    assert isinstance(found, QueryProblem)
    assert found.message == "x_bucket is no histogram: a series of it has no bound in the label le"


def test_a_gauge_has_one_value_for_each_pod() -> None:
    second = "fraud-7c9d2b10-5d4f8-bbbbb"
    found = points(attribute_query_points("gauge", [NEW], [of_pod(0.1), of_pod(math.nan, second)]))
    assert [(p.unit, p.keys) for p in found[NEW]] == [(POD, (LEVEL,)), (second, (LEVEL,))]
    assert found[NEW][0].value == 0.1
    assert math.isnan(found[NEW][1].value)


def test_two_values_for_one_pod_are_a_mistake_that_is_explained() -> None:
    found = attribute_query_points("gauge", [NEW], [of_pod(statistic="psi"), of_pod(statistic='k"s', feature="age")])
    assert isinstance(found, QueryProblem)
    assert f"several values for the pod {POD}" in found.message
    assert 'they differ in feature ("", "age"), statistic ("psi", "k"s")' in found.message
    assert 'choose one by a matcher, such as feature=""' in found.message


def test_what_the_operator_itself_selects_by_is_not_proposed() -> None:
    twice = [of_pod(instance="10.0.0.1:80"), of_pod(instance="10.0.0.1:81")]
    found = attribute_query_points("gauge", [NEW], twice)
    assert isinstance(found, QueryProblem)
    assert "they differ in instance" in found.message
    assert "by an aggregation" in found.message
    assert "matcher" not in found.message


def test_an_explanation_stays_short() -> None:
    long = [of_pod(**{f"label_{i}": f"{word}" * 500 for i in range(50)}) for word in "ab"]
    found = attribute_query_points("gauge", [NEW], long)
    assert isinstance(found, QueryProblem)
    assert "and 47 more" in found.message
    assert len(found.message) < 1000


def query(text: str) -> TypedQuery:
    found = parse_query("gauge", text)
    assert isinstance(found, TypedQuery)
    return found


def test_an_expression_has_one_value() -> None:
    point = read_instant(query("avg(drift)"), NEW, [Series({}, (Sample(3.0, 0.25),))])
    assert point == Point("ml/fraud-7c9d2b10", "fraud-7c9d2b10", "", 0.25, 3.0, (LEVEL,))


@pytest.mark.parametrize("answer", [[], [Series({}, ())]])
def test_an_expression_without_a_value_is_unknown(answer: list[Series]) -> None:
    assert read_instant(query("avg(drift)"), NEW, answer) is None


def test_an_expression_with_two_values_is_a_mistake_that_is_explained() -> None:
    found = read_instant(query("drift * 2"), NEW, [series(pod="a"), series(pod="b")])
    assert isinstance(found, QueryProblem)
    assert found.message == (
        'drift * 2 has 2 values where one is meant; they differ in pod ("a", "b"). Make them one by an aggregation,'
        " such as avg(...) or max(...)"
    )
