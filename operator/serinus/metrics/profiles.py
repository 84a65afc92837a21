"""Profiles: which series tells requests and failures of a revision, for each gateway and runtime. Data, and pure
functions over it.

A profile always reads raw counters with their own timestamps (a range selector, never `rate()`), for every active
rollout in one query. It knows how a series' labels name the revision and which of them count as failures."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.core.counters import Point
from serinus.metrics.source import Series

_Finder = Callable[[Mapping[str, str]], "Target | None"]


@dataclass(frozen=True, order=True)
class Target:
    """A revision whose requests are to be counted: its Service has the revision's name, its route that of the
    ModelDeployment.
    """

    namespace: str
    revision: str
    route: str


@dataclass(frozen=True)
class Profile:
    """Where requests are counted.

    `metric` is a counter of requests in requests; `measured_at` says by whom, for people; `status_labels` are the
    labels that may hold the HTTP status, of which 5xx is a failure; `ignored` are values of `path_labels` that no user
    asked for (probes, scrapes)."""

    name: str
    metric: str
    measured_at: str
    status_labels: tuple[str, ...]
    path_labels: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()


TRAEFIK: Final = Profile(
    name="Traefik",
    metric="traefik_service_requests_total",
    measured_at="the gateway",
    status_labels=("code",),
)
"""Traefik 3 as Gateway API controller. Its `service` label joins namespace and name of route and Service with dashes,
so two objects whose joined names are equal and whose content is equal too could not be told apart."""

HTTP: Final = Profile(
    name="HTTP",
    metric="http_requests_total",
    measured_at="the pods",
    status_labels=("status", "code", "status_code"),
    path_labels=("path", "handler", "endpoint"),
    ignored=frozenset({"/metrics", "/health", "/healthz", "/livez", "/readyz", "/ready"}),
)
"""Any server that exports http_requests_total, scraped with labels `namespace` and `pod`. A request that never reached
a pod is not seen.
"""

BY_CONTROLLER: Final[Mapping[str, Profile]] = {"traefik.io/gateway-controller": TRAEFIK}


def choose_profile(controller: str | None) -> Profile:
    """The profile of a gateway by its controllerName; the pods' own counters where the gateway has none."""
    return BY_CONTROLLER.get(controller or "", HTTP)


def build_query(profile: Profile, targets: Sequence[Target], window_seconds: float) -> str:
    """One query for all targets: every raw sample of the last `window_seconds` of their request counters."""
    if profile is TRAEFIK:
        matcher = f'service=~"{_escape(_traefik_pattern(targets))}"'
    else:
        namespaces = "|".join(sorted({re.escape(t.namespace) for t in targets}))
        matcher = f'namespace=~"{_escape(namespaces)}",pod=~"{_escape(_pod_pattern(targets))}"'
    return f"{profile.metric}{{{matcher}}}[{max(int(window_seconds), 1)}s]"


def attribute_points(
    profile: Profile, targets: Sequence[Target], series: Iterable[Series]
) -> dict[Target, list[Point]]:
    """The newest sample of every series, by its target; series of nobody are left out."""
    points: dict[Target, list[Point]] = {target: [] for target in targets}
    find = _traefik_finder(targets) if profile is TRAEFIK else _pod_finder(targets)
    for one in series:
        target = find(one.labels)
        if target is None or not one.samples or _is_ignored(profile, one.labels):
            continue
        last = one.samples[-1]
        points[target].append(
            Point(
                series="\x00".join(f"{k}={v}" for k, v in sorted(one.labels.items())),
                source=one.labels.get("instance", ""),
                value=last.value,
                at=last.timestamp,
                bad=_is_bad(profile, one.labels),
            )
        )
    return points


def list_sources(series: Iterable[Series]) -> frozenset[str]:
    """The scraped targets that answered at all."""
    return frozenset(one.labels.get("instance", "") for one in series)


def _is_bad(profile: Profile, labels: Mapping[str, str]) -> bool:
    status = next((labels[label] for label in profile.status_labels if label in labels), "")
    return status.startswith("5")


def _is_ignored(profile: Profile, labels: Mapping[str, str]) -> bool:
    return any(labels.get(label) in profile.ignored for label in profile.path_labels)


def _escape(pattern: str) -> str:
    """A regular expression inside a PromQL string: backslashes and quotes are escaped once more."""
    return pattern.replace("\\", "\\\\").replace('"', '\\"')


def _traefik_head(target: Target) -> str:
    """The route's part of the label. Traefik folds here, and only here, whatever is neither letter nor digit, however
    much of it, into one dash."""
    namespace, route = (re.sub(r"[^A-Za-z0-9]+", "-", name) for name in (target.namespace, target.route))
    return f"httproute-{namespace}-{route}-gw-"


def _traefik_name(target: Target) -> str:
    return f"{_traefik_head(target)}.+-svc-{re.escape(target.namespace)}-{re.escape(target.revision)}"


def _traefik_pattern(targets: Sequence[Target]) -> str:
    return "(" + "|".join(_traefik_name(t) for t in sorted(set(targets))) + ")-[0-9]+@kubernetesgateway"


def _traefik_finder(targets: Sequence[Target]) -> _Finder:
    by_tail = {f"-svc-{t.namespace}-{t.revision}": t for t in targets}
    ending = re.compile(r"(-svc-.+)-[0-9]+@kubernetesgateway$")

    def find(labels: Mapping[str, str]) -> Target | None:
        found = ending.search(labels.get("service", ""))
        tail = found.group(1) if found else ""
        # A name may itself contain "-svc-": the right cut is the one that a target has.
        while tail and tail not in by_tail:
            cut = tail.find("-svc-", 1)
            tail = tail[cut:] if cut > 0 else ""
        target = by_tail.get(tail)
        if target is None or not labels["service"].startswith(_traefik_head(target)):
            return None
        return target

    return find


def _pod_pattern(targets: Sequence[Target]) -> str:
    return "(" + "|".join(sorted({re.escape(t.revision) for t in targets})) + ")-[a-z0-9]+-[a-z0-9]+"


def _pod_finder(targets: Sequence[Target]) -> _Finder:
    by_name = {(t.namespace, t.revision): t for t in targets}

    def find(labels: Mapping[str, str]) -> Target | None:
        revision = labels.get("pod", "").rsplit("-", 2)[0]
        return by_name.get((labels.get("namespace", ""), revision))

    return find
