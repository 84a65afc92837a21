"""MetricsProvider: its Secrets, its status, and how few queries and writes both take."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from serinus.api.metricsprovider import MetricsProviderSpec
from serinus.controllers.access import AccessReader, build_provider
from serinus.controllers.analyst import Provider
from serinus.controllers.metricsprovider import MetricsProviderController
from serinus.core.provider import Finding, Health, observe_finding
from serinus.engine.store import Key, Store
from serinus.kube.errors import Conflict, Forbidden, KubeError, Unavailable
from serinus.kube.resources import Resource
from serinus.kube.secrets import SecretReader
from serinus.metrics.source import Access, Answer, Failure, FetchAccess, QueryResult
from tests.fakes.clock import LoopClock, run_jumping
from tests.fakes.kube import FakeKube, Raw

KEY = Key("MetricsProvider", "", "prom")
HOME = "serinus-system"
CREDENTIALS = {"secretRef": {"name": "prom-token", "key": "token"}}
TLS = {"caSecretRef": {"name": "prom-ca", "key": "ca.crt"}}
PEM = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
DOWN = Failure("Unreachable", "http://prom:9090: the connection is refused")


class Kube(FakeKube):
    """Counts what is read of Secrets, and may refuse it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.reads: list[tuple[str, str]] = []
        self.refusal: KubeError | None = None

    async def get(self, resource: Resource, namespace: str, name: str) -> Raw:
        if resource.kind == "Secret":
            self.reads.append((namespace, name))
            if self.refusal is not None:
                raise self.refusal
        return await super().get(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str = "", label_selector: str | None = None) -> Any:
        raise AssertionError("nothing is listed")

    def put_secret(self, name: str, namespace: str = HOME, **data: str) -> None:
        encoded = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
        self.put({"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": encoded})


