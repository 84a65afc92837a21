import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

import kopf
import pytest

from serinus.engine.feed import Feed
from serinus.engine.store import Raw, Store
from serinus.kube.connection import Credentials
from serinus.kube.resources import (
    DEPLOYMENTS,
    GATEWAYS,
    METRICSPROVIDERS,
    MODELDEPLOYMENTS,
    PODS,
    WATCHED,
)
from serinus.shell import watch
from serinus.shell.watch import build_settings, run_kopf
from tests.fakes.apiserver import NAMESPACES, FakeApiServer

OURS = {"app.kubernetes.io/managed-by": "serinus"}

# Stopped while it opens a session, kopf forgets to close it: the process is about to end, but the tests are not.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def make(name: str, namespace: str = "ml", labels: dict[str, str] | None = None) -> Raw:
    metadata: dict[str, Any] = {"name": name, "labels": labels or {}}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {}), "spec": {}}


@dataclass
class Watching:
    store: Store
    feed: Feed
    stop: asyncio.Event
    task: asyncio.Task[None]
    events: list[tuple[str, str | None, str]] = field(default_factory=list)

    def names(self, kind: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.store.list(kind)]


@asynccontextmanager
async def watching(
    server: FakeApiServer, tokens: Sequence[str | None] = ("t0ken",), **options: Any
) -> AsyncIterator[Watching]:
    store = Store()
    feed = Feed(store, lambda kind, obj: None)
    events: list[tuple[str, str | None, str]] = []
    stop, ready = asyncio.Event(), asyncio.Event()
    left = iter(tokens)

    def sink(kind: str, event_type: str | None, obj: Raw) -> None:
        events.append((kind, event_type, obj["metadata"]["name"]))
        feed.on_event(kind, event_type, obj)

    async def fetch() -> Credentials:
        token = next(left, tokens[-1])
        if token is None:
            raise PermissionError("no credentials yet")
        return Credentials(server.url, token=token)

    task = asyncio.create_task(run_kopf(sink, fetch, stop, ready=ready, **options))
    async with asyncio.timeout(60):
        await ready.wait()
    try:
        yield Watching(store, feed, stop, task, events)
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for happens in another thread
            await asyncio.sleep(0.01)


async def until_watched(server: FakeApiServer) -> None:
    await until(lambda: sum(request.query.get("watch") == "true" for request in server.requests) >= len(WATCHED))


@pytest.fixture(autouse=True)
def _clean_up_after_kopf() -> Iterator[None]:
    """Let asyncio complain now of tasks that kopf abandoned: amid a compilation it would be fatal (3.11)."""
    yield
    gc.collect()


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer([entry.resource for entry in WATCHED]).running() as server:
        yield server


async def test_what_is_there_and_what_changes_comes_into_the_store_and_nothing_is_written(
    server: FakeApiServer,
) -> None:
    await server.put(MODELDEPLOYMENTS, make("fraud"))
    await server.put(METRICSPROVIDERS, make("default", namespace=""))
    await server.put(PODS, make("ours", labels=OURS))
    await server.put(PODS, make("foreign"))
    async with watching(server) as seen:
        await until(lambda: seen.names("ModelDeployment") == ["fraud"] and seen.names("Pod") == ["ours"])
        await until(lambda: seen.names("MetricsProvider") == ["default"])
        await server.put(MODELDEPLOYMENTS, make("fraud") | {"spec": {"port": 8080}})
        await server.put(DEPLOYMENTS, make("fraud-1", labels=OURS))
        await server.put(DEPLOYMENTS, make("foreign"))
        await server.remove(PODS, "ml", "ours")
        await until(lambda: seen.names("Deployment") == ["fraud-1"] and seen.names("Pod") == [])
        changed = seen.store.get("ModelDeployment", "ml", "fraud")
        assert changed is not None
        assert changed["spec"] == {"port": 8080}
        assert (changed["apiVersion"], changed["kind"]) == ("serinus.dev/v1alpha1", "ModelDeployment")
        assert not [event for event in seen.events if event[2] == "foreign"]
        seen.stop.set()
        async with asyncio.timeout(20):
            await seen.task
    assert server.writes() == []
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer t0ken"}


