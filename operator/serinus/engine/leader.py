"""Leadership by Lease: at most one replica acts.

Safety does not depend on clocks that agree. A candidate takes over only after it has itself watched the same record
stand still for the whole lease duration; the holder stops acting `renew_deadline` after it *began* its last successful
renewal, which is shorter. Wall-clock times in the Lease are for people.

The elector never decides what leadership is for; it only says whether we have it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from serinus.engine.clock import Clock


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What the Lease says. `holder` is empty when it is free, `duration` is in seconds, `version` guards updates."""

    holder: str
    duration: float
    transitions: int
    acquired_at: datetime | None
    renewed_at: datetime | None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """A record, and since when (monotonic) we have seen it unchanged. `record` None: there is no Lease."""

    record: LeaseRecord | None
    since: float


class LeaseConflictError(Exception):
    """Somebody else changed or created the Lease first."""


class LeasePort(Protocol):
    """Reads and writes the Lease. Raises LeaseConflictError, or anything else where the API server cannot be used."""

    async def get(self) -> LeaseRecord | None:
        """Return the record, None where there is none."""
        ...

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        """Create the Lease and return it as stored."""
        ...

    async def update(self, record: LeaseRecord) -> LeaseRecord:
        """Replace the record of version `record.version` and return it as stored."""
        ...


@dataclass(frozen=True, slots=True)
class Acquire:
    """The Lease is free, abandoned or absent: try to take it."""


@dataclass(frozen=True, slots=True)
class Renew:
    """The Lease is ours: prolong it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else holds it; it cannot be free before so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """We led and must stop."""

    why: str


Decision = Acquire | Renew | Wait | Lost


def decide_leadership(observation: Observation, identity: str, now: float, held_until: float | None) -> Decision:
    """Decide what to do about the Lease at the monotonic time `now`; `held_until` is None while we do not lead."""
    record = observation.record
    if held_until is not None:
        if now >= held_until:
            return Lost("the lease could not be renewed in time")
        if record is not None and record.holder != identity:
            return Lost(f"the lease is held by {record.holder or 'nobody'}")
    if record is None or not record.holder:
        return Acquire()
    if record.holder == identity:
        return Renew()
    free_at = observation.since + record.duration
    return Acquire() if now >= free_at else Wait(free_at - now)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. A crashed leader is replaced after `duration` + `retry_every` at the latest."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    renew_every: float = 3.0
    retry_every: float = 2.0
    call_timeout: float = 2.0

    @classmethod
    def for_duration(cls, duration: float) -> "LeaseTimes":
        """Scale all times to a lease duration in seconds."""
        default = cls()
        scale = duration / default.duration
        return cls(
            duration,
            default.renew_deadline * scale,
            default.renew_every * scale,
            default.retry_every * scale,
            default.call_timeout * scale,
        )


def _no_trouble(error: Exception) -> None:
    return None


class LeaderElector:
    """Tries for the Lease, keeps it, and says at any moment whether we lead."""

    def __init__(
        self,
        port: LeasePort,
        identity: str,
        clock: Clock,
        times: LeaseTimes = LeaseTimes(),
        on_trouble: Callable[[Exception], None] = _no_trouble,
    ) -> None:
        self._port = port
        self._identity = identity
        self._clock = clock
        self._times = times
        self._on_trouble = on_trouble
        self._observation: Observation | None = None
        self._held_until: float | None = None
        self.acquired = asyncio.Event()
        """Set once we lead."""
        self.lost = asyncio.Event()
        """Set once we led and do no longer. There is no way back: the process has to end and start anew."""
        self.why_lost = ""

    def is_leader(self) -> bool:
        """Say whether it is safe to act at this very moment."""
        held_until = self._held_until
        return held_until is not None and not self.lost.is_set() and self._clock.monotonic() < held_until

    @property
    def holder(self) -> str:
        """Return who holds the Lease as far as we know; empty for nobody."""
        record = None if self._observation is None else self._observation.record
        return "" if record is None else record.holder

    async def run(self, stop: asyncio.Event) -> None:
        """Strive for the Lease and keep it until `stop` is set or leadership is lost; then give it back, if ours."""
        try:
            while not stop.is_set() and not self.lost.is_set():
                pause = await self._step()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await stop.wait()
        finally:
            await self._release()

    async def _step(self) -> float:
        """Look, decide and act once; return the seconds until the next step."""
        try:
            return await self._advance()
        except LeaseConflictError:
            self._observation = None
            return 0.1 * self._times.retry_every
        except Exception as error:
            # Any failure of the port means the same here: not renewed, not acquired, try again soon.
            self._on_trouble(error)
            return self._until_late(0.5 * self._times.retry_every)

    async def _advance(self) -> float:
        now = self._clock.monotonic()
        late = self._held_until is not None and now >= self._held_until
        if not late and (self._observation is None or self._held_until is None):
            await self._look()
            now = self._clock.monotonic()
        observation = self._observation or Observation(None, now)
        decision = decide_leadership(observation, self._identity, now, self._held_until)
        match decision:
            case Lost(why):
                self.why_lost = why
                self.lost.set()
                return 0.0
            case Wait(seconds):
                return min(seconds, self._times.retry_every)
            case _:
                await self._take(observation.record)
                return self._until_late(self._times.renew_every)

    async def _look(self) -> None:
        async with asyncio.timeout(self._patience()):
            record = await self._port.get()
        if self._observation is None or self._observation.record != record:
            self._observation = Observation(record, self._clock.monotonic())

    async def _take(self, record: LeaseRecord | None) -> None:
        """Acquire or renew. What counts is when the attempt began: the API server cannot have seen it earlier."""
        began = self._clock.monotonic()
        async with asyncio.timeout(self._patience()):
            if record is None:
                stored = await self._port.create(self._claim(None))
            else:
                stored = await self._port.update(self._claim(record))
        self._observation = Observation(stored, began)
        self._held_until = began + self._times.renew_deadline
        self.acquired.set()

    def _claim(self, record: LeaseRecord | None) -> LeaseRecord:
        now = self._clock.now()
        if record is None:
            return LeaseRecord(self._identity, self._times.duration, 0, now, now)
        if record.holder == self._identity:
            return replace(record, duration=self._times.duration, renewed_at=now)
        return LeaseRecord(
            self._identity, self._times.duration, record.transitions + 1, now, now, version=record.version
        )

    async def _release(self) -> None:
        """Free the Lease so that a successor need not wait. Losing it this way is not `lost`: we meant it."""
        observation, led = self._observation, self.is_leader()
        self._held_until = None
        if not led or observation is None or observation.record is None:
            return
        # Where this fails the Lease simply runs out.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self._times.call_timeout):
                await self._port.update(replace(observation.record, holder=""))

    def _patience(self) -> float:
        """Return how long a call may take: never past the moment at which we have to stop acting."""
        return self._until_late(self._times.call_timeout)

    def _until_late(self, seconds: float) -> float:
        if self._held_until is None:
            return seconds
        return max(0.0, min(seconds, self._held_until - self._clock.monotonic()))
