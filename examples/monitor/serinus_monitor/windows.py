"""Tumbling windows of rows by the time of the event: none overlaps another, and each has a bound on what it keeps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, Literal, TypeVar

Row = TypeVar("Row")
Outcome = Literal["kept", "sampled_out", "duplicate", "late", "future", "too_old"]

SKEW: Final = 60.0
"""Seconds that the clock of a sender may be ahead of ours."""
_ALL: Final = 1 << 64


@dataclass(frozen=True)
class Closed(Generic[Row]):
    """A window that is over: its number counted from the anchor, when it ended (Unix seconds), and its rows."""

    index: int
    end: float
    rows: Sequence[Row]


class Window(Generic[Row]):
    """Rows by id. Above `capacity` a share of the ids is kept, chosen by hash: an unbiased sample, and the same id is
    always treated in the same way."""

    def __init__(self, capacity: int) -> None:
        self.rows: dict[str, Row] = {}
        self._capacity = capacity
        self._limit = _ALL

    def add(self, id_: str, row: Row) -> Outcome:
        if _hash(id_) >= self._limit:
            return "sampled_out"
        self.rows[id_] = row
        while len(self.rows) > self._capacity:
            self._limit //= 2
            self.rows = {kept: value for kept, value in self.rows.items() if _hash(kept) < self._limit}
        return "kept" if id_ in self.rows else "sampled_out"


class Tumbling(Generic[Row]):
    """Windows of `length` seconds, counted from `anchor`; each stays open for `delay` seconds after its end."""

    def __init__(self, length: float, delay: float, anchor: float, capacity: int, now: float) -> None:
        self._length = length
        self._delay = delay
        self._anchor = anchor
        self._capacity = capacity
        self._windows: dict[int, Window[Row]] = {}
        self._closed = self._newest_over(now)

    def add(self, id_: str, time: float, row: Row, now: float) -> Outcome:
        """Keep a row of an event at `time` (Unix seconds), or say why not."""
        if time > now + SKEW:
            return "future"
        if time < self._anchor:
            return "too_old"
        index = math.floor((time - self._anchor) / self._length)
        if index <= self._closed:
            return "late"
        if self.find(id_) is not None:
            return "duplicate"
        return self._windows.setdefault(index, Window(self._capacity)).add(id_, row)

    def find(self, id_: str) -> Row | None:
        """The row of that id in any open window."""
        for window in self._windows.values():
            if id_ in window.rows:
                return window.rows[id_]
        return None

    def close(self, now: float) -> Closed[Row] | None:
        """The newest window that is over and was not before; older ones that have not been asked for are dropped.

        Where the clock has gone back by more than a window, what it said before is forgotten: else every row would
        be late until it has caught up."""
        newest = self._newest_over(now)
        if newest < self._closed - 1:
            self._closed = newest
            self._windows = {i: w for i, w in self._windows.items() if self._start(i) <= now + SKEW}
            return None
        if newest <= self._closed:
            return None
        self._closed = newest
        over = self._windows.get(newest)
        self._windows = {index: window for index, window in self._windows.items() if index > newest}
        return Closed(newest, self._start(newest + 1), tuple(over.rows.values()) if over else ())

    def _start(self, index: int) -> float:
        return self._anchor + index * self._length

    def _newest_over(self, now: float) -> int:
        return max(math.floor((now - self._delay - self._anchor) / self._length) - 1, -1)


def _hash(id_: str) -> int:
    return int.from_bytes(blake2b(id_.encode(errors="surrogatepass"), digest_size=8).digest())
