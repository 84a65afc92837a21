"""Prometheus through prometheus-api-client, which is synchronous and has no limits of its own (see transport).

Each query runs in a thread of its own; retries are off, and the whole answer has a deadline, a size limit and a limit
of series. What a server refuses as unauthorised is tried once more if the Secret says something else by now. Whatever
goes wrong becomes a Failure; nothing is raised, and no message holds a token.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from serinus.api.redact import HIDDEN, redact
from serinus.metrics.answers import Read, observe_series, observe_values, read_body, read_error
from serinus.metrics.source import Access, Answer, Failure, FetchAccess, QueryResult
from serinus.metrics.threads import QueryThreads, StuckError
from serinus.metrics.transport import MAX_BYTES, Body, Client, StatusError, TooLargeError, build_context

_GRACE_SECONDS: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
"""Seconds that we leave a server alone at most, however long it asks us to."""
_DENIED: Final = frozenset({"Unauthorized", "UntrustedCertificate"})
_READING: Final = threading.Lock()
"""Parsing holds the interpreter anyway; one at a time, so that many large answers are not in memory at once."""

_Work = Callable[[PrometheusConnect], Body]

OnQuery = Callable[[str, float], None]
"""Told of every query: `Answer` or the reason of the failure, and the seconds it took."""
OnResult = Callable[[QueryResult], None]
"""Told of everything that a caller got, also where no query could be sent."""


async def fetch_no_access(renew: bool) -> Access:
    """Send nothing, trust whom the system trusts."""
    return Access()


class PrometheusSource:
    """One Prometheus-compatible server.

    `timeout` in seconds is for a whole answer. `access` is asked before every query, so that a token may rotate.
    `threads` are to be shared by all sources of a process.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 3.0,
        access: FetchAccess = fetch_no_access,
        threads: QueryThreads | None = None,
        max_bytes: int = MAX_BYTES,
        on_query: OnQuery = lambda outcome, seconds: None,
        on_result: OnResult = lambda result: None,
    ) -> None:
        self._address = address.rstrip("/")
        self._timeout = timeout
        self._access = access
        self._threads = threads or QueryThreads()
        self._max_bytes = max_bytes
        self._on_query = on_query
        self._on_result = on_result
        self._idle: list[Client] = []
        self._context: tuple[str | None, ssl.SSLContext | None] | None = None
        self._quiet_until = 0.0
        self._closed = False

    async def fetch_series(self, query: str) -> QueryResult:
        """Ask for raw samples; see MetricSource."""
        return await self._fetch(partial(_query, query=query, timeout=self._timeout), observe_series)

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        """Ask for the past; see MetricSource."""
        work = partial(_query_range, query=query, start=start, end=end, step=step, timeout=self._timeout)
        return await self._fetch(work, observe_series)

    async def fetch_instant(self, query: str) -> QueryResult:
        """Ask for values as they are now; see MetricSource."""
        return await self._fetch(partial(_query, query=query, timeout=self._timeout), observe_values)

    def close(self) -> None:
        """Close idle connections. Queries under way end by themselves."""
        self._closed = True
        self._close_idle()

    async def _fetch(self, work: _Work, read: Read) -> QueryResult:
        result = await self._try(work, read)
        self._on_result(result)
        return result

    async def _try(self, work: _Work, read: Read) -> QueryResult:
        sent = await self._access(False)
        if isinstance(sent, Failure):
            return sent
        result = await self._ask(work, read, sent)
        if not isinstance(result, Failure) or result.reason not in _DENIED:
            return result
        renewed = await self._access(True)
        if isinstance(renewed, Failure):
            return renewed
        return result if renewed == sent else await self._ask(work, read, renewed)

    async def _ask(self, work: _Work, read: Read, access: Access) -> QueryResult:
        pause = self._quiet_until - time.monotonic()
        if pause > 0:
            return Failure("Throttled", f"{self._address}: asked for fewer queries; the next one in {pause:.0f}s")
        try:
            client = self._open(access)
        except ValueError as error:
            return Failure("InvalidSecret", f"spec.tls.caSecretRef: the Secret has {error}")
        started = time.monotonic()
        result = self._tell(await self._run(client, work, read), access.token)
        self._on_query("Answer" if isinstance(result, Answer) else result.reason, time.monotonic() - started)
        if isinstance(result, Failure) and result.retry_after:
            self._quiet_until = time.monotonic() + min(result.retry_after, _LONGEST_PAUSE)
        return result

    async def _run(self, client: Client, work: _Work, read: Read) -> QueryResult:
        job = partial(_answer, client, work, read)
        try:
            result = await self._threads.run(self._address, job, self._timeout + _GRACE_SECONDS, client.cut)
        except TimeoutError:
            return Failure("Timeout", f"no answer within {self._timeout:g}s")
        except StuckError as stuck:
            client.close()
            return Failure("Timeout", str(stuck))
        # A client whose thread was given up is not used again: the thread may still do so.
        if self._closed or self._context is None or client.context is not self._context[1]:
            client.close()
        else:
            self._idle.append(client)
        return result

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _tell(self, result: QueryResult, token: str | None) -> QueryResult:
        """A failure says where; it never repeats the token, though a server may."""
        if isinstance(result, Answer):
            return result
        message = f"{self._address}: {result.message}"
        return replace(result, message=redact(message.replace(token, HIDDEN) if token else message))

    def _open(self, access: Access) -> Client:
        """A client that nobody else uses; ValueError for authorities that are none."""
        if self._context is None or self._context[0] != access.authorities:
            self._close_idle()
            tls = self._address.startswith("https:")
            self._context = (access.authorities, build_context(access.authorities) if tls else None)
        client = self._idle.pop() if self._idle else None
        if client is None:
            client = Client(self._address, self._timeout, self._max_bytes, self._context[1])
        client.token = access.token
        return client