async def test_selectors_are_the_server_s_work(server: FakeApiServer) -> None:
    async with watching(server) as seen:
        await until_watched(server)
        assert not seen.events
    selectors = {
        request.path.rsplit("/", 1)[1]: request.query.get("labelSelector")
        for request in server.requests
        if request.query.get("watch") == "true"
    }
    ours = "app.kubernetes.io/managed-by=serinus"
    assert selectors == {
        "modeldeployments": None,
        "modelrevisions": None,
        "metricsproviders": None,
        "retrainpolicies": None,
        "retrainruns": None,
        "modelapprovals": None,
        "deployments": ours,
        "services": ours,
        "configmaps": None,
        "pods": ours,
        "jobs": ours,
        "endpointslices": ours,
        "httproutes": ours,
        "grpcroutes": ours,
        "inferencepools": ours,
        "gateways": None,
        "gatewayclasses": None,
    }


async def test_a_gap_in_the_history_loses_no_change_and_the_list_finds_what_vanished(server: FakeApiServer) -> None:
    for name in ("stays", "changes", "vanishes"):
        await server.put(MODELDEPLOYMENTS, make(name))
    async with watching(server) as seen:
        await until(lambda: len(seen.names("ModelDeployment")) == 3)
        await server.remove(MODELDEPLOYMENTS, "ml", "vanishes", unseen=True)
        await server.put(MODELDEPLOYMENTS, make("changes") | {"spec": {"paused": True}})
        await server.break_watches(gone=True)
        await server.put(MODELDEPLOYMENTS, make("new"))
        await until(lambda: "new" in seen.names("ModelDeployment"))
        changed = seen.store.get("ModelDeployment", "ml", "changes")
        assert changed is not None
        assert changed["spec"] == {"paused": True}
        # kopf does not synthesise the deletion; our own list does.
        assert "vanishes" in seen.names("ModelDeployment")
        listed = [server.get(MODELDEPLOYMENTS, "ml", name) for name in ("stays", "changes", "new")]
        corrected = seen.feed.on_list("ModelDeployment", [obj for obj in listed if obj], "10000")
        assert corrected == 1
        assert seen.names("ModelDeployment") == ["changes", "new", "stays"]
    assert server.writes() == []


async def test_a_stream_that_is_cut_goes_on_where_it_was(server: FakeApiServer) -> None:
    await server.put(MODELDEPLOYMENTS, make("a"))
    async with watching(server) as seen:
        await until(lambda: seen.names("ModelDeployment") == ["a"])
        lists = sum(r.path.endswith("modeldeployments") and "watch" not in r.query for r in server.requests)
        await server.break_watches()
        await server.put(MODELDEPLOYMENTS, make("b"))
        await until(lambda: seen.names("ModelDeployment") == ["a", "b"])
        assert lists == sum(r.path.endswith("modeldeployments") and "watch" not in r.query for r in server.requests)


async def test_of_a_restricted_operator_only_its_namespaces_are_watched(server: FakeApiServer) -> None:
    for namespace in ("ml", "other"):
        await server.put(NAMESPACES, make(namespace, namespace=""))
        await server.put(MODELDEPLOYMENTS, make("fraud", namespace))
    await server.put(METRICSPROVIDERS, make("default", namespace=""))
    async with watching(server, namespaces=["ml"]) as seen:
        await until(lambda: seen.names("MetricsProvider") == ["default"] and seen.names("ModelDeployment") == ["fraud"])
        await asyncio.sleep(0.2)
        assert [obj["metadata"]["namespace"] for obj in seen.store.list("ModelDeployment")] == ["ml"]
    asked = {request.path.rsplit("/", 1)[-1] for request in server.requests}
    assert not asked & {"namespaces", "customresourcedefinitions"}


