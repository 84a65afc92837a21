"""Workers: take a key, reconcile it, decide when it comes back.

A key that fails waits longer and longer, and a key that hangs is cut off, so no object can delay another for long. What
failed is told to `report`; nothing is written or logged here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from serinus.engine.queue import QueueClosedError, WorkQueue

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Result:
    """How a turn ended without an exception.

    `requeue_after`: seconds until the key is due again whatever happens, None for "only when something changes".
    `retry`: the turn could not do all it meant to (a write conflict, say) and comes back with backoff; no error.
    `urgent`: its next turn goes before others.
    """

    requeue_after: float | None = None
    retry: bool = False
    urgent: bool = False

    @classmethod
    def at(cls, moment: datetime | None, now: datetime) -> "Result":
        """Due again a little after a moment, so that it has come by then whatever rounding does; never for None."""
        return cls() if moment is None else cls(requeue_after=max((moment - now).total_seconds(), 0.0) + 0.005)


@dataclass(frozen=True, slots=True)
class Turn(Generic[K]):
    """A finished turn, for logs and metrics. `error` is what the reconciler raised, `comes_back_in` in seconds."""

    key: K
    seconds: float
    error: Exception | None
    failures: int
    comes_back_in: float | None


Reconcile = Callable[[K], Awaitable[Result]]
Report = Callable[[Turn[K]], None]


def _no_report(turn: object) -> None:
    return None


async def run_workers(
    queue: WorkQueue[K],
    reconcile: Reconcile[K],
    *,
    workers: int = 16,
    time_limit: float = 60.0,
    report: Report[K] = _no_report,
) -> None:
    """Work on keys until the queue is closed and every turn under way has ended.

    A turn longer than `time_limit` seconds is cancelled and counts as failed. An exception that carries a `retry_after`
    (seconds) is not tried again before that; one that carries a true `urgent` comes back among the first.
    """
    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(_work(queue, reconcile, time_limit, report), name=f"worker-{number}")


async def _work(queue: WorkQueue[K], reconcile: Reconcile[K], time_limit: float, report: Report[K]) -> None:
    while True:
        try:
            key = await queue.get()
        except QueueClosedError:
            return
        try:
            turn = await _take_turn(queue, key, reconcile, time_limit)
        finally:
            queue.done(key)
        report(turn)


async def _take_turn(queue: WorkQueue[K], key: K, reconcile: Reconcile[K], time_limit: float) -> Turn[K]:
    started = time.monotonic()
    try:
        async with asyncio.timeout(time_limit):
            result = await reconcile(key)
    except Exception as error:
        # Whatever one object provokes, the worker lives on for the others.
        delay = queue.retry(key, urgent=bool(getattr(error, "urgent", False)), at_least=_wish(error))
        return Turn(key, time.monotonic() - started, error, queue.failures(key), delay)
    if result.retry:
        comes_back_in: float | None = queue.retry(key, urgent=result.urgent)
    else:
        queue.forget(key)
        comes_back_in = result.requeue_after
        if comes_back_in is not None:
            queue.add_after(key, comes_back_in, urgent=result.urgent)
    return Turn(key, time.monotonic() - started, None, queue.failures(key), comes_back_in)


def _wish(error: Exception) -> float:
    wish = getattr(error, "retry_after", None)
    return float(wish) if isinstance(wish, int | float) else 0.0
