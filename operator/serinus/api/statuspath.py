"""Paths into an object, as people write them in outcome rules and in results.path:

    status.phase                                     a field, by name or as ['a.b/c']
    status.conditions[type=Ready].status             the entries of a list, or of a map of objects, that have this
    status.nodes[type=Suspend,phase=Running].name    and that as well
    status.conditions[?(@.type=="Ready")].status     the same in the words of kubectl
    status.jobs[0].active, status.jobs[*].active     one entry by its place, or all

A path leads to none, one or many values; it never fails, whatever the object is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

LONGEST: Final = 256
PATH_PATTERN: Final = r"^[A-Za-z0-9_.\[\]=@?'\"()/*,-]+$"
"""What a path is made of; whether it is well formed is for `parse_path` to say."""


@dataclass(frozen=True)
class Field:
    """The value under a key of an object."""

    name: str


@dataclass(frozen=True)
class Index:
    """An entry of a list by its place; negative places count from the end."""

    place: int


@dataclass(frozen=True)
class Every:
    """All entries of a list, or all values of an object."""


@dataclass(frozen=True)
class Where:
    """The entries that have all of these values."""

    pairs: tuple[tuple[str, str], ...]


Path = tuple[Field | Index | Every | Where, ...]

_WORD = r"[A-Za-z0-9_/@:-]+"
_TOKEN: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_-]+)"
    r"|(?P<star>\*)"
    r"|\[(?P<index>-?[0-9]{1,6})\]"
    r"|\[(?P<every>\*)\]"
    r"|\[(?P<quote>['\"])(?P<quoted>[^'\"\[\]]+)(?P=quote)\]"
    rf"|\[(?P<pairs>{_WORD}=[^\[\],=]+(?:,{_WORD}=[^\[\],=]+)*)\]"
    rf"|\[\?\(@\.(?P<key>{_WORD})==(?P<mark>['\"])(?P<value>[^'\"\[\]]+)(?P=mark)\)\]"
)


@lru_cache(maxsize=512)
def parse_path(text: str) -> Path | str:
    """Read a path; where it is none, say why, as the end of a sentence that begins with the field."""
    if len(text) > LONGEST:
        return f"has {len(text):,} characters and may have {LONGEST:,}"
    steps: list[Field | Index | Every | Where] = []
    at = 1 if text.startswith(".") else 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        dotted = at > 0 and text[at - 1] == "."
        if found is None or ((found["name"] or found["star"]) and steps and not dotted):
            return f"is not a path at {text[at : at + 20]!r}: write it like status.conditions[type=Ready].status"
        steps.append(_read_step(found))
        at = found.end()
        if text[at : at + 1] == "." and at + 1 < len(text):
            at += 1
    return tuple(steps) if steps else "must name a field, such as status.phase"


def find_all(obj: Any, path: Path) -> tuple[Any, ...]:
    """Every value that the path leads to, in order; null is as good as none."""
    found: tuple[Any, ...] = (obj,)
    for step in path:
        found = tuple(value for each in found for value in _follow(each, step) if value is not None)
    return found


def find_first(obj: Any, path: Path) -> Any:
    """The first value that the path leads to; None where there is none."""
    return next(iter(find_all(obj, path)), None)


def to_text(value: Any) -> str | None:
    """A plain value as text, as rules compare it: true and false like JSON; None for objects and lists."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _read_step(found: re.Match[str]) -> Field | Index | Every | Where:
    if found["index"]:
        return Index(int(found["index"]))
    if found["star"] or found["every"]:
        return Every()
    if found["key"]:
        return Where(((found["key"], found["value"]),))
    if found["pairs"]:
        pairs = (pair.partition("=") for pair in found["pairs"].split(","))
        return Where(tuple((key, value.strip("'\"")) for key, _, value in pairs))
    return Field(found["name"] or found["quoted"])


def _follow(value: Any, step: Field | Index | Every | Where) -> Iterator[Any]:
    match step:
        case Field(name):
            if isinstance(value, dict):
                yield value.get(name)
        case Index(place):
            if isinstance(value, list) and -len(value) <= place < len(value):
                yield value[place]
        case Every():
            yield from _entries(value)
        case Where(pairs):
            for entry in _entries(value):
                if isinstance(entry, dict) and all(to_text(entry.get(key)) == wanted for key, wanted in pairs):
                    yield entry


def _entries(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
