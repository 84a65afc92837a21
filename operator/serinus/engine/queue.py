"""The work queue: which key is worked on next, and when a key comes back.

A key is in the queue once however often it is added, and is never worked on twice at the same time: what is added
during its turn gives it one more turn. Nothing polls; the loop is woken when the next delayed key is due. Urgent keys
go first (traffic has to leave a bad revision now), then namespaces, or whatever `group_of` makes of a key, take turns,
so that nobody who adds a thousand keys delays the others.

Must be used from one event loop only.
"""

import asyncio
import heapq
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class QueueClosedError(Exception):
    """The queue is closed and hands out nothing more."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failing key waits: doubling from `first` up to `limit` seconds, each wait shortened by up to `jitter`.

    An urgent key never waits longer than `urgent_limit`.
    """

    first: float = 0.5
    limit: float = 60.0
    urgent_limit: float = 2.0
    jitter: float = 0.25

    def delay(self, failures: int, urgent: bool, spread: float) -> float:
        """Return the wait in seconds after so many failures in a row (1 or more); `spread` is random in [0, 1)."""
        doublings = min(failures - 1, 32)
        delay = min(self.first * 2.0**doublings, self.urgent_limit if urgent else self.limit)
        return float(delay * (1 - self.jitter * spread))


def _one_group(key: Hashable) -> Hashable:
    return None


class WorkQueue(Generic[K]):
    """Keys to be worked on. See the module for the promises."""

    def __init__(
        self,
        group_of: Callable[[K], Hashable] = _one_group,
        backoff: Backoff = Backoff(),
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._group_of = group_of
        self._backoff = backoff
        self._spread = spread
        self._urgent: OrderedDict[K, None] = OrderedDict()
        self._ready: OrderedDict[Hashable, OrderedDict[K, None]] = OrderedDict()
        self._dirty: dict[K, bool] = {}
        self._running: set[K] = set()
        self._available = asyncio.Semaphore(0)
        self._due: dict[K, tuple[float, bool]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = count()
        self._alarm: asyncio.TimerHandle | None = None
        self._failures: dict[K, int] = {}
        self._closed = False

    def __len__(self) -> int:
        """Return how many keys wait for a worker, those not yet due left out."""
        return len(self._dirty) - sum(1 for key in self._running if key in self._dirty)

    @property
    def running(self) -> int:
        """Return how many keys are being worked on."""
        return len(self._running)

    @property
    def delayed(self) -> int:
        """Return how many keys are scheduled for later."""
        return len(self._due)

    def add(self, key: K, urgent: bool = False) -> None:
        """Ask for a turn of `key`, now."""
        if self._closed:
            return
        if key in self._dirty:
            if urgent and not self._dirty[key]:
                self._dirty[key] = True
                self._hurry(key)
            return
        self._dirty[key] = urgent
        if key not in self._running:
            self._offer(key, urgent)

    def add_after(self, key: K, seconds: float, urgent: bool = False) -> None:
        """Ask for a turn of `key` in so many seconds. If it is scheduled already, the earlier moment stands."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key, urgent)
            return
        when = asyncio.get_running_loop().time() + seconds
        standing = self._due.get(key)
        if standing is not None and standing[0] <= when:
            if urgent and not standing[1]:
                self._due[key] = (standing[0], True)
            return
        self._due[key] = (when, urgent)
        heapq.heappush(self._heap, (when, next(self._order), key))
        self._set_alarm()

    def retry(self, key: K, urgent: bool = False, at_least: float = 0.0) -> float:
        """Ask for another turn after a failure; return the wait in seconds, which grows until `forget` is called."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        delay = max(self._backoff.delay(failures, urgent, self._spread()), at_least)
        self.add_after(key, delay, urgent)
        return delay

    def forget(self, key: K) -> None:
        """Note a success: the next failure waits as little as the first."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Return how often in a row `key` has failed."""
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """Wait for a key and return it. The caller owes a `done`. Raises QueueClosedError once the queue is closed."""
        await self._available.acquire()
        if self._closed:
            self._available.release()
            raise QueueClosedError
        key = self._take()
        del self._dirty[key]
        self._running.add(key)
        return key

    def done(self, key: K) -> None:
        """End the turn of `key`; if it was added meanwhile, it gets another."""
        self._running.discard(key)
        if key in self._dirty and not self._closed:
            self._offer(key, self._dirty[key])

    def close(self) -> None:
        """Hand out nothing more. Whoever works on a key may finish."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._available.release()

    def _offer(self, key: K, urgent: bool) -> None:
        if urgent:
            self._urgent[key] = None
        else:
            self._ready.setdefault(self._group_of(key), OrderedDict())[key] = None
        self._available.release()

    def _hurry(self, key: K) -> None:
        group = self._group_of(key)
        keys = self._ready.get(group)
        if keys is None or key not in keys:
            return
        del keys[key]
        if not keys:
            del self._ready[group]
        self._urgent[key] = None

    def _take(self) -> K:
        if self._urgent:
            return self._urgent.popitem(last=False)[0]
        group, keys = self._ready.popitem(last=False)
        key, _ = keys.popitem(last=False)
        if keys:
            self._ready[group] = keys
        return key

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._heap:
            self._alarm = asyncio.get_running_loop().call_at(self._heap[0][0], self._ring)

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            standing = self._due.get(key)
            if standing is not None and standing[0] == when:
                del self._due[key]
                self.add(key, standing[1])
        self._alarm = None
        self._set_alarm()
