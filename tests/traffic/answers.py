"""What the client wrote down, read back and counted. Times are seconds since the epoch, as `time.time()` gives them."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

VERSION_HEADER = "x-model-version"
"""The model server says in every answer, even in a failure, which version it is. An answer without it is not the
model's."""


class Answer(NamedTuple):
    """One request. Either `status` is set or `error` is."""

    sent: float
    answered: float
    status: int = 0
    version: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def own_failure(self) -> bool:
        """The model itself answered, with a failure: its fault, not that of the release."""
        return bool(self.version) and self.status >= 500

    @property
    def lost(self) -> bool:
        """Failed on the way: refused, cut off, timed out, or answered with an error by somebody who is not the
        model."""
        return not self.ok and not self.own_failure


def format_answer(answer: Answer) -> str:
    return json.dumps(
        [round(answer.sent, 6), round(answer.answered, 6), answer.status, answer.version, answer.error],
        separators=(",", ":"),
    )


class Tail:
    """The lines that were added to a file since the last look; a line that is only half written waits for the next
    one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def read_new(self) -> list[Answer]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [Answer(*json.loads(line)) for line in whole.splitlines()]


@dataclass
class VersionTally:
    """What one version answered. `first_bad_at` and `last_at` are times of answers at the client."""

    requests: int = 0
    failures: int = 0
    first_at: float | None = None
    first_bad_at: float | None = None
    last_at: float | None = None


@dataclass
class Tally:
    """Counts over any number of answers, added in any order."""

    requests: int = 0
    own_failures: int = 0
    lost: list[Answer] = field(default_factory=list)
    versions: dict[str, VersionTally] = field(default_factory=dict)

    def add(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            self.requests += 1
            self.own_failures += answer.own_failure
            if answer.lost:
                self.lost.append(answer)
            if answer.version:
                _count(self.versions.setdefault(answer.version, VersionTally()), answer)

    def of(self, version: str) -> VersionTally:
        return self.versions.get(version, VersionTally())

    def explain_lost(self) -> str:
        """The kinds of lost requests with their numbers: `3 x HTTP 502, 1 x TimeoutError`."""
        kinds: dict[str, int] = {}
        for answer in self.lost:
            kind = answer.error.split(":")[0] or f"HTTP {answer.status}"
            kinds[kind] = kinds.get(kind, 0) + 1
        return ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()))


def _count(tally: VersionTally, answer: Answer) -> None:
    tally.requests += 1
    tally.first_at = _earlier(tally.first_at, answer.answered)
    tally.last_at = max(tally.last_at or 0.0, answer.answered)
    if answer.own_failure:
        tally.failures += 1
        tally.first_bad_at = _earlier(tally.first_bad_at, answer.answered)


def _earlier(known: float | None, new: float) -> float:
    return new if known is None else min(known, new)


def count(answers: Iterable[Answer]) -> Tally:
    tally = Tally()
    tally.add(answers)
    return tally


def find_longest_gap(answers: Iterable[Answer]) -> float:
    """Longest time, in seconds, in which no request was answered well; 0.0 for fewer than two good answers."""
    times = sorted(answer.answered for answer in answers if answer.ok)
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)
