"""The simulated worlds do what the page says of them, and the same seed is the same world."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.bench.judge.draws import RHO, draw_autocorrelated, find_slow_share
from tests.bench.judge.exposition import UNSEEN, expose_counters, merge_pods
from tests.bench.judge.scenarios import BURSTS, CLUMPS, LATENCY, SCENARIOS, STEADY, Fault, Scenario, World
from tests.bench.judge.weather import Rollout, Side, make_clock, make_past, make_rollout, make_stream

RUNS = 40


def play(world: World, fault: Fault | None = None, seed: int = 1, interval: float = 15.0) -> Rollout:
    scenario = Scenario("under test", world, fault, interval)
    past = make_past(world, 30.0, RUNS, make_stream(seed, "past", world))
    return make_rollout(scenario, past, make_stream(seed, scenario.name))


def share_of_bad(side: Side) -> float:
    return float(side.growth[..., 1].sum() / side.growth.sum())


def test_names_of_scenarios_are_unique_for_they_name_their_random_numbers() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_the_same_seed_is_the_same_world_and_another_is_another() -> None:
    one, again, other = play(CLUMPS), play(CLUMPS), play(CLUMPS, seed=2)
    assert np.array_equal(one.candidate.growth, again.candidate.growth)
    assert np.array_equal(one.stable.growth, again.stable.growth)
    assert not np.array_equal(one.candidate.growth, other.candidate.growth)


def test_the_candidate_gets_its_share_on_as_many_pods_as_its_weight_asks_for() -> None:
    clock, rollout = make_clock(15.0), play(STEADY)
    assert clock.weights[[0, 24, 48, 72, 96]].tolist() == [0.05, 0.1, 0.25, 0.5, 0.75]
    assert clock.pods[[0, 24, 48, 72, 96]].tolist() == [1, 1, 2, 4, 6]
    requests = rollout.candidate.growth.sum(axis=(2, 3)).mean(axis=0)
    assert requests[:24].mean() == pytest.approx(50 * 15 * 0.05, rel=0.05)
    assert requests[96:].mean() == pytest.approx(50 * 15 * 0.75, rel=0.05)
    assert not rollout.candidate.growth[:, :48, 1:].any()
    assert rollout.candidate.scraped[0, 100].tolist() == [True] * 6


def test_without_a_fault_both_sides_fail_alike_and_with_one_they_do_not() -> None:
    same, worse = play(STEADY), play(STEADY, Fault(4.0))
    assert share_of_bad(same.candidate) == pytest.approx(0.005, rel=0.05)
    assert share_of_bad(same.stable) == pytest.approx(0.005, rel=0.05)
    assert share_of_bad(worse.candidate) == pytest.approx(0.02, rel=0.05)
    assert not same.excess.any()
    requests = worse.candidate.growth.sum(axis=(1, 2, 3))
    assert worse.excess.sum(axis=1) == pytest.approx(0.015 * requests)


def test_a_late_fault_is_late_a_passing_one_passes_and_a_leak_grows() -> None:
    late = play(STEADY, Fault(20.0, onset=600.0))
    assert not late.excess[:, :40].any()
    assert late.excess[:, 40:].all()
    passing = play(STEADY, Fault(12.0, None, 30.0))
    ticks = (passing.excess > 0).sum(axis=1)
    assert set(ticks.tolist()) <= {2, 3}
    assert len(set(passing.onset.tolist())) == RUNS
    leak = play(STEADY, Fault(4.0, leaks=True)).excess.sum(axis=0) / make_clock(15.0).weights
    assert leak[10] < leak[60] < leak[115]


def test_bursts_hit_both_sides_at_once() -> None:
    rollout = play(BURSTS)
    sides = [
        side.growth[..., 1].sum(axis=2) / side.growth.sum(axis=(2, 3)) for side in (rollout.candidate, rollout.stable)
    ]
    bursting = sides[1] > 0.04
    assert 2 * 3 <= bursting.sum(axis=1).mean() <= 4 * 4
    assert sides[0][bursting].mean() > 0.04
    assert sides[0][~bursting].mean() < 0.01


def test_clumps_keep_the_mean_and_raise_the_variance_eightfold() -> None:
    single, clumped = play(STEADY).stable.growth[..., 1], play(CLUMPS).stable.growth[..., 1]
    assert clumped.mean() == pytest.approx(single.mean(), rel=0.1)
    assert clumped[:, :24].var() / clumped[:, :24].mean() == pytest.approx(8.0, rel=0.15)
    assert not (clumped % 8).any()


def test_unlike_pods_keep_their_ratio_from_the_past_into_the_rollout() -> None:
    world = World(unlike=0.5)
    past = make_past(world, 30.0, RUNS, make_stream(1, "past", world))
    rollout = make_rollout(Scenario("unlike", world), past, make_stream(1, "unlike"))
    before, now = (
        side.growth[..., 1].sum(axis=1) / side.growth.sum(axis=(1, 3)) for side in (past.stable, rollout.stable)
    )
    assert np.log(before).std() == pytest.approx(0.5, abs=0.1)
    assert np.corrcoef(np.log(before).ravel(), np.log(now).ravel())[0, 1] > 0.8


def test_latencies_are_as_slow_as_they_should_be() -> None:
    rollout = play(LATENCY, Fault(1.5))
    for side, expected in ((rollout.stable, 0.1535), (rollout.candidate, 0.4168)):
        total = side.growth[..., -1].sum()
        assert 1 - side.growth[..., 6].sum() / total == pytest.approx(expected, abs=0.01)
        assert (np.diff(side.growth, axis=-1) >= 0).all()
    assert float(find_slow_share(np.array(0.15), np.array(0.0))) == pytest.approx(0.5, abs=1e-6)


def test_autocorrelation_is_as_asked_from_the_first_value_on() -> None:
    values = draw_autocorrelated((400, 60, 1), RHO, make_stream("ar"))
    assert values[:, 0].std() == pytest.approx(1.0, abs=0.1)
    assert values.std() == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1] == pytest.approx(RHO, abs=0.02)


def test_the_monitoring_is_out_for_three_minutes() -> None:
    blind = play(World(outage=180.0)).blind
    assert (blind.sum(axis=1) == 12).all()
    assert (np.abs(np.diff(blind.astype(int), axis=1)).sum(axis=1) <= 2).all()


def one_pod(growth: list[float], **changes: np.ndarray) -> Side:
    figures = np.array(growth).reshape(1, -1, 1, 1)
    no = np.zeros(figures.shape[:3], bool)
    return replace(Side(figures, figures, no, ~no), **changes)


def mask(*values: int) -> np.ndarray:
    return np.array(values, bool).reshape(1, -1, 1)


def test_counters_grow_and_begin_anew_after_a_restart() -> None:
    fresh = np.array([0.0, 0.0, 3.0, 0.0]).reshape(1, -1, 1, 1)
    side = one_pod([5.0, 5.0, 5.0, 5.0], restarted=mask(0, 0, 1, 0), fresh=fresh)
    shown = expose_counters(side, np.full((1, 1, 1), 100.0))
    assert shown.values.ravel().tolist() == [105.0, 110.0, 3.0, 8.0]
    assert shown.first.ravel().tolist() == [100.0]


def test_a_lost_scrape_shows_the_sample_before_until_that_is_too_old() -> None:
    side = one_pod([1.0] * 7, scraped=mask(0, 1, 0, 0, 0, 0, 1))
    shown = expose_counters(side)
    assert shown.ages.ravel().tolist() == [UNSEEN, 0, 1, 2, 3, UNSEEN, 0]
    assert shown.values.ravel()[[1, 2, 4, 6]].tolist() == [2.0, 2.0, 2.0, 7.0]


def test_a_gateway_counts_what_all_pods_answered() -> None:
    rollout = play(World(restarts=300.0, missing=0.2))
    merged = merge_pods(rollout.stable)
    assert merged.growth.shape[2] == 1
    assert merged.growth.sum() == rollout.stable.growth.sum()
    assert merged.scraped.all()
    assert math.isclose(float(expose_counters(merged).last.sum()), float(rollout.stable.growth.sum()))
