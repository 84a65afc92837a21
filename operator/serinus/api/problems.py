"""What is wrong with an object, in words a person can act on: which field, which value, what would be right.

Turns pydantic's errors into the same form that our own checks use.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from serinus.api.gatespec import RESULT_PATTERN
from serinus.api.meta import (
    ADDRESS_PATTERN,
    CRON_PATTERN,
    DECIMAL_PATTERN,
    DEVICE_PATTERN,
    DURATION_PATTERN,
    FILE_PATTERN,
    HOSTNAME_PATTERN,
    METRIC_NAME_PATTERN,
    QUANTITY_PATTERN,
    RATIO_PATTERN,
    VERSION_PATTERN,
)
from serinus.api.retrainstatus import DIGEST_PATTERN
from serinus.api.statuspath import PATH_PATTERN

_PATTERN_HINTS: Final = {
    DURATION_PATTERN: "must be a duration such as 90s, 10m or 1h30m",
    RATIO_PATTERN: 'must be a percentage such as "1%" or a fraction such as "0.01"',
    DECIMAL_PATTERN: 'must be a number as a string, such as "1.2"',
    HOSTNAME_PATTERN: "must be a host name in lower case, such as fraud.example.com or *.example.com",
    CRON_PATTERN: "must be five cron fields, such as 0 17 * * 5",
    DEVICE_PATTERN: "must be a device that nodes advertise, such as nvidia.com/gpu",
    METRIC_NAME_PATTERN: "must be lower-case letters, digits and '-'",
    QUANTITY_PATTERN: 'must be a quantity such as "1", 500m or 2Gi',
    FILE_PATTERN: "must be a path within the model, such as model.sig",
    VERSION_PATTERN: 'must be a number as a string, such as "7"',
    RESULT_PATTERN: "must be a dotted path into the results, such as metrics.f1",
    PATH_PATTERN: "must be a path into the child, such as status.phase",
    DIGEST_PATTERN: "must be an algorithm and hex digits, such as sha256: and 64 hex digits",
    ADDRESS_PATTERN: "must be an http or https address without user or query, such as http://prometheus:9090",
}
_UNION_TAGS: Final = frozenset({"int", "str"})
"""Pydantic appends these to the path of `port`, which may be either."""
_VALUE_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault and its cure."""

    field: str
    """Path such as `spec.rollout.steps[2].weight`."""
    value: Any
    """What stands there; None where nothing does, or where it is too long to show."""
    message: str
    """What would be right, beginning with a verb: `must be ...`."""

    def __str__(self) -> str:
        """Return one sentence: `spec.port "grpc" must be ...`."""
        if self.value is None:
            return f"{self.field} {self.message}"
        text = json.dumps(self.value, default=str, ensure_ascii=False)
        shown = text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"
        return f"{self.field} {shown} {self.message}"


def build_problems(error: ValidationError) -> tuple[Problem, ...]:
    """Return the faults that pydantic found in a spec, one for each field."""
    found: dict[str, Problem] = {}
    all_details = error.errors(include_url=False)
    for details in all_details:
        if details["type"] == "too_short" and _is_consequence(details, all_details):
            continue
        field = _path(details["loc"])
        missing = details["type"] == "missing"
        found.setdefault(field, Problem(field, None if missing else details["input"], _message(details)))
    return tuple(found.values())


def _is_consequence(details: ErrorDetails, others: list[ErrorDetails]) -> bool:
    """Tell whether a list counts as too short only because an item of it is wrong."""
    place = details["loc"]
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in others)


def _path(location: tuple[int | str, ...]) -> str:
    path = "spec"
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in _UNION_TAGS:
            path += f".{part}"
    return path


def _message(details: ErrorDetails) -> str:
    context = details.get("ctx") or {}
    match details["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a field of the contract"
        case "literal_error":
            return f"must be one of {context['expected']}"
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            return _PATTERN_HINTS.get(pattern, f"must match {pattern}")
        case _:
            said = details["msg"]
            plain = said.replace(" after validation", "").replace("tuple", "list").replace("dictionary", "object")
            _, should, wanted = plain.partition(" should ")
            return f"must {wanted}" if should else f"is wrong: {said}"


def exactly_one(field: str, **choices: object) -> Iterator[Problem]:
    """The problem that none, or more than one, of `choices` is given, if so."""
    given = [name for name, value in choices.items() if value is not None]
    if len(given) != 1:
        yield Problem(
            field, None, f"must have exactly one of {', '.join(choices)}, not {' and '.join(given) or 'none'}"
        )


def no_duplicates(field: str, names: Iterable[str]) -> Iterator[Problem]:
    """The names that stand more than once in the list at `field`."""
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(field, name, f"must not stand there {count} times: names are unique in the list")
