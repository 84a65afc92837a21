"""The sequential test: what it sees, and how seldom it is wrong."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.sequential import (
    Counts,
    Evidence,
    assess_detectable_ratio,
    assess_log_evidence,
    observe_alone,
    observe_counts,
)

LIMIT = math.log(100)


def draw(chance: random.Random, n: int, p: float) -> int:
    return sum(chance.random() < p for _ in range(n))


def looks_until_alarm(
    chance: random.Random, candidate: float, stable: float, n_c: int, n_b: int, looks: int
) -> int | None:
    evidence = Evidence()
    for look in range(1, looks + 1):
        counts = Counts(n_c, draw(chance, n_c, candidate), n_b, draw(chance, n_b, stable))
        evidence = observe_counts(evidence, counts, 1.2)
        if assess_log_evidence(evidence) >= LIMIT:
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


def test_an_outage_that_hits_both_says_nothing() -> None:
    chance = random.Random(3)
    evidence = Evidence()
    for _ in range(30):
        evidence = observe_counts(evidence, Counts(50, draw(chance, 50, 0.5), 150, draw(chance, 150, 0.5)), 1.2)
    assert assess_log_evidence(evidence) < LIMIT


def test_a_change_of_weight_says_nothing() -> None:
    evidence = Evidence()
    for share in (5, 25, 50, 75):
        evidence = observe_counts(
            evidence, Counts(share * 10, share * 0.1, (100 - share) * 10, (100 - share) * 0.1), 1.2
        )
    assert assess_log_evidence(evidence) < 0


def test_failures_without_traffic_on_the_other_side_say_nothing() -> None:
    assert assess_log_evidence(observe_counts(Evidence(), Counts(100, 50, 0, 0), 1.2)) == pytest.approx(0)


def test_alone_in_the_bake_the_past_of_stable_is_the_measure() -> None:
    evidence = observe_counts(Evidence(), Counts(1000, 5, 9000, 45), 1.2)
    calm = observe_alone(evidence, Counts(1000, 5, 0, 0), 2.4)
    assert assess_log_evidence(calm) < 0
    bad = observe_alone(evidence, Counts(200, 40, 0, 0), 2.4)
    assert assess_log_evidence(bad) >= LIMIT


def test_alone_without_a_past_says_nothing() -> None:
    assert assess_log_evidence(observe_alone(Evidence(), Counts(100, 100, 0, 0), 2.4)) == pytest.approx(0)


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5000), st.integers(0, 5000)).map(
            lambda t: Counts(t[0], min(t[1], t[0]), t[2], min(t[3], t[2]))
        ),
        max_size=30,
    )
)
def test_evidence_stays_a_number_whatever_is_counted(intervals: list[Counts]) -> None:
    evidence = Evidence()
    for counts in intervals:
        evidence = observe_counts(evidence, counts, 1.2)
    assert math.isfinite(assess_log_evidence(evidence))


def test_more_requests_would_have_shown_smaller_regressions() -> None:
    few = assess_detectable_ratio(Counts(500, 2, 9500, 48), 1.2, LIMIT)
    many = assess_detectable_ratio(Counts(50_000, 250, 950_000, 4750), 1.2, LIMIT)
    assert few is not None
    assert many is not None
    assert 1.2 < many < few


def test_three_requests_would_have_shown_nothing() -> None:
    assert assess_detectable_ratio(Counts(3, 0, 100, 1), 1.2, LIMIT) is None
