"""Gather: everything that a decision about a RetrainRun looks at. The only place of it that reads the store."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from serinus.api import retrainreasons as words
from serinus.api.meta import ANNOTATION_CANCEL, parse_time
from serinus.api.podtemplate import child
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.retrainstatus import RetrainPolicyStatus
from serinus.api.runstatus import RetrainRunStatus, RunModel
from serinus.api.validate import check_retrain_policy
from serinus.controllers.ownership import has_owner
from serinus.controllers.retrain.desk import Order, RunDesk
from serinus.controllers.retrain.gategather import Jobs, model_of, with_gates
from serinus.controllers.wakeup import of_run
from serinus.core.observe import observe_status
from serinus.core.retrain.approval import Ballot, count_approvals
from serinus.core.retrain.blackout import find_blackout
from serinus.core.retrain.child import name_results
from serinus.core.retrain.fate import find_fate
from serinus.core.retrain.following import follows, observe_policy_status
from serinus.core.retrain.outcome import ChildView, find_workload, observe_child
from serinus.core.retrain.quarantine import find_quarantine
from serinus.core.retrain.records import observe_run
from serinus.core.retrain.results import Fault, find_in_child, find_termination_message, read_results
from serinus.core.retrain.runview import RunSnapshot
from serinus.core.snapshot import Problem
from serinus.engine.store import Key, Store
from serinus.kube.resources import KUEUE_WORKLOADS, Resource, kind_of
from serinus.kube.training import find_training_kind

Raw = dict[str, Any]


TAKEN_BACK: Final = frozenset({"RolledBack", "Rejected", "Cancelled"})
"""Ends after which what was handed over is not to be served: an open pull request is closed, an alias moved back."""
NOTHING_REFUSED: Final[Mapping[str, Problem]] = {}


@dataclass(frozen=True)
class Child:
    """What trains, if it is there, and the metadata of its run."""

    raw: Raw | None
    run: Raw


@dataclass(frozen=True)
class RunGathered:
    """A snapshot, and what the effects need besides it."""

    snapshot: RunSnapshot
    run: RetrainRunSpec
    uid: str
    raw: Raw
    resource: Resource | None
    child: Raw | None
    model: RunModel | None


def gather_run(
    store: Store,
    key: Key,
    raw: Raw,
    *,
    now: datetime,
    desk: RunDesk,
    kinds: tuple[Resource, ...],
    refused: Mapping[str, Problem] = NOTHING_REFUSED,
) -> RunGathered | None:
    """Everything known of one run; None where its record cannot be read. `refused` says of which gates the Job cannot
    be made, by their name."""
    read, metadata = observe_run(raw), raw["metadata"]
    if read is None:
        return None
    spec, status = read.spec, read.status
    template = spec.plan.template
    resource = find_training_kind(kinds, str(template.get("apiVersion")), str(template.get("kind")))
    found = _find_child(store, key, metadata["uid"], resource)
    policy = _find_policy(store, key, spec)
    snapshot = RunSnapshot(
        name=key.name,
        namespace=key.namespace,
        generation=int(metadata.get("generation") or 0),
        now=now,
        spec=spec,
        status=status,
        child=_observe(store, key, spec, status, found),
        child_uid=found["metadata"]["uid"] if found is not None else None,
        child_problem=_find_child_problem(spec, status, resource),
        cancel=_find_cancel(metadata, policy),
    )
    snapshot = _with_results(store, key, snapshot, Child(found, metadata), desk)
    snapshot = _with_surroundings(store, key, snapshot, policy)
    snapshot = with_gates(store, key, snapshot, desk, Jobs(metadata["uid"], model_of(snapshot), refused))
    snapshot = _with_promotion(key, snapshot, desk)
    return RunGathered(snapshot, spec, metadata["uid"], raw, resource, found, model_of(snapshot))


def _find_child(store: Store, key: Key, uid: str, resource: Resource | None) -> Raw | None:
    if resource is None:
        return None
    raw = store.get(kind_of(resource), key.namespace, key.name)
    return raw if raw is not None and has_owner(raw, uid) else None


def _observe(store: Store, key: Key, spec: RetrainRunSpec, status: RetrainRunStatus, found: Raw | None) -> ChildView:
    workloads = store.by_owner(kind_of(KUEUE_WORKLOADS), key.namespace, of_run(key.name))
    return observe_child(
        found,
        spec.plan.template,
        spec.plan.outcome,
        find_workload(workloads, found) if found is not None else None,
        pods=store.by_owner("Pod", key.namespace, of_run(key.name)),
        uid=status.child.uid if status.child is not None else None,
        begun=status.started_at is not None,
    )


def _find_child_problem(spec: RetrainRunSpec, status: RetrainRunStatus, resource: Resource | None) -> Problem | None:
    if resource is not None or status.child is not None:
        return None
    template = spec.plan.template
    message = f"{template.get('apiVersion')} {template.get('kind')} is not among the kinds that may train"
    return Problem(words.CHILD_REFUSED, f"{message} (SERINUS_TRAINING_KINDS)")


def _find_cancel(metadata: Raw, policy: Raw | None) -> str | None:
    """Why the run is to end. Without its policy nobody would take a candidate over, and nobody wants one."""
    asked = (metadata.get("annotations") or {}).get(ANNOTATION_CANCEL)
    return asked or ("its RetrainPolicy is gone" if policy is None else None)


def _find_policy(store: Store, key: Key, spec: RetrainRunSpec) -> Raw | None:
    policy = store.get("RetrainPolicy", key.namespace, spec.policy.name)
    return policy if policy is not None and policy["metadata"]["uid"] == spec.policy.uid else None


def _with_results(store: Store, key: Key, s: RunSnapshot, child_: Child, desk: RunDesk) -> RunSnapshot:
    """The results, as long as somebody waits for them: what they said is in the status afterwards."""
    ended = s.child is not None and s.child.state == "Succeeded"
    if s.status.phase not in ("Training", "Collecting", "Queued") or not ended:
        return s
    source = s.spec.plan.results
    text: str | Problem | None
    if source.from_ == "TerminationMessage":
        text = find_termination_message(store.by_owner("Pod", key.namespace, of_run(key.name)))
    elif source.from_ == "ChildStatus":
        text = find_in_child(child_.raw or {}, source.path or "")
    else:
        known = store.get("ConfigMap", key.namespace, name_results(key.name))
        text = _find_stranger(known, child_.run) or desk.read_results(key, source, known)
    if not isinstance(text, str):
        return replace(s, results=text)
    results = read_results(text, s.spec.plan, s.spec.snapshot)
    s = replace(s, results=results, results_text=text)
    if isinstance(results, Fault):
        return s
    return replace(s, pinned=desk.pin(key, results.uri, results.digest))


def _find_stranger(config_map: Raw | None, run: Raw) -> Problem | None:
    """Why a ConfigMap has no results of this run: its name can be guessed, and one that was there before is no work of
    its training."""
    if config_map is None:
        return None
    made, begun = (parse_time(one.get("creationTimestamp")) for one in (config_map["metadata"], run))
    if made is None or begun is None or made >= begun:
        return None
    return Problem(
        words.RESULTS_MISSING, f"ConfigMap {config_map['metadata']['name']} is older than the run: remove it"
    )


def _with_surroundings(store: Store, key: Key, s: RunSnapshot, policy: Raw | None) -> RunSnapshot:
    deployment = store.get("ModelDeployment", key.namespace, s.spec.model_deployment)
    model = model_of(s)
    status = observe_policy_status(policy) if policy is not None else RetrainPolicyStatus()
    checked = check_retrain_policy((policy or {}).get("spec") or {}, s.spec.policy.name)
    blackout = None if isinstance(checked, tuple) else find_blackout(checked.blackouts, "Promotion", s.now)
    revisions = store.by_owner("ModelRevision", key.namespace, s.spec.model_deployment)
    handed_at = s.status.promotion.at if s.status.promotion is not None else None
    return replace(
        s,
        followed=policy is not None and follows(deployment, policy),
        fate=find_fate(revisions, model, handed_at, _find_stable(deployment)) if model is not None else None,
        held_digest=_find_held(store, key, s, model),
        promotion_held=f"blackout {blackout.cron!r}" if blackout is not None else None,
        held_until=blackout.until if blackout is not None else None,
        cleared_at=_cleared_at(s, status),
        ballot=_count(store, key, s),
    )


def _find_stable(deployment: Raw | None) -> str | None:
    """The revision that a ModelDeployment says is stable."""
    stable = observe_status(deployment).stable if deployment is not None else None
    return stable.revision if stable is not None else None


def _find_held(store: Store, key: Key, s: RunSnapshot, model: RunModel | None) -> str | None:
    if model is None or model.digest is None:
        return None
    policies = [
        (one["metadata"]["name"], observe_policy_status(one)) for one in store.list("RetrainPolicy", key.namespace)
    ]
    held = find_quarantine(policies, s.spec.policy.name, model.digest, s.now)
    return held.evidence or held.reason if held is not None and held.run != s.name else None


def _cleared_at(s: RunSnapshot, status: RetrainPolicyStatus) -> datetime | None:
    """When the last of the triggers that asked for the run was well again, since it was decided."""
    names = {one.trigger for one in s.spec.reasons if one.first_bad_at is not None}
    states = [one for one in status.triggers if one.name in names]
    if not states or any(one.state != "Clear" or one.since is None or one.since < s.spec.decided_at for one in states):
        return None
    return max(one.since for one in states if one.since is not None)


def _count(store: Store, key: Key, s: RunSnapshot) -> Ballot | None:
    model = s.status.model
    if s.status.phase not in ("Validating", "AwaitingApproval") or model is None or model.digest is None:
        return None
    approvals = [one for one in store.list("ModelApproval", key.namespace) if child(one, "spec").get("run") == key.name]
    requested_at = next((one.at for one in s.status.transitions if one.phase == "AwaitingApproval"), s.now)
    return count_approvals(
        s.spec.plan.approval,
        key.name,
        s.spec.requester,
        model.digest,
        approvals,
        requested_at=requested_at,
        now=s.now,
    )


def _with_promotion(key: Key, s: RunSnapshot, desk: RunDesk) -> RunSnapshot:
    """The hand-over by somebody else's system, once it is time, and its return after a rollback."""
    promotion = s.spec.plan.promotion
    if promotion.target == "Direct" or s.status.model is None:
        return s
    order = Order(s.name, s.namespace, s.spec, s.status)
    if s.status.phase in TAKEN_BACK:
        return replace(s, restored=desk.restore(key, order))
    free = s.promotion_held is None or (s.status.promotion is not None and s.status.promotion.at is not None)
    if s.status.phase == "Promoting" and free:
        return replace(s, handed=desk.hand_over(key, order))
    return s
