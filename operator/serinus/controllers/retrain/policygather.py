"""Gather: everything that a decision about a RetrainPolicy looks at. The only place of it that reads the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from serinus import __version__
from serinus.api import reasons
from serinus.api import retrainreasons as words
from serinus.api.meta import ANNOTATION_COMMAND, ANNOTATION_COMMAND_BY, parse_time
from serinus.api.podtemplate import child
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.retrainstatus import ModelState, RetrainPolicyStatus
from serinus.api.runstatus import RetrainRunStatus
from serinus.api.status import LastCommand, ModelDeploymentStatus
from serinus.api.validate import check_retrain_policy
from serinus.controllers.access import find_provider
from serinus.controllers.analyst import Provider
from serinus.controllers.denied import find_refused
from serinus.controllers.retrain.snapshots import SnapshotReader
from serinus.controllers.wakeup import of_policy
from serinus.controllers.wants import list_query_problems
from serinus.core.observe import created_at, observe_status
from serinus.core.retrain.child import check_template
from serinus.core.retrain.cost import accelerators_of
from serinus.core.retrain.following import observe_policy_status
from serinus.core.retrain.limits import resolve_warmup
from serinus.core.retrain.policyview import PolicySnapshot
from serinus.core.retrain.reading import Reading
from serinus.core.retrain.records import RunRecord, observe_run
from serinus.core.retrain.sameness import is_same_model
from serinus.core.retrain.standing import Served
from serinus.core.revision import hash_content
from serinus.core.snapshot import Problem
from serinus.engine.store import Key, Store
from serinus.kube.resources import Resource

Raw = dict[str, Any]


class Looks(Protocol):
    """Looks at metrics when they are due; see `serinus.controllers.retrain.looks`."""

    def watch(
        self,
        key: Key,
        provider: Provider | None,
        spec: RetrainPolicySpec,
        status: RetrainPolicyStatus,
        *,
        revision: str | None,
        warm_until: datetime | None,
    ) -> Mapping[str, Reading]: ...

    def forget(self, key: Key) -> None: ...


@dataclass(frozen=True)
class PolicyGathered:
    """A snapshot, and what the effects need besides it."""

    snapshot: PolicySnapshot
    raw: Raw
    uid: str
    deployment: Raw | None


def gather_policy(
    store: Store,
    key: Key,
    raw: Raw,
    *,
    now: datetime,
    looks: Looks,
    snapshots: SnapshotReader,
    kinds: tuple[Resource, ...],
) -> PolicyGathered:
    """Everything known of one policy."""
    metadata = raw["metadata"]
    status = observe_policy_status(raw)
    checked = check_retrain_policy(raw.get("spec") or {}, key.name)
    spec = checked if isinstance(checked, RetrainPolicySpec) else None
    problems = [Problem(reasons.INVALID_SPEC, str(one)) for one in checked] if isinstance(checked, tuple) else []
    runs = _observe_runs(store, key, metadata["uid"], status)
    problems += runs.problems
    # By what is written, whether or not the rest of the spec can be read: a champion is not lost for that.
    target = str(child(raw, "spec", "modelDeploymentRef").get("name") or "")
    deployment = store.get("ModelDeployment", key.namespace, target)
    template_problem = _check_template(spec, kinds) if spec is not None else None
    if template_problem is not None:
        problems.append(template_problem)
    problems += find_refused(store, key.namespace, of_releases=False)
    if spec is not None and deployment is None:
        message = f"spec.modelDeploymentRef: there is no ModelDeployment {spec.model_deployment_ref.name!r} here"
        problems.append(Problem(words.MODEL_DEPLOYMENT_NOT_FOUND, message))
    provider, provider_problem = _find_provider(store, spec)
    of_deployment = observe_status(deployment) if deployment is not None else ModelDeploymentStatus()
    served = _find_served(store, key, target, of_deployment)
    warm_until = served.since + resolve_warmup(spec) if spec is not None and served is not None else None
    readings: Mapping[str, Reading] = {}
    if spec is None:
        looks.forget(key)
    else:
        revision = served.revision if served is not None else None
        readings = looks.watch(key, provider, spec, status, revision=revision, warm_until=warm_until)
    snapshot = _find_snapshot(store, key, spec, snapshots)
    annotations = metadata.get("annotations") or {}
    command = annotations.get(ANNOTATION_COMMAND)
    seen = PolicySnapshot(
        name=key.name,
        namespace=key.namespace,
        uid=metadata["uid"],
        generation=int(metadata.get("generation") or 0),
        created_at=created_at(raw),
        now=now,
        spec=spec,
        status=status,
        problems=tuple(problems),
        template_problem=template_problem,
        digest=hash_content(raw.get("spec") or {}),
        template_digest=hash_content(spec.template) if spec is not None else "",
        accelerators=accelerators_of(spec.template) if spec is not None else 0,
        readings=readings,
        provider_problem=provider_problem,
        query_problems=tuple(f"{place}: {why}" for place, why in list_query_problems(spec)) if spec is not None else (),
        runs=runs.records,
        run_statuses=runs.statuses,
        untold=runs.untold,
        served=served,
        stable=_find_stable_model(store, key, of_deployment),
        releasing=of_deployment.candidate is not None,
        deployment_busy=_is_busy(deployment, of_deployment),
        undo_failed=_find_failed_undo(deployment, of_deployment, status.rolled_back),
        rejected=of_deployment.rejected,
        rejected_is_own=_is_own(store, key, of_deployment, runs.statuses.values()),
        command=LastCommand(text=command).text if command else None,
        command_by=LastCommand(text="", by=annotations.get(ANNOTATION_COMMAND_BY)).by,
        snapshot=snapshot if isinstance(snapshot, str) else None,
        snapshot_problem=snapshot if isinstance(snapshot, Problem) else None,
        version=__version__,
    )
    return PolicyGathered(seen, raw, metadata["uid"], deployment)


@dataclass(frozen=True)
class _Runs:
    """The runs of a policy. `untold` are those that its status does not know of; `problems` says of which it cannot be
    known where they stand."""

    records: tuple[RunRecord, ...]
    statuses: Mapping[str, RetrainRunStatus]
    untold: Mapping[str, RetrainRunSpec]
    problems: tuple[Problem, ...]


def _observe_runs(store: Store, key: Key, uid: str, status: RetrainPolicyStatus) -> _Runs:
    records: list[RunRecord] = []
    statuses: dict[str, RetrainRunStatus] = {}
    untold: dict[str, RetrainRunSpec] = {}
    problems: list[Problem] = []
    for raw in store.by_owner("RetrainRun", key.namespace, of_policy(key.name)):
        if child(raw, "spec", "policy").get("uid") != uid:
            continue
        name, run = raw["metadata"]["name"], observe_run(raw)
        if run is None:
            message = (
                f"RetrainRun {name} cannot be read, perhaps it is of another version: delete it, or run that version"
            )
            problems.append(Problem(words.RUN_UNREADABLE, message))
            continue
        records.append(run.record)
        statuses[name] = run.status
        if run.spec.number > status.runs:
            untold[name] = run.spec
    return _Runs(tuple(records), statuses, untold, tuple(problems))


def _is_busy(deployment: Raw | None, status: ModelDeploymentStatus) -> bool:
    """Whether the ModelDeployment has a command that it has not read yet."""
    text = ((deployment or {}).get("metadata", {}).get("annotations") or {}).get(ANNOTATION_COMMAND)
    return bool(text) and (status.last_command is None or LastCommand(text=text).text != status.last_command.text)


def _find_failed_undo(deployment: Raw | None, status: ModelDeploymentStatus, rolled_back: str | None) -> str | None:
    """Why the revision that was to be taken back serves all the same, and nothing is on its way to change that."""
    last, stable = status.last_command, status.stable
    if rolled_back is None or stable is None or stable.revision != rolled_back:
        return None
    if status.candidate is not None or _is_busy(deployment, status):
        return None
    if last is None or (last.verb, last.revision) != ("undo", rolled_back):
        return "another command took the place of the one to take it back"
    return last.message or last.outcome


def _check_template(spec: RetrainPolicySpec, kinds: Iterable[Resource]) -> Problem | None:
    allowed = {f"{one.api_version}/{one.kind}" for one in kinds}
    found = check_template(spec.template, allowed, outcome=spec.outcome, results_from=spec.results.from_)
    return Problem(words.INVALID_TEMPLATE, "; ".join(map(str, found))) if found else None


def _find_provider(store: Store, spec: RetrainPolicySpec | None) -> tuple[Provider | None, Problem | None]:
    asks = spec is not None and any(one.metric or one.new_data for one in spec.triggers)
    if spec is None or not asks:
        return None, None
    found = find_provider(store, spec.provider, "spec.provider")
    return (None, found) if isinstance(found, Problem) else (found, None)


def _find_served(store: Store, key: Key, deployment: str, status: ModelDeploymentStatus) -> Served | None:
    """The stable revision, and to which one could return."""
    stable = status.stable
    if stable is None or stable.since is None:
        return None
    records = {one["metadata"]["name"]: one for one in store.by_owner("ModelRevision", key.namespace, deployment)}
    own = child(records.get(stable.revision) or {}, "status")
    retired = [one for one in records.values() if child(one, "status").get("phase") == "Retired"]
    newest = max(retired, key=lambda one: str(child(one, "status").get("retiredAt") or ""), default=None)
    return Served(
        revision=stable.revision,
        since=stable.since,
        began_at=parse_time(own.get("startedAt")),
        previous=newest["metadata"]["name"] if newest is not None else None,
        returned=_is_return(records, stable.revision),
    )


def _is_return(records: Mapping[str, Raw], stable: str) -> bool:
    """Whether a revision that was made later has been stable before: retired since, or taken back."""
    numbers = {
        name: int(child(one, "spec").get("number") or 0)
        for name, one in records.items()
        if name == stable or child(one, "status").get("promotedAt")
    }
    return max(numbers.values(), default=0) > numbers.get(stable, 0)


def _find_stable_model(store: Store, key: Key, status: ModelDeploymentStatus) -> ModelState | None:
    stable = status.stable
    record = store.get("ModelRevision", key.namespace, stable.revision) if stable is not None else None
    model = child(record or {}, "spec", "content", "model")
    return ModelState(uri=model["uri"], digest=model.get("digest")) if isinstance(model.get("uri"), str) else None


def _is_own(store: Store, key: Key, status: ModelDeploymentStatus, runs: Iterable[RetrainRunStatus]) -> bool:
    """Whether the revision that was rejected last has a model that a run of this policy made."""
    rejected = status.rejected
    record = store.get("ModelRevision", key.namespace, rejected.revision) if rejected is not None else None
    model = child(record or {}, "spec", "content", "model")
    uri, digest = model.get("uri"), model.get("digest")
    return any(one.model is not None and is_same_model(one.model, uri, digest) for one in runs)


def _find_snapshot(
    store: Store, key: Key, spec: RetrainPolicySpec | None, snapshots: SnapshotReader
) -> str | Problem | None:
    """The newest data, where it is known before a training; a Problem too while its name is being read."""
    source = spec.data.snapshot_from.config_map if spec is not None else None
    if source is None:
        snapshots.forget(key)
        return None
    found = snapshots.observe(key, source, store.get("ConfigMap", key.namespace, source.config_map))
    return found if found is not None else Problem(reasons.RESOLVING_MODEL, "the name of the newest data is being read")
