"""HTTP for dulwich, with little trust: bounded in time and bytes, no redirects, no proxies, one repository only."""

import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from dulwich.client import AbstractHttpGitClient

from serinus.forge.access import GitAccess
from serinus.forge.outcome import Away, Refused
from serinus.forge.status import explain_status

QUIET: Final = 10.0
"""Seconds that a server may say nothing."""


class StopError(Exception):
    """Ends the work with an outcome."""

    def __init__(self, outcome: Away | Refused) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class Answer:
    """What dulwich wants of a response."""

    redirect_location = ""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.content_type = response.headers.get("Content-Type")

    def close(self) -> None:
        self._response.close()


class Wire(AbstractHttpGitClient):
    """Speaks with the repository of `access` until `deadline` (monotonic), for at most `budget` bytes read."""

    def __init__(self, access: GitAccess, deadline: float, budget: int) -> None:
        super().__init__(access.url, quiet=True)
        self.host = urlsplit(access.url).netloc
        self._deadline = deadline
        self._budget = budget
        self._root = f"{access.url}/"
        self._headers = urllib3.make_headers(
            basic_auth=f"{access.username}:{access.token}", user_agent="git/serinus", accept_encoding=False
        )
        self._pool = urllib3.PoolManager(num_pools=1, ssl_context=_trust(access), retries=False)

    def end(self) -> None:
        """Give back the connection."""
        self._pool.clear()

    def _http_request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,
    ) -> tuple[Any, Callable[[int], bytes]]:
        # A server may name packs that lie elsewhere; dulwich would fetch them from wherever that is.
        if not url.startswith(self._root):
            raise StopError(Refused(f"{self.host} sends us to another address, which is not followed"))
        try:
            response = self._pool.request(
                "GET" if data is None else "POST",
                url,
                body=data,
                headers={**self._headers, **(headers or {})},
                preload_content=False,
                redirect=False,
                timeout=urllib3.Timeout(total=None, connect=self._left(), read=self._left()),
            )
        except urllib3.exceptions.HTTPError as error:
            raise StopError(self._away(error)) from error
        outcome = explain_status(self.host, response.status, response.headers)
        if outcome is None and not response.headers.get("Content-Type", "").startswith("application/x-git-"):
            outcome = Refused(f"{self.host} does not speak git's HTTP protocol at the address of the Secret")
        if outcome is not None:
            response.close()
            raise StopError(outcome)
        return Answer(response), lambda size: self._read(response, size)

    def _read(self, response: urllib3.BaseHTTPResponse, size: int) -> bytes:
        """`size` bytes, fewer at the end only."""
        found = bytearray()
        while len(found) < size:
            self._left()
            try:
                more = response.read1(size - len(found))
            except urllib3.exceptions.HTTPError as error:
                raise StopError(self._away(error)) from error
            if not more:
                break
            self._budget -= len(more)
            if self._budget < 0:
                raise StopError(
                    Refused(f"{self.host} sends more than may be read; a repository for manifests is small")
                )
            found += more
        return bytes(found)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StopError(Away(f"{self.host} was not done in time"))
        return min(left, QUIET)

    def _away(self, error: urllib3.exceptions.HTTPError) -> Away | Refused:
        if isinstance(error, urllib3.exceptions.SSLError):
            why = f"{self.host} has no certificate that is trusted; another authority goes into key ca.crt"
            return Refused(why, access=True)
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return Away(f"{self.host} does not answer in time")
        return Away(f"{self.host} cannot be reached: {type(error).__name__}")


def _trust(access: GitAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.authorities)
    except (ssl.SSLError, ValueError) as error:
        raise StopError(Refused("key ca.crt of the Secret holds no certificates in PEM form", access=True)) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
