"""Calendars, new data, and rollbacks of the ModelDeployment."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.retrainstatus import TriggerState
from serinus.api.status import RejectedState
from serinus.api.triggers import NewDataTrigger, RolledBackTrigger, ScheduleTrigger
from serinus.core.retrain.assess import Seen, assess_triggers, find_next_schedule
from serinus.core.retrain.events import assess_rolled_back
from serinus.core.retrain.groups import answer_triggers, settle_triggers
from serinus.core.retrain.looks import find_silence, next_look, retry_after
from serinus.core.retrain.newdata import assess_new_data
from serinus.core.retrain.reading import Unknown
from serinus.core.retrain.records import RunRecord
from serinus.core.retrain.schedule import assess_schedule, jitter_of, next_schedule
from tests.core.retrain.world import DRIFT, HOUR, METRIC, MINUTE, START, reading, spec

DAY = 24 * HOUR


def schedule(**more: Any) -> ScheduleTrigger:
    return ScheduleTrigger.model_validate({"cron": "0 3 * * *"} | more)


def look(trigger: ScheduleTrigger, state: TriggerState | None, now: datetime) -> TriggerState:
    return assess_schedule(trigger, "nightly", state, now, uid="u", since=START)


def test_the_calendar_fires_once_and_a_new_policy_has_missed_nothing() -> None:
    state = look(schedule(), None, START)
    assert (state.state, state.last_fired) == ("Clear", None)
    assert look(schedule(), state, START + 3 * HOUR - MINUTE).state == "Clear"
    fired = look(schedule(), state, START + 3 * HOUR)
    assert (fired.state, fired.last_fired) == ("Firing", START + 3 * HOUR)
    answered = fired.model_copy(update={"state": "Clear"})
    assert look(schedule(), answered, START + 26 * HOUR).state == "Clear"
    assert look(schedule(), answered, START + 27 * HOUR).state == "Firing"


def test_missed_times_collapse_into_one() -> None:
    state = look(schedule(), None, START)
    fired = look(schedule(), state, START + 10 * DAY)
    assert (fired.state, fired.last_fired) == ("Firing", START + 9 * DAY + 3 * HOUR)


def test_what_was_missed_for_too_long_is_passed_over() -> None:
    trigger = schedule(startingDeadline="1h")
    assert look(trigger, None, START + 4 * HOUR).state == "Firing"
    late = look(trigger, None, START + 4 * HOUR + MINUTE)
    assert (late.state, late.last_fired) == ("Clear", START + 3 * HOUR)
    assert "missed by more than startingDeadline" in late.message
    waiting = look(trigger, look(trigger, None, START + 3 * HOUR), START + 5 * HOUR)
    assert waiting.state == "Clear", "it has waited for its run in vain"


def test_zones_and_summer_time() -> None:
    trigger = schedule(timeZone="America/New_York")
    assert look(trigger, None, START + 8 * HOUR).last_fired == START + 8 * HOUR
    assert next_schedule(trigger, "n", None, START, uid="u") == START + 8 * HOUR


def test_jitter_is_the_same_every_time_and_differs_between_policies() -> None:
    trigger = schedule(jitter="1h")
    late = [jitter_of(trigger, "nightly", f"uid-{n}") for n in range(200)]
    assert late == [jitter_of(trigger, "nightly", f"uid-{n}") for n in range(200)]
    assert all(timedelta(0) <= one < HOUR for one in late)
    assert len(set(late)) > 150
    mine = jitter_of(trigger, "nightly", "u")
    assert look(trigger, None, START + 3 * HOUR + mine - MINUTE).state == "Clear"
    assert look(trigger, None, START + 3 * HOUR + mine).state == "Firing"
    assert next_schedule(trigger, "nightly", None, START, uid="u") == START + 3 * HOUR + mine


@given(st.lists(st.integers(-3000, 3000), max_size=40))
def test_no_time_of_the_calendar_is_taken_twice(minutes: list[int]) -> None:
    """Whatever the clock does, short of going back by more than a day and coming again."""
    now, state, taken = START, None, []
    for one in minutes:
        now = max(now + one * MINUTE, now - 23 * HOUR if taken else START)
        now = max(now, *(t - 23 * HOUR for t in taken)) if taken else now
        state = look(schedule(), state, now)
        if state.state == "Firing":
            assert state.last_fired is not None
            assert state.last_fired <= now
            taken.append(state.last_fired)
            state = state.model_copy(update={"state": "Clear"})
    assert len(taken) == len(set(taken))


def test_a_clock_that_was_far_ahead_does_not_silence_the_calendar() -> None:
    ahead = TriggerState(name="nightly", state="Clear", last_fired=START + 999 * DAY)
    state = look(schedule(), ahead, START)
    assert (state.state, state.last_fired) == ("Clear", START)
    assert look(schedule(), state, START + 4 * HOUR).state == "Firing"


def rows(**more: Any) -> NewDataTrigger:
    return NewDataTrigger.model_validate({"query": "rows_total", "minNewRows": 1000} | more)


def grow(trigger: NewDataTrigger, state: TriggerState | None, number: float | Unknown) -> TriggerState:
    return assess_new_data(trigger, "new", state, reading(number, START), START)


def test_enough_new_rows_fire_and_a_training_begins_to_count_anew() -> None:
    policy = spec({"name": "new", "newData": {"query": "rows_total", "minNewRows": 1000}})
    state = grow(rows(), None, 5000.0)
    assert (state.state, state.baseline) == ("Clear", "5000")
    assert grow(rows(), state, 5999.0) == state, "rows that are not enough are no news"
    fired = grow(rows(), state, 6000.0)
    assert (fired.state, fired.message) == ("Firing", "1,000 new rows since the last training, 6,000 in all")
    (latched,) = answer_triggers(policy, [fired], ["new"], START)
    assert grow(rows(), latched, 9000.0) == latched
    run = RunRecord("r", 1, START, "Succeeded", triggers=("new",))
    (done,) = settle_triggers(policy, [latched], run, START)
    assert (done.state, done.baseline) == ("Clear", "6000")
    (again,) = settle_triggers(policy, [latched], RunRecord("r", 1, START, "Lost", triggers=("new",)), START)
    assert (again.state, again.baseline) == ("Firing", "5000"), "nobody was trained on them"
    (other,) = answer_triggers(policy, [state.model_copy(update={"value": "5900"})], ["command"], START)
    assert (other.state, other.baseline) == ("Clear", "5900"), "every training uses what is there"


def test_share_of_new_rows() -> None:
    trigger = rows(minNewShare="50%")
    state = grow(trigger, None, 5000.0)
    assert grow(trigger, state, 9000.0).state == "Clear"
    assert grow(trigger, state, 10_000.0).state == "Firing"


@pytest.mark.parametrize("unknown", [Unknown("NoData", ""), float("nan"), float("inf")])
def test_an_unknown_number_of_rows_fires_nothing(unknown: float | Unknown) -> None:
    state = grow(rows(), None, 5000.0)
    after = grow(rows(), state, unknown)
    assert (after.state, after.baseline) == ("Unknown", "5000")
    assert grow(rows(), after, 6000.0).state == "Firing"


def test_a_number_that_falls_was_counted_anew() -> None:
    state = grow(rows(), grow(rows(), None, 5000.0), 10.0)
    assert (state.state, state.baseline) == ("Clear", "10")
    assert "fell from 5,000 to 10 rows" in state.message


def rejected(reason: str, hours: float = 1) -> RejectedState:
    return RejectedState(revision="fraud-b", at=START + hours * HOUR, reason=reason)


def roll(rejection: RejectedState | None, state: TriggerState | None = None, **more: Any) -> TriggerState:
    given = RolledBackTrigger.model_validate(more.pop("spec", {}))
    is_own = more.pop("is_own", False)
    return assess_rolled_back(given, "undone", state, rejection, is_own=is_own, now=START + 2 * HOUR, since=START)


def test_a_rollback_asks_for_one_run() -> None:
    fired = roll(rejected("AnalysisFailed"))
    assert (fired.state, fired.message) == ("Firing", "fraud-b was rejected: AnalysisFailed")
    answered = fired.model_copy(update={"state": "Clear"})
    assert roll(rejected("AnalysisFailed"), answered).state == "Clear"
    assert roll(rejected("AnalysisFailed", 1.5), answered).state == "Firing"


@pytest.mark.parametrize(
    ("rejection", "more"),
    [
        (None, {}),
        (rejected("Aborted"), {}),
        (rejected("AnalysisFailed"), {"is_own": True}),
        (rejected("AnalysisFailed", -1), {}),
        (rejected("AnalysisFailed"), {"spec": {"reasons": ["DeadlineExceeded"]}}),
    ],
    ids=["none", "aborted", "own model", "before the policy", "other reason"],
)
def test_rollbacks_that_ask_for_nothing(rejection: RejectedState | None, more: dict[str, Any]) -> None:
    assert roll(rejection, **more).state == "Clear"


ALL = spec(
    {"name": "quality", "metric": METRIC | {"labelDelay": "24h"}},
    {"name": "drift", "metric": DRIFT},
    {"name": "nightly", "schedule": {"cron": "0 3 * * *"}},
    {"name": "new", "newData": {"query": "rows_total", "minNewRows": 1, "every": "30m"}},
    {"name": "undone", "rolledBack": {}},
    {"name": "told", "event": {"type": "t"}},
)


def test_a_metric_is_looked_at_once_a_window() -> None:
    assert next_look(ALL, (), START) == {"quality": START, "drift": START, "new": START}
    seen = Seen(
        "u",
        START,
        {
            "quality": reading(0.95, START, window_end=START - DAY),
            "drift": reading(0.1, START, samples=9999.0),
            "new": reading(5.0, START),
        },
    )
    states = assess_triggers(ALL, (), seen, START)
    assert [one.state for one in states] == ["Clear"] * 6
    due = next_look(ALL, states, START + MINUTE)
    assert due == {"quality": START + HOUR, "drift": START + HOUR, "new": START + 30 * MINUTE}
    warm = next_look(ALL, states, START + MINUTE, warm_until=START + 5 * HOUR)
    assert warm == {"quality": START + 5 * HOUR, "drift": START + 5 * HOUR, "new": START + 30 * MINUTE}
    assert find_next_schedule(ALL, states, START, "u") == START + 3 * HOUR
    assert assess_triggers(ALL, states, seen, START + MINUTE) == states


def test_looks_in_vain_become_rarer() -> None:
    waits = [retry_after(HOUR, tries) / MINUTE for tries in range(6)]
    assert waits == [5, 10, 20, 40, 60, 60]
    assert retry_after(timedelta(seconds=10), 0) == timedelta(seconds=10)
    assert retry_after(DAY, 1000) == DAY


def test_silence_is_told_after_three_windows() -> None:
    gone = {name: reading(Unknown("NoData", "no such series"), START) for name in ("quality", "drift")}
    states = assess_triggers(ALL, (), Seen("u", START, gone), START)
    assert find_silence(ALL, states, START + 3 * HOUR - MINUTE) == ()
    told = find_silence(ALL, states, START + 3 * HOUR)
    assert told == tuple(f"{name}: NoData since {START:%Y-%m-%d %H:%M:%SZ}: no such series" for name in gone)
    ignoring = spec({"name": "quality", "metric": METRIC | {"onNoData": "Ignore"}})
    assert find_silence(ignoring, states, START + 30 * HOUR) == ()
