"""The story that the demo tells is in the payments themselves: each shift does what it is said to do, to any seed."""

import numpy as np
import pytest

from examples.retrain.fraud.model import FAMILIES
from examples.retrain.fraud.rows import Row, take_snapshot
from examples.retrain.fraud.train import Trained, train
from examples.retrain.fraud.world import SEASONS, draw_payments, encode

ROWS = 1600


def make_rows(season: str, seed: int, count: int = ROWS) -> list[Row]:
    payments = draw_payments(np.random.default_rng(seed), count, season)
    return [{"id": f"{seed}-{n}", **one.features, "fraud": one.fraud} for n, one in enumerate(payments)]


def retrain(season: str, seed: int, champion: object = None, *families: str) -> Trained:
    return train(take_snapshot(make_rows(season, seed)), families or ("linear",), champion)


def test_the_same_seed_gives_the_same_payments() -> None:
    for season in SEASONS:
        assert make_rows(season, 5) == make_rows(season, 5)
        assert make_rows(season, 5) != make_rows(season, 6)


@pytest.mark.parametrize("seed", [3, 17, 91])
def test_a_shift_spoils_the_model_and_training_on_it_heals_it_for_all(seed: int) -> None:
    calm = retrain("calm", seed)
    healed = retrain("holiday", seed + 1, calm.classifier)
    assert healed.champion is not None
    assert calm.metrics["f1"] > 0.9
    assert healed.champion["f1"] < 0.6
    assert healed.metrics["f1"] > 0.9
    assert all(one["value"] > 0.88 for one in healed.metrics["slices"].values())
    assert healed.metrics["demographic_parity_gap"] < 0.15


@pytest.mark.parametrize("seed", [3, 17, 91])
def test_the_second_shift_cannot_be_followed_without_hurting_the_south(seed: int) -> None:
    champion = retrain("holiday", seed).classifier
    unfair = retrain("split", seed + 1, champion)
    assert unfair.champion is not None
    assert unfair.metrics["f1"] > unfair.champion["f1"] + 0.2
    assert unfair.metrics["f1"] > 0.62
    south, before = (side["slices"]["region=south"] for side in (unfair.metrics, unfair.champion))
    assert south["value"] < before["value"] - 0.5
    assert south["samples"] >= 100


@pytest.mark.parametrize("seed", [3, 17])
def test_a_committee_is_right_about_all_and_chosen_where_it_may_be(seed: int) -> None:
    champion = retrain("holiday", seed).classifier
    large = retrain("split", seed + 1, champion, "linear", "committee")
    assert large.family == "committee"
    assert large.champion is not None
    for name, one in large.metrics["slices"].items():
        assert one["value"] > 0.9 * large.champion["slices"][name]["value"], name
    assert large.metrics["demographic_parity_gap"] < 0.15
    assert large.metrics["batch_ms_per_row"] < 1
    assert len(large.content) < 5_000_000


def test_only_a_shift_of_the_input_moves_the_input() -> None:
    means = {season: encode(make_rows(season, 4, 4000)).mean(axis=0) for season in SEASONS}
    assert np.abs(means["calm"][:3]).max() < 0.1
    assert np.abs(means["holiday"] - means["calm"]).max() > 1
    assert np.abs(means["split"] - means["holiday"]).max() > 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": None}, "amount is None"),
        ({"age": "old"}, "age is 'old'"),
        ({"distance": -1.0}, "distance is -1"),
        ({"distance": float("inf")}, "distance is inf"),
        ({"amount": True}, "amount is True"),
        ({"region": "west"}, "region is 'west'"),
    ],
)
def test_features_that_make_no_sense_are_named(change: dict[str, object], said: str) -> None:
    good = {"amount": 10.0, "distance": 3.0, "age": 100.0, "region": "north"}
    assert encode([good]).shape == (1, 4)
    with pytest.raises(ValueError, match=said):
        encode([{**good, **change}])


def test_every_family_can_be_built() -> None:
    assert set(FAMILIES) == {"linear", "committee"}
    assert all(hasattr(build(), "fit") for build in FAMILIES.values())
