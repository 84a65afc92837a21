"""Which kinds are watched just now: those that the API server knows, and that we may watch.

A kind that comes, goes, or is refused begins all streams anew, with it or without it: that costs a list of each,
changes nothing of what is known, and to notice it takes no right but that to the kind itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from serinus.engine.feed import Feed
from serinus.engine.store import Refusal
from serinus.kube.errors import Denied, KubeError, NotFound
from serinus.kube.resources import Resource, Watched
from serinus.shell.watch import WatchRefusedError

log = structlog.get_logger(__name__)

Watch = Callable[[Sequence[Watched], asyncio.Event], Awaitable[None]]
"""Watches kinds until the event is set; raises WatchRefusedError for one that cannot be."""
TryWatch = Callable[[Resource], Awaitable[None]]
"""Begins a watch and ends it at once; raises KubeError."""

RETRY: Final = 30.0
"""Seconds between two attempts at a kind that could not be watched."""


class Streams:
    """Keeps the streams open. `renew` is to be called when a kind has come or gone, or may be read again."""

    def __init__(
        self,
        watch: Watch,
        try_watch: TryWatch,
        watched: Sequence[Watched],
        feed: Feed,
        *,
        retry: float = RETRY,
    ) -> None:
        self._watch = watch
        self._try_watch = try_watch
        self._watched = watched
        self._store = feed.store
        self._feed = feed
        self._retry = retry
        self._changed = asyncio.Event()
        self._left_out: dict[str, Resource] = {}
        """Kinds whose watch is refused, or that are gone and not known to be."""

    def renew(self) -> None:
        """Look again at which kinds can be watched."""
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`. Raises whatever else than a refusal ends the streams."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._changed.clear()
                await self._watch_for_now(self._wanted(), stopping)
        finally:
            stopping.cancel()

    def _wanted(self) -> tuple[Watched, ...]:
        unlisted = {one.kind for one in self._store.refusals() if one.verb == "list"}
        return tuple(
            one
            for one in self._watched
            if self._store.is_served(one.kind) and one.kind not in unlisted and one.kind not in self._left_out
        )

    async def _watch_for_now(self, wanted: tuple[Watched, ...], stopping: asyncio.Task[bool]) -> None:
        """Watch until these are not the right kinds any more."""
        end = asyncio.Event()
        watching = asyncio.ensure_future(self._watch(wanted, end))
        changing = asyncio.create_task(self._until_others(wanted))
        try:
            await asyncio.wait({watching, changing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changing.cancel()
            end.set()
            await asyncio.gather(watching, changing, return_exceptions=True)
        error = None if watching.cancelled() else watching.exception()
        if error is None:
            return
        if not isinstance(error, WatchRefusedError):
            raise error
        await self._note(error, wanted)

    async def _until_others(self, wanted: tuple[Watched, ...]) -> None:
        """Wait until other kinds are to be watched."""
        while self._wanted() == wanted:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._retry if self._left_out else None):
                    await self._changed.wait()
            except TimeoutError:
                for resource in list(self._left_out.values()):
                    await self._look(resource)

    async def _note(self, error: WatchRefusedError, wanted: tuple[Watched, ...]) -> None:
        """Find out which kind it was."""
        suspects = [one.resource for one in wanted if error.resource in (None, one.resource)]
        log.warning("watches begin anew", because=str(error))
        await asyncio.gather(*(self._look(resource) for resource in suspects))
        if self._wanted() == wanted:
            # Nothing is wrong any more, or it cannot be found out: that must not become a busy loop.
            await asyncio.sleep(1)

    async def _look(self, resource: Resource) -> None:
        kind = next(one.kind for one in self._watched if one.resource == resource)
        try:
            await self._try_watch(resource)
        except Denied as denied:
            self._left_out[kind] = resource
            self._feed.on_refused(kind, "watch", (Refusal(kind, "watch", "", denied.explain()),))
        except NotFound:
            self._feed.on_refused(kind, "watch", ())
            if self._store.is_served(kind):
                # It may be back before a list finds it gone, and no list would then say that it is new.
                self._left_out[kind] = resource
            else:
                self._left_out.pop(kind, None)
        except KubeError as error:
            log.info("watch not tried", kind=kind, error=str(error))
        else:
            self._left_out.pop(kind, None)
            self._feed.on_refused(kind, "watch", ())
