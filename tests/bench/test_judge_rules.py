"""The rules of others, on inputs made by hand."""

import math

import numpy as np
import pytest

from tests.bench.judge.draws import BOUNDS
from tests.bench.judge.significance import (
    find_boundary,
    find_crossing,
    find_shift,
    find_z,
    first_form,
    mann_whitney,
    obrien_fleming,
    peeked_z_test,
)
from tests.bench.judge.tally import Tally, divide, find_quantile, fold_minutes
from tests.bench.judge.thresholds import argo, flagger
from tests.bench.judge.weather import make_clock

TICKS = 120
NEVER = math.inf


def tally(bad: np.ndarray, stable_bad: np.ndarray | None = None, requests: float = 100.0, **changes: object) -> Tally:
    """One run in which both sides answer as often in every tick; `bad` are the candidate's bad answers by tick."""
    mine, other = bad[None, :].astype(float), np.zeros((1, TICKS)) if stable_bad is None else stable_bad[None, :]
    total = np.full((1, TICKS), requests)
    scores = tuple(divide(fold_minutes(each, 15.0), fold_minutes(total, 15.0)) for each in (mine, other))
    figures = {
        "kind": "errors",
        "interval": 15.0,
        "margin": 1.2,
        "weights": make_clock(15.0).weights,
        "total": (total, total),
        "bad": (mine, other),
        "over": mine,
        "scores": scores,
        "levels": None,
        "slow": {},
        "blind": np.zeros((1, TICKS), bool),
    }
    return Tally(**{**figures, **changes})  # type: ignore[arg-type]


def bad_in_minutes(*minutes: int, bad: float = 10.0) -> np.ndarray:
    """10 % bad answers in these minutes (from 1 on)."""
    found = np.zeros(TICKS)
    for minute in minutes:
        found[4 * (minute - 1) : 4 * minute] = bad
    return found


def moment(found: object) -> float:
    assert isinstance(found, np.ndarray)
    return float(found[0])


def test_flagger_adds_failed_checks_up_and_acts_with_the_check_after() -> None:
    rule = flagger(60.0, 3, 0.99)
    assert moment(rule(tally(bad_in_minutes(2, 3, 4)))) == 300.0
    # Good checks in between do not forgive the bad ones.
    assert moment(rule(tally(bad_in_minutes(2, 10, 20)))) == 1260.0
    assert moment(rule(tally(bad_in_minutes(2, 10)))) == NEVER
    assert moment(rule(tally(bad_in_minutes(2, 10, 30)))) == NEVER
    assert moment(rule(tally(bad_in_minutes(2, 3, 4, bad=1.0)))) == NEVER


def test_flagger_counts_silence_and_outages_as_failed_checks() -> None:
    rule = flagger(60.0, 3, 0.99)
    blind = np.zeros((1, TICKS), bool)
    blind[0, 40:52] = True
    assert moment(rule(tally(np.zeros(TICKS), blind=blind))) == 60.0 * 14
    nobody = np.zeros((1, TICKS))
    assert moment(rule(tally(np.zeros(TICKS), total=(nobody, nobody)))) == 240.0


def test_argo_aborts_at_once_when_the_limit_is_exceeded() -> None:
    rule = argo(60.0, 3, 0.99)
    assert moment(rule(tally(bad_in_minutes(2, 10, 20, 25)))) == 1500.0
    assert moment(rule(tally(bad_in_minutes(2, 10, 20)))) == NEVER
    assert moment(argo(60.0, 0, 0.99)(tally(bad_in_minutes(7)))) == 420.0


def test_argo_gives_up_after_five_errors_in_a_row() -> None:
    blind = np.zeros((1, TICKS), bool)
    blind[0, 39:51] = True
    # Out from 600 to 780 s; measured at 600, then every 10 s: the fifth error comes at 640.
    assert moment(argo(60.0, 3, 0.99)(tally(np.zeros(TICKS), blind=blind))) == 640.0
    blind[0, 41:] = False
    assert moment(argo(60.0, 3, 0.99)(tally(np.zeros(TICKS), blind=blind))) == NEVER


def test_thresholds_have_nothing_to_say_of_gauges_and_outcomes() -> None:
    assert flagger(60.0, 3, 0.99)(tally(np.zeros(TICKS), kind="gauge")) is None
    assert argo(60.0, 3, 0.99)(tally(np.zeros(TICKS), kind="outcomes")) is None


def test_the_shift_is_that_of_hodges_and_lehmann() -> None:
    mine, other = np.array([[1.1, 2.2, 3.3, 4.4]]), np.array([[0.5, 1.0, 1.5, np.nan]])
    differences = sorted(a - b for a in mine[0] for b in (0.5, 1.0, 1.5))
    shift = find_shift(mine, other)
    assert shift.estimate[0] == pytest.approx((differences[5] + differences[6]) / 2)
    # 6 - 2.326 sqrt(12 x 8 / 12) = -0.6: with so few values the interval reaches down to the lowest difference.
    assert shift.lower[0] == pytest.approx(differences[0])


