import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from serinus.engine.clock import SystemClock
from serinus.engine.leader import LeaderElector, LeaseConflictError, LeaseRecord
from serinus.kube.events import EventRecorder
from serinus.kube.gateway import Kube
from serinus.kube.lease import KubeLease, build_lease_spec, observe_lease
from serinus.kube.resources import EVENTS, LEASES
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.clock import FakeClock

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RECORD = LeaseRecord("me", 15.0, 0, NOON, NOON)
REGARDING: dict[str, Any] = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"namespace": "ml", "name": "fraud", "uid": "u1", "resourceVersion": "5"},
}


async def test_the_lease_is_written_and_read_in_the_api_server_s_form(server: FakeApiServer, kube: Kube) -> None:
    lease = KubeLease(kube, "serinus-system", "serinus")
    assert await lease.get() is None
    created = await lease.create(RECORD)
    assert created.holder == "me"
    assert created.version
    stored = server.get(LEASES, "serinus-system", "serinus")
    assert stored is not None
    assert stored["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": "2026-11-23T12:00:00.000000Z",
        "renewTime": "2026-11-23T12:00:00.000000Z",
    }
    assert await lease.get() == created
    with pytest.raises(LeaseConflictError):
        await lease.create(RECORD)
    renewed = await lease.update(created)
    with pytest.raises(LeaseConflictError):
        await lease.update(created)
    await server.remove(LEASES, "serinus-system", "serinus")
    with pytest.raises(LeaseConflictError):
        await lease.update(renewed)


def test_a_free_lease_names_nobody_and_a_bare_one_is_free() -> None:
    assert "holderIdentity" not in build_lease_spec(LeaseRecord("", 15, 1, None, None))
    bare = observe_lease({"metadata": {"resourceVersion": "1"}})
    assert bare == LeaseRecord("", 15.0, 0, None, None, "1")


async def test_electors_share_a_real_lease(server: FakeApiServer, kube: Kube) -> None:
    stop = asyncio.Event()
    electors = [
        LeaderElector(KubeLease(kube, "serinus-system", "serinus"), name, SystemClock()) for name in ("a", "b", "c")
    ]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for elector in electors:
            group.create_task(elector.run(stop))
        while not any(elector.is_leader() for elector in electors):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        assert sum(elector.is_leader() for elector in electors) == 1
        stop.set()
    stored = server.get(LEASES, "serinus-system", "serinus")
    assert stored is not None
    assert "holderIdentity" not in stored["spec"]


async def test_an_event_is_told_once_in_a_while(server: FakeApiServer, kube: Kube) -> None:
    clock = FakeClock()
    recorder = EventRecorder(kube, clock, "serinus-0")
    assert await recorder.emit_event(REGARDING, "Warning", "RolledBack", "errors 4.1%")
    assert not await recorder.emit_event(REGARDING, "Warning", "RolledBack", "errors 4.1%")
    assert await recorder.emit_event(REGARDING, "Warning", "RolledBack", "errors 9.9%")
    clock.advance(301)
    assert await recorder.emit_event(REGARDING, "Warning", "RolledBack", "errors 4.1%")
    first = server.writes()[0].body
    assert first["regarding"] == {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "name": "fraud",
        "namespace": "ml",
        "uid": "u1",
        "resourceVersion": "5",
    }
    assert first["metadata"]["namespace"] == "ml"
    assert (first["type"], first["reason"], first["note"]) == ("Warning", "RolledBack", "errors 4.1%")
    assert len({request.body["metadata"]["name"] for request in server.writes()}) == 3


async def test_events_of_cluster_scoped_objects_and_long_texts_fit(server: FakeApiServer, kube: Kube) -> None:
    recorder = EventRecorder(kube, FakeClock(), "serinus-0")
    provider = {"apiVersion": "serinus.dev/v1alpha1", "kind": "MetricsProvider", "metadata": {"name": "x" * 253}}
    assert await recorder.emit_event(provider, "Normal", "Ready", "é" * 5000)
    body = server.writes()[0].body
    assert body["metadata"]["namespace"] == "default"
    assert len(body["metadata"]["name"]) <= 253
    assert 1020 <= len(body["note"].encode()) <= 1024
    assert body["note"].endswith("é…")


async def test_an_event_that_cannot_be_written_disturbs_nobody_and_may_be_told_again(
    server: FakeApiServer, kube: Kube
) -> None:
    recorder = EventRecorder(kube, FakeClock(), "serinus-0")
    server.fail(lambda request: True, status=403, body="no")
    assert not await recorder.emit_event(REGARDING, "Normal", "Promoted", "done")
    assert await recorder.emit_event(REGARDING, "Normal", "Promoted", "done")
    assert len(server.writes()) == 2
    assert server.get(EVENTS, "ml", server.writes()[1].body["metadata"]["name"]) is not None
