"""Counters: no failure is lost, none is invented."""

from serinus.core.counters import Increment, Point, find_not_numbers, observe_points, open_ledger


def point(value: float, *, bad: bool = False, source: str = "a", at: float = 1.0) -> Point:
    return Point(series=f"{source}/{bad}", source=source, value=value, at=at, bad=bad)


def test_a_series_that_appears_counts_from_zero() -> None:
    ledger = open_ledger([point(100)], ["a"])
    _, grown = observe_points(ledger, [point(110), point(20, bad=True)], ["a"], born_in_rollout=False)
    assert grown == Increment(total=30, bad=20, at=1.0)


def test_a_candidates_first_series_count_from_zero_on_any_target() -> None:
    ledger = open_ledger([], [])
    _, grown = observe_points(ledger, [point(7, bad=True, source="new")], ["new"], born_in_rollout=True)
    assert (grown.total, grown.bad) == (7, 7)


def test_a_target_that_was_out_of_sight_does_not_bring_its_past() -> None:
    ledger = open_ledger([point(100)], ["a"])
    ledger, grown = observe_points(ledger, [point(101), point(9000, source="b")], ["a", "b"], born_in_rollout=False)
    assert grown.total == 1
    _, grown = observe_points(ledger, [point(101), point(9005, source="b")], ["a", "b"], born_in_rollout=False)
    assert grown.total == 5


def test_a_counter_that_fell_was_restarted() -> None:
    ledger = open_ledger([point(100)], ["a"])
    _, grown = observe_points(ledger, [point(3)], ["a"], born_in_rollout=False)
    assert grown.total == 3


def test_a_missing_scrape_is_made_good_by_the_next() -> None:
    ledger = open_ledger([point(100)], ["a"])
    ledger, grown = observe_points(ledger, [], [], born_in_rollout=False)
    assert grown == Increment()
    _, grown = observe_points(ledger, [point(130)], ["a"], born_in_rollout=False)
    assert grown.total == 30


def test_not_a_number_is_found() -> None:
    assert find_not_numbers([point(1), point(float("nan"), bad=True)]) == ("a/True",)
    assert find_not_numbers([point(float("inf"))]) == ("a/False",)
