"""HTTP to a metric server as prometheus-api-client does it, with the limits that it does not have.

A body is read up to a size and a deadline, and is not parsed here. A redirect is not followed (behind it is a login
page, which must not get the token). Nothing of what was sent may ever be part of an error.
"""

import email.utils
import io
import socket
import ssl
import time
from contextlib import suppress
from functools import partial
from typing import Any, Final

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

MAX_BYTES: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024


class TooLargeError(requests.RequestException):
    """The answer has more bytes than we are willing to read."""


class StatusError(requests.RequestException):
    """Another HTTP status than 200. `retry_after`: seconds that the server asked for, 0 if it did not."""

    def __init__(self, status: int, body: bytes = b"", retry_after: float = 0.0) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


class Body:
    """What an answer consists of; `server_time` is the server's clock in seconds since 1970, if it told it."""

    def __init__(self, response: requests.Response) -> None:
        self.content: bytes = response.content
        date = email.utils.parsedate_tz(response.headers.get("Date", ""))
        self.server_time = None if date is None else float(email.utils.mktime_tz(date))


class Client:
    """A connection for one query at a time, which sends `token`. `cut` may be called from another thread.

    `context` says whom to trust; None is for addresses of http.
    """

    def __init__(self, address: str, timeout: float, max_bytes: int, context: ssl.SSLContext | None) -> None:
        self.token: str | None = None
        self.context = context
        self._adapter = _Adapter(max_bytes, context)
        session = requests.Session()
        session.trust_env = False
        session.max_redirects = 0
        session.auth = self._authenticate
        session.hooks["response"].append(_check)
        # PrometheusConnect mounts an adapter of its own on the address; the longer prefix wins.
        session.mount(f"{address}/", self._adapter)
        self.prometheus = PrometheusConnect(address, session=session, timeout=timeout, retry=urllib3.Retry(total=0))

    def cut(self) -> None:
        """Break the connection that the query under way uses, so that its thread ends now and not when it likes."""
        self._adapter.line.cut()

    def close(self) -> None:
        """Give back the connection."""
        self.prometheus.close()

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def build_context(authorities: str | None) -> ssl.SSLContext:
    """Whom to trust: only the given certificates (PEM), or whom the system trusts. ValueError for what is no PEM."""
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise ValueError("no certificates in PEM form") from error
    # An authority below the root may be given as the one to trust, as everywhere else in Kubernetes.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class _Line:
    """The socket of the query under way."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None

    def cut(self) -> None:
        line = self.socket
        if line is not None:
            with suppress(OSError):
                # That of a TLS socket would first take away what its reader is using.
                socket.socket.shutdown(line, socket.SHUT_RDWR)


class _Noting:
    """Notes the socket of a connection when it is made, and when it is used again."""

    def __init__(self, *args: Any, line: _Line, **kwargs: Any) -> None:
        self._line = line
        super().__init__(*args, **kwargs)

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._line.socket = self.sock  # type: ignore[attr-defined]

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._line.socket = self.sock  # type: ignore[attr-defined]
        super().request(*args, **kwargs)  # type: ignore[misc]


class _NotingHTTP(_Noting, HTTPConnection):
    pass


class _NotingHTTPS(_Noting, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    """Reads the body itself, so that neither a huge nor a dripping answer can hold the thread."""

    def __init__(self, max_bytes: int, context: ssl.SSLContext | None) -> None:
        self.line = _Line()
        self._max_bytes = max_bytes
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=urllib3.Retry(total=0, read=False))

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        return host, {**pool, "ssl_context": self._context}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        connection = _NotingHTTPS if pool.scheme == "https" else _NotingHTTP
        pool.ConnectionCls = partial(connection, line=self.line)
        return pool

    def cert_verify(self, conn: Any, *args: Any, **kwargs: Any) -> None:
        # The original adds the authorities that come with the library to those in the context.
        conn.cert_reqs = "CERT_REQUIRED"

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        deadline = time.monotonic() + float(kwargs["timeout"])
        response = super().send(request, *args, **{**kwargs, "stream": True})
        try:
            body = self._read(response, deadline)
        except requests.RequestException:
            raise
        except urllib3.exceptions.TimeoutError as error:
            raise requests.ReadTimeout(request=request) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise requests.ConnectionError(request=request) from error
        finally:
            response.raw.release_conn()
            self.line.socket = None
        response.raw = io.BytesIO(body)
        return response

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            response.raw.close()
            raise TooLargeError(f"the answer has {int(announced)} bytes, more than {self._max_bytes}")
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                response.raw.close()
                raise TooLargeError(f"the answer has more than {self._max_bytes} bytes")
            if time.monotonic() > deadline:
                response.raw.close()
                raise requests.ReadTimeout("the answer was not complete in time")
        return bytes(body)


def _check(response: requests.Response, *_: Any, **__: Any) -> None:
    """Look at what the library throws away, and hand the rest through it unread.

    It parses a body without limits and returns only `data.result`, so that warnings about missing parts would be lost.
    """
    if response.status_code != 200:
        wished = response.headers.get("Retry-After", "")
        retry_after = float(wished) if wished.isdecimal() and len(wished) < 9 else 0.0
        raise StatusError(response.status_code, response.content, retry_after)
    body = Body(response)
    response.json = lambda **_: {"data": {"result": body}}  # type: ignore[method-assign]
