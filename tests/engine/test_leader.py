import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from serinus.engine.leader import (
    Acquire,
    Decision,
    LeaderElector,
    LeaseConflictError,
    LeaseRecord,
    LeaseTimes,
    Lost,
    Observation,
    Renew,
    Wait,
    decide_leadership,
)
from tests.fakes.clock import LoopClock, run_jumping

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)


def held_by(holder: str, renewed_at: datetime = LONG_AGO) -> LeaseRecord:
    return LeaseRecord(holder, 15.0, 3, LONG_AGO, renewed_at, "7")


@pytest.mark.parametrize(
    ("record", "seen_for", "held_for", "expected"),
    [
        pytest.param(None, 0, None, Acquire(), id="no lease: take it"),
        pytest.param(held_by(""), 0, None, Acquire(), id="a released lease: take it"),
        pytest.param(held_by("other"), 0, None, Wait(15), id="just seen: wait for the whole duration"),
        pytest.param(held_by("other"), 14, None, Wait(1), id="not yet stood still for long enough"),
        pytest.param(held_by("other"), 15, None, Acquire(), id="stood still for the whole duration: take it"),
        pytest.param(held_by("other", FAR_AHEAD), 15, None, Acquire(), id="wall-clock times of others do not count"),
        pytest.param(held_by("me"), 99, None, Renew(), id="ours without our knowing, after a lost answer"),
        pytest.param(held_by("me"), 5, 5, Renew(), id="ours: prolong"),
        pytest.param(None, 5, 5, Acquire(), id="deleted while we lead: make it anew"),
        pytest.param(held_by("me"), 10, 0, Lost("the lease could not be renewed in time"), id="too late"),
        pytest.param(held_by("other"), 0, 5, Lost("the lease is held by other"), id="taken from us"),
        pytest.param(held_by(""), 0, 5, Lost("the lease is held by nobody"), id="released by somebody else"),
    ],
)
def test_leadership(record: LeaseRecord | None, seen_for: float, held_for: float | None, expected: Decision) -> None:
    now = 1000.0
    held_until = None if held_for is None else now + held_for
    assert decide_leadership(Observation(record, now - seen_for), "me", now, held_until) == expected


@dataclass
class FakeLease:
    """A Lease with versions; `down` makes every call hang, `broken` makes it fail."""

    record: LeaseRecord | None = None
    down: bool = False
    broken: bool = False
    writes: int = 0
    leaders: list[tuple[float, str]] = field(default_factory=list)

    async def _arrive(self) -> None:
        if self.down:
            await asyncio.Event().wait()
        if self.broken:
            raise OSError("connection refused")
        await asyncio.sleep(0.01)

    def _keep(self, record: LeaseRecord) -> LeaseRecord:
        self.writes += 1
        self.record = replace(record, version=str(self.writes))
        if not self.leaders or self.leaders[-1][1] != record.holder:
            self.leaders.append((asyncio.get_running_loop().time(), record.holder))
        return self.record

    async def get(self) -> LeaseRecord | None:
        await self._arrive()
        return self.record

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        await self._arrive()
        if self.record is not None:
            raise LeaseConflictError
        return self._keep(record)

    async def update(self, record: LeaseRecord) -> LeaseRecord:
        await self._arrive()
        if self.record is None or self.record.version != record.version:
            raise LeaseConflictError
        return self._keep(record)


@dataclass
class Door:
    """One replica's own way to the shared Lease, which can be cut."""

    lease: FakeLease
    down: bool = False

    async def _arrive(self) -> None:
        if self.down:
            await asyncio.Event().wait()

    async def get(self) -> LeaseRecord | None:
        await self._arrive()
        return await self.lease.get()

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        await self._arrive()
        return await self.lease.create(record)

    async def update(self, record: LeaseRecord) -> LeaseRecord:
        await self._arrive()
        return await self.lease.update(record)


class Replica:
    def __init__(self, lease: FakeLease, name: str) -> None:
        self.door = Door(lease)
        self.stop = asyncio.Event()
        self.elector = LeaderElector(self.door, name, LoopClock())
        self.task = asyncio.create_task(self.elector.run(self.stop))

    async def shut_down(self) -> None:
        self.stop.set()
        await self.task

    async def kill(self) -> None:
        self.door.down = True
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def test_one_of_two_leads_and_stays_in_the_lead() -> None:
    async def story() -> None:
        lease = FakeLease()
        first, second = Replica(lease, "first"), Replica(lease, "second")
        await asyncio.sleep(3600)
        assert first.elector.is_leader() != second.elector.is_leader()
        assert len(lease.leaders) == 1
        assert lease.writes <= 3600 / 3 + 2
        assert lease.record is not None
        assert lease.record.transitions == 0
        await first.shut_down()
        await second.shut_down()

    run_jumping(story())


