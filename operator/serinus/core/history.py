"""The history of a ModelRevision, kept under 8 KiB: who did what always stays, words that the audit log has in full go.

It never gets shorter, since the API server refuses that (see `serinus.api.modelrevision`): what goes makes room for
what comes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from serinus.api.audit import MAX_HISTORY, HistoryEntry

LARGEST: Final = 8_000
"""Bytes of JSON."""
TAIL: Final = 4
"""Entries at the end that are cut last: a pass that is repeated must know its own again."""
STUB: Final = 32
"""Bytes of a name or reason where nothing else is left to cut."""

Raw = dict[str, Any]


def add_history(known: object, entries: tuple[HistoryEntry, ...]) -> list[Raw]:
    """The history of a ModelRevision, `known` as it is stored, with more entries, oldest first. A pass that is repeated
    adds nothing twice. Beyond MAX_HISTORY the second one is left out, again and again: the first says how it began.
    """
    history: list[Raw] = [one for one in known if isinstance(one, dict)] if isinstance(known, list) else []
    for entry in entries:
        fresh = entry.dump()
        if not any(_same(one, fresh) for one in history[-len(entries) :]):
            history.append(fresh)
    while len(history) > MAX_HISTORY:
        gone, after = history[1], history[2]
        left_out = 1 + sum(int(one.get("leftOut") or 0) for one in (gone, after))
        history = [history[0], {**after, "leftOut": left_out}, *history[3:]]
    return _fit(history)


def _fit(history: list[Raw]) -> list[Raw]:
    """As many words as there is room for; the oldest go first, those of the first entry and of the last ones late."""
    history = list(history)
    size = measure_history(history)
    for place, shorter in _cuts(history):
        if size <= LARGEST:
            break
        size += _measure(shorter) - _measure(history[place])
        history[place] = shorter
    return history


def _cuts(history: list[Raw]) -> Iterator[tuple[int, Raw]]:
    """What may be cut, one entry after the other; looks at `history` as it is by then."""
    middle = range(1, len(history) - TAIL)
    for place in middle:
        yield place, {key: value for key, value in history[place].items() if key != "message"}
    for place in middle:
        yield place, _stub(history[place])
    for place in range(len(history)):
        yield place, _stub(history[place])


def _stub(entry: Raw) -> Raw:
    bare = {key: value for key, value in entry.items() if key != "message"}
    return bare | {key: _clip(bare[key]) for key in ("reason", "by") if isinstance(bare.get(key), str)}


def _clip(text: str) -> str:
    whole = text.encode(errors="replace")
    return text if len(whole) <= STUB else f"{whole[: STUB - 3].decode(errors='ignore')}…"


def measure_history(history: list[Raw]) -> int:
    """Bytes of JSON that a history takes."""
    return sum(map(_measure, history)) + len(history) + 1


def _measure(entry: Raw) -> int:
    return len(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("action", "reason", "message", "by"))
