"""Questions that a spec raises and somebody else must answer: asked in the background, once for each text, and again
where nobody knew."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from serinus.api import reasons
from serinus.core.snapshot import Problem
from serinus.engine.store import Key

PAUSES: Final = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before one who is away is asked again."""
SLOWLY: Final = 60.0
"""Seconds before one who knows no answer, or will not tell, is."""
AT_ONCE: Final = 16

log = structlog.get_logger(__name__)

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Later:
    """No answer: why, and whether one may come soon."""

    problem: Problem
    soon: bool = False


class Inquiry(Generic[Question, Answer]):
    """One question for each key at a time. `notify(key, urgent)` asks for a turn when something is known. An error that
    `ask` raises is logged and is no answer."""

    def __init__(
        self,
        ask: Callable[[Key, Question], Awaitable[Answer | Later]],
        notify: Callable[[Key, bool], None],
        pauses: tuple[float, ...] = PAUSES,
        slowly: float = SLOWLY,
    ) -> None:
        self._ask = ask
        self._notify = notify
        self._pauses = pauses
        self._slowly = slowly
        self._asked: dict[Key, tuple[Question, asyncio.Task[None]]] = {}
        self._said: dict[Key, Answer | Problem] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def observe(self, key: Key, question: Question) -> Answer | Problem | None:
        """The answer, or why there is none; None while it is being asked for the first time. Never waits."""
        if key not in self._asked or self._asked[key][0] != question:
            self.forget(key)
            task = asyncio.create_task(self._find_out(key, question), name=f"inquiry for {key}")
            self._asked[key] = (question, task)
        return self._said.get(key)

    def forget(self, key: Key) -> None:
        """Ask no more for this key."""
        self._said.pop(key, None)
        if key in self._asked:
            self._asked.pop(key)[1].cancel()

    async def close(self) -> None:
        """Ask no more at all."""
        tasks = [task for _, task in self._asked.values()]
        for key in list(self._asked):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find_out(self, key: Key, question: Question) -> None:
        tries = 0
        while True:
            answer = await self._try(key, question)
            self._said[key] = answer.problem if isinstance(answer, Later) else answer
            self._notify(key, True)
            if not isinstance(answer, Later):
                return
            pause = self._pauses[min(tries, len(self._pauses) - 1)] if answer.soon else self._slowly
            tries += 1
            await asyncio.sleep(pause)

    async def _try(self, key: Key, question: Question) -> Answer | Later:
        async with self._slots:
            try:
                return await self._ask(key, question)
            except Exception as error:
                log.exception("a question could not be answered", name=key.name, namespace=key.namespace)
                message = (
                    f"looking up what the spec refers to failed: {type(error).__name__}; the operator's log says where"
                )
                return Later(Problem(reasons.LOOKUP_FAILED, message))
