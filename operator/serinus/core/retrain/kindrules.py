"""How a kind tells what it is at: tests on paths of its status, and what else must be known of it. Forms only; the
kinds themselves stand in `serinus.core.retrain.kindtable`."""

from dataclasses import dataclass
from typing import Any, Literal

from serinus.api.statuspath import Path, find_all, parse_path, to_text

Comparison = Literal["In", "NotIn", "Exists", "DoesNotExist", "Positive"]


@dataclass(frozen=True)
class Test:
    """What the values at a path must be. In and NotIn need a value that is there: an empty status fulfils neither."""

    path: Path
    comparison: Comparison = "In"
    values: tuple[str, ...] = ()

    def holds(self, obj: Any) -> bool:
        found = find_all(obj, self.path)
        match self.comparison:
            case "Exists":
                return bool(found)
            case "DoesNotExist":
                return not found
            case "Positive":
                return any(isinstance(value, int | float) and value > 0 for value in found)
            case "NotIn":
                return bool(found) and not any(to_text(value) in self.values for value in found)
            case _:
                return any(to_text(value) in self.values for value in found)


Group = tuple[Test, ...]
"""Tests that must hold together."""


@dataclass(frozen=True)
class Kind:
    """How objects of one kind tell what they are at. Groups: one is enough. An end comes before `waiting`, and failure
    before success."""

    group: str
    kind: str
    success: tuple[Group, ...]
    failure: tuple[Group, ...]
    """The training, or whoever looked at it, says no."""
    error: tuple[Group, ...] = ()
    """It could not be carried out: trouble of the infrastructure, no verdict."""
    waiting: tuple[Group, ...] = ()
    begun: tuple[Group, ...] = ()
    """Without one of these it waits too; none given: it has begun when it does not wait."""
    still_runs: tuple[Group, ...] = ()
    """It is at its end, and what it started may go on using accelerators."""
    started: tuple[Path, ...] = ()
    ended: tuple[Path, ...] = ()
    reason: tuple[Path, ...] = ()
    message: tuple[Path, ...] = ()
    silent: str = ""
    """Why no last words of its pods can be results; the operator knows pods by its own labels."""
    silent_unless: tuple[Path, ...] = ()
    """It is not silent where one of these is there."""
    containers: tuple[Path, ...] = ()
    """Objects with a list `env` that are not found by their shape as containers of a pod."""
    labels: tuple[Path, ...] = ()
    """Objects whose `labels` get to its pods."""
    keep: tuple[Path, ...] = ()
    """Seconds after which it, or its pods, are removed once it has ended."""
    lingers: bool = False
    """Whether what it started may outlive its end, so that a failed one is deleted."""
    clean_up: tuple[Path, ...] = ()
    """Fields that have pods removed at the end; with these no termination message is left."""

    @property
    def key(self) -> str:
        """Group and kind: batch/Job."""
        return f"{self.group}/{self.kind}"


def read_path(text: str) -> Path:
    path = parse_path(text)
    if isinstance(path, str):
        raise ValueError(f"{text!r} {path}")
    return path


def read_paths(*texts: str) -> tuple[Path, ...]:
    return tuple(read_path(text) for text in texts)


def is_one_of(path: str, *values: str) -> Test:
    return Test(read_path(path), "In", values)


def is_true(condition: str) -> Test:
    return is_one_of(f"status.conditions[type={condition}].status", "True")


def is_absent(path: str) -> Test:
    return Test(read_path(path), "DoesNotExist")


def any_positive(*paths: str) -> tuple[Group, ...]:
    return tuple((Test(read_path(path), "Positive"),) for path in paths)


def of_conditions(field: str, *conditions: str) -> tuple[Path, ...]:
    return read_paths(*(f"status.conditions[type={condition},status=True].{field}" for condition in conditions))
