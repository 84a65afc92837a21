"""Stories of one monitor: what is published when, and what is not."""

import numpy as np
import pytest

from examples.monitor.serinus_monitor.findings import MAX
from examples.monitor.serinus_monitor.monitor import Monitor, Stable
from examples.monitor.serinus_monitor.quality import ALL
from examples.monitor.serinus_monitor.records import Labelled
from examples.monitor.serinus_monitor.reference import Reference
from tests.monitor.bench import START, close, make_features, make_labels, make_monitor, make_predictions, make_reference


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(np.random.default_rng(1))


def feed(monitor: Monitor, minute: int, rows: int, *, shift: float = 0.0, **more: object) -> None:
    """Rows of one minute, sent while it lasts, and the windows that are over after it."""
    now = START + 60 * minute + 30
    features = make_features(np.random.default_rng(minute), rows, shift)
    monitor.take_predictions(make_predictions(features, now, f"{minute}-", **more), now)
    close(monitor, START + 60 * minute + 65)


def test_a_window_is_published_when_it_is_over_and_the_next_one_replaces_it(reference: Reference) -> None:
    monitor = make_monitor(reference)
    feed(monitor, 0, 300)
    assert monitor.drift is not None
    assert (monitor.drift.rows, monitor.drift.end) == (300, START + 60)
    quiet = monitor.drift.scores["psi", MAX]
    assert quiet.value < quiet.threshold
    feed(monitor, 1, 300, shift=1.0)
    loud = monitor.drift.scores["psi", MAX]
    assert monitor.drift.end == START + 120
    assert loud.value > loud.threshold


def test_an_under_filled_window_has_samples_and_no_score(reference: Reference) -> None:
    monitor = make_monitor(reference)
    feed(monitor, 0, 300)
    feed(monitor, 1, 10)
    assert monitor.drift is not None
    assert (monitor.drift.rows, monitor.drift.scores) == (10, {})


def test_after_some_empty_windows_nothing_is_known_any_more(reference: Reference) -> None:
    monitor = make_monitor(reference, stale_after=3)
    feed(monitor, 0, 300)
    for minute in (1, 2):
        close(monitor, START + 60 * minute + 65)
        assert monitor.drift is not None
        assert (monitor.drift.rows, monitor.drift.scores) == (0, {})
    close(monitor, START + 60 * 3 + 65)
    assert monitor.drift is None
    feed(monitor, 4, 300)
    assert monitor.drift is not None
    assert monitor.drift.rows == 300


def test_labels_join_until_the_window_has_waited_for_them_and_coverage_says_how_many_came(reference: Reference) -> None:
    monitor = make_monitor(reference, label_delay=120.0)
    rows = make_predictions(make_features(np.random.default_rng(1), 100), START + 10)
    monitor.take_predictions(rows, START + 10)
    assert monitor.take_labels(make_labels(rows[:40], 1)) == {"joined": 40}
    close(monitor, START + 179)
    assert monitor.quality is None, "labels may still come"
    assert monitor.take_labels(make_labels(rows[40:80], 0)) == {"joined": 40}
    close(monitor, START + 180)
    assert monitor.quality is not None
    assert (monitor.quality.predictions, monitor.quality.labelled, monitor.quality.coverage) == (100, 80, 0.8)
    assert monitor.quality.values["accuracy", ALL] == 0.5
    assert monitor.take_labels(make_labels(rows[80:], 1)) == {"waiting": 20}, "too late"
    assert monitor.quality.coverage == 0.8


def test_a_label_may_come_before_its_prediction_and_be_corrected() -> None:
    monitor = make_monitor()
    rows = make_predictions([{}] * 30, START + 10)
    assert monitor.take_labels(make_labels(rows, 0)) == {"waiting": 30}
    monitor.take_predictions(rows, START + 10)
    monitor.take_labels(make_labels(rows[:15], 1))
    close(monitor, START + 180)
    assert monitor.quality is not None
    assert (monitor.quality.labelled, monitor.quality.values["accuracy", ALL]) == (30, 0.5)


def test_quality_without_a_delay_of_labels_still_waits_for_rows_that_are_under_way() -> None:
    monitor = make_monitor(label_delay=0.0)
    rows = make_predictions([{}] * 30, START + 59)
    monitor.take_predictions(rows, START + 63)
    monitor.take_labels(make_labels(rows))
    close(monitor, START + 64)
    assert monitor.quality is None
    close(monitor, START + 65)
    assert monitor.quality is not None
    assert monitor.quality.labelled == 30