def _answer(client: Client, work: _Work, read: Read) -> QueryResult:
    """Ask and read, in a thread; never raises."""
    try:
        body = work(client.prometheus)
        with _READING:
            return read_body(body.content, read, body.server_time)
    except Exception as error:
        return build_failure(error)


def _query(prometheus: PrometheusConnect, *, query: str, timeout: float) -> Body:
    body: Body = prometheus.custom_query(query, params={"timeout": f"{timeout:g}s"}, timeout=timeout)
    return body


def _query_range(
    prometheus: PrometheusConnect, *, query: str, start: datetime, end: datetime, step: float, timeout: float
) -> Body:
    params = {"timeout": f"{timeout:g}s"}
    # No exponent, which weeks in seconds would have by :g.
    whole = f"{step:.0f}s" if step == int(step) else f"{step * 1000:.0f}ms"
    body: Body = prometheus.custom_query_range(query, start, end, whole, params=params, timeout=timeout)
    return body


def build_failure(error: Exception) -> Failure:
    """Map whatever the library let through: its own exception, and those of requests and urllib3."""
    match error:
        case requests.Timeout():
            return Failure("Timeout", "no whole answer in time")
        case TooLargeError():
            return Failure("TooLarge", str(error), of_query=True)
        case StatusError():
            return _build_status_failure(error)
        case requests.exceptions.SSLError():
            return _build_tls_failure(error)
        case requests.RequestException() | OSError() | urllib3.exceptions.HTTPError() | PrometheusApiClientException():
            return Failure("Unreachable", _describe(error))
        case _:
            return Failure("InvalidAnswer", f"the answer cannot be read ({type(error).__name__})")


def _build_status_failure(error: StatusError) -> Failure:
    said = read_error(error.body)
    words = f"{error}: {said}" if said else str(error)
    match error.status:
        case 400 | 422:
            return Failure("QueryRefused", f"the query was refused: {words}", of_query=True)
        case 401 | 403:
            return Failure("Unauthorized", f"{error}: the credentials are refused, or there are none")
        case 413 | 414 | 431:
            return Failure("TooLarge", f"the query is too long for the server: {error}", of_query=True)
        case 429:
            return Failure("Throttled", f"{error}: the server asks for fewer queries", retry_after=error.retry_after)
        case status if 300 <= status < 400:
            return Failure("Unreachable", f"{error}: redirected, which is not followed (to a login page?)")
        case 404 | 405:
            return Failure("Unreachable", f"{error}: there is no Prometheus HTTP API at this address")
    return Failure("Unreachable", words)


def _build_tls_failure(error: Exception) -> Failure:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure("UntrustedCertificate", f"the certificate is not trusted: {cause.verify_message}")
    return Failure("Unreachable", "no TLS connection: is the address one of https?")


def _describe(error: Exception) -> str:
    """The innermost cause in plain words; texts of the libraries hold addresses of objects and whole URLs."""
    for cause in _causes(error):
        match cause:
            case urllib3.exceptions.NameResolutionError():
                return "the name of the server cannot be resolved"
            case ConnectionRefusedError():
                return "the connection is refused"
            case OSError(strerror=str(words)):
                return f"no connection: {words}"
    return "the connection broke, or what came is no HTTP"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything behind it; the libraries keep a cause in the arguments, in `reason`, or as context."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
