"""Finds out what the model references of specs mean: once for each text, in the background; again where nobody knew.

What was found is remembered in the status, so that neither a restart nor a tag that moves changes what is served."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from serinus.api import reasons
from serinus.api.modeluri import Malformed, Reference, parse_reference
from serinus.api.status import ResolvedModel
from serinus.core.snapshot import Problem
from serinus.engine.store import Key
from serinus.registries.outcome import Away, NotFound, Outcome, Pinned, Refused, Unpinned

PAUSES: Final = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before a registry that is away is asked again."""
SLOWLY: Final = 60.0
"""Seconds before one that knows no such model, or will not say, is."""
AT_ONCE: Final = 16

FIELD: Final = "spec.model.from.uri"


@dataclass
class _Asking:
    uri: str
    found: ResolvedModel | None = None
    problem: Problem | None = None
    task: asyncio.Task[None] | None = None


class ModelResolver:
    """`resolve` asks a registry, `notify(key, urgent)` asks for a turn when something is known."""

    def __init__(
        self,
        resolve: Callable[[Reference], Awaitable[Outcome]],
        notify: Callable[[Key, bool], None],
        pauses: tuple[float, ...] = PAUSES,
        slowly: float = SLOWLY,
    ) -> None:
        self._resolve = resolve
        self._notify = notify
        self._pauses = pauses
        self._slowly = slowly
        self._asking: dict[Key, _Asking] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def observe(self, key: Key, uri: str | None, known: ResolvedModel | None) -> ResolvedModel | Problem | None:
        """What `uri` means: known, or why not; None while it is being asked for the first time. Never waits."""
        if uri is None or (known is not None and known.uri == uri):
            self.forget(key)
            return known if uri is not None else None
        asking = self._asking.get(key)
        if asking is None or asking.uri != uri:
            self.forget(key)
            asking = self._asking[key] = _Asking(uri)
            asking.task = asyncio.create_task(self._ask(key, asking), name=f"model of {key}")
        return asking.found or asking.problem

    def forget(self, key: Key) -> None:
        asking = self._asking.pop(key, None)
        if asking is not None and asking.task is not None:
            asking.task.cancel()

    async def close(self) -> None:
        tasks = [asking.task for asking in self._asking.values() if asking.task is not None]
        for key in list(self._asking):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, key: Key, asking: _Asking) -> None:
        reference = parse_reference(asking.uri)
        tries = 0
        while True:
            if isinstance(reference, Malformed):
                outcome: Outcome = Refused(reference.message)
            else:
                async with self._slots:
                    outcome = await self._resolve(reference)
            _note(asking, outcome)
            self._notify(key, True)
            if asking.found is not None:
                return
            pause = self._pauses[min(tries, len(self._pauses) - 1)] if isinstance(outcome, Away) else self._slowly
            tries += 1
            await asyncio.sleep(pause)


def _note(asking: _Asking, outcome: Outcome) -> None:
    match outcome:
        case Pinned(resolved, digest):
            asking.found = ResolvedModel(uri=asking.uri, resolved=resolved, digest=digest)
        case Unpinned(resolved, why):
            asking.found = ResolvedModel(uri=asking.uri, resolved=resolved, message=why)
        case NotFound(message):
            asking.problem = Problem(reasons.MODEL_NOT_FOUND, f"{FIELD}: {message}")
        case Away(message):
            asking.problem = Problem(reasons.REGISTRY_AWAY, f"{FIELD}: {message}; it is asked again")
        case Refused(message):
            asking.problem = Problem(reasons.REGISTRY_REFUSED, f"{FIELD}: {message}")
