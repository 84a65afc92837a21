"""What is wrong with an object, in words a person can act on: which field, which value, what would be right.

Turns pydantic's errors into the same form that our own checks use.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from serinus.api.meta import DECIMAL_PATTERN, DURATION_PATTERN, RATIO_PATTERN

_PATTERN_HINTS: Final = {
    DURATION_PATTERN: "must be a duration such as 90s, 10m or 1h30m",
    RATIO_PATTERN: 'must be a percentage such as "1%" or a fraction such as "0.01"',
    DECIMAL_PATTERN: 'must be a number as a string, such as "1.2"',
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
    for details in error.errors(include_url=False):
        field = _path(details["loc"])
        missing = details["type"] == "missing"
        found.setdefault(field, Problem(field, None if missing else details["input"], _message(details)))
    return tuple(found.values())


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
            return "must " + said.partition(" should ")[2] if " should " in said else f"is wrong: {said}"
