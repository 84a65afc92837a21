"""How soon any test could know, against figures worked out by hand."""

import pytest

from tests.bench.judge.limit import count_requests, find_information, find_limit, measure_divergence
from tests.bench.judge.scenarios import LATENCY, STEADY, Fault, Scenario, World


@pytest.mark.parametrize(
    ("usual", "times", "requests"),
    [
        (0.001, 2, 11_906),
        (0.005, 1.5, 8_464),
        (0.005, 2, 2_369),
        (0.005, 4, 359),
        (0.005, 20, 23),
        (0.005, 100, 3),
        (0.05, 10, 6),
        (0.05, 20, 2),
    ],
)
def test_requests_that_are_needed_at_least(usual: float, times: float, requests: int) -> None:
    assert count_requests(measure_divergence(min(usual * times, 1.0), usual)) == requests


def test_nothing_is_learnt_where_nothing_changed() -> None:
    assert measure_divergence(0.01, 0.01) == pytest.approx(0.0)


def test_the_limit_follows_the_weights_and_comes_with_a_scrape() -> None:
    # 23 requests at 2.5 a second are there after 9.2 s, 359 after 143.6 s.
    assert find_limit(Scenario("20x", STEADY, Fault(20.0))) == 15.0
    assert find_limit(Scenario("20x", STEADY, Fault(20.0), interval=1.0)) == 10.0
    assert find_limit(Scenario("4x", STEADY, Fault(4.0))) == 150.0
    # From minute 10 on: 5 requests/s for two minutes.
    assert find_limit(Scenario("4x late", STEADY, Fault(4.0, onset=600.0), interval=1.0)) == 72.0
    # 2,369 requests: 900 in six minutes at 5 %, then 5 a second.
    assert find_limit(Scenario("2x", STEADY, Fault(2.0), interval=1.0)) == 654.0


def test_a_leak_is_known_later_than_a_jump_to_the_same_height() -> None:
    jump = find_limit(Scenario("4x", STEADY, Fault(4.0)))
    leak = find_limit(Scenario("leak", STEADY, Fault(4.0, leaks=True)))
    assert jump is not None
    assert leak is not None
    assert jump < leak < 1800.0


def test_no_limit_where_nothing_can_be_known() -> None:
    assert find_limit(Scenario("steady", STEADY)) is None
    assert find_limit(Scenario("passing", STEADY, Fault(12.0, None, 30.0))) is None
    assert find_limit(Scenario("too little", World(rate=1.0), Fault(2.0))) is None


def test_a_clump_is_one_event_and_the_best_bucket_counts() -> None:
    assert find_information(World(clump=8), 4.0) == pytest.approx(find_information(STEADY, 4.0) / 8)
    # Median 150 ms, sigma 0.5: 15.35 % are slower than 250 ms, and 25.6 % where all take 1.2 times as long.
    assert find_information(LATENCY, 1.2) == pytest.approx(measure_divergence(0.2556, 0.1535), rel=2e-3)
