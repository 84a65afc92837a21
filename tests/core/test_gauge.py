"""Gauges: judged by their long-run variance, and honest about how slow that is."""

import math
import random
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serinus.core.gauge import Track, assess_long_run_variance, observe_value
from serinus.core.level import observe_level
from serinus.core.metric import Metric, MetricState
from serinus.core.trial import Trial, TrialState
from serinus.core.verdict import judge_trial
from tests.core.world import START


def wander(chance: random.Random, rho: float, n: int, mean: float = 0.0) -> list[float]:
    value, found = chance.gauss(0, 1), []
    for _ in range(n):
        value = rho * value + math.sqrt(1 - rho * rho) * chance.gauss(0, 1)
        found.append(mean + value)
    return found


def follow(
    metric: Metric, mine: list[float], base: list[float], past: list[float] = ()
) -> tuple[MetricState, int | None]:  # type: ignore[assignment]
    state = MetricState()
    for value in past:
        state = observe_level(state, metric, (None, value), 15.0, START)
    for look, values in enumerate(zip(mine, base, strict=True)):
        state = observe_level(state, metric, values, 15.0, START + timedelta(seconds=15 * look))
        if state.log_evidence >= math.log(100):
            return state, look
    return state, None


def test_neighbours_that_resemble_each_other_count_for_less() -> None:
    chance = random.Random(1)
    tracks = []
    for rho in (0.0, 0.8):
        track = Track()
        for value in wander(chance, rho, 2000):
            track = observe_value(track, value)
        tracks.append(assess_long_run_variance(track))
    assert tracks[0] is not None
    assert tracks[1] is not None
    assert 0.8 < tracks[0] < 1.4
    assert 6 < tracks[1] < 14, "(1 + rho) / (1 - rho) is 9"


def test_no_change_is_left_alone_however_it_wanders() -> None:
    metric = Metric("score", "gauge", "q", rise=0.0)
    alarms = 0
    for seed in range(100):
        chance = random.Random(seed)
        past, base, mine = (wander(chance, 0.8, n) for n in (120, 120, 120))
        alarms += follow(metric, mine, base, past)[1] is not None
    assert alarms <= 4


def test_a_fall_against_stable_is_found() -> None:
    metric = Metric("accuracy", "gauge", "q", fall=0.01)
    chance = random.Random(7)
    past = [0.9 + 0.01 * x for x in wander(chance, 0.0, 60)]
    base = [0.9 + 0.01 * x for x in wander(chance, 0.0, 120)]
    mine = [0.86 + 0.01 * x for x in wander(chance, 0.0, 120)]
    _, look = follow(metric, mine, base, past)
    assert look is not None
    assert look < 20


def test_an_absolute_bound_needs_no_stable() -> None:
    metric = Metric("drift", "gauge", "q", high=0.2)
    chance = random.Random(9)
    within = [0.1 + 0.02 * x for x in wander(chance, 0.3, 120)]
    beyond = [0.3 + 0.02 * x for x in wander(chance, 0.3, 120)]
    nobody: list[Any] = [None] * 120
    assert follow(metric, within, nobody)[1] is None
    assert follow(metric, beyond, nobody)[1] is not None


def test_a_gauge_that_never_moves_is_judged_all_the_same() -> None:
    metric = Metric("drift", "gauge", "q", high=0.2)
    assert follow(metric, [0.5] * 60, [0.1] * 60)[1] is not None
    assert follow(metric, [0.1] * 60, [0.1] * 60)[1] is None


def test_a_slow_gauge_says_so() -> None:
    metric = Metric("drift", "gauge", "q", high=10.0, needed=8)
    state, _ = follow(metric, wander(random.Random(3), 0.95, 100), wander(random.Random(4), 0.95, 100))
    trial = Trial("new", "old", START, 5, 1, START, (metric,), 1, 15.0, "the pods")
    said = judge_trial(TrialState(metrics={"drift": state}), trial).summaries[0].message or ""
    assert "too slow to protect" in said
    assert "export counters instead" in said


@given(st.lists(st.floats(-1e9, 1e9), max_size=60))
def test_every_sequence_gives_a_number(values: list[float]) -> None:
    metric = Metric("drift", "gauge", "q", high=0.0)
    state, _ = follow(metric, values, values)
    assert math.isfinite(state.log_evidence)
