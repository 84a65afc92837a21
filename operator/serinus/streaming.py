"""Puts together what is watched: the streams of kopf, in the namespaces that the settings allow."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from serinus.engine.feed import Feed
from serinus.engine.store import Store
from serinus.kube.connection import Credentials
from serinus.kube.gateway import Kube
from serinus.kube.resources import Watched
from serinus.settings import Settings
from serinus.shell.streams import Streams
from serinus.shell.watch import run_kopf

log = structlog.get_logger(__name__)


def build_streams(
    settings: Settings,
    kube: Kube,
    feed: Feed,
    watched: Sequence[Watched],
    credentials: Callable[[], Awaitable[Credentials]],
) -> Streams:
    """The streams of all kinds that can be watched, into `feed`."""

    async def watch(some: Sequence[Watched], namespaces: Sequence[str], end: asyncio.Event) -> None:
        await run_kopf(feed.on_event, credentials, end, namespaces=namespaces, watched=some)

    return Streams(watch, kube.try_watch, watched, feed, namespaces=settings.watch_namespaces)


def log_refusals(store: Store, kind: str) -> None:
    """Write a line for each right to read a kind that is missing, and for a CRD that is older than this operator."""
    for one in store.refusals():
        if one.kind == kind:
            log.warning("a right is missing", kind=kind, verb=one.verb, namespace=one.namespace, why=one.message)
    if kind in store.outdated():
        log.warning("a CRD is outdated", kind=kind, why=store.outdated()[kind])