def test_a_crashed_leader_is_replaced_within_twenty_seconds() -> None:
    async def story() -> None:
        lease = FakeLease()
        first = Replica(lease, "first")
        await first.elector.acquired.wait()
        second = Replica(lease, "second")
        await asyncio.sleep(100)
        killed = asyncio.get_running_loop().time()
        await first.kill()
        await second.elector.acquired.wait()
        assert asyncio.get_running_loop().time() - killed <= 20
        assert lease.record is not None
        assert lease.record.transitions == 1
        await second.shut_down()

    run_jumping(story())


def test_a_leader_that_stops_in_order_hands_over_at_once() -> None:
    async def story() -> None:
        lease = FakeLease()
        first = Replica(lease, "first")
        await first.elector.acquired.wait()
        second = Replica(lease, "second")
        await asyncio.sleep(50)
        await first.shut_down()
        assert not first.elector.is_leader()
        assert not first.elector.lost.is_set()
        stopped = asyncio.get_running_loop().time()
        await second.elector.acquired.wait()
        assert asyncio.get_running_loop().time() - stopped <= 2.1
        await second.shut_down()
        assert lease.record is not None
        assert lease.record.holder == ""

    run_jumping(story())


def test_a_leader_cut_off_stops_acting_before_another_may_start() -> None:
    async def story() -> None:
        lease = FakeLease()
        loop = asyncio.get_running_loop()
        first = Replica(lease, "first")
        await first.elector.acquired.wait()
        second = Replica(lease, "second")
        await asyncio.sleep(61)
        first.door.down = True
        cut = loop.time()
        while first.elector.is_leader():
            assert not second.elector.is_leader()
            await asyncio.sleep(0.01)
        assert loop.time() - cut <= 10.1
        await first.elector.lost.wait()
        assert loop.time() - cut <= 10.2
        assert "renewed in time" in first.elector.why_lost
        assert not second.elector.is_leader()
        await second.elector.acquired.wait()
        assert loop.time() - cut <= 20
        await first.task
        await second.shut_down()

    run_jumping(story())


def test_short_trouble_with_the_api_server_costs_nothing() -> None:
    async def story() -> None:
        lease, troubles = FakeLease(), []
        stop = asyncio.Event()
        elector = LeaderElector(lease, "me", LoopClock(), on_trouble=troubles.append)
        task = asyncio.create_task(elector.run(stop))
        await elector.acquired.wait()
        lease.broken = True
        await asyncio.sleep(5)
        assert troubles
        lease.broken = False
        await asyncio.sleep(60)
        assert elector.is_leader()
        lease.down = True
        await asyncio.sleep(5)
        lease.down = False
        await asyncio.sleep(60)
        assert elector.is_leader()
        stop.set()
        await task

    run_jumping(story())


def test_a_lease_taken_by_force_is_noticed_at_the_next_renewal() -> None:
    async def story() -> None:
        lease = FakeLease()
        replica = Replica(lease, "me")
        await replica.elector.acquired.wait()
        assert lease.record is not None
        lease.record = replace(lease.record, holder="thief", version="999")
        await asyncio.sleep(6)
        assert not replica.elector.is_leader()
        assert replica.elector.lost.is_set()
        assert replica.elector.holder == "thief"
        await replica.task
        assert lease.record.holder == "thief"

    run_jumping(story())


def test_a_write_whose_answer_was_lost_is_recognised_as_ours() -> None:
    async def story() -> None:
        lease = FakeLease()
        replica = Replica(lease, "me")
        await replica.elector.acquired.wait()
        assert lease.record is not None
        lease.record = replace(lease.record, version="lost-answer")
        await asyncio.sleep(20)
        assert replica.elector.is_leader()
        await replica.shut_down()

    run_jumping(story())


def test_times_scale_with_the_duration() -> None:
    times = LeaseTimes.for_duration(30)
    assert (times.duration, times.renew_deadline, times.renew_every) == (30, 20, 6)
    assert times.renew_deadline + times.call_timeout < times.duration
