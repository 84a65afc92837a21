"""MetricsProvider: what its Secrets hold, when they are read, and who gets to see it."""

import pytest

from serinus.controllers.access import build_provider
from serinus.kube.errors import Forbidden, KubeError, Unavailable
from serinus.metrics.source import Access, Answer, Failure, QueryResult
from tests.controllers.provider_stage import CREDENTIALS, HOME, KEY, PEM, TLS, World, play


def tokens(access: Access) -> QueryResult:
    return Answer(()) if access.token == "right" else Failure("Unauthorized", "HTTP 401")


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
