"""Which kinds are watched just now, and where: those that the API server knows, in the namespaces where we may.

A kind that comes, goes, or is refused begins all streams anew, with it or without it: that costs a list of each,
changes nothing of what is known, and to notice it takes no right but that to the kind itself."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from serinus.engine.feed import Feed
from serinus.engine.store import Refusal
from serinus.kube.errors import Denied, KubeError, NotFound
from serinus.kube.resources import Resource, Watched
from serinus.shell.watch import WatchRefusedError

log = structlog.get_logger(__name__)

Watch = Callable[[Sequence[Watched], Sequence[str], asyncio.Event], Awaitable[None]]
"""Watches kinds in namespaces (none: in all) until the event is set; raises WatchRefusedError where one cannot be."""
TryWatch = Callable[[Resource, str], Awaitable[None]]
"""Begins a watch in a namespace (empty: everywhere) and ends it at once; raises KubeError."""

RETRY: Final = 30.0
"""Seconds between two attempts at a kind that could not be watched."""
SETTLE: Final = 1.0
"""Seconds that streams go on after a change: rights come and go by the dozen, and kopf that is stopped while it starts
takes 5 s to end."""


@dataclass(frozen=True, slots=True)
class Group:
    """Namespaces in which the same kinds can be watched; kinds without namespace are in one group of all."""

    watched: tuple[Watched, ...]
    namespaces: tuple[str, ...]


class Streams:
    """Keeps the streams open, everywhere or in the given namespaces. `renew` is to be called when a kind has come or
    gone, or may be read again."""

    def __init__(
        self,
        watch: Watch,
        try_watch: TryWatch,
        watched: Sequence[Watched],
        feed: Feed,
        *,
        namespaces: Sequence[str] = (),
        retry: float = RETRY,
        settle: float = SETTLE,
    ) -> None:
        self._watch = watch
        self._try_watch = try_watch
        self._watched = {one.kind: one for one in watched}
        self._namespaces = tuple(namespaces)
        self._store = feed.store
        self._feed = feed
        self._retry = retry
        self._settle = settle
        self._changed = asyncio.Event()
        self._left_out: dict[tuple[str, str], Refusal | None] = {}
        """Kinds, with the namespace, whose watch is refused, or (None) that are gone and not known to be."""

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

    def _wanted(self) -> tuple[Group, ...]:
        left_out = {(one.kind, one.namespace) for one in self._store.refusals() if one.verb == "list"}
        left_out |= self._left_out.keys()
        served = [one for one in self._watched.values() if self._store.is_served(one.kind)]
        wide = {one for one in served if not one.resource.namespaced and (one.kind, "") not in left_out}
        found: dict[frozenset[Watched], list[str]] = defaultdict(list)
        for namespace in self._namespaces or ("",):
            here = (one for one in served if one.resource.namespaced and (one.kind, namespace) not in left_out)
            found[frozenset(here)].append(namespace)
        groups = []
        for number, (kinds, namespaces) in enumerate(found.items()):
            watched = tuple(one for one in served if one in kinds or (number == 0 and one in wide))
            groups += [Group(watched, tuple(namespaces) if self._namespaces else ())] if watched else []
        return tuple(groups)

    async def _watch_for_now(self, wanted: tuple[Group, ...], stopping: asyncio.Task[bool]) -> None:
        """Watch until these are not the right kinds any more."""
        end = asyncio.Event()
        watching = {asyncio.ensure_future(self._watch(one.watched, one.namespaces, end)): one for one in wanted}
        changing = asyncio.create_task(self._until_others(wanted))
        try:
            await asyncio.wait({*watching, changing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changing.cancel()
            end.set()
            await asyncio.gather(*watching, changing, return_exceptions=True)
        errors = [(group, None if one.cancelled() else one.exception()) for one, group in watching.items()]
        refused = [(group, error) for group, error in errors if isinstance(error, WatchRefusedError)]
        for _, error in errors:
            if error is not None and not isinstance(error, WatchRefusedError):
                raise error
        for group, refusal in refused:
            await self._note(refusal, group)
        if refused and self._wanted() == wanted:
            # Nothing is wrong any more, or it cannot be found out: that must not become a busy loop.
            await asyncio.sleep(1)

    async def _until_others(self, wanted: tuple[Group, ...]) -> None:
        """Wait until others are to be watched."""
        while self._wanted() == wanted:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._retry if self._left_out else None):
                    await self._changed.wait()
            except TimeoutError:
                await self._look_at(list(self._left_out))
            if self._wanted() != wanted:
                await asyncio.sleep(self._settle)

    async def _note(self, error: WatchRefusedError, group: Group) -> None:
        """Find out which kind it was, and where."""
        log.warning("watches begin anew", because=str(error))
        suspects = [one for one in group.watched if error.resource in (None, one.resource)]
        # A kind goes everywhere at once, a right in one namespace.
        places = [(one.kind, namespace) for one in suspects for namespace in self._places(one, group.namespaces)]
        await self._look_at({place[0]: place for place in places}.values() if error.gone else places)

    async def _look_at(self, places: Iterable[tuple[str, str]]) -> None:
        await asyncio.gather(*(self._look(self._watched[kind], namespace) for kind, namespace in places))

    async def _look(self, one: Watched, namespace: str) -> None:
        try:
            await self._try_watch(one.resource, namespace)
        except Denied as denied:
            self._left_out[one.kind, namespace] = Refusal(one.kind, "watch", namespace, denied.explain())
        except NotFound:
            everywhere = [(one.kind, place) for place in self._places(one, self._namespaces)]
            if self._store.is_served(one.kind):
                # It may be back before a list finds it gone, and no list would then say that it is new.
                self._left_out.update(dict.fromkeys(everywhere))
            else:
                for place in everywhere:
                    self._left_out.pop(place, None)
        except KubeError as error:
            log.info("watch not tried", kind=one.kind, namespace=namespace, error=str(error))
        else:
            self._left_out.pop((one.kind, namespace), None)
        refused = (self._left_out.get((one.kind, place)) for place in self._places(one, self._namespaces))
        self._feed.on_refused(one.kind, "watch", tuple(each for each in refused if each is not None))

    def _places(self, one: Watched, namespaces: Sequence[str]) -> Sequence[str]:
        return namespaces if one.resource.namespaced and namespaces else ("",)
