"""Windows that never overlap, never forget in silence, and survive any clock."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.monitor.serinus_monitor.windows import SKEW, Tumbling

ANCHOR = 1000.0


def make(capacity: int = 100, now: float = ANCHOR, delay: float = 5.0) -> Tumbling[str]:
    return Tumbling(60.0, delay, ANCHOR, capacity, now)


def test_a_row_belongs_to_the_window_of_its_own_time_and_a_window_closes_once_after_its_grace() -> None:
    windows = make()
    assert windows.add("a", ANCHOR + 59.9, "a", ANCHOR + 62) == "kept"
    assert windows.add("b", ANCHOR + 60.0, "b", ANCHOR + 62) == "kept"
    assert windows.close(ANCHOR + 64.9) is None
    first = windows.close(ANCHOR + 65)
    assert first is not None
    assert (first.index, first.end, list(first.rows)) == (0, ANCHOR + 60, ["a"])
    assert windows.close(ANCHOR + 66) is None
    second = windows.close(ANCHOR + 125)
    assert second is not None
    assert list(second.rows) == ["b"]


@pytest.mark.parametrize(
    ("time", "outcome"),
    [
        (ANCHOR - 1, "too_old"),
        (ANCHOR + 30, "late"),
        (ANCHOR + 61, "kept"),
        (ANCHOR + 70 + SKEW, "kept"),
        (ANCHOR + 71 + SKEW, "future"),
        (float("inf"), "future"),
        (float("-inf"), "too_old"),
    ],
)
def test_what_becomes_of_a_row_depends_on_its_time(time: float, outcome: str) -> None:
    windows = make()
    windows.close(ANCHOR + 70)
    assert windows.add("a", time, "a", ANCHOR + 70) == outcome


def test_an_id_counts_once_in_all_open_windows() -> None:
    windows = make(delay=600)
    assert windows.add("a", ANCHOR + 1, "first", ANCHOR + 1) == "kept"
    assert windows.add("a", ANCHOR + 1, "again", ANCHOR + 2) == "duplicate"
    assert windows.add("a", ANCHOR + 90, "later", ANCHOR + 90) == "duplicate"
    assert windows.find("a") == "first"


def test_a_full_window_keeps_a_random_sample_of_the_ids_and_treats_an_id_always_alike() -> None:
    windows = make(capacity=100)
    for number in range(5000):
        windows.add(str(number), ANCHOR + 1, str(number), ANCHOR + 1)
    kept = [number for number in range(5000) if windows.find(str(number)) is not None]
    assert 50 <= len(kept) <= 100
    assert 1500 < sum(kept) / len(kept) < 3500, "the sample is not of the first or the last rows"
    dropped = next(number for number in range(5000) if number not in kept)
    assert windows.add(str(dropped), ANCHOR + 1, "again", ANCHOR + 1) == "sampled_out"


def test_after_a_pause_of_the_program_only_the_newest_window_is_told() -> None:
    windows = make()
    windows.add("a", ANCHOR + 1, "a", ANCHOR + 1)
    closed = windows.close(ANCHOR + 605)
    assert closed is not None
    assert (closed.index, closed.rows) == (9, ())


def test_a_clock_that_leaps_ahead_and_comes_back_does_not_stop_the_windows() -> None:
    windows = make()
    windows.close(ANCHOR + 1_000_000)
    assert windows.add("a", ANCHOR + 70, "a", ANCHOR + 70) == "late"
    assert windows.close(ANCHOR + 70) is None
    assert windows.add("a", ANCHOR + 70, "a", ANCHOR + 70) == "kept"
    closed = windows.close(ANCHOR + 125)
    assert closed is not None
    assert list(closed.rows) == ["a"]


def test_a_small_step_back_of_the_clock_opens_no_window_again() -> None:
    windows = make()
    assert windows.close(ANCHOR + 65) is not None
    assert windows.close(ANCHOR + 64) is None
    assert windows.add("a", ANCHOR + 30, "a", ANCHOR + 64) == "late"
    assert windows.close(ANCHOR + 65) is None, "it has been told"


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60), st.lists(st.floats(0, 2000), max_size=30))
def test_with_a_clock_that_goes_forward_no_row_is_in_two_windows_and_ends_only_grow(
    times: list[float], looks: list[float]
) -> None:
    windows = make(delay=0)
    seen: list[str] = []
    ends: list[float] = []
    events = sorted([(ANCHOR + t, "row") for t in times] + [(ANCHOR + t, "look") for t in looks])
    for number, (now, what) in zip(itertools.count(), events, strict=False):
        if what == "row":
            assert windows.add(str(number), now, str(number), now) in ("kept", "late")
        elif (closed := windows.close(now)) is not None:
            assert closed.end <= now
            ends.append(closed.end)
            seen += closed.rows
    assert len(seen) == len(set(seen))
    assert ends == sorted(set(ends))
