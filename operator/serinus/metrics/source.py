"""What it means to read metrics: raw samples with their own timestamps, or a failure as a value.

Nothing here raises. "Cannot be known" is an answer like any other; the judge decides what follows from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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


FailureReason = Literal["Unreachable", "Timeout", "InvalidAnswer", "TooLarge"]
"""Unreachable: no connection, or an error of the server. Timeout: no whole answer in time. InvalidAnswer: the server
refused the query, answered in another shape, or only in part. TooLarge: more than we are willing to read."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer; `message` is a sentence for people, without credentials."""

    reason: FailureReason
    message: str


QueryResult = Answer | Failure


class MetricSource(Protocol):
    """A place to read metrics from."""

    async def fetch_series(self, query: str) -> QueryResult:
        """Ask now for the samples that a range selector such as `requests_total{job="x"}[30s]` covers."""
        ...

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        """Ask for the past of the series that a plain selector chooses, at every `step` seconds from `start` to `end`
        (aware datetimes).
        """
        ...

    async def fetch_instant(self, query: str) -> QueryResult:
        """Ask for the value of an expression now: series of one sample each."""
        ...

    def close(self) -> None:
        """Give back connections and threads; nothing is asked afterwards."""
        ...
