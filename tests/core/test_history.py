"""The history of a revision: it grows, stays small, and never gets shorter; what goes is said."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serinus.api.audit import ACTIONS, MAX_HISTORY, HistoryEntry
from serinus.core.history import LARGEST, TAIL, add_history, measure_history

AT = datetime(2026, 11, 27, 6, 0, 0, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ENTRIES = st.builds(
    HistoryEntry,
    at=st.integers(0, 10**6).map(lambda seconds: AT + timedelta(seconds=seconds)),
    action=st.sampled_from(sorted(ACTIONS)),
    reason=st.one_of(st.sampled_from(["approve", "abort", "AnalysisFailed"]), TEXT),
    message=st.one_of(TEXT, st.sampled_from(["m" * 256, "\N{GRINNING FACE}" * 256, '"' * 256])),
    by=st.one_of(st.none(), TEXT, st.sampled_from(["ada@example.com", "b" * 253, "\N{GRINNING FACE}" * 253])),
    by_source=st.sampled_from(["command-by", "approval", "event", "spec", "operator"]),
)
Raw = dict[str, Any]


def entry(number: int, message: str = "", by: str = "ada@example.com") -> HistoryEntry:
    at = AT + timedelta(seconds=number)
    return HistoryEntry(
        at=at, action="command.accepted", reason=f"r{number}", message=message, by=by, by_source="command-by"
    )


def grow(*entries: HistoryEntry, known: list[Raw] | None = None) -> list[Raw]:
    history = known or []
    for one in entries:
        history = add_history(history, (one,))
    return history


def reasons(history: list[Raw]) -> list[str]:
    return [one["reason"] for one in history]


@given(st.lists(ENTRIES, max_size=80), st.integers(1, 3))
def test_it_stays_small_never_gets_shorter_and_whatever_is_gone_is_counted(
    entries: list[HistoryEntry], at_once: int
) -> None:
    history: list[Raw] = []
    first = None
    for start in range(0, len(entries), at_once):
        before = history
        history = add_history(history, tuple(entries[start : start + at_once]))
        first = first or history[0]
        assert len(before) <= len(history) <= MAX_HISTORY
        assert measure_history(history) == len(json.dumps(history, ensure_ascii=False, separators=(",", ":")).encode())
        assert measure_history(history) <= LARGEST
        assert history[0]["at"] == first["at"]
        assert history[-1]["at"] in {one.dump()["at"] for one in entries[start : start + at_once]} | {
            one["at"] for one in before[-1:]
        }
        for one in history:
            HistoryEntry.model_validate(one)


@given(st.lists(ENTRIES, min_size=1, max_size=60, unique_by=lambda one: one.reason))
def test_what_stands_there_and_what_was_left_out_are_all_there_was(entries: list[HistoryEntry]) -> None:
    history = grow(*entries)
    assert len(history) + sum(one.get("leftOut", 0) for one in history) == len(entries)


def test_the_first_and_the_latest_are_kept() -> None:
    history = grow(*(entry(number) for number in range(MAX_HISTORY + 3)))
    assert reasons(history) == ["r0", *(f"r{number}" for number in range(4, MAX_HISTORY + 3))]
    assert [one.get("leftOut") for one in history[:3]] == [None, 3, None]


def test_words_of_the_middle_go_before_anybodys_name() -> None:
    history = grow(*(entry(number, f"{number}: {'w' * 250}") for number in range(MAX_HISTORY)))
    told = ["message" in one for one in history]
    assert told[0]
    assert all(told[-TAIL:])
    gone = told.index(False), len(told) - told[::-1].index(False)
    assert gone[0] == 1
    assert not any(told[slice(*gone)])
    assert {one["by"] for one in history} == {"ada@example.com"}
    assert len(history) == MAX_HISTORY


def test_a_history_that_is_too_large_already_is_made_small_by_the_next_entry() -> None:
    known = [entry(number, "w" * 256, by="b" * 253).dump() for number in range(MAX_HISTORY)]
    history = add_history(known, (entry(99, "at last"),))
    assert measure_history(history) <= LARGEST < measure_history(known)
    assert len(history) == len(known)
    assert (history[-1]["reason"], history[-1]["message"]) == ("r99", "at last")


def test_a_pass_that_is_repeated_adds_nothing_twice() -> None:
    known = grow(*(entry(number, "w" * 256) for number in range(MAX_HISTORY + 5)))
    again = (entry(100, "x"), entry(101, "y"))
    once = add_history(known, again)
    assert add_history(once, again) == once


def test_what_is_no_history_is_none() -> None:
    for known in (None, {}, "x", [1, None]):
        assert reasons(add_history(known, (entry(1),))) == ["r1"]
