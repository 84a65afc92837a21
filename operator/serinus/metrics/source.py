"""What it means to read metrics: raw samples with their own timestamps, or a failure as a value.

Nothing here raises. "Cannot be known" is an answer like any other; the judge decides what follows from it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Sample:
    """One scraped value; may be NaN or infinite. `timestamp` is the metric server's own, in seconds since 1970."""

    timestamp: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one set of labels (`__name__` among them), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server has. No series at all is an answer too."""

    series: tuple[Series, ...]


FailureReason = Literal[
    "Unreachable",
    "Timeout",
    "Throttled",
    "Unauthorized",
    "UntrustedCertificate",
    "SecretNotFound",
    "SecretNotReadable",
    "InvalidSecret",
    "InvalidAnswer",
    "QueryRefused",
    "TooLarge",
]
"""Each is a word of `serinus.api.reasons`, where it is explained."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer; `message` is a sentence for people, without credentials and without foreign text."""

    reason: FailureReason
    message: str
    of_query: bool = False
    """The query is to blame (it was refused, gives too much, or something else than was asked for), so that nothing is
    known of the server."""
    retry_after: float = 0.0
    """Seconds for which the server asked to be left alone."""


QueryResult = Answer | Failure


@dataclass(frozen=True, slots=True)
class Access:
    """What a server wants to see and has to show: a bearer token, and the certificates (PEM) of the authorities that
    may have signed its own; None is no token, and the authorities that the system trusts.
    """

    token: str | None = field(default=None, repr=False)
    authorities: str | None = None


FetchAccess = Callable[[bool], Awaitable[Access | Failure]]
"""Called before each query. True asks to look anew: the server has refused what was sent last."""


class MetricSource(Protocol):
    """A place to read metrics from."""

    async def fetch_series(self, query: str) -> QueryResult:
        """Ask now for the samples that a range selector such as `requests_total{job="x"}[30s]` covers."""
        ...

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        """Ask for the past of the series that a selector or an expression gives, at every `step` seconds from `start`
        to `end` (aware datetimes).
        """
        ...

    async def fetch_instant(self, query: str) -> QueryResult:
        """Ask for the value of an expression now: series of one sample each."""
        ...

    def close(self) -> None:
        """Give back connections and threads; nothing is asked afterwards."""
        ...