def test_the_interval_of_the_shift_covers_what_it_should() -> None:
    rng = np.random.default_rng(5)
    mine, other = rng.normal(0.5, 1.0, (4000, 20)), rng.normal(0.0, 1.0, (4000, 20))
    missed = float((find_shift(mine, other).lower > 0.5).mean())
    assert 0.005 <= missed <= 0.015


def test_kayenta_speaks_from_the_eighth_minute_on_and_wants_more_than_a_quarter_of_the_shift() -> None:
    rng = np.random.default_rng(1)
    worse, usual = 10.0 + rng.random(TICKS), rng.random(TICKS)
    assert moment(mann_whitney(tally(worse, usual))) == 480.0
    assert moment(mann_whitney(tally(usual, worse))) == NEVER
    assert moment(mann_whitney(tally(np.zeros(TICKS)))) == NEVER


def test_z_is_the_pooled_two_sample_statistic() -> None:
    z = find_z(tally(np.full(TICKS, 5.0), np.full(TICKS, 2.0)))
    # After two ticks 10 of 200 against 4 of 200.
    pooled = 14 / 400
    assert z[0, 1] == pytest.approx((0.05 - 0.02) / math.sqrt(pooled * (1 - pooled) * 2 / 200))
    assert find_z(tally(np.zeros(TICKS)))[0].tolist() == [0.0] * TICKS


def test_the_peeked_test_looks_every_minute_and_not_while_blind() -> None:
    bad = bad_in_minutes(3)
    assert moment(peeked_z_test(tally(bad))) == 180.0
    blind = np.zeros((1, TICKS), bool)
    blind[0, 11] = True
    assert moment(peeked_z_test(tally(bad, blind=blind))) == 240.0


def test_a_gauge_is_tested_as_if_its_values_were_independent() -> None:
    rng = np.random.default_rng(2)
    levels = (rng.normal(1.0, 1.0, (1, TICKS)), rng.normal(0.0, 1.0, (1, TICKS)))
    z = find_z(tally(np.zeros(TICKS), levels=levels))
    means = [level.mean() for level in levels]
    deviation = math.sqrt(sum(level.var(ddof=1) / TICKS for level in levels))
    assert z[0, -1] == pytest.approx((means[0] - means[1]) / deviation)
    assert not z[0, :7].any()


@pytest.mark.parametrize(("height", "chance"), [(2.040, 0.025), (1.751, 0.05)])
def test_boundaries_are_those_of_the_textbook(height: float, chance: float) -> None:
    """Jennison & Turnbull, Group Sequential Methods (2000), table 2.3: five equal looks, two-sided 5 and 10 %."""
    equal = (0.2, 0.4, 0.6, 0.8, 1.0)
    assert find_crossing(equal, height) == pytest.approx(chance, abs=1e-4)


def test_the_boundary_spends_one_percent_and_nothing_early() -> None:
    shares = (0.043, 0.126, 0.314, 0.631, 1.0)
    assert find_crossing(shares, find_boundary(shares)) == pytest.approx(0.01, abs=1e-5)
    # A difference that 1 % would find at once is not enough for the first look.
    assert moment(obrien_fleming(tally(bad_in_minutes(3, bad=5.0)))) > 360.0


def test_the_first_form_is_the_plain_mixture() -> None:
    bad, stable_bad = np.zeros(TICKS), np.zeros(TICKS)
    bad[0], stable_bad[0] = 8.0, 1.0
    evidence = np.mean(
        [
            (t * 120 / (t * 120 + 100) * 220 / 120) ** 8 * (100 / (t * 120 + 100) * 220 / 100)
            for t in (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
        ]
    )
    assert evidence < 100
    assert moment(first_form(tally(bad, stable_bad))) == NEVER
    bad[1] = 8.0
    assert moment(first_form(tally(bad, stable_bad))) == 30.0
    assert first_form(tally(bad, levels=(bad[None, :], bad[None, :]))) is None


def test_quantiles_are_those_of_a_histogram() -> None:
    cumulative = np.array([[0, 0, 0, 0, 0, 50, 90, 100, 100, 100, 100, 100, 100, 100, 100]], float)
    # 95 of 100: halfway between the bounds 0.25 and 0.5.
    assert find_quantile(cumulative, 0.95)[0] == pytest.approx(0.375)
    assert find_quantile(cumulative, 0.25)[0] == pytest.approx(0.0875)
    assert np.isnan(find_quantile(np.zeros((1, len(BOUNDS) + 1)), 0.95))[0]
