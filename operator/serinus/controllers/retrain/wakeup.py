"""Who of the retraining loop must look again when something changes: policies and runs."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from serinus.api.meta import LABEL_POLICY, LABEL_RUN
from serinus.api.podtemplate import child
from serinus.api.presets import DEFAULT_PROVIDER
from serinus.core.retrain.child import run_of_results
from serinus.engine.store import Key, Store
from serinus.kube.resources import KUEUE_WORKLOADS, kind_of

Raw = dict[str, Any]

POLICY = "RetrainPolicy"
RUN = "RetrainRun"
WORKLOAD = kind_of(KUEUE_WORKLOADS)
_SHARED = frozenset({POLICY, RUN, "ModelDeployment", "ModelRevision"})


class RetrainWakeup:
    """Maps news to keys. `add(key)` queues one; no I/O, no waiting."""

    def __init__(self, store: Store, add: Callable[[Key], None]) -> None:
        self._store = store
        self._add = add
        self._of_deployment: dict[tuple[str, str], set[Key]] = defaultdict(set)
        self._deployment_of: dict[Key, str] = {}
        self._readers: dict[tuple[str, str], set[Key]] = defaultdict(set)
        self._reads: dict[Key, str] = {}

    def notify(self, kind: str, raw: Raw) -> None:
        """Something about `raw` is new: it came, changed or went."""
        for key in self.find_keys(kind, raw):
            self._add(key)

    def notify_kind(self, kind: str) -> None:
        """The API server knows a kind since now, or it may be read, or no more."""
        for each in (POLICY, RUN):
            for raw in self._store.list(each):
                self._add(Key(each, raw["metadata"]["namespace"], raw["metadata"]["name"]))

    def notify_written(self, kind: str, raw: Raw) -> None:
        """One of our controllers has written an object: the others that decide on it must look again."""
        if kind in _SHARED:
            for key in self.find_keys(kind, raw):
                if key.kind != kind or kind == RUN:
                    self._add(key)

    def find_keys(self, kind: str, raw: Raw) -> Iterable[Key]:
        """The policies and runs that must look again."""
        metadata = raw["metadata"]
        namespace, name = metadata.get("namespace") or "", metadata["name"]
        labels = metadata.get("labels") or {}
        match kind:
            case "RetrainPolicy":
                key = Key(POLICY, namespace, name)
                self._note(key, raw)
                # Of what is told, not of what is known: one that is gone has runs that must end.
                return [key, *_runs_of(key, raw)]
            case "RetrainRun":
                policy = labels.get(LABEL_POLICY)
                return [Key(RUN, namespace, name), *([Key(POLICY, namespace, policy)] if policy else [])]
            case "ModelApproval":
                run = child(raw, "spec").get("run")
                return [Key(RUN, namespace, run)] if isinstance(run, str) else []
            case "ModelDeployment":
                return self._of(namespace, name)
            case "ModelRevision":
                return self._of(namespace, str(child(raw, "spec").get("modelDeployment") or ""))
            case "MetricsProvider":
                return self._asking(name)
            case "ConfigMap":
                readers = sorted(self._readers.get((namespace, name), ()))
                return [*readers, *self._awaiting_results(namespace, name)]
        if kind == WORKLOAD:
            return self._queued_by(namespace, raw)
        run = labels.get(LABEL_RUN)
        return [Key(RUN, namespace, run)] if run is not None else []

    def _queued_by(self, namespace: str, workload: Raw) -> list[Key]:
        """The run whose training a Workload of Kueue queues; most are of somebody else."""
        owners = [one["name"] for one in workload["metadata"].get("ownerReferences") or ()]
        return [Key(RUN, namespace, one) for one in owners if self._store.get(RUN, namespace, one) is not None]

    def _awaiting_results(self, namespace: str, name: str) -> list[Key]:
        run = run_of_results(name)
        known = run is not None and self._store.get(RUN, namespace, run) is not None
        return [Key(RUN, namespace, str(run))] if known else []

    def _of(self, namespace: str, deployment: str) -> list[Key]:
        policies = sorted(self._of_deployment.get((namespace, deployment), ()))
        return [*policies, *(run for policy in policies for run in self._active_runs(policy))]

    def _active_runs(self, policy: Key) -> list[Key]:
        return _runs_of(policy, self._store.get(POLICY, policy.namespace, policy.name) or {})

    def _asking(self, provider: str) -> list[Key]:
        return [
            Key(POLICY, raw["metadata"]["namespace"], raw["metadata"]["name"])
            for raw in self._store.list(POLICY)
            if (child(raw, "spec").get("provider") or DEFAULT_PROVIDER) == provider
        ]

    def _note(self, key: Key, raw: Raw) -> None:
        """Remember whom a change of a ModelDeployment or a ConfigMap concerns, so that the many others cost a look-up
        each."""
        gone = self._store.get(key.kind, key.namespace, key.name) is None
        spec = {} if gone else child(raw, "spec")
        deployment = child(spec, "modelDeploymentRef").get("name")
        config_map = child(spec, "data", "snapshotFrom", "configMap").get("configMap")
        _keep(self._of_deployment, self._deployment_of, key, deployment)
        _keep(self._readers, self._reads, key, config_map)


def _runs_of(policy: Key, raw: Raw) -> list[Key]:
    active = child(raw, "status").get("activeRun")
    return [Key(RUN, policy.namespace, active)] if isinstance(active, str) else []


def _keep(index: dict[tuple[str, str], set[Key]], names: dict[Key, str], key: Key, name: object) -> None:
    """Let `index` lead from the name to the key, and from no other name any more."""
    before = names.pop(key, None)
    if before is not None:
        index[key.namespace, before].discard(key)
        if not index[key.namespace, before]:
            del index[key.namespace, before]
    if isinstance(name, str):
        names[key] = name
        index[key.namespace, name].add(key)
