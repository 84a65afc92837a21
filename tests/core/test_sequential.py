"""The sequential test: what it sees, and how seldom it is wrong."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.sequential import (
    Counts,
    Lane,
    alone_gains,
    assess_detectable_ratio,
    assess_log_evidence,
    assess_mean_log_evidence,
    limit_gains,
    observe_gains,
    split_gains,
    unspent,
    upper_ratio,
)

LIMIT = math.log(100)


def draw(chance: random.Random, n: int, p: float) -> int:
    return sum(chance.random() < p for _ in range(n))


class Running:
    """One lane, fed interval by interval."""

    def __init__(self, margin: float = 1.2, seconds: float = 15.0) -> None:
        self.lane, self.exposure, self.margin, self.seconds = Lane(), 0.0, margin, seconds

    def gain(self, gains: list[float]) -> None:
        after = self.exposure + self.seconds
        self.lane = observe_gains(self.lane, gains, self.exposure, after)
        self.exposure = after

    def count(self, *counts: float) -> None:
        self.gain(split_gains(Counts(*counts), self.margin, 1.0))

    @property
    def log_evidence(self) -> float:
        return assess_log_evidence(self.lane, self.exposure)


def looks_until_alarm(
    chance: random.Random, candidate: float, stable: float, n_c: int, n_b: int, looks: int, begins: int = 0
) -> int | None:
    test = Running()
    for look in range(1, looks + 1):
        ratio = candidate if look > begins else stable
        test.count(n_c, draw(chance, n_c, ratio), n_b, draw(chance, n_b, stable))
        if test.log_evidence >= LIMIT:
            return look
    return None


def test_no_change_raises_at_most_the_promised_share_of_alarms() -> None:
    chance = random.Random(1)
    runs = 600
    alarms = sum(looks_until_alarm(chance, 0.02, 0.02, 20, 180, 60) is not None for _ in range(runs))
    # 1 % promised; 600 runs at exactly 1 % exceed 13 alarms in one of a thousand cases.
    assert alarms <= 13


def test_a_twentyfold_fault_is_found_within_a_few_times_the_information_limit() -> None:
    # The limit is about 23 candidate requests at a base rate of 0.5 %, with the stable ratio known.
    chance = random.Random(2)
    found = [looks_until_alarm(chance, 0.1, 0.005, 10, 40, 60) for _ in range(100)]
    assert all(f is not None for f in found)
    median = sorted(f or 0 for f in found)[50]
    assert median * 10 <= 4 * 23


def test_a_fault_that_begins_late_is_found_nearly_as_soon() -> None:
    chance = random.Random(5)
    early = [looks_until_alarm(chance, 0.04, 0.005, 50, 200, 120) or 120 for _ in range(60)]
    late = [(looks_until_alarm(chance, 0.04, 0.005, 50, 200, 160, begins=40) or 160) - 40 for _ in range(60)]
    assert sorted(late)[30] <= 3 * sorted(early)[30]


def test_an_outage_that_hits_both_says_nothing() -> None:
    chance = random.Random(3)
    test = Running()
    for _ in range(30):
        test.count(50, draw(chance, 50, 0.5), 150, draw(chance, 150, 0.5))
    assert test.log_evidence < LIMIT


def test_a_change_of_weight_says_nothing() -> None:
    test = Running()
    for share in (5, 25, 50, 75):
        test.count(share * 10, share * 0.1, (100 - share) * 10, (100 - share) * 0.1)
    assert test.log_evidence < 0


def test_failures_without_traffic_on_the_other_side_say_nothing() -> None:
    test = Running()
    test.count(100, 50, 0, 0)
    assert test.log_evidence == pytest.approx(0)


def test_clumps_count_for_less() -> None:
    single = split_gains(Counts(100, 20, 900, 9), 1.2, 1.0)
    clumped = split_gains(Counts(100, 20, 900, 9), 1.2, 4.0)
    assert clumped == pytest.approx([gain / 4 for gain in single])


def test_alone_in_the_bake_the_past_of_stable_is_the_measure() -> None:
    reference = upper_ratio(45, 9000)
    assert reference is not None
    assert 0.005 < reference < 0.008
    calm, bad = Running(), Running()
    calm.gain(alone_gains(Counts(1000, 5, 0, 0), 2.4 * reference, 1.0))
    assert calm.log_evidence < 0
    bad.gain(alone_gains(Counts(200, 40, 0, 0), 2.4 * reference, 1.0))
    assert bad.log_evidence >= LIMIT
    assert upper_ratio(0, 0) is None


def test_a_limit_needs_no_stable() -> None:
    chance = random.Random(4)
    within, beyond = Running(), Running()
    for _ in range(40):
        within.gain(limit_gains(draw(chance, 50, 0.02), 50, 0.02, 1.0))
        beyond.gain(limit_gains(draw(chance, 50, 0.08), 50, 0.02, 1.0))
    assert within.log_evidence < LIMIT <= beyond.log_evidence
    assert all(math.isfinite(gain) for gain in limit_gains(50, 50, 0.999, 1.0))


def test_the_prior_is_spent_and_never_overdrawn() -> None:
    masses = [unspent(t) for t in (0.0, 1.0, 60.0, 3600.0, 1e9)]
    assert masses[0] == 1.0
    assert masses == sorted(masses, reverse=True)
    assert masses[-1] > 0


def test_lanes_are_averaged() -> None:
    strong, weak = Lane(logs=(10.0, 10.0)), Lane(logs=(-50.0, -50.0))
    both = assess_mean_log_evidence([strong, weak], 60.0)
    assert both == pytest.approx(assess_log_evidence(strong, 60.0) - math.log(2), abs=0.01)
    assert assess_mean_log_evidence([], 60.0) == 0.0


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5000), st.integers(0, 5000)).map(
            lambda t: Counts(t[0], min(t[1], t[0]), t[2], min(t[3], t[2]))
        ),
        max_size=30,
    )
)
def test_evidence_stays_a_number_whatever_is_counted(intervals: list[Counts]) -> None:
    test = Running()
    for counts in intervals:
        test.gain(split_gains(counts, 1.2, 1.0))
    assert math.isfinite(test.log_evidence)


def test_more_requests_would_have_shown_smaller_regressions() -> None:
    few = assess_detectable_ratio(Counts(500, 2, 9500, 48), 1.2, 1.0, LIMIT)
    many = assess_detectable_ratio(Counts(50_000, 250, 950_000, 4750), 1.2, 1.0, LIMIT)
    assert few is not None
    assert many is not None
    assert 1.2 < many < few


def test_three_requests_would_have_shown_nothing() -> None:
    assert assess_detectable_ratio(Counts(3, 0, 100, 1), 1.2, 1.0, LIMIT) is None