def test_labels_of_unknown_predictions_are_kept_up_to_a_bound() -> None:
    monitor = make_monitor(max_rows=100)
    monitor.take_labels(Labelled(id=str(n), label=1) for n in range(1000))
    assert len(monitor._early) == 100


def test_too_few_labels_give_no_quality_and_no_predictions_no_coverage() -> None:
    monitor = make_monitor(min_labels=20)
    rows = make_predictions([{}] * 100, START + 10)
    monitor.take_predictions(rows, START + 10)
    monitor.take_labels(make_labels(rows[:19]))
    close(monitor, START + 180)
    assert monitor.quality is not None
    assert (monitor.quality.values, monitor.quality.coverage) == ({}, 0.19)
    close(monitor, START + 240)
    assert monitor.quality is not None
    assert (monitor.quality.labelled, monitor.quality.coverage) == (0, None)


def test_promotion_begins_everything_anew_and_rows_of_other_versions_do_not_count(reference: Reference) -> None:
    monitor = make_monitor(reference)
    feed(monitor, 0, 300, revision="v1")
    assert monitor.drift is not None
    assert monitor.follow(Stable("v1", "sha256:aa", START), START + 70) is False
    assert monitor.drift is not None, "nothing has changed"
    promoted = START + 75
    assert monitor.follow(Stable("v2", "sha256:bb", promoted), START + 80) is True
    assert (monitor.drift, monitor.quality, monitor.reference) == (None, None, None)
    assert "sha256:bb is not loaded yet" in monitor.reference_problem
    rows = make_predictions(make_features(np.random.default_rng(2), 100), START + 81, revision="v1")
    assert monitor.take_predictions(rows, START + 81) == {"other_version": 100}
    early = make_predictions([{}], START + 74, revision="v2")
    assert monitor.take_predictions(early, START + 81) == {"too_old": 1}
    fresh = make_predictions(make_features(np.random.default_rng(2), 100), START + 81, "n", revision="v2")
    assert monitor.take_predictions(fresh, START + 81) == {"no_reference": 100}
    monitor.use_reference(make_reference(np.random.default_rng(3), name="sha256:bb"), START + 82)
    fresh = make_predictions(make_features(np.random.default_rng(2), 100), START + 83, "m", revision="v2")
    assert monitor.take_predictions(fresh, START + 83) == {"kept": 100}
    close(monitor, promoted + 65)
    assert monitor.drift is not None
    assert monitor.drift.end == promoted + 60, "windows are counted from the promotion"
    assert monitor.counts["prediction", "kept"] == 100


def test_a_window_end_is_the_same_after_a_restart_and_rows_may_be_sent_again(reference: Reference) -> None:
    ends = []
    for restarted in (START, START + 40):
        monitor = make_monitor(reference, now=restarted)
        rows = make_predictions(make_features(np.random.default_rng(1), 100), START + 20)
        assert monitor.take_predictions(rows, START + 45) == {"kept": 100}
        assert monitor.take_predictions(rows, START + 46) == {"duplicate": 100}
        close(monitor, START + 65)
        assert monitor.drift is not None
        ends.append(monitor.drift.end)
    assert ends == [START + 60] * 2


def test_the_tide_of_rows_is_bounded_in_memory_and_the_sample_is_said(reference: Reference) -> None:
    monitor = make_monitor(reference, max_rows=200)
    feed(monitor, 0, 2000)
    assert monitor.drift is not None
    assert 100 <= monitor.drift.rows <= 200
    assert monitor.counts["prediction", "sampled_out"] > 0
    score = monitor.drift.scores["psi", MAX]
    assert score.value < score.threshold, "the sample is like the whole"


def test_without_a_version_nothing_is_kept() -> None:
    monitor = Monitor(make_monitor().settings)
    assert monitor.take_predictions(make_predictions([{}] * 3, START), START) == {"no_version": 3}
    assert monitor.take_labels([Labelled(id="a", label=1)]) == {"no_version": 1}
    close(monitor, START + 1000)
    assert (monitor.drift, monitor.quality) == (None, None)
