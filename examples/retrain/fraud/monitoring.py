"""What the monitor is told: every prediction, in the background, and what each model was made from."""

import asyncio
import contextlib
import itertools
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import aiohttp
import requests
from aiohttp import web

from .measure import SLICE
from .model import predict
from .rows import SCHEMA, Row, drop_incomplete
from .settings import ServerSettings

log = logging.getLogger("monitoring")

FLUSH_SECONDS: Final = 0.5
MAX_WAITING: Final = 20_000
"""Predictions kept while the monitor is away; beyond, new ones are given up: serving must not suffer."""
BATCH: Final = 2000
"""Predictions in one request."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)
PATIENCE_SECONDS: Final = 20


class PredictionLog:
    """Hands predictions to the monitor, some at a time. Nobody waits for it, and it may be away."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._waiting: deque[dict[str, Any]] = deque()

    def add(self, name: str, features: Mapping[str, Any], fraud: bool) -> None:
        if not self._settings.monitor or len(self._waiting) >= MAX_WAITING:
            return
        self._waiting.append(
            {
                "id": name,
                "time": time.time(),
                "revision": self._settings.revision,
                "features": features,
                "prediction": fraud,
                "slice": f"{SLICE}={features[SLICE]}",
            }
        )

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """For aiohttp's cleanup_ctx: sends as long as the app lives, and what is left when it ends."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            task = asyncio.create_task(self._send_often(session))
            yield
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.send(session)

    async def _send_often(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.send(session)

    async def send(self, session: aiohttp.ClientSession) -> None:
        """What is waiting; it waits on where the monitor does not take it."""
        while lines := list(itertools.islice(self._waiting, BATCH)):
            if not await self._post(session, lines):
                return
            for _ in lines:
                self._waiting.popleft()

    async def _post(self, session: aiohttp.ClientSession, lines: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the monitor has them, or will never want them."""
        try:
            async with session.post(f"{self._settings.monitor}/predictions", data=format_lines(lines)) as answer:
                if answer.status >= 400:
                    log.warning("the monitor refused: HTTP %d: %s", answer.status, (await answer.text())[:300])
                return answer.status < 500
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("the monitor is away: %r", error)
            return False


def put_reference(monitor: str, digest: str, classifier: Any, rows: Sequence[Row]) -> None:
    """What the model of that digest was made from, and what it says of it. requests.RequestException where the monitor
    does not take it: a model without a reference could never be watched."""
    whole = drop_incomplete(rows)
    features = [{name: row[name] for name in SCHEMA["required"]} for row in whole]
    flags = predict(classifier, features)
    lines = [{"features": one, "prediction": bool(flag)} for one, flag in zip(features, flags, strict=True)]
    answer = requests.put(f"{monitor}/references/{digest}", data=format_lines(lines), timeout=PATIENCE_SECONDS)
    answer.raise_for_status()


def format_lines(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
