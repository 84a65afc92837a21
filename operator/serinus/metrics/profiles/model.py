"""What a profile is made of. Data only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from serinus.api.signals import Signal

Labels = Mapping[str, str]


@dataclass(frozen=True, order=True, slots=True)
class Target:
    """A revision whose figures are read: its Service and Deployment have the revision's name, its route that of the
    ModelDeployment. `position` is the place of its backend in every rule of the route; with `mirrored` the requests
    that the route mirrors count as its own too.
    """

    namespace: str
    revision: str
    route: str
    position: int = 0
    mirrored: bool = False


Finder = Callable[[Labels], Target | None]


@dataclass(frozen=True)
class Locator:
    """How labels name a revision: `build_matchers` gives PromQL matchers that select the targets' series and few
    others, `build_finder` a function from labels to the target, exact. `unit` names the label of the pod or proxy that
    counted.
    """

    name: str
    build_matchers: Callable[[Sequence[Target]], str] = field(compare=False)
    build_finder: Callable[[Sequence[Target]], Finder] = field(compare=False)
    unit: tuple[str, ...] = ("instance",)


Bad = Literal["Never", "Always", "Part"]
"""Never: the series counts requests. Always: it counts failures that no other series counts. Part: it counts failures
that are among the requests of another series."""


@dataclass(frozen=True)
class Counter:
    """A counter of requests. `bad` tells which of them failed: by the kind of the series, or by the value of the first
    of `labels` that is there: a status that begins with 5, or one of `bad_values`. `only` are values that labels must
    have. `by_status` is for a family of series, METRIC_WORDS_STATUS: the status at the end of the name decides."""

    metric: str
    bad: Bad = "Never"
    labels: tuple[str, ...] = ()
    bad_values: frozenset[str] = frozenset()
    only: tuple[tuple[str, str], ...] = ()
    by_status: bool = False


@dataclass(frozen=True)
class Ratio:
    """Requests and failures, from one or more counters."""

    counters: tuple[Counter, ...]


@dataclass(frozen=True)
class Histogram:
    """A classic histogram. `scale` turns its unit into seconds; `buckets` are its default bounds in seconds, for the
    documentation, where they are known."""

    metric: str
    scale: float = 1.0
    only: tuple[tuple[str, str], ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True)
class Gauge:
    """A value as it stands. `scale` turns its unit into the signal's."""

    metric: str
    scale: float = 1.0


Given = Ratio | Histogram | Gauge

PROBES: Final = frozenset(
    {
        "/metrics",
        "/health",
        "/healthz",
        "/livez",
        "/readyz",
        "/ready",
        "/ping",
        "/-/healthy",
        "/-/routes",
        "/v2/health/live",
        "/v2/health/ready",
        "/v1/models",
        "/health_generate",
        "grpc.health.v1.Health",
    }
)
"""Paths and gRPC services that no user asks for."""


@dataclass(frozen=True)
class Profile:
    """Where figures of a revision are counted.

    `measured_at` says by whom, for people; `cannot` why a signal is not to be had, and what to do instead; `traps` what
    an operator of the server should know. Series whose label of `path_labels` names a probe are left out.
    `needs_filter` says that the gateway tells backends apart only where each has a filter of its own, `mirrors` that it
    can mirror requests, a share of them too, and counts mirrored ones by themselves. `given` are labels that the
    scraper gives to whoever counts, and that series must have: what a series says of itself proves nothing.
    """

    name: str
    measured_at: str
    locator: Locator
    signals: Mapping[Signal, Given] = field(hash=False)
    cannot: Mapping[Signal, str] = field(default_factory=dict, hash=False)
    traps: tuple[str, ...] = ()
    path_labels: tuple[str, ...] = ()
    needs_filter: bool = False
    mirrors: bool = False
    given: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A signal cannot be had: a sentence that says why, and what to do instead."""

    message: str
