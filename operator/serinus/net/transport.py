"""HTTP with little trust: a short time, a small answer, no redirects, no proxies and no cookies."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from serinus.net.outcome import Away

TIMEOUT: Final = 5.0
LARGEST: Final = 4 * 1024 * 1024
"""Bytes: the most that the OCI distribution specification asks of a manifest."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def parsed(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def describe(error: Exception) -> str:
    """What went wrong, in words that hold nothing of what was sent or came: the libraries' own quote both."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate is not trusted: {getattr(error.certificate_error, 'verify_message', 'refused')}"
        case aiohttp.ClientSSLError():
            return "no TLS connection: is it spoken there?"
        case aiohttp.ClientConnectorDNSError():
            return "the name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
        case aiohttp.InvalidURL():
            return "the address cannot be used"
        case OSError(strerror=str(words)):
            return f"no connection: {words}"
    return f"the connection broke, or what came is no HTTP ({type(error).__name__})"


class Transport:
    """One pool of connections for all servers."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply | Away:
        """Never raises for what the other side does."""
        return await self.send("GET", url, headers)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        trust: ssl.SSLContext | None = None,
    ) -> Reply | Away:
        """Never raises for what the other side does. `body` is sent as JSON unless it is None; `trust` says whom to
        believe in place of the system's authorities.

        After Away nobody knows whether a request that changes something was heard.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        host = url.split("/")[2].rpartition("@")[2]
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=None if body is None else aiohttp.JsonPayload(body),
                allow_redirects=False,
                ssl=True if trust is None else trust,
            ) as answer:
                body = await answer.content.read(LARGEST + 1)
                while len(body) <= LARGEST and (more := await answer.content.read(LARGEST + 1 - len(body))):
                    body += more
                if len(body) > LARGEST:
                    return Away(f"{host} answers with more than {LARGEST:,} bytes")
                return Reply(answer.status, answer.headers, body)
        except TimeoutError:
            return Away(f"{host} does not answer within {self._timeout.total:g}s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Away(f"{host}: {describe(error)}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