async def test_a_refused_token_is_fetched_anew(server: FakeApiServer) -> None:
    await server.put(MODELDEPLOYMENTS, make("a"))
    refused = {"kind": "Status", "code": 401}
    server.fail(lambda r: r.headers["Authorization"] == "Bearer old", status=401, body=refused, times=99)
    async with watching(server, tokens=["old", "new"]) as seen:
        await until(lambda: seen.names("ModelDeployment") == ["a"])


async def test_credentials_that_cannot_be_had_yet_are_asked_for_again(server: FakeApiServer) -> None:
    await server.put(MODELDEPLOYMENTS, make("a"))
    async with watching(server, tokens=[None, "t0ken"]) as seen:
        await until(lambda: seen.names("ModelDeployment") == ["a"])


async def test_credentials_refused_for_good_end_the_watch_with_that_reason(server: FakeApiServer) -> None:
    server.fail(lambda r: True, status=401, body={"kind": "Status", "code": 401}, times=9999)
    async with watching(server) as seen:
        with pytest.raises(Exception, match=r"credentials"):
            async with asyncio.timeout(60):
                await seen.task


async def test_tasks_of_the_caller_outlive_kopf(server: FakeApiServer) -> None:
    async with watching(server) as seen:
        younger = asyncio.create_task(asyncio.sleep(60))
        seen.stop.set()
        await seen.task
        await asyncio.sleep(0)
        assert not younger.done()
        younger.cancel()


def test_kopf_is_told_to_leave_no_trace() -> None:
    settings = build_settings()
    assert settings.posting.enabled is False
    assert settings.peering.standalone is True
    assert settings.watching.initial_streaming is False
    assert settings.networking.request_timeout == 15
    body = kopf.Body({"metadata": {"name": "a"}, "spec": {"x": 1}})
    patch = kopf.Patch()
    diff_base, progress = settings.persistence.diffbase_storage, settings.persistence.progress_storage
    diff_base.store(body=body, patch=patch, essence={})  # type: ignore[typeddict-item]
    progress.touch(body=body, patch=patch, value="x")
    assert not patch
    assert diff_base.fetch(body=body) is None


async def test_a_kind_that_may_not_be_watched_ends_it_and_is_named(
    server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_BACKOFFS", (0.01,))
    answer = {
        "kind": "Status",
        "code": 403,
        "reason": "Forbidden",
        "message": 'pods is forbidden: User "x" cannot watch resource "pods" in API group "" at the cluster scope',
        "details": {"kind": "pods"},
    }
    server.fail(lambda r: r.path.endswith("/pods") and "watch" in r.query, status=403, body=answer, times=99)
    async with watching(server) as seen:
        with pytest.raises(watch.WatchRefusedError) as caught:
            async with asyncio.timeout(60):
                await seen.task
    assert (caught.value.resource, caught.value.gone) == (PODS, False)


async def check_that_a_gone_kind_ends_it(server: FakeApiServer) -> None:
    async with watching(server) as seen:
        await until_watched(server)
        server.resources.remove(GATEWAYS)
        await server.break_watches(gone=True)
        with pytest.raises(watch.WatchRefusedError) as caught:
            async with asyncio.timeout(180):
                await seen.task
    assert caught.value.gone


async def test_a_kind_that_is_gone_ends_it(server: FakeApiServer) -> None:
    await check_that_a_gone_kind_ends_it(server)


async def test_a_watcher_that_misses_its_cancellation_does_not_keep_it_from_ending(
    server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "kopf._cogs.clients.watching.watch_objs"
    real, missed = resolve_name(place), []

    async def miss_one(**given: Any) -> AsyncIterator[Any]:
        try:
            async for event in real(**given):
                yield event
        except asyncio.CancelledError:
            missed.append(given["resource"].plural)
            await asyncio.sleep(3600)

    monkeypatch.setattr(place, miss_one)
    await check_that_a_gone_kind_ends_it(server)
    assert missed
