"""From raw objects to what a decision looks at. Total: whatever another controller, or a person, has put into an
object.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from serinus.api import reasons
from serinus.api.meta import LABEL_REVISION, parse_time
from serinus.api.modelrevision import ModelRevisionStatus
from serinus.api.status import ModelDeploymentStatus
from serinus.core.children import is_subset
from serinus.core.snapshot import RevisionRecord, Waiting, Warmth, Workload
from serinus.core.waiting import find_start, find_waiting

Raw = dict[str, Any]

LABEL_SERVICE_NAME = "kubernetes.io/service-name"
"""Set on every EndpointSlice by the controller that makes it."""


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
    waiting, tells_at = find_waiting(pods, _refused(status)), None
    if waiting is None:
        waiting, tells_at = find_start(pods, now)
    return Workload(
        wanted=int(spec.get("replicas", 1)),
        current=int(status.get("replicas") or 0),
        pods=sum((pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for pod in pods),
        ready=ready,
        settled=min(ready, len(mine) - len(later)),
        settles_at=max(later, default=None),
        waiting=waiting,
        tells_at=tells_at,
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


def created_at(raw: Raw) -> datetime:
    """Creation time of an object; objects without one count as youngest."""
    return parse_time(raw["metadata"].get("creationTimestamp")) or datetime.max.replace(tzinfo=UTC)
