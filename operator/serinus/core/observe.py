"""From raw objects to what a decision looks at. Total: whatever another controller, or a person, has put into an
object.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from serinus.api import reasons
from serinus.api.meta import LABEL_REVISION
from serinus.api.modelrevision import ModelRevisionStatus
from serinus.api.modelspec import LOADER
from serinus.api.status import ModelDeploymentStatus
from serinus.core.children import is_subset
from serinus.core.snapshot import RevisionRecord, Waiting, Warmth, Workload

Raw = dict[str, Any]

LABEL_SERVICE_NAME = "kubernetes.io/service-name"
"""Set on every EndpointSlice by the controller that makes it."""

IMAGE_REASONS = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
NODE_NOT_READY = "node is not ready"
"""What the node controller writes on the pods of a node that stopped answering."""

MAX_RESTARTS = 3
"""Restarts of a container after which nobody waits any longer for it to come up."""

LOADER_ALTERED = 65
"""EX_DATAERR of sysexits.h: the model is not what was asked for, and never will be."""
LOADER_AWAY = 75
"""EX_TEMPFAIL: where the model lies does not answer now."""

CRASH_REASONS = frozenset(
    {"CrashLoopBackOff", "RunContainerError", "CreateContainerError", "CreateContainerConfigError"}
)


def observe_status(raw: Raw) -> ModelDeploymentStatus:
    """The status as it stands. What cannot be read counts as not there: the objects tell the rest."""
    status = raw.get("status") or {}
    try:
        return ModelDeploymentStatus.model_validate(status)
    except ValidationError:
        return ModelDeploymentStatus()


def observe_revision(raw: Raw) -> RevisionRecord:
    metadata, spec = raw["metadata"], raw.get("spec") or {}
    try:
        status = ModelRevisionStatus.model_validate(raw.get("status") or {})
    except ValidationError:
        status = ModelRevisionStatus()
    return RevisionRecord(
        name=metadata["name"],
        number=int(spec.get("number") or 0),
        phase=status.phase,
        message=status.message,
        promoted_at=status.promoted_at,
    )


def observe_workload(
    deployment: Raw,
    pods: Sequence[Raw],
    settled_at: Mapping[str, datetime],
    *,
    wanted: Raw | None,
    now: datetime,
    warmths: Mapping[str, Warmth] | None = None,
) -> Workload:
    """A revision's Deployment and pods. `settled_at` says of every reachable pod (see `find_reachable`) when a gateway
    will have heard of it; `wanted` is the Deployment as we would write it, None where its content is not known;
    `warmths` says how warm its pods are, None where they need not be.
    """
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    in_shape = wanted is None or is_subset(_without_size(wanted), deployment)
    names = [pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"] in settled_at]
    ready = min(int(status.get("readyReplicas") or 0), len(names))
    mine = [settled_at[name] for name in names if warmths is None or _is_warm(warmths, name)]
    later = [at for at in mine if at > now]
    return Workload(
        wanted=int(spec.get("replicas", 1)),
        current=int(status.get("replicas") or 0),
        pods=sum((pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for pod in pods),
        ready=ready,
        settled=min(ready, len(mine) - len(later)),
        settles_at=max(later, default=None),
        waiting=_refused(status) or find_waiting(pods),
        warming=_find_warming(names, warmths or {}),
        in_shape=in_shape,
    )


def find_reachable(pods: Iterable[Raw], slices: Iterable[Raw]) -> set[str]:
    """Names of the pods that the Service of their own revision leads to, by its EndpointSlices.

    The slices come later than the pods' own word, by a second and more where their controller meets a conflict, and a
    gateway answers 503 for a Service that leads nowhere."""
    led_to = {
        ((piece["metadata"].get("labels") or {}).get(LABEL_SERVICE_NAME), (endpoint.get("targetRef") or {}).get("name"))
        for piece in slices
        for endpoint in piece.get("endpoints") or ()
        # Unknown counts as ready, says the API.
        if (endpoint.get("conditions") or {}).get("ready") is not False
    }
    return {
        pod["metadata"]["name"]
        for pod in pods
        if ((pod["metadata"].get("labels") or {}).get(LABEL_REVISION), pod["metadata"]["name"]) in led_to
    }


def _is_warm(warmths: Mapping[str, Warmth], pod: str) -> bool:
    return pod in warmths and warmths[pod].state == "Warm"


def _find_warming(pods: Sequence[str], warmths: Mapping[str, Warmth]) -> Waiting | None:
    """The worst that is known of pods that are not warm."""
    cold = [warmths[pod] for pod in pods if pod in warmths and not _is_warm(warmths, pod)]
    worst = next((one for one in cold if one.state == "Failed"), cold[0] if cold else None)
    if worst is None:
        return None
    failed = worst.state == "Failed"
    reason = reasons.WARMUP_FAILED if failed else reasons.WARMING_UP
    return Waiting(reason, worst.message, stops_clock=False, hopeless=failed)


def addresses_of(pods: Iterable[Raw]) -> dict[str, str]:
    """Address by name of the pods that are ready."""
    found = {}
    for pod in pods:
        status = pod.get("status") or {}
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
        if ready and status.get("podIP") and not pod["metadata"].get("deletionTimestamp"):
            found[pod["metadata"]["name"]] = str(status["podIP"])
    return found


def pods_of(pods: Iterable[Raw], revision: str) -> list[Raw]:
    return [p for p in pods if (p["metadata"].get("labels") or {}).get(LABEL_REVISION) == revision]


def _without_size(wanted: Raw) -> Raw:
    spec = {key: value for key, value in wanted["spec"].items() if key != "replicas"}
    return {"spec": spec, "metadata": {"labels": wanted["metadata"]["labels"]}}


def _refused(status: Raw) -> Waiting | None:
    """The API server refuses to create pods: a quota, or an admission policy."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            message = str(condition.get("message") or "pods are refused")
            if "exceeded quota" in message:
                return Waiting(reasons.QUOTA_EXCEEDED, message, stops_clock=True)
            return Waiting(reasons.DEPLOYING, message, stops_clock=False)
    return None


