"""The mirror of strategy Shadow: a filter in every rule of the main route, before those of the user.

It stands first so that a gateway that counts mirrored requests by the place of the filter (Envoy Gateway) always finds
it at place 0. Ours is told from a user's by where it leads: to the Service of a revision."""

import re
from typing import Any, Final

from serinus.core.children import SERVICE_PORT
from serinus.core.revision import ID_LENGTH
from serinus.core.snapshot import Mirror

Raw = dict[str, Any]

MIRRORS: Final = "HTTPRouteRequestMirror"
MIRRORS_SHARE: Final = "HTTPRouteRequestPercentageMirror"
_ALL: Final = 100


def build_mirror(mirror: Mirror) -> Raw:
    """The filter. All requests are what every gateway that can mirror does by itself; a share is a feature of its
    own."""
    backend = {"group": "", "kind": "Service", "name": mirror.target, "port": SERVICE_PORT}
    share = {} if mirror.percent == _ALL else {"percent": mirror.percent}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": backend, **share}}


def observe_mirror(rule: Raw, deployment: str, asked: int) -> Mirror | None:
    """Our mirror in a rule of the route of the ModelDeployment `deployment`, whose user asks for so many filters."""
    filters = rule.get("filters") or []
    if len(filters) <= asked or not is_own(filters[0], deployment):
        return None
    mirror = filters[0]["requestMirror"]
    return Mirror(mirror["backendRef"]["name"], int(mirror.get("percent", _ALL)))


def without_mirror(rule: Raw, deployment: str) -> Raw:
    """The rule without our mirror."""
    kept = [one for one in rule.get("filters") or () if not is_own(one, deployment)]
    rest = {name: value for name, value in rule.items() if name != "filters"}
    return {**rest, "filters": kept} if kept else rest


def is_mirrored(route: Raw) -> bool:
    """Whether any rule of a main route has our mirror."""
    name = route["metadata"]["name"]
    return any(is_own(one, name) for rule in route["spec"].get("rules") or () for one in rule.get("filters") or ())


def is_own(one: Raw, deployment: str) -> bool:
    """Whether a filter mirrors to a revision of the ModelDeployment."""
    name = ((one.get("requestMirror") or {}).get("backendRef") or {}).get("name", "")
    return re.fullmatch(rf"{re.escape(deployment)}-[0-9a-f]{{{ID_LENGTH}}}", name) is not None


def find_missing_mirror(percent: int, supported: frozenset[str], *, known: bool) -> str | None:
    """What a gateway lacks to mirror `percent` of the requests, and what to do instead; None where it can.

    `supported` are the features that its GatewayClass declares; where it declares none, `known` says whether it is
    known to mirror. Unlike other filters a mirror is never tried on trust: a gateway that does not know it may answer
    every request with 500."""
    needs, cure = f"spec.rollout.strategy: Shadow needs {MIRRORS}", "choose another strategy"
    if not supported:
        return None if known else f"{needs}, and the gateway does not declare what it supports: {cure}"
    if MIRRORS not in supported:
        return f"{needs}, which the gateway does not support: {cure}"
    if percent < _ALL and MIRRORS_SHARE not in supported:
        needs = f"spec.rollout.shadow.percent: {percent} needs {MIRRORS_SHARE}"
        return f"{needs}, which the gateway does not support: set 100"
    return None
