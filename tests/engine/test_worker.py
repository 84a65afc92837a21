import asyncio
from collections import Counter

from serinus.engine.queue import WorkQueue
from serinus.engine.worker import Result, Turn, run_workers
from tests.fakes.clock import run_jumping


class ThrottledError(Exception):
    retry_after = 30.0


class RollbackError(Exception):
    urgent = True


async def until(queue: WorkQueue[str], workers: asyncio.Task[None], seconds: float) -> None:
    await asyncio.sleep(seconds)
    queue.close()
    await workers


def test_a_poisoned_key_delays_no_other() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        turns: list[Turn[str]] = []
        finished: dict[str, float] = {}

        async def reconcile(key: str) -> Result:
            if key == "poison":
                raise ValueError("garbage")
            if key == "hang":
                await asyncio.Event().wait()
            await asyncio.sleep(0.01)
            finished[key] = asyncio.get_running_loop().time()
            return Result()

        workers = asyncio.create_task(run_workers(queue, reconcile, workers=4, time_limit=5, report=turns.append))
        for key in ("hang", "poison", *(f"good-{number}" for number in range(200))):
            queue.add(key)
        await until(queue, workers, 3600)
        assert len(finished) == 200
        assert max(finished.values()) < 1
        counts = Counter(turn.key for turn in turns)
        assert 50 < counts["poison"] < 100  # once a minute in the end, not a busy loop
        assert all(isinstance(turn.error, TimeoutError) for turn in turns if turn.key == "hang")

    run_jumping(story())


def test_no_more_keys_are_worked_on_at_once_than_there_are_workers() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        active = peak = 0

        async def reconcile(key: str) -> Result:
            nonlocal active, peak
            active += 1
            peak = max(peak, active)
            await asyncio.sleep(1)
            active -= 1
            return Result()

        workers = asyncio.create_task(run_workers(queue, reconcile, workers=16))
        for number in range(100):
            queue.add(str(number))
        await until(queue, workers, 60)
        assert peak == 16

    run_jumping(story())


def test_a_key_comes_back_when_the_reconciler_asks_for_it() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        times: list[float] = []

        async def reconcile(key: str) -> Result:
            times.append(asyncio.get_running_loop().time())
            return Result(requeue_after=10 if len(times) < 3 else None)

        workers = asyncio.create_task(run_workers(queue, reconcile))
        queue.add("a")
        await until(queue, workers, 1000)
        assert times == [0, 10, 20]

    run_jumping(story())


def test_the_server_s_wish_to_wait_is_obeyed_and_urgent_failures_come_back_soon() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        turns: list[Turn[str]] = []

        async def reconcile(key: str) -> Result:
            if key == "retry":
                return Result(retry=True)
            raise ThrottledError if key == "throttled" else RollbackError

        workers = asyncio.create_task(run_workers(queue, reconcile, report=turns.append))
        for key in ("throttled", "rollback", "retry"):
            queue.add(key)
        await until(queue, workers, 100)
        assert all((turn.comes_back_in or 0) >= 30 for turn in turns if turn.key == "throttled")
        rollbacks = [turn for turn in turns if turn.key == "rollback"]
        assert len(rollbacks) >= 50
        assert all((turn.comes_back_in or 0) <= 2 for turn in rollbacks)
        retries = [turn for turn in turns if turn.key == "retry"]
        assert all(turn.error is None for turn in retries)
        assert 5 <= len(retries) <= 12

    run_jumping(story())


def test_closing_the_queue_lets_turns_under_way_finish() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        finished: list[str] = []

        async def reconcile(key: str) -> Result:
            await asyncio.sleep(2)
            finished.append(key)
            return Result(requeue_after=1)

        workers = asyncio.create_task(run_workers(queue, reconcile, workers=1))
        queue.add("under way")
        queue.add("waiting")
        await until(queue, workers, 1)
        assert finished == ["under way"]

    run_jumping(story())
