"""Which kinds are watched when kinds come and go, and when rights do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from serinus.engine.feed import Feed
from serinus.engine.store import Refusal, Store
from serinus.kube.errors import Denied, NotFound
from serinus.kube.resources import GATEWAYCLASSES, GATEWAYS, HTTPROUTES, PODS, Resource, Watched
from serinus.shell.streams import Streams
from serinus.shell.watch import WatchRefusedError

KINDS = (Watched(HTTPROUTES), Watched(GATEWAYS), Watched(PODS))

Watching = set[tuple[str, str]]
"""Kinds with the namespace; empty: everywhere."""


@dataclass
class Scene:
    """Stands in for kopf and the API server: `refused` may not be watched (a resource everywhere, or in a namespace),
    `gone` is not known, and `broken` ends whatever watches."""

    store: Store = field(default_factory=Store)
    refused: set[Resource | tuple[Resource, str]] = field(default_factory=set)
    gone: set[Resource] = field(default_factory=set)
    broken: Exception | None = None
    kinds: Sequence[Watched] = KINDS
    namespaces: Sequence[str] = ()
    watching: Watching = field(default_factory=set)
    begun: int = 0
    tried: int = 0

    def __post_init__(self) -> None:
        self.feed = Feed(self.store, lambda kind, raw: None, lambda kind: self.streams.renew())
        self.streams = Streams(
            self.watch, self.try_watch, self.kinds, self.feed, namespaces=self.namespaces, retry=0.01, settle=0.01
        )

    async def watch(self, watched: Sequence[Watched], namespaces: Sequence[str], end: asyncio.Event) -> None:
        self.begun += 1
        if self.broken is not None:
            raise self.broken
        places = [(one, place) for one in watched for place in self._places(one.resource, namespaces)]
        for one, place in places:
            if self._is_refused(one.resource, place):
                raise WatchRefusedError(one.resource, gone=False)
        # As kopf does: what is gone when it starts is passed over, what goes later ends it, and is not named.
        found = [one for one in watched if one.resource not in self.gone]
        mine = {(one.kind, place) for one, place in places if one in found}
        assert not mine & self.watching, "watched twice"
        self.watching |= mine
        try:
            while not end.is_set():
                if any(one.resource in self.gone for one in found):
                    raise WatchRefusedError(None, gone=True)
                await asyncio.sleep(0.001)
        finally:
            self.watching -= mine

    async def try_watch(self, resource: Resource, namespace: str) -> None:
        self.tried += 1
        if self._is_refused(resource, namespace):
            where = f'in the namespace "{namespace}"' if namespace else "at cluster scope"
            raise Denied(f'cannot watch resource "{resource.plural}" in API group "{resource.group}" {where}')
        if resource in self.gone:
            raise NotFound(resource.plural)

    def _is_refused(self, resource: Resource, namespace: str) -> bool:
        return bool({resource, (resource, namespace)} & self.refused)

    def _places(self, resource: Resource, namespaces: Sequence[str]) -> Sequence[str]:
        return namespaces if resource.namespaced and namespaces else ("",)

    async def until(self, *kinds: str) -> None:
        await self.until_watching({(kind, "") for kind in kinds})

    async def until_watching(self, wanted: Watching) -> None:
        async with asyncio.timeout(30):
            while self.watching != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@asynccontextmanager
async def streaming(scene: Scene) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(scene.streams.run(stop))
    yield task
    stop.set()
    async with asyncio.timeout(30):
        await asyncio.gather(task, return_exceptions=True)


async def test_a_kind_that_is_installed_later_is_watched_then() -> None:
    scene = Scene()
    scene.feed.on_list("Gateway", [], "", served=False)
    async with streaming(scene):
        await scene.until("HTTPRoute", "Pod")
        scene.feed.on_list("Gateway", [], "7")
        await scene.until("HTTPRoute", "Gateway", "Pod")
        assert scene.begun == 2
        scene.feed.on_list("Pod", [], "8")
        await asyncio.sleep(0.02)
        assert scene.begun == 2


async def test_a_refused_kind_is_said_and_left_out_until_the_right_is_back() -> None:
    scene = Scene(refused={PODS})
    async with streaming(scene):
        await scene.until("HTTPRoute", "Gateway")
        (told,) = scene.store.refusals("ml")
        assert told == Refusal("Pod", "watch", "", "the operator may not watch pods")
        scene.refused.clear()
        await scene.until("HTTPRoute", "Gateway", "Pod")
        assert scene.store.refusals() == ()


async def test_a_kind_that_may_not_be_listed_is_not_watched_either() -> None:
    scene = Scene()
    async with streaming(scene):
        await scene.until("HTTPRoute", "Gateway", "Pod")
        scene.feed.on_refused("Pod", "list", (Refusal("Pod", "list", "", "no"),))
        await scene.until("HTTPRoute", "Gateway")
        scene.feed.on_refused("Pod", "list", ())
        await scene.until("HTTPRoute", "Gateway", "Pod")


async def test_a_kind_that_is_back_before_a_list_misses_it_is_watched_again() -> None:
    scene = Scene()
    async with streaming(scene):
        await scene.until("HTTPRoute", "Gateway", "Pod")
        scene.gone.add(GATEWAYS)
        await scene.until("HTTPRoute", "Pod")
        await asyncio.sleep(0.03)
        assert scene.begun == 2
        scene.gone.clear()
        await scene.until("HTTPRoute", "Gateway", "Pod")
        assert scene.store.refusals() == ()


async def test_a_kind_that_goes_while_another_is_refused_begins_no_busy_loop() -> None:
    scene = Scene(refused={PODS})
    async with streaming(scene):
        await scene.until("HTTPRoute", "Gateway")
        scene.broken = WatchRefusedError(GATEWAYS, gone=True)
        scene.gone.add(HTTPROUTES)
        begun = scene.begun
        await asyncio.sleep(0.2)
        assert scene.begun - begun <= 2
        scene.broken = None


async def test_anything_else_ends_it() -> None:
    scene = Scene(broken=OSError("the stream is poisoned"))
    async with streaming(scene) as task:
        async with asyncio.timeout(30):
            await asyncio.wait({task})
        assert isinstance(task.exception(), OSError)


NAMESPACED = (Watched(HTTPROUTES), Watched(GATEWAYCLASSES), Watched(PODS))
EVERYTHING = {(kind, place) for kind in ("HTTPRoute", "Pod") for place in ("ml", "other")} | {("GatewayClass", "")}


async def test_a_kind_that_is_refused_in_one_namespace_is_watched_in_the_others() -> None:
    scene = Scene(refused={(PODS, "ml")}, kinds=NAMESPACED, namespaces=("ml", "other"))
    async with streaming(scene):
        await scene.until_watching(EVERYTHING - {("Pod", "ml")})
        assert scene.tried <= 4, "the kind in both namespaces, and again while it is left out"
        (told,) = scene.store.refusals("ml")
        assert told == Refusal("Pod", "watch", "ml", "the operator may not watch pods in namespace ml")
        assert scene.store.refusals("other") == ()
        scene.refused.clear()
        await scene.until_watching(EVERYTHING)
        assert scene.store.refusals() == ()


async def test_a_namespace_that_nothing_may_be_read_of_takes_nothing_from_the_others() -> None:
    scene = Scene(kinds=NAMESPACED, namespaces=("ml", "other"))
    async with streaming(scene):
        await scene.until_watching(EVERYTHING)
        for kind in ("HTTPRoute", "Pod"):
            scene.feed.on_refused(kind, "list", (Refusal(kind, "list", "ml", "no"),))
            await asyncio.sleep(0.002)
        await scene.until_watching({one for one in EVERYTHING if one[1] != "ml"})
        assert scene.begun == 3, "once for both kinds, in two groups"
        for kind in ("HTTPRoute", "Pod"):
            scene.feed.on_refused(kind, "list", ())
        await scene.until_watching(EVERYTHING)
        begun = scene.begun
        # Of Gateways in a namespace where they are listed alone.
        scene.feed.on_refused("Gateway", "list", (Refusal("Gateway", "list", "gateways", "no"),))
        await asyncio.sleep(0.02)
        assert scene.begun == begun


async def test_what_has_no_namespace_is_watched_where_no_namespace_may_be_read() -> None:
    scene = Scene(refused={PODS, HTTPROUTES}, kinds=NAMESPACED, namespaces=("ml", "other"))
    async with streaming(scene):
        await scene.until_watching({("GatewayClass", "")})
        assert len(scene.store.refusals()) == 4


async def test_a_kind_that_goes_is_looked_for_in_one_namespace_and_left_out_of_all() -> None:
    scene = Scene(kinds=NAMESPACED, namespaces=("ml", "other"))
    async with streaming(scene):
        await scene.until_watching(EVERYTHING)
        scene.gone.add(HTTPROUTES)
        await scene.until_watching({one for one in EVERYTHING if one[0] != "HTTPRoute"})
        scene.gone.clear()
        await scene.until_watching(EVERYTHING)
