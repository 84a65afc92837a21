import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.engine.queue import Backoff, QueueClosedError, WorkQueue
from tests.fakes.clock import run_jumping


async def take(queue: WorkQueue[str]) -> str:
    async with asyncio.timeout(0.5):
        return await queue.get()


async def is_empty(queue: WorkQueue[str]) -> bool:
    try:
        async with asyncio.timeout(0.001):
            await queue.get()
    except TimeoutError:
        return True
    return False


def test_a_key_is_handed_out_once_however_often_it_is_added() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        for _ in range(100):
            queue.add("a")
        assert len(queue) == 1
        assert await take(queue) == "a"
        assert await is_empty(queue)

    run_jumping(story())


def test_a_key_added_during_its_turn_gets_one_more_turn_afterwards() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        key = await take(queue)
        queue.add("a")
        queue.add("a")
        assert await is_empty(queue)
        assert queue.running == 1
        queue.done(key)
        assert await take(queue) == "a"
        queue.done("a")
        assert await is_empty(queue)

    run_jumping(story())


def test_urgent_keys_go_first_even_when_they_were_waiting_already() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        for key in ("a", "b", "c"):
            queue.add(key)
        queue.add("c", urgent=True)
        queue.add("d", urgent=True)
        assert [await take(queue) for _ in range(4)] == ["c", "d", "a", "b"]
        assert await is_empty(queue)

    run_jumping(story())


def test_a_key_that_becomes_urgent_during_its_turn_is_urgent_in_the_next() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        await take(queue)
        queue.add("b")
        queue.add("a")
        queue.add("a", urgent=True)
        queue.done("a")
        assert [await take(queue) for _ in range(2)] == ["a", "b"]

    run_jumping(story())


def test_namespaces_take_turns() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(group_of=lambda key: key.split("/")[0])
        for number in range(1000):
            queue.add(f"big/{number}")
        queue.add("small/1")
        queue.add("small/2")
        assert [await take(queue) for _ in range(4)] == ["big/0", "small/1", "big/1", "small/2"]

    run_jumping(story())


def test_a_delayed_key_comes_when_it_is_due_and_the_earliest_moment_stands() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", 300)
        queue.add_after("a", 20)
        queue.add_after("a", 3600)
        queue.add_after("b", 10)
        assert queue.delayed == 2
        arrivals = []
        for _ in range(2):
            arrivals.append((await queue.get(), loop.time()))
            queue.done(arrivals[-1][0])
        assert arrivals == [("b", 10), ("a", 20)]
        await asyncio.sleep(10_000)
        assert await is_empty(queue)
        queue.add_after("now", 0)
        assert await take(queue) == "now"

    run_jumping(story())


def test_ten_thousand_delayed_keys_all_arrive_in_order() -> None:
    async def story() -> None:
        queue: WorkQueue[int] = WorkQueue()
        for number in range(10_000):
            queue.add_after(number, 1 + (number * 7919) % 10_000)
        last = 0.0
        for _ in range(10_000):
            key = await queue.get()
            due = 1 + (key * 7919) % 10_000
            assert asyncio.get_running_loop().time() == pytest.approx(due)
            assert due >= last
            last = due
            queue.done(key)

    run_jumping(story())


def test_failures_wait_longer_each_time_until_success() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(spread=lambda: 0.0)
        waits = []
        for _ in range(10):
            waits.append(queue.retry("a"))
            await asyncio.sleep(waits[-1])
            queue.done(await queue.get())
        assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert queue.failures("a") == 10
        queue.forget("a")
        assert queue.retry("a") == 0.5

    run_jumping(story())


def test_an_urgent_failure_is_retried_within_two_seconds_however_often_it_failed() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        assert max(queue.retry("a", urgent=True) for _ in range(30)) <= 2
        assert queue.retry("b", at_least=30) >= 30

    run_jumping(story())


@given(st.integers(1, 10_000), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_backoff_is_bounded_and_never_zero(failures: int, urgent: bool, spread: float) -> None:
    backoff = Backoff()
    delay = backoff.delay(failures, urgent, spread)
    assert 0 < delay <= (backoff.urgent_limit if urgent else backoff.limit)


def test_a_closed_queue_lets_every_waiter_go_and_takes_nothing_in() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("later", 5)
        waiters = [asyncio.create_task(queue.get()) for _ in range(5)]
        await asyncio.sleep(0)
        queue.close()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert all(isinstance(result, QueueClosedError) for result in results)
        queue.add("a")
        queue.add_after("a", 1)
        with pytest.raises(QueueClosedError):
            await queue.get()

    run_jumping(story())


def test_a_cancelled_waiter_loses_no_key() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        waiter = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        if waiter.cancelled():
            assert await take(queue) == "a"

    run_jumping(story())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "urgent", "work"])), max_size=60))
def test_every_added_key_is_worked_on_after_it_was_added(steps: list[tuple[str, str]]) -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        owed: set[str] = set()
        for key, step in steps:
            if step == "work":
                if owed:
                    taken = await take(queue)
                    owed.discard(taken)
                    queue.done(taken)
            else:
                queue.add(key, urgent=step == "urgent")
                owed.add(key)
        for _ in range(len(owed)):
            taken = await take(queue)
            owed.discard(taken)
            queue.done(taken)
        assert not owed
        assert len(queue) == 0

    run_jumping(story())
