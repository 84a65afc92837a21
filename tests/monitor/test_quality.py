"""Quality is of labelled rows only, by slice, and not defined where it is not."""

import math
from typing import Any

import pytest

from examples.monitor.serinus_monitor.quality import ALL, MOST_SLICES, Answer, measure_quality


def answers(pairs: list[tuple[Any, Any]], slice_: str | None = None) -> list[Answer]:
    return [Answer(prediction, slice_, label) for prediction, label in pairs]


def test_each_metric_is_that_of_its_definition() -> None:
    rows = answers([(1, 1)] * 6 + [(1, 0)] * 2 + [(0, 1)] * 4 + [(0, 0)] * 8)
    found = measure_quality(rows, ["accuracy", "precision", "recall", "f1", "balanced_accuracy"], "1", 20)
    assert found["accuracy", ALL] == pytest.approx(14 / 20)
    assert found["precision", ALL] == pytest.approx(6 / 8)
    assert found["recall", ALL] == pytest.approx(6 / 10)
    assert found["f1", ALL] == pytest.approx(2 * 6 / (8 + 10))
    assert found["balanced_accuracy", ALL] == pytest.approx((0.6 + 0.8) / 2)
    numbers = answers([(float(n), n + 2.0) for n in range(10)])
    assert measure_quality(numbers, ["mae", "rmse"], None, 1) == {("mae", ALL): 2.0, ("rmse", ALL): 2.0}


def test_without_a_positive_label_f1_is_the_mean_over_the_labels() -> None:
    rows = answers([("a", "a")] * 5 + [("b", "b")] * 3 + [("a", "b")] * 2)
    assert measure_quality(rows, ["f1"], None, 1)["f1", ALL] == pytest.approx((10 / 12 + 6 / 8) / 2)


def test_labels_and_predictions_agree_however_they_are_written_but_true_is_not_1() -> None:
    assert measure_quality(answers([(1, "1"), (1.0, 1)]), ["accuracy"], None, 1)["accuracy", ALL] == 1.0
    assert measure_quality(answers([(True, 1)]), ["accuracy"], None, 1)["accuracy", ALL] == 0.0


def test_slices_with_enough_labels_have_values_of_their_own() -> None:
    rows = answers([(1, 1)] * 30, "region=eu") + answers([(1, 0)] * 20, "region=us") + answers([(1, 0)] * 5, "rare")
    found = measure_quality(rows, ["accuracy"], None, 10)
    assert found == {("accuracy", ALL): 30 / 55, ("accuracy", "region=eu"): 1.0, ("accuracy", "region=us"): 0.0}


def test_slices_without_end_and_one_that_is_called_like_the_whole_do_no_harm() -> None:
    rows = [row for n in range(200) for row in answers([(1, 1)] * 2, f"user={n}")] + answers([(1, 0)] * 3, ALL)
    found = measure_quality(rows, ["accuracy"], None, 2)
    assert len(found) <= MOST_SLICES + 1
    assert found["accuracy", ALL] == pytest.approx(400 / 403)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "precision", "recall", "mae", "rmse", "r2"])
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [Answer(1, None, None)] * 50,
        [Answer(None, None, 1)] * 50,
        answers([(1, 1)]) * 3,
    ],
    ids=["nothing", "no labels", "no predictions", "too few"],
)
def test_what_is_not_known_has_no_value(metric: str, rows: list[Answer]) -> None:
    assert measure_quality(rows, [metric], "1", 20) == {}


def test_what_is_not_defined_has_no_value() -> None:
    assert measure_quality(answers([(0, 0)] * 50), ["recall", "precision", "f1"], "1", 20) == {}
    texts = answers([("a", "b")] * 50)
    assert measure_quality(texts, ["mae", "rmse", "r2"], None, 20) == {}
    huge = measure_quality(answers([(1e308, -1e308)] * 50), ["rmse"], None, 20)
    assert all(math.isfinite(value) for value in huge.values())
