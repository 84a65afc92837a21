"""One metric trigger: what fires it, what clears it, and everything that must do neither."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.retrainstatus import TriggerState
from serinus.api.triggers import MetricTrigger
from serinus.core.retrain.limits import resolve_metric
from serinus.core.retrain.reading import Reading, Unknown
from serinus.core.retrain.triggers import assess_metric
from tests.core.retrain.world import DRIFT, HOUR, METRIC, MINUTE, START, reading

AWAY = Unknown("Unreachable", "nobody there")


def metric(**more: Any) -> MetricTrigger:
    return MetricTrigger.model_validate(METRIC | more)


def walk(spec: MetricTrigger, values: list[float | Unknown], every: timedelta = HOUR) -> list[TriggerState]:
    """One look for each value."""
    states: list[TriggerState] = []
    state = None
    for number, value in enumerate(values):
        at = START + number * every
        state = assess_metric(spec, "quality", state, reading(value, at), at)
        states.append(state)
    return states


def test_it_fires_after_as_many_windows_as_are_needed_and_clears_after_as_many() -> None:
    states = walk(metric(), [0.95, 0.8, 0.8, 0.8, 0.93, 0.93])
    assert [one.state for one in states] == ["Clear", "Pending", "Firing", "Firing", "Firing", "Clear"]
    assert states[2].first_bad_at == START + HOUR
    assert states[2].since == states[3].since == START + 2 * HOUR
    assert "0.8; fires below 0.9, clears above 0.92, bad in 2 of 2 windows" in states[2].message
    assert states[5].first_bad_at is None


def test_a_value_between_the_limits_breaks_a_row_and_clears_nothing() -> None:
    assert [one.state for one in walk(metric(), [0.8, 0.91, 0.8, 0.91])] == ["Pending", "Clear", "Pending", "Clear"]
    assert walk(metric(), [0.8, 0.8, 0.91, 0.91, 0.91])[-1].state == "Firing"
    assert walk(metric(), [0.8, 0.8, 0.93, 0.91, 0.93])[-1].state == "Firing", "well windows must come in a row, too"


def test_looks_within_one_window_are_one() -> None:
    assert {one.state for one in walk(metric(), [0.8] * 12, 5 * MINUTE)} == {"Pending"}
    assert walk(metric(), [0.8] * 13, 5 * MINUTE)[-1].state == "Firing"


@pytest.mark.parametrize(
    "value",
    [AWAY, Unknown("NoData", ""), Unknown("InvalidQuery", "two series"), math.nan, math.inf, -math.inf],
    ids=str,
)
@pytest.mark.parametrize("before", [[], [0.8], [0.8, 0.8], [0.95]], ids=["new", "pending", "firing", "clear"])
def test_what_is_unknown_neither_fires_nor_clears(value: float | Unknown, before: list[float | Unknown]) -> None:
    states = walk(metric(), [*before, *[value] * 50])
    known = states[len(before) - 1].state if before else "Unknown"
    assert {one.state for one in states[len(before) :]} == {"Unknown" if known == "Clear" else known}
    assert states[-1].reason in ("Unreachable", "NoData", "InvalidQuery", "NotANumber")


def test_a_short_outage_keeps_the_row_and_a_long_one_breaks_it() -> None:
    assert walk(metric(), [0.8, AWAY, AWAY, AWAY, 0.8])[-1].state == "Firing"
    last = walk(metric(), [0.8, AWAY, AWAY, AWAY, AWAY, 0.8])[-1]
    assert (last.state, last.windows, last.first_bad_at) == ("Pending", 1, START + 5 * HOUR)
    assert "nothing was known for a while" in last.message
    firing = walk(metric(), [0.8, 0.8, 0.95, *[AWAY] * 9, 0.95])[-1]
    assert (firing.state, firing.windows) == ("Firing", 1), "well windows before and after an outage are no row"


def test_rows_and_labels_must_be_enough() -> None:
    spec = MetricTrigger.model_validate(DRIFT | {"minLabelCoverage": {"query": "c", "value": "80%"}})
    few = assess_metric(spec, "d", None, reading(0.5, START, samples=999.0, coverage=1.0), START)
    assert (few.state, few.reason) == ("Unknown", "InsufficientData")
    assert few.message == "999 rows behind the value, 1,000 are needed"
    late = assess_metric(spec, "d", None, reading(0.5, START, samples=1000.0, coverage=0.79), START)
    assert (late.state, late.reason, late.message) == (
        "Unknown",
        "LabelsMissing",
        "79% of the labels are there, 80% are needed",
    )
    unknown = assess_metric(spec, "d", None, reading(0.5, START, samples=Unknown("NoData", "x"), coverage=1.0), START)
    assert (unknown.state, unknown.reason) == ("Unknown", "NoData")
    enough = assess_metric(spec, "d", None, reading(0.5, START, samples=1000.0, coverage=0.8), START)
    assert (enough.state, enough.windows, enough.samples) == ("Pending", 1, 1000)


def test_compared_with_the_past_the_limits_are_about_the_difference() -> None:
    spec = metric(fireBelow="-0.05", compareOffset="168h")
    assert resolve_metric(spec).clear == pytest.approx(-0.0375)
    bad = assess_metric(spec, "q", None, reading(0.80, START, before=0.9), START)
    assert (bad.state, bad.value) == ("Pending", "-0.1")
    assert assess_metric(spec, "q", None, reading(0.8, START, before=0.81), START).state == "Clear"
    assert assess_metric(spec, "q", None, reading(0.8, START), START).reason == "NoData"


@pytest.mark.parametrize(
    ("given", "needed", "clear"),
    [
        ({}, 2, 0.92),
        ({"signal": "Business", "fireBelow": "100"}, 2, 125.0),
        ({"fireBelow": "-4"}, 2, -3.0),
        ({"consecutiveWindows": 1}, 1, 0.92),
        ({"for": "3h"}, 3, 0.92),
        ({"for": "90m"}, 2, 0.92),
        ({"for": "1h", "consecutiveWindows": 5}, 5, 0.92),
        ({"clearAbove": "0.95"}, 2, 0.95),
    ],
)
def test_defaults(given: dict[str, Any], needed: int, clear: float) -> None:
    limits = resolve_metric(metric(**given))
    assert (limits.needed, limits.clear) == (needed, pytest.approx(clear))


def test_defaults_of_drift() -> None:
    limits = resolve_metric(MetricTrigger.model_validate(DRIFT))
    assert (limits.needed, limits.clear, limits.samples) == (3, pytest.approx(0.16), 1000)
    assert resolve_metric(MetricTrigger.model_validate(DRIFT | {"fireAbove": "-1"})).clear == pytest.approx(-1.2)


def test_another_revision_is_looked_at_from_its_own_first_window_on() -> None:
    spec, until = metric(), START + 3 * HOUR
    firing = walk(spec, [0.8, 0.8])[-1]
    now = START + 2 * HOUR
    warm = assess_metric(spec, "quality", firing, reading(0.8, now), now, warm_until=until)
    assert (warm.state, warm.reason, warm.windows) == ("Unknown", "Warmup", 0)
    # A reading from before that is still at hand does not count either.
    assert assess_metric(spec, "quality", warm, reading(0.8, now), until + MINUTE, warm_until=until) == warm
    late = until + HOUR
    again = assess_metric(spec, "quality", warm, reading(0.8, late), late, warm_until=until)
    assert (again.state, again.windows) == ("Pending", 1)
    assert again.first_bad_at == START, "it was bad already before the new revision"
    well = assess_metric(spec, "quality", warm, reading(0.95, late), late, warm_until=until)
    assert (well.state, well.first_bad_at) == ("Clear", None)
    latched = firing.model_copy(update={"state": "Latched"})
    assert assess_metric(spec, "quality", latched, None, now, warm_until=until).state == "Latched"


def test_the_end_of_the_window_tells_windows_apart_where_the_exporter_says_it() -> None:
    spec = metric()
    state = None
    for hour in range(4):
        at = START + hour * HOUR
        state = assess_metric(spec, "q", state, reading(0.8, at, window_end=START), at)
    assert state is not None
    assert (state.state, state.windows) == ("Pending", 1), "one window, however often it is exported"
    at = START + 5 * HOUR
    state = assess_metric(spec, "q", state, reading(0.8, at, window_end=START), at)
    assert (state.state, state.reason) == ("Pending", "Stale")
    ahead = assess_metric(spec, "q", None, reading(0.8, at, window_end=at + 2 * HOUR), at)
    assert (ahead.state, ahead.reason) == ("Unknown", "InvalidAnswer")


def test_a_label_delay_makes_no_window_stale() -> None:
    spec = metric(labelDelay="48h")
    states = []
    state = None
    for hour in range(3):
        at = START + hour * HOUR
        state = assess_metric(spec, "q", state, reading(0.8, at, window_end=at - 48 * HOUR), at)
        states.append(state.state)
    assert states == ["Pending", "Firing", "Firing"]


def test_the_same_reading_twice_changes_nothing() -> None:
    seen = reading(0.8, START)
    once = assess_metric(metric(), "q", None, seen, START)
    assert assess_metric(metric(), "q", once, seen, START + 10 * HOUR) == once


def test_a_clock_that_goes_back_gives_up_the_row_and_says_so() -> None:
    spec = metric(consecutiveWindows=3)
    pending = walk(spec, [0.8, 0.8])[-1]
    early = START - 240 * HOUR
    back = assess_metric(spec, "quality", pending, reading(0.8, early), early)
    assert (back.state, back.windows) == ("Pending", 1)
    assert "the clock went back" in back.message
    a_little = START + HOUR - 10 * MINUTE
    assert assess_metric(spec, "quality", pending, reading(0.8, a_little), a_little) == pending


LOOKS = st.lists(
    st.tuples(
        st.sampled_from([0.5, 0.8, 0.91, 0.95]) | st.sampled_from([AWAY, math.nan]),
        st.integers(1, 400),
        st.sampled_from([0, 0, 0, 0, -3000, 10, 300, 5000]),
    ),
    max_size=60,
)


@given(LOOKS)
def test_clock_jumps_repeats_and_outages_fire_nothing_that_as_many_bad_windows_do_not(
    looks: list[tuple[float | Unknown, int, int]],
) -> None:
    """Whatever happens: it fires only on the last of `needed` bad looks, each of another window by the clock, with no
    value that was not bad between them; and it clears only on well ones."""
    spec, needed = metric(consecutiveWindows=3), 3
    now, state = START, TriggerState(name="q")
    bad: list[Any] = []
    well: list[Any] = []
    for value, minutes, jump in looks:
        now += (minutes + jump) * MINUTE
        seen = reading(value, now)
        before, state = state, assess_metric(spec, "q", state, seen, now)
        assert assess_metric(spec, "q", state, seen, now) == state
        is_number = isinstance(value, float) and math.isfinite(value)
        counted = is_number and state.last_window_end != before.last_window_end
        if counted and isinstance(value, float):
            bad = [*bad, now] if value < 0.9 else []
            well = [*well, now] if value > 0.92 else []
        if state.state == "Firing" and before.state != "Firing":
            assert counted
            assert len(bad) >= needed
            assert bad[-1] - bad[-needed] >= (needed - 1) * HOUR
        if before.state == "Firing" and state.state != "Firing":
            assert state.state == "Clear"
            assert len(well) >= needed
            assert well[-1] - well[-needed] >= (needed - 1) * HOUR


@given(st.lists(st.sampled_from([0.8, 0.95]), min_size=1, max_size=40))
def test_a_flapping_value_fires_only_where_it_stays_bad(values: list[float | Unknown]) -> None:
    longest, row = 0, 0
    for value in values:
        row = row + 1 if value == 0.8 else 0
        longest = max(longest, row)
    fired = any(one.state == "Firing" for one in walk(metric(), values))
    assert fired is (longest >= 2)


def test_a_reading_keeps_what_a_status_can_hold() -> None:
    huge = assess_metric(metric(fireBelow="-1"), "q", None, reading(1e300, START), START)
    assert huge.value == "1e+300"
    assert len(assess_metric(metric(), "q", None, reading(Unknown("NoData", "x" * 999), START), START).message) <= 256
    assert replace(Reading(1.0, START), samples=3.0).samples == 3.0
