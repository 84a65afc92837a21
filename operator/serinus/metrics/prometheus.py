"""Prometheus through prometheus-api-client, which is synchronous, without limits of its own, and drops half the answer.

So each query runs in a daemon thread, one at a time per server: a slow server delays nobody else, and a thread that
never comes back neither blocks the next query nor keeps the process from ending, as a thread of a pool would. Retries
are off, every read has a timeout and the whole answer a deadline and a size limit. Redirects are not followed: behind
them is a login page. Whatever goes wrong becomes a Failure; nothing is raised.
"""

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import HTTPAdapter

from serinus.metrics.source import Answer, Failure, QueryResult, Sample, Series

T = TypeVar("T")

MAX_BYTES: Final = 1024 * 1024
_GRACE_SECONDS: Final = 0.5
_MAX_THREADS: Final = 4
_CHUNK: Final = 64 * 1024

_Work = Callable[[PrometheusConnect], QueryResult]
"""What is done with a connection, in a thread; must not raise."""

OnQuery = Callable[[str, float], None]
"""Told of every query: `Answer` or the reason of the failure, and the seconds it took."""


class _TooLargeError(requests.RequestException):
    pass


class _PartialError(requests.RequestException):
    pass


class _StatusError(requests.RequestException):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {' '.join(text.split())[:300]}")
        self.status = status


class PrometheusSource:
    """One Prometheus-compatible server.

    `timeout` in seconds is for a whole answer. `token` is asked before every query, so that it may rotate. `ca_path` is
    a PEM file with the authority to trust instead of the system's.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 3.0,
        token: Callable[[], str | None] = lambda: None,
        ca_path: str | None = None,
        max_bytes: int = MAX_BYTES,
        on_query: OnQuery = lambda outcome, seconds: None,
    ) -> None:
        self._address = address.rstrip("/")
        self._timeout = timeout
        self._token = token
        self._ca_path = ca_path
        self._max_bytes = max_bytes
        self._on_query = on_query
        self._turn = asyncio.Lock()
        self._threads: list[threading.Thread] = []
        self._connection = self._connect()

    async def fetch_series(self, query: str) -> QueryResult:
        """Ask for raw samples; see MetricSource. Waits its turn where another query to this server is under way."""
        return await self._take_turn(partial(_query, query=query, timeout=self._timeout, read=observe_series))

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        """Ask for the past; see MetricSource."""
        work = partial(_query_range, query=query, start=start, end=end, step=step, timeout=self._timeout)
        return await self._take_turn(work)

    async def fetch_instant(self, query: str) -> QueryResult:
        """Ask for values as they are now; see MetricSource."""
        return await self._take_turn(partial(_query, query=query, timeout=self._timeout, read=observe_values))

    async def _take_turn(self, work: _Work) -> QueryResult:
        async with self._turn:
            started = time.monotonic()
            result = await self._fetch(work)
            self._on_query("Answer" if isinstance(result, Answer) else result.reason, time.monotonic() - started)
            return result

    def close(self) -> None:
        """Close idle connections. Queries under way end by themselves."""
        self._connection.close()

    async def _fetch(self, work: _Work) -> QueryResult:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= _MAX_THREADS:
            return Failure("Timeout", f"{self._address}: {len(self._threads)} earlier queries still hang")
        future, thread = _start(partial(work, self._connection))
        self._threads.append(thread)
        try:
            async with asyncio.timeout(self._timeout + _GRACE_SECONDS):
                return await future
        except TimeoutError:
            return Failure("Timeout", f"{self._address}: no answer within {self._timeout:g}s")
        finally:
            if not future.done() or future.cancelled():
                # The thread may still use its session; the next query must not share it.
                self._connection = self._connect()

    def _connect(self) -> PrometheusConnect:
        session = requests.Session()
        session.trust_env = False
        session.max_redirects = 0
        session.verify = self._ca_path or True
        session.auth = self._authenticate
        session.hooks["response"].append(_check)
        # PrometheusConnect mounts an adapter of its own on the address; the longer prefix wins.
        session.mount(f"{self._address}/", _LimitedAdapter(self._max_bytes))
        return PrometheusConnect(self._address, session=session, timeout=self._timeout, retry=urllib3.Retry(total=0))

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._token()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


class _LimitedAdapter(HTTPAdapter):
    """Reads the body itself, so that neither a huge nor a dripping answer can hold the thread."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=_MAX_THREADS, max_retries=urllib3.Retry(total=0, read=False))
        self._max_bytes = max_bytes

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        timeout = float(kwargs["timeout"])
        deadline = time.monotonic() + timeout
        response = super().send(request, *args, **{**kwargs, "stream": True})
        try:
            body = self._read(response, deadline)
        except requests.RequestException:
            raise
        except urllib3.exceptions.TimeoutError as error:
            raise requests.ReadTimeout(str(error), request=request) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise requests.ConnectionError(str(error), request=request) from error
        finally:
            response.raw.release_conn()
        response.raw = io.BytesIO(body)
        return response

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            response.raw.close()
            raise _TooLargeError(f"the answer has {int(announced)} bytes, more than {self._max_bytes}")
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                response.raw.close()
                raise _TooLargeError(f"the answer has more than {self._max_bytes} bytes")
            if time.monotonic() > deadline:
                response.raw.close()
                raise requests.ReadTimeout("the answer was not complete in time")
        return bytes(body)


