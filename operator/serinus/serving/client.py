"""Requests to the pods of a model: sent, and only their status looked at."""

from dataclasses import dataclass
from typing import Final

import aiohttp

TIMEOUT: Final = 60.0
"""Seconds for one answer; the first inference of a model may compile it."""


@dataclass(frozen=True)
class Sent:
    """What became of a request: the HTTP status, or (None) why there was no answer."""

    status: int | None
    message: str = ""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class ModelClient:
    """One pool of connections for all models. Redirects are not followed and answers not read: what a pod says must
    lead us nowhere."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, url: str, body: bytes | None) -> Sent:
        """GET, or POST of JSON where there is a body. Never raises for what the other side does."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        method = "GET" if body is None else "POST"
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
                return Sent(answer.status)
        except TimeoutError:
            return Sent(None, f"no answer within {self._timeout.total:g}s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Sent(None, str(error) or type(error).__name__)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
