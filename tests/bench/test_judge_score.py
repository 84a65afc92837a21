"""The figures by which rules are compared: intervals, delays, extra bad answers, one price for all."""

import math

import numpy as np
import pytest

from tests.bench.judge.score import Runs, find_cost, find_wilson, score_runs, sum_excess

NEVER = math.inf


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_as_published(successes: int, trials: int, low: float, high: float) -> None:
    assert find_wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetric_and_needs_trials() -> None:
    low, high = find_wilson(3, 50)
    assert find_wilson(47, 50) == pytest.approx((1 - high, 1 - low))
    with pytest.raises(ValueError, match="no trials"):
        find_wilson(0, 0)


def runs(*moments: float, onset: float = 0.0) -> Runs:
    number = len(moments)
    return Runs(np.array(moments), np.full(number, onset), np.arange(number, dtype=float), np.zeros(number, bool))


def test_delays_are_over_all_runs_and_infinite_where_most_found_nothing() -> None:
    score = score_runs(runs(30.0, 15.0, 45.0, NEVER))
    assert (score.found, score.median, score.p90) == (0.75, 30.0, NEVER)
    assert score_runs(runs(15.0, NEVER, NEVER)).median == NEVER
    assert score.extra == 1.5


def test_a_rollback_before_the_fault_found_nothing() -> None:
    score = score_runs(runs(500.0, 615.0, 630.0, 645.0, onset=600.0))
    assert (score.rolled_back, score.found, score.early) == (1.0, 0.75, 0.25)
    assert score.median == 30.0


def test_the_parts_of_a_scenario_are_one_sample() -> None:
    joined = Runs.join([runs(15.0, NEVER), runs(NEVER, NEVER)])
    assert score_runs(joined).rolled_back == 0.25
    assert score_runs(joined).interval == find_wilson(1, 4)


def test_bad_answers_count_until_the_rollback_and_to_the_end_without_one() -> None:
    excess = np.array([[1.0, 2.0, 4.0, 8.0]] * 4)
    found = sum_excess(excess, 15.0, np.array([15.0, 30.0, 40.0, NEVER]))
    assert found.tolist() == [1.0, 3.0, 7.0, 15.0]


def test_one_price_for_both_errors() -> None:
    assert find_cost([10.0, 30.0], [0.0, 0.02], 100) == pytest.approx(20.0 + 1.0)
