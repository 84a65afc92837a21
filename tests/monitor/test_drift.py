"""Scores are on one scale, and a threshold knows how many rows it is for."""

import math
from typing import Any

import numpy as np
import pytest

from examples.monitor.serinus_monitor.calibration import Calibration, round_size
from examples.monitor.serinus_monitor.errors import ReferenceUnusableError
from examples.monitor.serinus_monitor.findings import MAX, Drift, assess_drift
from examples.monitor.serinus_monitor.reference import PREDICTION, Reference, read_reference
from examples.monitor.serinus_monitor.statistics import measure, measure_psi
from examples.monitor.serinus_monitor.windows import Closed
from tests.monitor.bench import lines, make_features, make_reference, settings


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(np.random.default_rng(1), 3000)


@pytest.fixture(scope="module")
def calibration(reference: Reference) -> Calibration:
    return Calibration(reference, 0.01)


def encode(reference: Reference, features: list[dict[str, Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.stack([reference.encode(row, None) for row in features])


def assess(reference: Reference, calibration: Calibration, features: list[dict[str, Any]]) -> Drift:
    return assess_drift(Closed(0, 60.0, encode(reference, features)), reference, calibration, settings())


def test_psi_is_the_sum_of_the_textbook_over_the_deciles_of_the_reference(reference: Reference) -> None:
    observed = reference.counts.copy()
    amount = slice(int(reference.starts[0]), int(reference.starts[1]))
    observed[amount] = [600, 600, 300, 300, 300, 300, 300, 300, 0, 0, 0]
    p, q = ((side[amount] + 0.5) / (3000 + 5.5) for side in (reference.counts, observed))
    psi = measure_psi(reference, reference.counts, observed)
    assert psi[0] == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert psi[1] == 0.0


def test_a_bin_of_the_reference_holds_a_tenth_whatever_the_window_holds(reference: Reference) -> None:
    amount = reference.counts[: int(reference.starts[1])]
    assert list(amount) == [300] * 10 + [0]


@pytest.mark.parametrize("rows", [60, 200, 1000])
def test_windows_without_change_pass_their_thresholds_about_as_seldom_as_was_asked_for(
    rows: int, calibration: Calibration, reference: Reference
) -> None:
    rng = np.random.default_rng(rows)
    above = dict.fromkeys(("psi", "js", "ks"), 0)
    for _ in range(200):
        drift = assess(reference, calibration, make_features(rng, rows))
        for statistic in above:
            score = drift.scores[statistic, MAX]
            above[statistic] += score.value > score.threshold
    assert max(above.values()) <= 8, f"{above} of 200, where 2 are to be expected"


def test_a_real_shift_is_seen_by_each_statistic_in_the_first_window(
    calibration: Calibration, reference: Reference
) -> None:
    drift = assess(reference, calibration, make_features(np.random.default_rng(5), 500, shift=0.5))
    for statistic in ("psi", "js", "ks"):
        whole, amount = drift.scores[statistic, MAX], drift.scores[statistic, "amount"]
        assert whole == amount, "the feature furthest above its threshold stands for the data set"
        assert whole.value > whole.threshold
    country = drift.scores["psi", "country"]
    assert country.value < country.threshold
    assert ("ks", "country") not in drift.scores


def test_the_smaller_the_window_the_higher_the_threshold(calibration: Calibration) -> None:
    for statistic in ("psi", "js", "ks"):
        thresholds = [calibration.find_thresholds(statistic, rows)[0] for rows in (50, 200, 1000, 5000)]
        assert thresholds == sorted(thresholds, reverse=True)
        assert thresholds[0] > 3 * thresholds[-1]


def test_a_whole_family_is_not_flagged_more_often_than_one_feature() -> None:
    """Twenty clean features at one percent each would give 18 %."""
    rng = np.random.default_rng(3)
    columns = [f"f{number}" for number in range(20)]

    def draw(rows: int) -> list[dict[str, Any]]:
        return [dict(zip(columns, map(float, row), strict=True)) for row in rng.normal(size=(rows, 20))]

    reference = read_reference("many", lines({"features": row} for row in draw(1500)))
    calibration = Calibration(reference, 0.01)
    above = 0
    for _ in range(150):
        score = assess(reference, calibration, draw(300)).scores["psi", MAX]
        above += score.value > score.threshold
    assert above <= 8


def test_sizes_within_a_tenth_share_a_threshold_and_it_is_that_of_the_smaller() -> None:
    for rows in (1, 2, 50, 99, 100, 101, 5000, 19_999):
        assert 0.8 * rows - 1 <= round_size(rows) <= rows
    assert len({round_size(rows) for rows in range(100, 10_000)}) < 60
    with pytest.raises(ValueError, match="0 rows"):
        round_size(0)


@pytest.mark.parametrize("spoiled", [None, "12.5", math.nan, math.inf, [1], True])
def test_values_that_are_gone_or_of_another_type_are_drift(
    spoiled: Any, calibration: Calibration, reference: Reference
) -> None:
    features = make_features(np.random.default_rng(6), 500)
    for row in features[:50]:
        row["amount"] = spoiled
    score = assess(reference, calibration, features).scores["psi", "amount"]
    assert score.value > score.threshold


def test_a_feature_that_nobody_sends_any_more_is_drift_and_has_no_ks(
    calibration: Calibration, reference: Reference
) -> None:
    features = [{"country": row["country"]} for row in make_features(np.random.default_rng(7), 500)]
    drift = assess(reference, calibration, features)
    assert drift.scores["psi", "amount"].value > 10 * drift.scores["psi", "amount"].threshold
    assert ("ks", "amount") not in drift.scores


def test_a_category_that_the_reference_did_not_have_is_drift(calibration: Calibration, reference: Reference) -> None:
    features = make_features(np.random.default_rng(8), 500)
    for row in features[:40]:
        row["country"] = "xx"
    score = assess(reference, calibration, features).scores["js", "country"]
    assert score.value > score.threshold


def test_too_few_rows_or_no_reference_give_no_score_and_never_zero(
    calibration: Calibration, reference: Reference
) -> None:
    few = assess(reference, calibration, make_features(np.random.default_rng(9), 49))
    assert (few.rows, few.scores) == (49, {})
    rows = tuple(encode(reference, make_features(np.random.default_rng(9), 500)))
    assert assess_drift(Closed(0, 60.0, rows), None, None, settings()) == Drift(60.0, 500)


def test_constant_and_empty_features_are_compared_without_a_warning(reference: Reference) -> None:
    rows = [{"features": {"one": 1, "none": None, "amount": float(n)}, "prediction": n % 2} for n in range(300)]
    odd = read_reference("odd", lines(rows))
    assert [feature.name for feature in odd.features] == ["amount", "none", "one", PREDICTION]
    same = np.stack([odd.encode(row["features"], row["prediction"]) for row in rows])  # type: ignore[arg-type]
    calibration = Calibration(odd, 0.01)
    for statistic in ("psi", "js", "ks"):
        values, thresholds = measure(statistic, odd, same), calibration.find_thresholds(statistic, 300)
        assert not (values > thresholds).any()
    changed = np.stack([odd.encode({"one": 2, "none": 3, "amount": 1.0}, 0) for _ in range(300)])
    assert (measure("psi", odd, changed) > calibration.find_thresholds("psi", 300)).all()


def test_a_reference_without_numbers_has_no_ks() -> None:
    words = read_reference("words", lines({"features": {"w": "ab"[n % 2]}} for n in range(200)))
    assert np.isnan(Calibration(words, 0.01).find_thresholds("ks", 100)).all()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "has 0 rows; at least 100"),
        (lines([{"features": {"a": 1}}] * 99), "has 99 rows"),
        (lines([{"features": {}}] * 100), "has 0 features; 1 to 100"),
        (lines([{"features": {str(n): n for n in range(101)}}] * 100), "has 101 features"),
        (lines([{"features": {"_max": 1}}] * 100), "'_max' is no name for a feature"),
        (lines([{"x": 1}] * 100), "line 1: features: Field required; line 2"),
        (b"<html>\n" * 200, "and 195 more"),
    ],
)
def test_a_reference_that_nothing_can_be_compared_with_says_why(body: bytes, said: str) -> None:
    with pytest.raises(ReferenceUnusableError) as raised:
        read_reference("sha256:aa", body)
    assert said in str(raised.value)


def test_a_large_reference_is_thinned_at_random() -> None:
    large = read_reference("large", lines({"features": {"n": n}} for n in range(12_000)))
    assert large.values.shape == (10_000, 1)
    assert large.values.mean() == pytest.approx(6000, rel=0.02)
