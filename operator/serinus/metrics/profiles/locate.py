"""How the labels of a series name a revision: one locator for each way there is.

Matchers only narrow what the server sends; whose a series is, the finder decides, exactly. Names go into regular
expressions escaped, and nothing of another namespace is ever taken for ours."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from serinus.metrics.profiles.model import Finder, Labels, Locator, Target


def quote(pattern: str) -> str:
    """A regular expression inside a PromQL string: backslashes and quotes are escaped once more."""
    return pattern.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def any_of(texts: Sequence[str]) -> str:
    """A regular expression for any of these texts, literally, quoted for PromQL."""
    return quote("|".join(sorted({re.escape(text) for text in texts})))


# Pods, by `namespace` and `pod`: what a scrape of pods gives in every usual set-up.


def _pod_matchers(targets: Sequence[Target]) -> str:
    # Only what every server knows can be asked for; the finder looks at the rest.
    pods = quote("(" + "|".join(sorted({re.escape(t.revision) for t in targets})) + ")-[a-z0-9]+-[a-z0-9]+")
    return f'namespace=~"{any_of([t.namespace for t in targets])}",pod=~"{pods}"'


def _pod_finder(targets: Sequence[Target]) -> Finder:
    by_name = {(t.namespace, t.revision): t for t in targets}

    def find(labels: Labels) -> Target | None:
        return by_name.get((labels.get("namespace", ""), labels.get("pod", "").rsplit("-", 2)[0]))

    return find


PODS: Final = Locator("labels namespace and pod", _pod_matchers, _pod_finder, unit=("pod",))


def _traefik_head(target: Target, kind: str) -> str:
    """The route's part of the label. Traefik folds here, and only here, whatever is neither letter nor digit, however
    much of it, into one dash."""
    namespace, route = (re.sub(r"[^A-Za-z0-9]+", "-", name) for name in (target.namespace, target.route))
    return f"{kind}-{namespace}-{route}-gw-"


def _traefik_matchers(targets: Sequence[Target], kind: str) -> str:
    names = sorted(
        {f"{_traefik_head(t, kind)}.+-svc-{re.escape(t.namespace)}-{re.escape(t.revision)}" for t in targets}
    )
    return f'service=~"{quote("(" + "|".join(names) + ")-[0-9]+@kubernetesgateway")}"'


def _traefik_finder(targets: Sequence[Target], kind: str) -> Finder:
    by_tail = {f"-svc-{t.namespace}-{t.revision}": t for t in targets}
    heads = {t: _traefik_head(t, kind) for t in targets}
    ending = re.compile(r"(-svc-.+)-[0-9]+@kubernetesgateway$")

    def find(labels: Labels) -> Target | None:
        service = labels.get("service", "")
        found = ending.search(service)
        tail = found.group(1) if found else ""
        # A name may itself contain "-svc-": the right cut is the one that a target has.
        while tail and tail not in by_tail:
            cut = tail.find("-svc-", 1)
            tail = tail[cut:] if cut > 0 else ""
        target = by_tail.get(tail)
        return target if target is not None and service.startswith(heads[target]) else None

    return find


def _traefik_service(kind: str) -> Locator:
    return Locator("label service", partial(_traefik_matchers, kind=kind), partial(_traefik_finder, kind=kind))


TRAEFIK_SERVICE: Final = _traefik_service("httproute")
TRAEFIK_GRPC_SERVICE: Final = _traefik_service("grpcroute")


# Envoy Gateway: KIND/NAMESPACE/ROUTE/rule/N/backend/I, where I is the place in backendRefs; mirrored requests are under
# .../rule/N-mirror-I, where I is the place of the filter. Ours is the first one.
_BACKEND: Final = re.compile(r"([^/]+)/([^/]+)/([^/]+)/rule/\d+(/backend/\d+|-mirror-0)")


def _backend_matchers(targets: Sequence[Target], kind: str) -> str:
    routes = "|".join(sorted({f"{re.escape(t.namespace)}/{re.escape(t.route)}" for t in targets}))
    return f'envoy_cluster_name=~"{quote(f"{kind}/({routes})/rule/[0-9]+(/backend/[0-9]+|-mirror-0)")}"'


def _backend_finder(targets: Sequence[Target], kind: str) -> Finder:
    by_place = {(kind, t.namespace, t.route, f"/backend/{t.position}"): t for t in targets}
    by_place |= {(kind, t.namespace, t.route, "-mirror-0"): t for t in targets if t.mirrored}

    def find(labels: Labels) -> Target | None:
        found = _BACKEND.fullmatch(labels.get("envoy_cluster_name", ""))
        return by_place.get(found.groups()) if found else None  # type: ignore[arg-type]

    return find


def _envoy_backend(kind: str) -> Locator:
    name = "label envoy_cluster_name, by the place in backendRefs"
    return Locator(name, partial(_backend_matchers, kind=kind), partial(_backend_finder, kind=kind))


ENVOY_BACKEND: Final = _envoy_backend("httproute")
ENVOY_GRPC_BACKEND: Final = _envoy_backend("grpcroute")


# Envoy by itself: clusters named after namespace and Service, with one of the usual characters between them.
_PARTS: Final = re.compile(r"[/_|]")


def _cluster_matchers(targets: Sequence[Target]) -> str:
    names = "|".join(sorted({f"{re.escape(t.namespace)}[/_]{re.escape(t.revision)}" for t in targets}))
    return f'envoy_cluster_name=~"{quote(f"({names})([/_].*)?")}"'


def _cluster_finder(targets: Sequence[Target]) -> Finder:
    by_name = {(t.namespace, t.revision): t for t in targets}

    def find(labels: Labels) -> Target | None:
        parts = _PARTS.split(labels.get("envoy_cluster_name", ""))
        return by_name.get((parts[0], parts[1])) if len(parts) > 1 else None

    return find


ENVOY_CLUSTER: Final = Locator("label envoy_cluster_name: NAMESPACE/SERVICE", _cluster_matchers, _cluster_finder)


def _by_labels(title: str, namespace: str, name: str, unit: tuple[str, ...] = ("instance",)) -> Locator:
    """A locator for servers that put namespace and name of a Service or workload into labels of their own."""

    def matchers(targets: Sequence[Target]) -> str:
        names, spaces = any_of([t.revision for t in targets]), any_of([t.namespace for t in targets])
        return f'{name}=~"{names}",{namespace}=~"{spaces}"'

    def finder(targets: Sequence[Target]) -> Finder:
        by_name = {(t.namespace, t.revision): t for t in targets}
        return lambda labels: by_name.get((labels.get(namespace, ""), labels.get(name, "")))

    return Locator(title, matchers, finder, unit)


ISTIO_WORKLOAD: Final = _by_labels(
    "label destination_workload", "destination_workload_namespace", "destination_workload", ("pod", "instance")
)
LINKERD_BACKEND: Final = _by_labels("label backend_name", "backend_namespace", "backend_name", ("pod", "instance"))
