"""What stable's own pods teach: clumps, and pods that differ."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.counters import BAD, TOTAL, Increment
from serinus.core.metric import Metric, MetricState, observe_past
from serinus.core.spread import (
    CAP,
    UNKNOWN_LATENCY,
    Spread,
    assess_difference,
    assess_dispersion,
    assess_margin,
    forget_pods,
    knows_pods,
    observe_spread,
)

PODS = [f"p{i}" for i in range(8)]


def poisson(chance: random.Random, mean: float) -> int:
    limit, k, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        k, product = k + 1, product * chance.random()
    return k


def live(clump: int = 1, ratios: list[float] | None = None, burst: bool = False, seed: int = 1) -> Spread:
    """An hour of stable at 50 requests/s, 0.5 % of them failing."""
    chance, spread = random.Random(seed), Spread()
    for look in range(240):
        level = 0.06 if burst and look % 60 < 3 else 0.005
        units = {}
        for pod, ratio in zip(PODS, ratios or [1.0] * 8, strict=True):
            units[pod] = (94.0, float(clump * poisson(chance, 94 * level * ratio / clump)))
        spread = observe_spread(spread, units, 15.0)
    return spread


def test_failures_that_come_one_by_one_have_no_dispersion() -> None:
    assert assess_dispersion(live()) < 1.4
    assert assess_margin(live(), 1.2, 1) == pytest.approx(1.2, abs=0.15)


def test_clumps_are_seen() -> None:
    assert 5 < assess_dispersion(live(clump=8)) < 14


def test_a_burst_that_hits_all_pods_cancels() -> None:
    assert assess_dispersion(live(burst=True)) < 1.4


def test_pods_that_differ_widen_the_margin_and_are_not_taken_for_clumps() -> None:
    spread = live(ratios=[0.4, 0.6, 0.8, 1.0, 1.0, 1.3, 1.6, 2.2])
    assert assess_dispersion(spread) < 1.5
    assert 0.3 < assess_difference(spread) < 0.9
    assert 1.2 < assess_margin(spread, 1.2, 4) < assess_margin(spread, 1.2, 1) <= CAP


def test_two_pods_or_few_failures_say_nothing_about_differences() -> None:
    two = Spread(totals={"a": (1000.0, 5.0), "b": (1000.0, 500.0)})
    few = Spread(totals={"a": (1000.0, 1.0), "b": (1000.0, 9.0), "c": (1000.0, 1.0)})
    assert assess_difference(two) == assess_difference(few) == 0.0


def test_what_cannot_be_known_of_pods_widens_the_margin_and_less_so_the_more_the_candidate_has() -> None:
    two = Spread(totals={"a": (1000.0, 5.0), "b": (1000.0, 5.0)})
    margins = [assess_margin(two, 1.2, pods) for pods in (1, 4, 10)]
    assert margins == [pytest.approx(1.78, abs=0.01), pytest.approx(1.33, abs=0.01), 1.2]
    assert assess_margin(two, 2.5, 1) == 2.5, "a margin that is wide enough stays"
    assert assess_margin(two, 1.2, 1, UNKNOWN_LATENCY) < margins[0]
    assert not knows_pods(two)
    assert knows_pods(live())


def test_without_pods_neighbouring_intervals_are_compared() -> None:
    def live_at_a_gateway(clump: int) -> Spread:
        chance, spread = random.Random(2), Spread()
        for _ in range(240):
            spread = observe_spread(spread, {"gw": (750.0, float(clump * poisson(chance, 3.75 / clump)))}, 15.0)
        return spread

    assert assess_dispersion(live_at_a_gateway(1)) < 1.4
    assert assess_dispersion(live_at_a_gateway(8)) > 4


def test_pods_that_come_and_go_do_not_pile_up() -> None:
    spread = Spread(totals={f"p{i}": (float(i), 0.0) for i in range(100)})
    assert set(forget_pods(spread, 3).totals) == {"p97", "p98", "p99"}


@given(
    st.lists(
        st.dictionaries(st.sampled_from(PODS), st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=8),
        max_size=30,
    )
)
def test_every_history_gives_a_number(history: list[dict[str, tuple[int, int]]]) -> None:
    spread = Spread()
    for units in history:
        spread = observe_spread(spread, {p: (float(n), float(min(n, e))) for p, (n, e) in units.items()}, 60.0)
    assert 1.0 <= assess_dispersion(spread) < math.inf
    assert 1.2 <= assess_margin(spread, 1.2, 1) <= CAP


def test_a_gateways_sums_are_no_pod_beside_the_pods() -> None:
    metric = Metric("errors", "ratio", "Errors", spread="Pods")

    def grown(*units: str) -> Increment:
        return Increment({unit: {TOTAL: 1000.0, BAD: 5.0} for unit in units})

    state = observe_past(MetricState(), metric, grown("gateway"), 30.0)
    assert set(state.spreads[0].totals) == {"gateway"}
    state = observe_past(state, metric, grown("a", "b"), 30.0, by_pods=True)
    state = observe_past(state, metric, grown("gateway"), 30.0)
    assert set(state.spreads[0].totals) == {"a", "b"}
