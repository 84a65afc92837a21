"""What the model was trained on must be what it is given: the mistakes that no metric explains."""

# ruff: noqa: S101
import math

import pytest
from preprocess import build_features

PAYMENT = {
    "amount": 99.0,
    "at": "2026-07-01T23:30:00+00:00",
    "time_zone": "Europe/Paris",
    "country": "FR",
    "home_country": "FR",
}


def test_the_names_and_their_order_are_those_of_the_training() -> None:
    assert list(build_features(PAYMENT)) == ["log_amount", "hour", "abroad"]


def test_the_hour_is_that_of_the_card_in_summer_too() -> None:
    assert build_features(PAYMENT)["hour"] == 1.0


@pytest.mark.parametrize(("amount", "expected"), [(0.0, 0.0), (99.0, math.log(100)), ("99", math.log(100))])
def test_the_amount_is_a_logarithm_that_zero_has_too(amount: object, expected: float) -> None:
    assert build_features({**PAYMENT, "amount": amount})["log_amount"] == pytest.approx(expected)


def test_abroad_is_another_country_than_home() -> None:
    assert build_features({**PAYMENT, "country": "JP"})["abroad"] == 1.0


def test_a_negative_amount_is_refused_rather_than_guessed() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        build_features({**PAYMENT, "amount": -1})
