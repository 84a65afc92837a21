"""The things that can be measured of a revision, by the names that specs, profiles and the judge share."""

from typing import Final, Literal

Signal = Literal[
    "Errors", "Aborts", "Latency", "TimeToFirstToken", "InterTokenLatency", "QueueTime", "QueueDepth", "CacheUse"
]
"""Errors, Aborts: answered requests and those that failed, or that were broken off. Latency: time to the end of the
answer, TimeToFirstToken, InterTokenLatency and QueueTime: what their names say, all as histograms in seconds.
QueueDepth: requests that wait. CacheUse: share of the key-value cache in use, 0 to 1."""

LatencySignal = Literal["Latency", "TimeToFirstToken", "InterTokenLatency", "QueueTime"]
GaugeSignal = Literal["QueueDepth", "CacheUse"]
RatioSignal = Literal["Errors", "Aborts"]

LATENCY_SIGNALS: Final[frozenset[Signal]] = frozenset({"Latency", "TimeToFirstToken", "InterTokenLatency", "QueueTime"})
GAUGE_SIGNALS: Final[frozenset[Signal]] = frozenset({"QueueDepth", "CacheUse"})
