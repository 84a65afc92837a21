"""What the gateway, the Lease, the Events and the watches rely on, told to a real API server.

Run by test_on_apiserver.py inside the cluster's network namespace: `python -m tests.kube.apiserver_story KUBECONFIG`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.engine.clock import SystemClock
from serinus.engine.feed import Feed
from serinus.engine.leader import LeaderElector
from serinus.engine.resync import Resync
from serinus.engine.store import Raw, Store
from serinus.kube import errors
from serinus.kube.connection import build_api_client, fetch_credentials, load_configuration
from serinus.kube.events import EventRecorder
from serinus.kube.gateway import Kube
from serinus.kube.lease import KubeLease
from serinus.kube.lister import Lister
from serinus.kube.resources import (
    EVENTS,
    GATEWAYCLASSES,
    LEASES,
    MODELDEPLOYMENTS,
    OURS,
    SERVICES,
    WATCHED,
    Resource,
    Watched,
)
from serinus.shell.streams import Streams
from serinus.shell.watch import run_kopf
from tests.fakes.apiserver import CRDS, NAMESPACES

CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap")
NAMESPACE = "plumbing"
LABELS = dict([OURS.split("=")])
MODEL = {
    "metadata": {"namespace": NAMESPACE, "name": "fraud"},
    "spec": {
        "port": "http",
        "template": {
            "spec": {"containers": [{"name": "model", "image": "x", "ports": [{"name": "http", "containerPort": 80}]}]}
        },
        "route": {"parentRefs": [{"name": "edge"}], "hostnames": ["fraud.example"]},
    },
}


async def refused(kind: type[errors.KubeError], call: Awaitable[Any]) -> errors.KubeError:
    with pytest.raises(kind) as caught:
        await call
    return caught.value


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def build_service(selector: str, **metadata: Any) -> Raw:
    return {
        "metadata": {"namespace": NAMESPACE, "name": "svc", "labels": LABELS} | metadata,
        "spec": {"ports": [{"name": "http", "port": 80}], "selector": {"app": selector}},
    }


async def check_crds_may_come_later(kube: Kube, store: Store, resync: Resync) -> None:
    assert not store.is_served("ModelDeployment")
    crds = Path(__file__).parents[2] / "crds"
    for path in sorted(crds.glob("*.yaml")):
        for crd in yaml.safe_load_all(path.read_text()):
            if crd:
                await kube.apply(CRDS, crd)
    async with asyncio.timeout(60):
        while True:
            try:
                await kube.apply(MODELDEPLOYMENTS, MODEL)
                break
            except errors.NotFound:
                await asyncio.sleep(0.1)
    # A list notices the kind; from then on it is watched, and needs no list.
    await resync.run_once()
    assert store.is_served("ModelDeployment")
    await asyncio.sleep(1)
    await kube.merge_patch(MODELDEPLOYMENTS, NAMESPACE, "fraud", {"metadata": {"labels": {"watched": "yes"}}})
    await until(lambda: "labels" in (store.get("ModelDeployment", NAMESPACE, "fraud") or {}).get("metadata", {}))
    await kube.try_watch(MODELDEPLOYMENTS)


async def check_the_gateway_api_may_go(kube: Kube, store: Store, resync: Resync) -> None:
    """A kind that is removed takes no other with it."""
    await kube.delete(CRDS, "", f"{GATEWAYCLASSES.plural}.{GATEWAYCLASSES.group}")
    async with asyncio.timeout(60):
        while store.is_served("GatewayClass"):
            assert (await resync.run_once()).failed == {}
            await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    await kube.merge_patch(MODELDEPLOYMENTS, NAMESPACE, "fraud", {"metadata": {"labels": {"watched": "still"}}})
    await until(
        lambda: (store.get("ModelDeployment", NAMESPACE, "fraud") or {})["metadata"]["labels"]["watched"] == "still"
    )


async def check_status(kube: Kube) -> None:
    read = await kube.get(MODELDEPLOYMENTS, NAMESPACE, "fraud")
    written = await kube.replace_status(MODELDEPLOYMENTS, read, {"observedGeneration": 1, "phase": "Pending"})
    assert written["status"] == {"observedGeneration": 1, "phase": "Pending"}
    await refused(errors.Conflict, kube.replace_status(MODELDEPLOYMENTS, read, {"phase": "Stable"}))
    await refused(errors.Conflict, kube.patch_status(MODELDEPLOYMENTS, read, {"phase": "Stable"}))
    merged = await kube.patch_status(MODELDEPLOYMENTS, written, {"replicas": 2})
    assert merged["status"] == {"observedGeneration": 1, "phase": "Pending", "replicas": 2}
    error = await refused(errors.Invalid, kube.replace_status(MODELDEPLOYMENTS, merged, {"replicas": "many"}))
    assert error.causes
    assert merged["metadata"]["managedFields"][-1]["manager"] == "serinus"


async def check_objects(kube: Kube, store: Store) -> None:
    made = await kube.apply(SERVICES, build_service("a"), manager="serinus/routing")
    other = kube.apply(SERVICES, build_service("b"), manager="other", force=False)
    assert (await refused(errors.Conflict, other)).has_cause("FieldManagerConflict")
    await until(lambda: store.get("Service", NAMESPACE, "svc"))
    await refused(errors.AlreadyExists, kube.create(SERVICES, build_service("a")))
    test = [{"op": "test", "path": "/spec/selector/app", "value": "z"}]
    await refused(errors.Invalid, kube.json_patch(SERVICES, NAMESPACE, "svc", test))
    turned = await kube.merge_patch(SERVICES, NAMESPACE, "svc", {"spec": {"selector": {"app": None, "x": "y"}}})
    assert turned["spec"]["selector"] == {"x": "y"}
    await refused(errors.Conflict, kube.delete(SERVICES, NAMESPACE, "svc", uid="another"))
    assert await kube.delete(SERVICES, NAMESPACE, "svc", uid=made["metadata"]["uid"])
    assert not await kube.delete(SERVICES, NAMESPACE, "svc")
    await refused(errors.NotFound, kube.get(SERVICES, NAMESPACE, "svc"))
    await refused(errors.Conflict, kube.apply(SERVICES, build_service("a", uid=made["metadata"]["uid"])))
    await until(lambda: store.get("Service", NAMESPACE, "svc") is None)


async def check_pages(kube: Kube) -> None:
    for number in range(3):
        await kube.create(
            CONFIGMAPS, {"metadata": {"namespace": NAMESPACE, "name": f"page-{number}", "labels": LABELS}}
        )
    listing = await kube.list(CONFIGMAPS, NAMESPACE, OURS)
    assert [obj["metadata"]["name"] for obj in listing.objects] == ["page-0", "page-1", "page-2"]
    assert listing.objects[0]["kind"] == "ConfigMap"
    assert listing.resource_version.isdecimal()


async def check_events(kube: Kube) -> None:
    recorder = EventRecorder(kube, SystemClock(), "serinus-0")
    model = await kube.get(MODELDEPLOYMENTS, NAMESPACE, "fraud")
    namespace = await kube.get(NAMESPACES, "", NAMESPACE)
    assert await recorder.emit_event(model, "Warning", "RolledBack", "é" * 3000)
    assert await recorder.emit_event(namespace, "Normal", "Ready", "cluster-scoped")
    (event,) = (await kube.list(EVENTS, NAMESPACE)).objects
    assert (event["type"], event["regarding"]["name"]) == ("Warning", "fraud")


async def check_lease(kube: Kube) -> None:
    def elector(name: str) -> LeaderElector:
        return LeaderElector(KubeLease(kube, NAMESPACE, "serinus"), name, SystemClock())

    first, second = elector("first"), elector("second")
    stop_first, stop_second = asyncio.Event(), asyncio.Event()
    running_first = asyncio.create_task(first.run(stop_first))
    await first.acquired.wait()
    running_second = asyncio.create_task(second.run(stop_second))
    await asyncio.sleep(4)
    assert first.is_leader()
    assert not second.is_leader()
    stop_first.set()
    await running_first
    async with asyncio.timeout(10):
        await second.acquired.wait()
    spec = (await kube.get(LEASES, NAMESPACE, "serinus"))["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("second", 1)
    stop_second.set()
    await running_second
    assert "holderIdentity" not in (await kube.get(LEASES, NAMESPACE, "serinus"))["spec"]


async def main(kubeconfig: str) -> None:
    configuration = await load_configuration(kubeconfig)
    kube = Kube(build_api_client(configuration))
    store = Store()
    feed = Feed(store, lambda kind, obj: None, lambda kind: streams.renew())
    lister = Lister(kube)
    resync = Resync(lister.kinds, lister, feed, SystemClock())
    stop = asyncio.Event()

    async def watch(watched: Sequence[Watched], namespaces: Sequence[str], end: asyncio.Event) -> None:
        credentials = partial(fetch_credentials, configuration)
        await run_kopf(feed.on_event, credentials, end, namespaces=namespaces, watched=watched)

    streams = Streams(watch, kube.try_watch, WATCHED, feed)
    await resync.run_once()
    watching = asyncio.create_task(streams.run(stop))
    await kube.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    await check_crds_may_come_later(kube, store, resync)
    await check_status(kube)
    await check_objects(kube, store)
    await check_pages(kube)
    await check_events(kube)
    await check_lease(kube)
    await check_the_gateway_api_may_go(kube, store, resync)
    report = await resync.run_once()
    assert report.failed == {}, report
    stop.set()
    await watching
    model = await kube.get(MODELDEPLOYMENTS, NAMESPACE, "fraud")
    assert "finalizers" not in model["metadata"]
    assert "annotations" not in model["metadata"]
    await kube.delete(NAMESPACES, "", NAMESPACE)
    await kube.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
