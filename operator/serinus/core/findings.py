"""What checks have found, kept small: it stands in the status, of which all stays under 8 KiB.

With a few checks everything is kept. With many, words go first that nobody acts on; outcomes never do."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from serinus.api.status import CheckState

LARGEST: Final = 3_072
"""Bytes of JSON that all of them together may have."""
_ACTED_ON: Final = frozenset({"Failed", "Unknown"})
_WAITING: Final = 48
"""Characters that are left of the words of a scheduler or kubelet; they stand in the conditions too."""


def shorten_findings(found: Sequence[CheckState], blocking: Collection[str]) -> tuple[CheckState, ...]:
    """`found` with as many words as there is room for; of the checks named in `blocking`, the first that failed and the
    first that is unknown keep theirs longest."""
    whole = tuple(found)
    return next((one for one in _shorter_and_shorter(whole, blocking) if _measure(one) <= LARGEST), whole)


def is_open(state: CheckState) -> bool:
    """Whether the message tells what a check waits for, in the words of a scheduler or kubelet."""
    return state.outcome in ("Pending", "Running")


def without_words(state: CheckState) -> CheckState:
    """Of what a check waits for, only that it waits: others reword it all the time."""
    return state.model_copy(update={"message": "…"}) if is_open(state) and state.message else state


def _measure(found: Sequence[CheckState]) -> int:
    return len(json.dumps([one.dump() for one in found], ensure_ascii=False).encode())


def _shorter_and_shorter(whole: tuple[CheckState, ...], blocking: Collection[str]) -> Iterator[tuple[CheckState, ...]]:
    yield whole
    kept = tuple(
        one if one.outcome in _ACTED_ON else _cut(one, 0 if one.outcome == "Passed" else _WAITING) for one in whole
    )
    yield kept
    for length in (128, 64):
        yield tuple(_cut(one, length) if one.outcome in _ACTED_ON else one for one in kept)
    told = {
        next((one.name for one in whole if one.outcome == outcome and one.name in blocking), "")
        for outcome in _ACTED_ON
    }
    for length in (128, 64, 32, 16):
        yield tuple(_cut(one, length if one.name in told else 0) for one in whole)


def _cut(state: CheckState, length: int) -> CheckState:
    """With a message of `length` characters at most, and without the name of its Job, which can be told from others."""
    message = state.message
    if len(message) > length:
        message = f"{message[: length - 1]}…" if length else ""
    return state.model_copy(update={"message": message, "job": None})
