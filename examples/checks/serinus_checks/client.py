"""Asking the model, and telling apart whose fault it is when there is no answer."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx

from .answers import Answer, Failure
from .config import Config, OpenInferenceTarget
from .errors import ConfigError, InfraError, UnacceptableError
from .protocols import Features, build_body, metadata_path, read_answers, request_path, rows_per_request

_MISTAKEN: Final = frozenset((301, 302, 303, 307, 308, 401, 403, 404, 405))
"""Nobody is at home where we knock: that is our address, not the model."""
_PASSING: Final = frozenset((429, 502, 503, 504))
"""Whoever stands before the model, or it is overloaded: nothing is known of it."""
_EXCERPT: Final = 120

Result = Answer | Failure


class ModelClient:
    """The Service of one revision. `pause` and `clock` are arguments so that tests need not wait."""

    def __init__(
        self,
        url: str,
        config: Config,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.clock = clock
        self._pause = pause
        self._path = request_path(config.target)
        # A proxy from the environment has no business between a Job and a Service of the same cluster.
        self._http = httpx.Client(
            base_url=url,
            timeout=config.target.timeout_seconds,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=256),
        )

    def __enter__(self) -> "ModelClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def wait_until_reachable(self) -> None:
        """InfraError where nobody answers in time, or only with 5xx."""
        target = self.config.target
        until = self.clock() + target.reachable_within_seconds
        while True:
            said = self._knock(target.health_path)
            if not said:
                return
            if self.clock() + 1 > until:
                address = f"GET {self._http.base_url.join(target.health_path)}"
                raise InfraError(
                    f"{address} was not answered within {target.reachable_within_seconds:g} s"
                    f" (target.reachableWithinSeconds): {said}"
                )
            self._pause(1)

    def _knock(self, path: str) -> str:
        try:
            status = self._http.get(path).status_code
        except httpx.TransportError as error:
            return str(error) or type(error).__name__
        return f"HTTP {status}" if status >= 500 else ""

    def fetch_metadata(self) -> dict[str, Any] | str:
        """What an Open Inference server says of its model, or why that is not known."""
        target = self.config.target
        if not isinstance(target, OpenInferenceTarget):
            return "protocol JSON has no metadata"
        path = metadata_path(target)
        try:
            response = self._http.get(path)
            body = response.json() if response.status_code == 200 else None
        except (httpx.RequestError, ValueError, RecursionError) as error:
            return f"GET {path}: {error}"
        return body if isinstance(body, dict) else f"GET {path} is answered with HTTP {response.status_code}, no object"

    def ask(self, rows: Sequence[Features]) -> list[Result]:
        """An answer to each row, or why the model gave none to it. InfraError where it could not be asked."""
        results: list[Result] = []
        size = rows_per_request(self.config.target)
        for start in range(0, len(rows), size):
            results += self._ask_batch(rows[start : start + size])
        return results

    def _ask_batch(self, rows: Sequence[Features]) -> list[Result]:
        found = self.send(rows)
        if isinstance(found, Failure) and _is_passing(found):
            self.wait_until_reachable()
            found = self.send(rows)
        if not isinstance(found, Failure):
            return list(found)
        if _is_passing(found):
            raise InfraError(f"POST {self._path} with {len(rows)} rows: {found}")
        if len(rows) == 1:
            return [found]
        # One row can spoil a batch: which one is worth knowing.
        return [result for row in rows for result in self._ask_batch([row])]

    def send(self, rows: Sequence[Features]) -> list[Answer] | Failure:
        """One request. UnacceptableError where the answer is no answer, ConfigError where nobody is at the address."""
        return self._post(build_body(self.config, rows), len(rows))

    def time_one(self, row: Features) -> float | Failure:
        """Seconds until the answer to one row is there; making the request and reading the answer do not count."""
        body = build_body(self.config, [row])
        taken: list[float] = []
        found = self._post(body, 1, taken)
        return found if isinstance(found, Failure) else taken[0]

    def _post(self, body: dict[str, Any], count: int, taken: list[float] | None = None) -> list[Answer] | Failure:
        request = self._http.build_request("POST", self._path, json=body)
        begun = self.clock()
        try:
            response = self._http.send(request)
        except httpx.TimeoutException:
            limit = self.config.target.timeout_seconds
            return Failure(None, f"no answer within {limit:g} s (target.timeoutSeconds; target.batch makes it smaller)")
        except httpx.TransportError as error:
            return Failure(None, str(error) or type(error).__name__)
        except httpx.DecodingError as error:
            raise UnacceptableError(f"POST {self._path}: {error}") from error
        if taken is not None:
            taken.append(self.clock() - begun)
        return self._read(response, count)

    def _read(self, response: httpx.Response, count: int) -> list[Answer] | Failure:
        status, excerpt = response.status_code, response.text[:_EXCERPT].strip()
        if status in _MISTAKEN:
            raise ConfigError(
                f"POST {self._path} is answered with HTTP {status}: {excerpt!r}. The address must be the model's:"
                " see target.protocol, target.model and target.path"
            )
        if status != 200:
            return Failure(status, excerpt)
        try:
            return read_answers(self.config, response.json(), count)
        except UnacceptableError as error:
            raise UnacceptableError(f"POST {self._path}: {error}; the answer begins with {excerpt!r}") from error
        except (ValueError, RecursionError) as error:
            raise UnacceptableError(f"POST {self._path}: the answer is not JSON but {excerpt!r}") from error


def _is_passing(failure: Failure) -> bool:
    return failure.status is None or failure.status in _PASSING
