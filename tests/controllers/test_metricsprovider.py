"""MetricsProvider: its status, and how few queries and writes it takes."""

from serinus.kube.errors import Conflict
from serinus.metrics.source import Answer, Failure, QueryResult
from tests.controllers.provider_stage import DOWN, KEY, World, play


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


def test_what_another_release_writes_stays_until_this_one_has_news() -> None:
    async def story(world: World) -> None:
        world.apply()
        await world.run(10)
        source = world.use()
        obj = world.kube.objects["MetricsProvider", "", KEY.name]
        theirs = {
            **obj["status"]["conditions"][0],
            "status": "False",
            "reason": "SecretNotFound",
            "message": "not there",
        }
        world.kube.put({**obj, "status": {**obj["status"], "conditions": [theirs]}})
        for _ in range(20):
            world.waiting.add(KEY)
            await source.fetch_series("up[15s]")
            await world.run(60)
        assert world.ready() == ("False", "SecretNotFound", 1)
        assert len(world.kube.writes) == 1
        # An outage that this one sees, and its end, are news; so is a change of the spec.
        for answer in (DOWN, Answer(())):
            world.answer = lambda access, answer=answer: answer  # type: ignore[misc]
            for _ in range(5):
                await source.fetch_series("up[15s]")
                await world.run(1)
        assert world.ready() == ("True", "Configured", 1)
        assert len(world.kube.writes) == 3
        world.kube.put({**world.kube.objects["MetricsProvider", "", KEY.name], "status": {}})
        world.waiting.add(KEY)
        await world.run(10)
        assert world.ready() == ("True", "Configured", 1)
        world.kube.put({**obj, "status": {**obj["status"], "conditions": [theirs]}})
        world.apply(scrapeInterval="5s")
        await world.run(10)

    world = play(story)
    assert world.ready() == ("True", "Configured", 2)
