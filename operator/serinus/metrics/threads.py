"""The threads that queries run in: bounded for each server and in all, so that a slow server delays nobody else.

A thread that never comes back (a name server may hold one for half a minute) keeps its place until it does, but makes
nobody wait for ever, and does not keep the process from ending, as a thread of a pool would.
"""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PER_SERVER: Final = 4
IN_ALL: Final = 32


class StuckError(Exception):
    """All threads there may be hang; the message says how many."""


class QueryThreads:
    """Runs work that must not raise, in a daemon thread of its own, as soon as its server has a place.

    To be used from one event loop. The sources of a process share one, so that a server is asked `per_server` times at
    once however many sources it has.
    """

    def __init__(self, per_server: int = PER_SERVER, in_all: int = IN_ALL) -> None:
        self._per_server = per_server
        self._in_all = in_all
        self._running: Counter[str] = Counter()
        self._stuck: Counter[str] = Counter()
        self._changed = asyncio.Event()

    async def run(self, server: str, work: Callable[[], T], patience: float, abandon: Callable[[], None]) -> T:
        """The result of `work`; the wait for a place is not part of `patience` (seconds).

        Raises TimeoutError after calling `abandon`, which should make the thread end, and StuckError without a place.
        """
        await self._enter(server)
        future, thread = self._start(server, work)
        try:
            async with asyncio.timeout(patience):
                return await future
        finally:
            if not future.done() or future.cancelled():
                abandon()
                self._note_stuck(server, thread)

    async def _enter(self, server: str) -> None:
        while self._running[server] >= self._per_server or self._running.total() >= self._in_all:
            stuck = self._stuck[server]
            if stuck >= self._per_server or self._stuck.total() >= self._in_all:
                raise StuckError(f"{stuck} earlier queries still hang")
            await self._changed.wait()
        self._running[server] += 1

    def _start(self, server: str, work: Callable[[], T]) -> "tuple[asyncio.Future[T], _Thread]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(result: T) -> None:
            self._leave(server, thread)
            if not future.done():
                future.set_result(result)

        def run() -> None:
            result = work()
            # The loop may have closed meanwhile; then nobody waits for the result.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(deliver, result)

        thread = _Thread(target=run, name="prometheus-query", daemon=True)
        thread.start()
        return future, thread

    def _note_stuck(self, server: str, thread: "_Thread") -> None:
        if not thread.left:
            thread.stuck = True
            self._stuck[server] += 1
            self._tell()

    def _leave(self, server: str, thread: "_Thread") -> None:
        thread.left = True
        self._running[server] -= 1
        self._stuck[server] -= thread.stuck
        for counter in (self._running, self._stuck):
            if not counter[server]:
                del counter[server]
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class _Thread(threading.Thread):
    """`stuck`: given up by its caller. `left`: has given back its place. Both are set in the event loop only."""

    stuck = False
    left = False
