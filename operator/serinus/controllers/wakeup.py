"""Who must look again when something changes: from any object to the ModelDeployments it concerns."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from serinus.api.meta import LABEL_DEPLOYMENT
from serinus.api.presets import DEFAULT_PROVIDER
from serinus.api.route import RouteSpec
from serinus.controllers.claims import Claim, ClaimIndex
from serinus.core.observe import created_at
from serinus.engine.store import Key, Store
from serinus.routing.gateway_api import list_claims

Raw = dict[str, Any]


def owner_of(raw: Raw) -> str | None:
    """The ModelDeployment (of the same namespace) that a child is labelled with."""
    return (raw["metadata"].get("labels") or {}).get(LABEL_DEPLOYMENT)


class Wakeup:
    """Maps news to keys. `add(key)` queues one; no I/O, no waiting."""

    def __init__(self, store: Store, claims: ClaimIndex, add: Callable[[Key], None]) -> None:
        self._store = store
        self._claims = claims
        self._add = add

    def notify(self, kind: str, raw: Raw) -> None:
        """Something about `raw` is new: it came, changed or went."""
        for key in self.find_keys(kind, raw):
            self._add(key)

    def find_keys(self, kind: str, raw: Raw) -> Iterable[Key]:
        """The ModelDeployments that must look again."""
        if kind == "ModelDeployment":
            return self._deployment_keys(raw)
        if kind == "MetricsProvider":
            return self._all_that(lambda one: _provider_of(one) == raw["metadata"]["name"])
        if kind == "Gateway":
            metadata = raw["metadata"]
            return self._all_that(lambda one: _has_parent(one, metadata["namespace"], metadata["name"]))
        if kind == "GatewayClass":
            return self._all_that(lambda one: True)
        owner = owner_of(raw)
        return [] if owner is None else [Key("ModelDeployment", raw["metadata"].get("namespace") or "", owner)]

    def _deployment_keys(self, raw: Raw) -> list[Key]:
        metadata = raw["metadata"]
        key = Key("ModelDeployment", metadata["namespace"], metadata["name"])
        if self._store.get(key.kind, key.namespace, key.name) is None:
            concerned = self._claims.drop(key)
        else:
            concerned = self._claims.put(key, claims_of(raw), created_at(raw))
        return [key, *sorted(concerned)]

    def _all_that(self, matches: Callable[[Raw], bool]) -> list[Key]:
        return [
            Key("ModelDeployment", raw["metadata"]["namespace"], raw["metadata"]["name"])
            for raw in self._store.list("ModelDeployment")
            if matches(raw)
        ]


def claims_of(raw: Raw) -> frozenset[Claim]:
    """Hosts and paths that a ModelDeployment claims; none while its route cannot be read."""
    try:
        route = RouteSpec.model_validate(_part(raw, "spec", "route"))
    except ValidationError:
        return frozenset()
    return list_claims(raw["metadata"]["namespace"], route) if route.mode == "Gateway" else frozenset()


def _provider_of(raw: Raw) -> str:
    provider = _part(raw, "spec", "rollout", "analysis").get("provider")
    return provider if isinstance(provider, str) else DEFAULT_PROVIDER


def _has_parent(raw: Raw, namespace: str, name: str) -> bool:
    own = raw["metadata"]["namespace"]
    parents = _part(raw, "spec", "route").get("parentRefs")
    return isinstance(parents, list) and any(
        isinstance(ref, dict) and (ref.get("namespace") or own, ref.get("name")) == (namespace, name) for ref in parents
    )


def _part(raw: Raw, *path: str) -> Mapping[str, Any]:
    """A nested object, empty where something on the way is missing or no object."""
    here: Any = raw
    for step in path:
        here = here.get(step) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}
