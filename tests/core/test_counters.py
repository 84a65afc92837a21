"""Counters: no failure is lost, none is invented."""

from serinus.core.counters import (
    BAD,
    LEVEL,
    TOTAL,
    Increment,
    Point,
    bound_key,
    bound_of,
    find_not_numbers,
    observe_points,
    open_ledger,
    sum_points,
)


def point(value: float, *, bad: bool = False, source: str = "a", at: float = 1.0, unit: str = "pod") -> Point:
    return Point(f"{source}/{bad}", unit, source, value, at, (TOTAL, BAD) if bad else (TOTAL,))


def test_a_series_that_appears_counts_from_zero() -> None:
    ledger = open_ledger([point(100)], ["a"])
    _, grown = observe_points(ledger, [point(110), point(20, bad=True)], ["a"], born_in_rollout=False)
    assert grown == Increment({"pod": {TOTAL: 30, BAD: 20}}, resets=0, at=1.0)


def test_a_candidates_first_series_count_from_zero_on_any_target() -> None:
    ledger = open_ledger([], [])
    _, grown = observe_points(ledger, [point(7, bad=True, source="new")], ["new"], born_in_rollout=True)
    assert (grown.sum_of(TOTAL), grown.sum_of(BAD)) == (7, 7)


def test_a_target_that_was_out_of_sight_does_not_bring_its_past() -> None:
    ledger = open_ledger([point(100)], ["a"])
    ledger, grown = observe_points(ledger, [point(101), point(9000, source="b")], ["a", "b"], born_in_rollout=False)
    assert grown.sum_of(TOTAL) == 1
    _, grown = observe_points(ledger, [point(101), point(9005, source="b")], ["a", "b"], born_in_rollout=False)
    assert grown.sum_of(TOTAL) == 5


def test_a_counter_that_fell_was_restarted() -> None:
    ledger = open_ledger([point(100)], ["a"])
    _, grown = observe_points(ledger, [point(3)], ["a"], born_in_rollout=False)
    assert grown.sum_of(TOTAL) == 3
    assert grown.resets == 1


def test_a_missing_scrape_is_made_good_by_the_next() -> None:
    ledger = open_ledger([point(100)], ["a"])
    ledger, grown = observe_points(ledger, [], [], born_in_rollout=False)
    assert grown == Increment({})
    _, grown = observe_points(ledger, [point(130)], ["a"], born_in_rollout=False)
    assert grown.sum_of(TOTAL) == 30


def test_not_a_number_is_found() -> None:
    assert find_not_numbers([point(1), point(float("nan"), bad=True)]) == ("a/True",)
    assert find_not_numbers([point(float("inf"))]) == ("a/False",)


def test_pods_and_buckets_are_told_apart() -> None:
    buckets = [Point(f"{pod}/{b}", pod, pod, n, 1.0, (bound_key(b),)) for pod, b, n in (("x", 0.1, 4), ("y", 0.1, 5))]
    _, grown = observe_points(open_ledger([], []), buckets, [], born_in_rollout=True)
    assert grown.units == {"x": {"le:0.1": 4}, "y": {"le:0.1": 5}}
    assert sum_points(buckets) == grown.units
    assert bound_of("le:0.1") == 0.1
    assert bound_of(TOTAL) is None


def test_a_gauge_may_be_negative_a_count_may_not() -> None:
    assert find_not_numbers([Point("g", "", "", -1.0, 0.0, (LEVEL,))]) == ()
    assert find_not_numbers([point(-1)]) == ("a/False",)