def _start(work: Callable[[], T]) -> tuple["asyncio.Future[T]", threading.Thread]:
    """Run `work`, which must not raise, in a daemon thread of its own."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T) -> None:
        if not future.done():
            future.set_result(result)

    def run() -> None:
        result = work()
        # The loop may have closed meanwhile; then nobody waits for the result.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, result)

    thread = threading.Thread(target=run, name="prometheus-query", daemon=True)
    thread.start()
    return future, thread


def _check(response: requests.Response, *_: Any, **__: Any) -> None:
    """Look at what the library throws away: the status in machine-readable form, and warnings about missing parts."""
    if response.is_redirect:
        raise _StatusError(response.status_code, f"redirected to {response.headers.get('Location', '?')}")
    if response.status_code != 200:
        raise _StatusError(response.status_code, response.text)
    if b'"warnings"' in response.content:
        warnings = response.json().get("warnings")
        if warnings:
            raise _PartialError("; ".join(str(warning) for warning in warnings)[:300])


def _query(
    connection: PrometheusConnect, *, query: str, timeout: float, read: Callable[[Any], QueryResult]
) -> QueryResult:
    try:
        result = connection.custom_query(query, params={"timeout": f"{timeout:g}s"}, timeout=timeout)
    except Exception as error:
        return build_failure(error)
    return read(result)


def _query_range(
    connection: PrometheusConnect, *, query: str, start: datetime, end: datetime, step: float, timeout: float
) -> QueryResult:
    params = {"timeout": f"{timeout:g}s"}
    try:
        result = connection.custom_query_range(query, start, end, f"{step:g}s", params=params, timeout=timeout)
    except Exception as error:
        return build_failure(error)
    return observe_series(result)


def build_failure(error: Exception) -> Failure:
    """Map whatever the library let through: its own exception, those of requests, and those of a wrong JSON."""
    match error:
        case requests.Timeout():
            return Failure("Timeout", f"no whole answer in time: {error}")
        case _TooLargeError():
            return Failure("TooLarge", str(error))
        case _PartialError():
            return Failure("InvalidAnswer", f"the answer is not complete: {error}")
        case _StatusError(status=400 | 422):
            return Failure("InvalidAnswer", f"the query was refused: {error}")
        case requests.JSONDecodeError() | requests.exceptions.InvalidJSONError():
            return Failure("InvalidAnswer", f"the answer is no JSON (a login page?): {error}")
        case requests.RequestException() | OSError() | urllib3.exceptions.HTTPError():
            return Failure("Unreachable", str(error))
        case PrometheusApiClientException():
            return Failure("Unreachable", str(error)[:300])
        case _:
            return Failure("InvalidAnswer", f"the answer cannot be read: {type(error).__name__}: {error}")


def observe_series(result: Any) -> QueryResult:
    """Read the `result` of a range selector: a list of series, each with labels and its raw samples."""
    if not isinstance(result, list) or not all(isinstance(item, dict) for item in result):
        return Failure("InvalidAnswer", "the answer is a single value; ask for a range such as name[30s]")
    if any("values" not in item for item in result):
        kind = "native histograms" if any("histograms" in item for item in result) else "single values"
        return Failure("InvalidAnswer", f"the answer has {kind} instead of samples; ask for a range such as name[30s]")
    try:
        return Answer(tuple(_read_series(item["metric"], item["values"]) for item in result))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return Failure("InvalidAnswer", f"the answer has a sample that is none: {error}")


def observe_values(result: Any) -> QueryResult:
    """Read the `result` of an expression: a list of series with one value each."""
    if not isinstance(result, list) or not all(isinstance(item, dict) for item in result):
        return Failure("InvalidAnswer", "the answer has no labels; ask for a series")
    if any("value" not in item for item in result):
        return Failure("InvalidAnswer", "the answer has samples over time; ask for one value, without a range")
    try:
        return Answer(tuple(_read_series(item["metric"], [item["value"]]) for item in result))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return Failure("InvalidAnswer", f"the answer has a sample that is none: {error}")


def _read_series(metric: Mapping[str, Any], values: list[Any]) -> Series:
    samples = tuple(Sample(float(timestamp), float(value)) for timestamp, value in values)
    return Series({str(name): str(value) for name, value in metric.items()}, samples)