@dataclass
class Meter:
    """A source that asks for access as the real one does, and then answers as it is told."""

    world: "World"
    access: FetchAccess
    on_result: Callable[[QueryResult], None]
    closed: bool = False

    async def fetch_instant(self, query: str) -> QueryResult:
        self.world.queries.append(query)
        access = await self.access(False)
        result = access if isinstance(access, Failure) else self.world.answer(access)
        if isinstance(result, Failure) and result.reason == "Unauthorized":
            access = await self.access(True)
            result = access if isinstance(access, Failure) else self.world.answer(access)
        self.on_result(result)
        return result

    async def fetch_series(self, query: str) -> QueryResult:
        return await self.fetch_instant(query)

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        return await self.fetch_instant(query)

    def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """The controller, a fake cluster, and turns that are taken as soon as they are asked for."""

    answer: Callable[[Access], QueryResult] = lambda access: Answer(())
    queries: list[str] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    sources: list[Meter] = field(default_factory=list)
    waiting: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store = Store()
        self.kube = Kube(self.store)
        clock = LoopClock()
        access = AccessReader(self.store, SecretReader(self.kube, HOME, clock))  # type: ignore[arg-type]
        self.controller = MetricsProviderController(
            self.kube,  # type: ignore[arg-type]
            self.store,
            self,
            clock,
            access,
            self._open,
            self.waiting.add,
        )

    def _open(self, provider: Provider, access: FetchAccess, on_result: Callable[[QueryResult], None]) -> Meter:
        self.sources.append(Meter(self, access, on_result))
        return self.sources[-1]

    async def emit_event(self, regarding: Raw, event_type: str, reason: str, message: str) -> bool:
        self.events.append((event_type, reason))
        return True

    def apply(self, address: str = "http://prom:9090", **spec: Any) -> None:
        old = self.kube.objects.get(("MetricsProvider", "", KEY.name), {})
        self.kube.put(
            {
                "apiVersion": "serinus.dev/v1alpha1",
                "kind": "MetricsProvider",
                "metadata": {"name": KEY.name},
                "spec": {"address": address, **spec},
                "status": old.get("status", {}),
            }
        )
        self.waiting.add(KEY)

    async def run(self, seconds: float) -> None:
        """Let time pass, taking turns as they come."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            while self.waiting:
                result = await self.controller.reconcile(self.waiting.pop())
                if result.retry:
                    self.waiting.add(KEY)
            await asyncio.sleep(0.25)

    def ready(self) -> tuple[str, str, int]:
        """Status, reason and generation of the condition Ready."""
        status = self.kube.objects["MetricsProvider", "", KEY.name]["status"]
        (condition,) = status["conditions"]
        assert condition["type"] == "Ready"
        assert condition["observedGeneration"] == status["observedGeneration"]
        return condition["status"], condition["reason"], status["observedGeneration"]

    def message(self) -> str:
        return str(self.kube.objects["MetricsProvider", "", KEY.name]["status"]["conditions"][0]["message"])

    def spec(self) -> MetricsProviderSpec:
        return MetricsProviderSpec.model_validate(self.kube.objects["MetricsProvider", "", KEY.name]["spec"])

    def use(self) -> Meter:
        """A source as a rollout has it."""
        source = self.controller.make_source(build_provider(KEY.name, self.spec()))
        assert isinstance(source, Meter)
        return source


def play(story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    """Run a story in time that jumps."""

    async def run() -> World:
        world = World()
        try:
            await story(world)
        finally:
            await world.controller.close()
        return world

    return run_jumping(run())


def tokens(access: Access) -> QueryResult:
    return Answer(()) if access.token == "right" else Failure("Unauthorized", "HTTP 401")


def test_a_provider_that_answers_is_asked_once_and_written_once() -> None:
    async def story(world: World) -> None:
        world.apply()
        await world.run(7200)

    world = play(story)
    assert world.ready() == ("True", "Configured", 1)
    assert world.queries == ["vector(1)"]
    assert len(world.kube.writes) == 1
    assert world.events == [("Normal", "Configured")]
    assert all(source.closed for source in world.sources)


def test_a_change_of_the_spec_is_checked_once_more_and_a_restart_is_not() -> None:
    async def story(world: World) -> None:
        world.apply()
        await world.run(60)
        world.apply(scrapeInterval="5s")
        await world.run(60)
        assert world.ready() == ("True", "Configured", 2)
        assert len(world.queries) == 2
        await world.controller.close()  # another process takes over
        world.waiting.add(KEY)
        await world.run(60)

    world = play(story)
    assert len(world.queries) == 2
    assert len(world.kube.writes) == 2
    assert world.events == [("Normal", "Configured")]


def test_one_that_does_not_answer_is_asked_ever_more_rarely_and_told_once() -> None:
    async def story(world: World) -> None:
        world.answer = lambda access: DOWN
        world.apply()
        await world.run(3600)
        assert world.ready() == ("False", "Unreachable", 1)
        assert len(world.kube.writes) == 1
        assert len(world.queries) < 70
        world.answer = lambda access: Answer(())
        await world.run(400)

    world = play(story)
    assert world.ready() == ("True", "Configured", 1)
    assert len(world.kube.writes) == 2
    assert world.events == [("Warning", "Unreachable"), ("Normal", "Configured")]


def test_what_rollouts_see_is_told_when_it_lasts_and_costs_one_write() -> None:
    async def story(world: World) -> None:
        world.apply()
        await world.run(10)
        source = world.use()
        results: list[QueryResult] = [DOWN, DOWN, Answer(()), DOWN, Answer(())] * 20
        for result in results:
            world.answer = lambda access, result=result: result  # type: ignore[misc]
            await source.fetch_series("up[15s]")
            await world.run(1)
        assert world.ready() == ("True", "Configured", 1)
        assert len(world.kube.writes) == 1
        world.answer = lambda access: DOWN
        for _ in range(100):
            await source.fetch_series("up[15s]")
            await world.run(1)
        assert world.ready() == ("False", "Unreachable", 1)
        assert len(world.kube.writes) == 2
        world.answer = lambda access: Answer(())
        for _ in range(10):
            await source.fetch_series("up[15s]")
            await world.run(1)

    world = play(story)
    assert world.ready() == ("True", "Configured", 1)
    assert len(world.kube.writes) == 3


def test_a_query_that_is_wrong_says_nothing_of_its_provider() -> None:
    async def story(world: World) -> None:
        world.apply()
        await world.run(10)
        source = world.use()
        world.answer = lambda access: Failure("QueryRefused", "parse error", of_query=True)
        for _ in range(20):
            await source.fetch_series("up{")
            await world.run(1)

    world = play(story)
    assert world.ready() == ("True", "Configured", 1)
    assert len(world.kube.writes) == 1


def test_an_answer_from_an_address_of_before_says_nothing() -> None:
    async def story(world: World) -> None:
        world.apply()
        await world.run(10)
        old = world.use()
        world.apply("http://other:9090")
        await world.run(10)
        world.answer = lambda access: DOWN
        for _ in range(5):
            await old.fetch_series("up[15s]")
            await world.run(1)

    world = play(story)
    assert world.ready() == ("True", "Configured", 2)


def test_an_invalid_spec_is_told_and_nothing_is_asked() -> None:
    async def story(world: World) -> None:
        world.apply(scrapeInterval="1ms")
        await world.run(600)

    world = play(story)
    assert world.ready() == ("False", "InvalidSpec", 1)
    assert "spec.scrapeInterval" in world.message()
    assert world.queries == []
    assert len(world.kube.writes) == 1


def test_a_provider_that_is_deleted_is_left_alone() -> None:
    async def story(world: World) -> None:
        world.answer = lambda access: DOWN
        world.apply()
        await world.run(10)
        world.kube.remove("MetricsProvider", "", KEY.name)
        world.waiting.add(KEY)
        await world.run(1)
        world.queries.clear()
        await world.run(3600)

    world = play(story)
    assert world.queries == []
    assert all(source.closed for source in world.sources)


def test_a_conflict_is_answered_by_reading_again() -> None:
    async def story(world: World) -> None:
        faults = [Conflict("changed", status=409)]
        world.kube.fault = lambda write: faults.pop() if faults else None
        world.apply()
        await world.run(5)

    assert play(story).ready() == ("True", "Configured", 1)


def test_the_secret_comes_and_rotates() -> None:
    async def story(world: World) -> None:
        world.answer = tokens
        world.apply(credentials=CREDENTIALS)
        await world.run(5)
        assert world.ready() == ("False", "SecretNotFound", 1)
        assert world.message() == "spec.credentials.secretRef: there is no Secret serinus-system/prom-token"
        world.kube.put_secret("prom-token", other="right")
        await world.run(60)
        assert "has no key token" in world.message()
        world.kube.put_secret("prom-token", token="wrong")
        await world.run(70)
        assert world.ready() == ("False", "Unauthorized", 1)
        world.kube.put_secret("prom-token", token="right\n")
        await world.run(70)
        assert world.ready() == ("True", "Configured", 1)
        assert "in the clear" in world.message()

    world = play(story)
    assert set(world.kube.reads) == {(HOME, "prom-token")}


def test_a_token_that_rotated_is_read_at_once_when_the_old_one_is_refused() -> None:
    async def story(world: World) -> None:
        world.answer = tokens
        world.kube.put_secret("prom-token", token="right")
        world.apply(credentials=CREDENTIALS)
        await world.run(5)
        source = world.use()
        world.kube.put_secret("prom-token", token="next")
        world.answer = lambda access: Answer(()) if access.token == "next" else Failure("Unauthorized", "HTTP 401")
        assert await source.fetch_series("up[15s]") == Answer(())

    assert play(story).ready() == ("True", "Configured", 1)


def test_a_secret_is_read_once_a_minute_however_often_it_is_used() -> None:
    async def story(world: World) -> None:
        world.kube.put_secret("prom-token", token="right")
        world.apply(credentials=CREDENTIALS)
        await world.run(5)
        source = world.use()
        for _ in range(600):
            await source.fetch_series("up[15s]")
            await world.run(1)

    assert 8 <= len(play(story).kube.reads) <= 12


def test_while_the_api_server_is_away_the_last_token_goes_on_being_used() -> None:
    async def story(world: World) -> None:
        world.answer = tokens
        world.kube.put_secret("prom-token", token="right")
        world.apply(credentials=CREDENTIALS)
        await world.run(5)
        world.kube.refusal = Unavailable("no")
        source = world.use()
        for _ in range(300):
            assert await source.fetch_series("up[15s]") == Answer(())
            await world.run(1)
        world.kube.refusal = None
        world.kube.put_secret("prom-token", token="left")
        await world.run(5)
        assert isinstance(await source.fetch_series("up[15s]"), Failure)

    assert play(story).ready() == ("True", "Configured", 1)


@pytest.mark.parametrize(
    ("data", "refusal", "reason", "words"),
    [
        ({"token": "two words"}, None, "InvalidSecret", "is no bearer token"),
        ({"token": "a\nb"}, None, "InvalidSecret", "is no bearer token"),
        ({"token": ""}, None, "SecretNotFound", "has no key token"),
        ({"token": "x"}, Forbidden("no"), "SecretNotReadable", "may not get Secret serinus-system/prom-token"),
        ({"token": "x"}, Unavailable("no"), "SecretNotReadable", "cannot be read now"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_its_value_is_not(
    data: dict[str, str], refusal: KubeError | None, reason: str, words: str
) -> None:
    async def story(world: World) -> None:
        world.kube.put_secret("prom-token", **data)
        world.kube.refusal = refusal
        world.apply(credentials=CREDENTIALS)
        await world.run(5)

    world = play(story)
    assert world.ready() == ("False", reason, 1)
    assert words in world.message()
    assert "two" not in world.message()


def test_a_secret_of_another_namespace_is_never_read() -> None:
    async def story(world: World) -> None:
        world.kube.put_secret("prom-token", namespace="team", token="right")
        world.apply(credentials=CREDENTIALS)
        await world.run(60)

    world = play(story)
    assert world.ready() == ("False", "SecretNotFound", 1)
    assert {namespace for namespace, _ in world.kube.reads} == {HOME}


def test_authorities_come_from_a_secret_too() -> None:
    seen: list[Access] = []

    async def story(world: World) -> None:
        world.answer = lambda access: seen.append(access) or Answer(())  # type: ignore[func-returns-value]
        world.kube.put_secret("prom-ca", ca_crt="nothing")
        world.apply("https://prom:9090", tls=TLS)
        await world.run(5)
        assert world.ready() == ("False", "InvalidSecret", 1)
        world.kube.put_secret("prom-ca", ca_crt=PEM)
        await world.run(120)

    world = play(story)
    assert world.ready() == ("True", "Configured", 1)
    assert world.message() == "https://prom:9090 answers"
    assert seen[-1] == Access(None, PEM)


def test_a_token_goes_to_no_other_address_than_the_one_it_stands_beside() -> None:
    sent: list[Access] = []

    async def story(world: World) -> None:
        world.answer = lambda access: sent.append(access) or Answer(())  # type: ignore[func-returns-value]
        world.kube.put_secret("prom-token", token="right")
        world.apply("http://old:9090")
        await world.run(5)
        old = world.use()
        world.apply("http://new:9090", credentials=CREDENTIALS)
        sent.clear()
        failure = await old.fetch_series("up[15s]")
        assert isinstance(failure, Failure)
        world.kube.remove("MetricsProvider", "", KEY.name)
        assert isinstance(await old.fetch_series("up[15s]"), Failure)

    play(story)
    assert sent == []


def test_a_token_is_not_shown_by_whatever_holds_it() -> None:
    async def story(world: World) -> None:
        world.kube.put_secret("prom-token", token="s3cret")
        world.apply(credentials=CREDENTIALS)
        await world.run(5)
        reader = world.controller.access._secrets
        assert "s3cret" not in repr(reader._known)
        assert "s3cret" not in repr(await world.controller.access.fetch(build_provider("prom", world.spec()), False))

    assert play(story).ready() == ("True", "Configured", 1)


GOOD, BAD = Finding("Configured", "answers"), Finding("Timeout", "slow")


def fold(*findings: Finding) -> Health:
    health = Health()
    for finding in findings:
        health = observe_finding(health, finding)
    return health


def test_the_first_finding_counts_at_once_and_a_change_when_it_lasts() -> None:
    assert fold(BAD).told == BAD
    assert fold(GOOD, BAD, BAD).told == GOOD
    assert fold(GOOD, BAD, BAD, BAD).told == BAD
    assert fold(GOOD, BAD, BAD, GOOD, BAD, BAD).told == GOOD
    assert fold(BAD, GOOD, GOOD, GOOD).told == GOOD


def test_a_message_that_changes_every_time_is_not_told_every_time() -> None:
    changing = [Finding("Throttled", f"in {number}s") for number in range(20)]
    assert fold(GOOD, *changing).told == changing[2]
    assert fold(*changing).told == changing[0]
    other = Finding("Throttled", "for good")
    assert fold(*changing, other, other, other).told == other
