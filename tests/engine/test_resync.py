import asyncio

from serinus.engine.feed import Feed
from serinus.engine.resync import Resync, ResyncReport
from serinus.engine.store import Listing, Raw, Refusal, Store
from tests.fakes.clock import LoopClock, run_jumping


def make(name: str, version: int) -> Raw:
    return {"metadata": {"namespace": "ml", "name": name, "resourceVersion": str(version)}}


class Cluster:
    """Lists what it holds; kinds in `broken` cannot be listed."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Raw]] = {"Pod": [], "Service": []}
        self.broken: set[str] = set()
        self.unknown: set[str] = set()
        self.refused: set[str] = set()
        self.unread: tuple[Refusal, ...] = ()
        self.asked: list[str] = []
        self.version = 100
        self.lists: list[float] = []

    async def __call__(self, kind: str) -> Listing:
        self.lists.append(asyncio.get_running_loop().time())
        self.asked.append(kind)
        if kind in self.broken:
            raise OSError("connection refused")
        if kind in self.unknown:
            return Listing((), "", served=False)
        if kind in self.refused:
            return Listing((), "", refused=(Refusal(kind, "list", "", "no right"),))
        self.version += 1
        unread = tuple(one for one in self.unread if one.kind == kind)
        return Listing(tuple(self.objects[kind]), str(self.version), refused=unread)


def build(cluster: Cluster, interval: float = 300.0) -> tuple[Resync, Store, list[str], list[ResyncReport]]:
    store, told, reports = Store(), list[str](), list[ResyncReport]()
    feed = Feed(store, lambda kind, obj: told.append(f"{kind}/{obj['metadata']['name']}"))
    resync = Resync(
        ["Pod", "Service"],
        cluster,
        feed,
        LoopClock(),
        interval=lambda: interval,
        spread=lambda: 0.0,
        report=reports.append,
    )
    return resync, store, told, reports


def test_a_round_heals_what_events_missed_and_wakes_nobody_else() -> None:
    async def story() -> None:
        cluster = Cluster()
        resync, store, told, _ = build(cluster)
        store.put("Pod", make("vanished", 5))
        store.put("Service", make("same", 6))
        cluster.objects = {"Pod": [make("missed", 50)], "Service": [make("same", 6)]}
        report = await resync.run_once()
        assert report.corrected == {"Pod": 2}
        assert sorted(told) == ["Pod/missed", "Pod/vanished"]
        assert store.get("Pod", "ml", "vanished") is None

    run_jumping(story())


def test_rounds_follow_the_interval_and_a_trigger_calls_one_at_once() -> None:
    async def story() -> None:
        cluster = Cluster()
        resync, *_ = build(cluster)
        task = asyncio.create_task(resync.run())
        await asyncio.sleep(650)
        assert cluster.lists == [0, 0, 300, 300, 600, 600]
        assert resync.age() == 50
        resync.trigger()
        await asyncio.sleep(1)
        assert cluster.lists[-1] == 650
        task.cancel()

    run_jumping(story())


def test_a_kind_that_cannot_be_listed_holds_up_no_other_and_is_tried_again_soon() -> None:
    async def story() -> None:
        cluster = Cluster()
        resync, store, _, reports = build(cluster)
        cluster.broken = {"Pod"}
        cluster.objects["Service"] = [make("a", 9)]
        task = asyncio.create_task(resync.run())
        await asyncio.sleep(25)
        assert store.count("Service") == 1
        assert resync.age() is None
        assert [list(report.failed) for report in reports] == [["Pod"]] * 3
        cluster.broken = set()
        await asyncio.sleep(10)
        assert (resync.age() or 0) < 10
        task.cancel()

    run_jumping(story())


def test_a_kind_that_is_not_there_is_asked_for_alone_until_it_is() -> None:
    async def story() -> None:
        cluster = Cluster()
        resync, store, told, _ = build(cluster)
        cluster.unknown = {"Pod"}
        task = asyncio.create_task(resync.run())
        await asyncio.sleep(40)
        assert cluster.asked == ["Pod", "Service", "Pod", "Pod"]
        assert not store.is_served("Pod")
        assert resync.age() == 40
        cluster.unknown, cluster.broken = set(), {"Pod"}
        await asyncio.sleep(10)
        cluster.broken, cluster.objects["Pod"] = set(), [make("new", 200)]
        await asyncio.sleep(15)
        assert told == ["Pod/new"]
        asked = len(cluster.asked)
        await asyncio.sleep(200)
        assert len(cluster.asked) == asked
        task.cancel()

    run_jumping(story())


def test_a_kind_that_is_refused_keeps_what_is_known_of_it_and_ends_nothing() -> None:
    async def story() -> None:
        cluster = Cluster()
        resync, store, _, _ = build(cluster)
        store.put("Pod", make("known", 5))
        cluster.refused = {"Pod"}
        report = await resync.run_once()
        assert (report.failed, list(report.missing)) == ({}, ["Pod"])
        assert resync.age() == 0
        assert store.get("Pod", "ml", "known") is not None
        assert [one.message for one in store.refusals("ml")] == ["no right"]
        cluster.refused = set()
        await resync.run_once()
        assert store.refusals() == ()

    run_jumping(story())


def test_a_namespace_that_may_not_be_read_takes_nothing_from_the_others() -> None:
    async def story() -> None:
        cluster = Cluster()
        resync, store, told, _ = build(cluster)
        theirs = {"metadata": {"namespace": "other", "name": "theirs", "resourceVersion": "5"}}
        later = {"metadata": {"namespace": "other", "name": "later", "resourceVersion": "50"}}
        store.put("Pod", theirs)
        store.put("Pod", make("vanished", 6))
        cluster.objects["Pod"] = [make("missed", 7)]
        cluster.unread = (Refusal("Pod", "list", "other", "no right"),)
        report = await resync.run_once()
        assert told == ["Pod/missed", "Pod/vanished"]
        assert (store.list("Pod"), list(report.missing)) == ((make("missed", 7), theirs), ["Pod"])
        assert (store.refusals("ml"), len(store.refusals("other"))) == ((), 1)
        cluster.unread = ()
        cluster.objects["Pod"] = [make("missed", 7), later]
        await resync.run_once()
        assert store.list("Pod") == (make("missed", 7), later), "older than the list that said nothing of it"

    run_jumping(story())
