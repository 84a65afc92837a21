"""Who must look again when something changes: from any object to the ModelDeployments it concerns."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from serinus.api.meta import LABEL_CHECK_OF, LABEL_DEPLOYMENT, LABEL_POLICY, LABEL_RUN
from serinus.api.presets import DEFAULT_PROVIDER
from serinus.api.route import RouteSpec
from serinus.controllers.claims import Claim, ClaimIndex
from serinus.core.configmaps import list_references
from serinus.core.configmaps import slim as slim_config_map
from serinus.core.observe import created_at
from serinus.engine.store import Key, Store
from serinus.kube.resources import KUEUE_WORKLOADS
from serinus.routing.places import list_claims

Raw = dict[str, Any]


def slim(kind: str, raw: Raw) -> Raw:
    """What the store keeps of an object."""
    return slim_config_map(raw) if kind == "ConfigMap" else raw


def owner_of(raw: Raw) -> str | None:
    """Whom a child is labelled with, of the same namespace: a ModelDeployment by its name, else a RetrainRun or a
    RetrainPolicy in the words of `of_run` and `of_policy`. Kueue's Workload belongs to the run that what it queues has
    the name of."""
    if raw.get("kind") == KUEUE_WORKLOADS.kind and raw.get("apiVersion") == KUEUE_WORKLOADS.api_version:
        return next((of_run(one["name"]) for one in raw["metadata"].get("ownerReferences") or ()), None)
    labels = raw["metadata"].get("labels") or {}
    name = labels.get(LABEL_DEPLOYMENT) or labels.get(LABEL_CHECK_OF)
    if name is not None:
        return str(name)
    run, policy = labels.get(LABEL_RUN), labels.get(LABEL_POLICY)
    return of_run(run) if run is not None else of_policy(policy) if policy is not None else None


def of_run(name: str) -> str:
    """Under which owner the store keeps what belongs to a RetrainRun. No object can have a name with a slash."""
    return f"run/{name}"


def of_policy(name: str) -> str:
    """The same for a RetrainPolicy."""
    return f"policy/{name}"


class Wakeup:
    """Maps news to keys. `add(key)` queues one; no I/O, no waiting."""

    def __init__(self, store: Store, claims: ClaimIndex, add: Callable[[Key], None]) -> None:
        self._store = store
        self._claims = claims
        self._add = add
        self._readers: dict[tuple[str, str], set[Key]] = defaultdict(set)
        self._reads: dict[Key, frozenset[str]] = {}

    def notify(self, kind: str, raw: Raw) -> None:
        """Something about `raw` is new: it came, changed or went."""
        for key in self.find_keys(kind, raw):
            self._add(key)

    def notify_kind(self, kind: str) -> None:
        """The API server knows a kind since now, or no more."""
        for key in self._all_that(lambda one: True):
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
        if kind == "ConfigMap":
            metadata = raw["metadata"]
            return [*self._readers.get((metadata["namespace"], metadata["name"]), ()), *self._owner_key(raw)]
        if kind == "RetrainPolicy":
            return self._follower_keys(raw)
        return self._owner_key(raw)

    def _follower_keys(self, raw: Raw) -> list[Key]:
        """The ModelDeployment that a policy is for; whether it follows it is for its turn to see."""
        name = _part(raw, "spec", "modelDeploymentRef").get("name")
        namespace = raw["metadata"]["namespace"]
        known = isinstance(name, str) and self._store.get("ModelDeployment", namespace, name) is not None
        return [Key("ModelDeployment", namespace, str(name))] if known else []

    def _owner_key(self, raw: Raw) -> list[Key]:
        owner = owner_of(raw)
        if owner is None or "/" in owner:
            return []
        return [Key("ModelDeployment", raw["metadata"].get("namespace") or "", owner)]

    def _deployment_keys(self, raw: Raw) -> list[Key]:
        metadata = raw["metadata"]
        key = Key("ModelDeployment", metadata["namespace"], metadata["name"])
        gone = self._store.get(key.kind, key.namespace, key.name) is None
        self._note_reads(key, frozenset() if gone else _read_by(raw))
        concerned = self._claims.drop(key) if gone else self._claims.put(key, claims_of(raw), created_at(raw))
        return [key, *sorted(concerned)]

    def _note_reads(self, key: Key, names: frozenset[str]) -> None:
        """Remember whom a change of a ConfigMap concerns, so that the many others cost a look-up each."""
        before = self._reads.pop(key, frozenset())
        for name in before - names:
            readers = self._readers[key.namespace, name]
            readers.discard(key)
            if not readers:
                del self._readers[key.namespace, name]
        for name in names:
            self._readers[key.namespace, name].add(key)
        if names:
            self._reads[key] = names

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


def _read_by(raw: Raw) -> frozenset[str]:
    """Names of the ConfigMaps that a ModelDeployment refers to."""
    named = (_part(raw, "spec", "model", *path).get("configMap") for path in (("schema",), ("verify", "publicKey")))
    of_model = frozenset(name for name in named if isinstance(name, str))
    return of_model | {reference.name for reference in list_references(_part(raw, "spec", "template"))}


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