def find_waiting(pods: Sequence[Raw]) -> Waiting | None:
    """The most telling reason among pods that are not ready, in the words of scheduler or kubelet."""
    unscheduled = [m for m in map(_unschedulable, pods) if m]
    if unscheduled:
        return Waiting(reasons.WAITING_FOR_CAPACITY, unscheduled[0], stops_clock=True)
    for pod in pods:
        state = pod.get("status") or {}
        for status in (*(state.get("initContainerStatuses") or ()), *(state.get("containerStatuses") or ())):
            found = _container_waiting(status)
            if found is not None:
                return found
    return next((found for pod in pods if (found := _node_lost(pod)) is not None), None)


def _container_waiting(status: Raw) -> Waiting | None:
    """An image that cannot be had, or a container that ends again and again."""
    if status.get("name") == LOADER:
        loading = _find_loading(status)
        if loading is not None:
            return loading
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, said = waiting.get("reason"), waiting.get("message") or ""
    if reason in IMAGE_REASONS:
        return Waiting(reasons.IMAGE_PULL_FAILED, f"{reason}: {said or status.get('image')}", stops_clock=False)
    count = int(status.get("restartCount") or 0)
    # Between two ends of a loop the container runs for a moment and is not ready.
    if reason in CRASH_REASONS or (count >= MAX_RESTARTS and not status.get("ready")):
        name = status.get("name")
        message = f"container {name}: {reason or 'not ready'} after {count} restarts: {said}".rstrip(": ")
        return Waiting(reasons.CRASH_LOOPING, message, stops_clock=False, hopeless=count >= MAX_RESTARTS)
    return None


def _find_loading(status: Raw) -> Waiting | None:
    """How far the loader is, or why it cannot go on; None where it has ended well, or has not begun."""
    state = status.get("state") or {}
    if (state.get("terminated") or {}).get("exitCode") == 0:
        return None
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
    if ended is None:
        running = "running" in state
        return Waiting(reasons.MODEL_LOADING, "the model is being loaded", stops_clock=False) if running else None
    code, count = int(ended.get("exitCode") or 0), int(status.get("restartCount") or 0)
    said = str(ended.get("message") or ended.get("reason") or "").strip()[-512:]
    if code == LOADER_ALTERED:
        return Waiting(reasons.VERIFICATION_FAILED, said or "the model is not what was asked for", False, hopeless=True)
    message = f"the loader ended with exit code {code}: {said}".rstrip(": ")
    hopeless = code != LOADER_AWAY and count >= MAX_RESTARTS
    return Waiting(reasons.MODEL_NOT_LOADED, message, stops_clock=False, hopeless=hopeless)


def _node_lost(pod: Raw) -> Waiting | None:
    status: Raw = pod.get("status") or {}
    messages = [c.get("message") for c in status.get("conditions") or () if c.get("type") == "Ready"]
    if status.get("reason") != "NodeLost" and NODE_NOT_READY not in messages:
        return None
    node = (pod.get("spec") or {}).get("nodeName")
    message = f"node {node} of pod {pod['metadata']['name']} does not answer"
    return Waiting(reasons.NODE_LOST, message, stops_clock=False)


def _unschedulable(pod: Raw) -> str | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return str(condition.get("message") or "no node fits")
    return None


def created_at(raw: Raw) -> datetime:
    """Creation time of an object; objects without one count as youngest."""
    text = raw["metadata"].get("creationTimestamp")
    if not isinstance(text, str):
        return datetime.max.replace(tzinfo=UTC)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
