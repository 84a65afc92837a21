"""The metrics of the triggers of all policies: looked at once a window each, in one task for each provider.

    reconcile --watch(wants)--> Signals --what is due, each query once--> provider
        ^                          |
        '---- notify(key) ---------'   only when there is something to decide

The task sleeps until the next look is due; policies that want nothing cost nothing. When to look next is reckoned by
the monotonic clock from the last answer on, so that a wall clock that jumps makes no window count twice. A look in vain
is done again soon, then ever more rarely, once a window at last. No query is asked more often than the provider
scrapes."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from serinus.controllers.analyst import Provider
from serinus.controllers.wants import Want, build_reading
from serinus.core.retrain.looks import retry_after
from serinus.core.retrain.reading import Reading, Unknown
from serinus.engine.clock import Clock
from serinus.engine.store import Key
from serinus.metrics.source import Failure, MetricSource, QueryResult
from serinus.metrics.threads import PER_SERVER

GRIDS: Final = 20
LONGEST_GRID: Final = 15.0
"""Looks are put off to the next of a period's twentieths, by 15 seconds at most, so that those of many policies come
together."""
MARGIN: Final = 1.001
"""A window is waited for a little longer than it is: clocks that are being set right run slow by up to 0.05 %."""
GIVE_UP_AFTER: Final = 4
"""Queries in a row that a provider does not answer; the others of the round are not even sent."""
_AWAY: Final = frozenset({"Unreachable", "Timeout", "Throttled", "Unauthorized", "UntrustedCertificate"})


@dataclass
class _Entry:
    """One trigger. `pace` is the earliest next look by our own reckoning, `asked_for` by the policy's (monotonic
    seconds); `counted` is the reading that was last a new window."""

    want: Want
    pace: float
    asked_for: float
    reading: Reading | None = None
    counted: Reading | None = None
    tries: int = 0

    @property
    def due(self) -> float:
        return max(self.pace, self.asked_for)


_Place = tuple[Key, str]


@dataclass
class _Home:
    """The triggers that one provider answers."""

    entries: dict[_Place, _Entry] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Signals:
    """See the module. `notify(key, urgent)` asks for a turn of the key."""

    def __init__(
        self,
        make_source: Callable[[Provider], MetricSource],
        notify: Callable[[Key, bool], None],
        clock: Clock,
    ) -> None:
        self._make_source = make_source
        self._notify = notify
        self._clock = clock
        self._homes: dict[Provider, _Home] = {}
        self._lives: dict[Key, tuple[Provider, frozenset[str]]] = {}
        self.queries = 0
        """Queries sent so far."""

    def watch(self, key: Key, provider: Provider, wants: Sequence[Want]) -> Mapping[str, Reading]:
        """Follow these triggers of a policy from now on, and no others; return the newest reading of each by name, once
        there is one. Never waits. A want's `due_at` may put a look off, and says when the first one is."""
        lives = self._lives.get(key)
        if lives is not None and (lives[0] != provider or not wants):
            self.forget(key)
            lives = None
        if not wants:
            return {}
        home = self._homes.setdefault(provider, _Home())
        names = frozenset(want.name for want in wants)
        for name in (lives[1] if lives is not None else frozenset()) - names:
            home.entries.pop((key, name), None)
        self._lives[key] = (provider, names)
        found = {want.name: self._put(home, (key, want.name), want) for want in wants}
        if home.task is None or home.task.done():
            home.task = asyncio.create_task(self._run(provider, home), name=f"signals-{provider.name}")
        return {name: entry.reading for name, entry in found.items() if entry.reading is not None}

    @property
    def active(self) -> int:
        """How many policies are followed."""
        return len(self._lives)

    def next_at(self, key: Key) -> float | None:
        """Monotonic time of the next look for a policy, None where none is to come."""
        provider, names = self._lives.get(key, (None, frozenset()))
        if provider is None:
            return None
        entries = self._homes[provider].entries
        return min((entries[key, name].due for name in names), default=None)

    def forget(self, key: Key) -> None:
        """Look no more for this policy; the task of its provider ends with its last one."""
        provider, names = self._lives.pop(key, (None, frozenset()))
        if provider is None:
            return
        home = self._homes[provider]
        for name in names:
            home.entries.pop((key, name), None)
        home.changed.set()

    async def close(self) -> None:
        """Stop all tasks."""
        tasks = [home.task for home in self._homes.values() if home.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _put(self, home: _Home, place: _Place, want: Want) -> _Entry:
        mono = self._clock.monotonic()
        ahead = (want.due_at - self._clock.now()).total_seconds()
        asked_for = mono + max(ahead, 0.0)
        entry = home.entries.get(place)
        if entry is None or not entry.want.asks_as(want):
            entry = home.entries[place] = _Entry(want, mono, asked_for)
            home.changed.set()
        elif asked_for < entry.asked_for:
            home.changed.set()
        entry.want, entry.asked_for = want, asked_for
        return entry

    async def _run(self, provider: Provider, home: _Home) -> None:
        source = self._make_source(provider)
        try:
            while home.entries:
                home.changed.clear()
                due = min(_put_off(entry) for entry in home.entries.values())
                wait = due - self._clock.monotonic()
                if wait <= 0:
                    await self._look(source, home, provider.interval)
                    continue
                try:
                    async with asyncio.timeout(wait):
                        await home.changed.wait()
                except TimeoutError:
                    continue
        finally:
            source.close()
            # Somebody may have joined while the task was ending; watch() starts a new one then.
            home.task = None
            if not home.entries and self._homes.get(provider) is home:
                del self._homes[provider]

    async def _look(self, source: MetricSource, home: _Home, floor: float) -> None:
        """One round: all that is due, each query once, and none again within `floor` seconds."""
        mono = self._clock.monotonic()
        due = {place: entry for place, entry in home.entries.items() if _put_off(entry) <= mono}
        queries = dict.fromkeys(query for entry in due.values() for query in entry.want.queries)
        results = await self._ask(source, list(queries))
        now, mono = self._clock.now(), self._clock.monotonic()
        told: dict[Key, None] = {}
        for place, entry in due.items():
            reading = build_reading(entry.want, results, now)
            if home.entries.get(place) is entry and _settle(entry, reading, mono, floor):
                told[place[0]] = None
        for key in told:
            self._notify(key, False)

    async def _ask(self, source: MetricSource, queries: Sequence[str]) -> dict[str, QueryResult]:
        slots = asyncio.Semaphore(PER_SERVER)
        away: list[Failure] = []

        async def ask(query: str) -> QueryResult:
            async with slots:
                if len(away) >= GIVE_UP_AFTER:
                    return away[-1]
                self.queries += 1
                result = await source.fetch_instant(query)
                if isinstance(result, Failure) and result.reason in _AWAY:
                    away.append(result)
                else:
                    away.clear()
                return result

        answers = await asyncio.gather(*(ask(query) for query in queries))
        return dict(zip(queries, answers, strict=True))


def _put_off(entry: _Entry) -> float:
    """When an entry is looked at: on the grid that those of its period share."""
    grid = min(entry.want.period.total_seconds() / GRIDS, LONGEST_GRID)
    return math.ceil(entry.due / grid) * grid


def _settle(entry: _Entry, reading: Reading, mono: float, floor: float) -> bool:
    """Keep a reading and reckon the next look, `floor` seconds from now at the earliest: nothing new is there sooner,
    whatever windows people write. Whether there is something to decide."""
    before, entry.reading = entry.reading, reading
    if _is_new(entry, reading):
        entry.counted, entry.tries = reading, 0
        entry.pace = mono + max(entry.want.period.total_seconds() * MARGIN, floor)
        return True
    entry.pace = mono + max(retry_after(entry.want.period, entry.tries).total_seconds(), floor)
    entry.tries += 1
    return before is None or _gist(before) != _gist(reading)


def _is_new(entry: _Entry, reading: Reading) -> bool:
    """Whether it is of a window that was not seen yet."""
    if isinstance(reading.value, Unknown) or reading.window_end is None:
        return False
    last = entry.counted.window_end if entry.counted is not None else None
    # A window that ended long before the last one is of a clock that was set right.
    return last is None or abs(reading.window_end - last) >= entry.want.period


def _gist(reading: Reading) -> str | None:
    return reading.value.reason if isinstance(reading.value, Unknown) else None
