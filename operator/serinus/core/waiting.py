"""Why pods are not there yet, in the words of the scheduler or the kubelet.

Three kinds, and the first that is found is told: faults of the revision itself, which more time does not cure;
obstacles outside of it, some of which only the cluster's owner can remove; and a start that takes long."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from serinus.api import reasons
from serinus.api.meta import parse_time
from serinus.api.modelspec import LOADER
from serinus.core.snapshot import Waiting

Raw = dict[str, Any]

MAX_RESTARTS = 3
"""Restarts of a container after which nobody waits any longer for it to come up."""

SAID_BY_OTHERS = frozenset(
    {
        reasons.WAITING_FOR_CAPACITY,
        reasons.QUOTA_EXCEEDED,
        reasons.SCHEDULING_GATED,
        reasons.IMAGE_PULL_FAILED,
        reasons.CRASH_LOOPING,
        reasons.NODE_LOST,
        reasons.MODEL_NOT_LOADED,
    }
)
"""Reasons whose messages hold the words of somebody else, who may change his mind."""

LOADER_ALTERED = 65
"""EX_DATAERR of sysexits.h: the model is not what was asked for, and never will be."""
LOADER_AWAY = 75
"""EX_TEMPFAIL: where the model lies does not answer now."""

LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
"""The queue in which Kueue holds a pod back."""

LONG_START = timedelta(seconds=10)
"""A pod that starts within this time is not worth a word."""

IMAGE_REASONS = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
CRASH_REASONS = frozenset(
    {"CrashLoopBackOff", "RunContainerError", "CreateContainerError", "CreateContainerConfigError", "StartError"}
)


def find_waiting(pods: Sequence[Raw], refused: Waiting | None = None) -> Waiting | None:
    """The most telling reason why pods are missing; `refused` is why some of them could not even be made."""
    living = [pod for pod in pods if _is_living(pod)]
    return (
        _first(_find_loader, living)
        or _first(_find_crash, living)
        or _first(_find_image, living)
        or refused
        or _first(_find_unschedulable, living)
        or _first(_find_gate, living)
        or _first(_find_node_lost, living)
    )


def find_start(pods: Sequence[Raw], now: datetime) -> tuple[Waiting | None, datetime | None]:
    """What the pod that has been starting for longest is at, and (None, when) where that is worth a word only later."""
    starts = [found for pod in pods if _is_living(pod) and (found := _find_start(pod)) is not None]
    if not starts:
        return None, None
    since, waiting = min(starts, key=lambda start: start[0])
    told_at = since + LONG_START
    return (waiting, None) if told_at <= now else (None, told_at)


def _first(find: Callable[[Raw], Waiting | None], pods: Sequence[Raw]) -> Waiting | None:
    found = [one for pod in pods if (one := find(pod)) is not None]
    return next((one for one in found if one.hopeless), found[0] if found else None)


def _is_living(pod: Raw) -> bool:
    """One that is on its way out, or has ended, is replaced: its successor tells the rest."""
    ended = _status(pod).get("phase") in ("Succeeded", "Failed") and _status(pod).get("reason") != "NodeLost"
    return not pod["metadata"].get("deletionTimestamp") and not ended


def _status(pod: Raw) -> Raw:
    return pod.get("status") or {}


def _containers(pod: Raw) -> list[Raw]:
    status = _status(pod)
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _condition(pod: Raw, type_: str) -> Raw:
    return next((c for c in _status(pod).get("conditions") or () if c.get("type") == type_), {})


def _find_loader(pod: Raw) -> Waiting | None:
    """Why the loader cannot go on; None where it has ended well, or has not ended at all."""
    status = next((one for one in _containers(pod) if one.get("name") == LOADER), {})
    state = status.get("state") or {}
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    code, count = int(ended.get("exitCode") or 0), int(status.get("restartCount") or 0)
    if code == 0:
        return None
    said = str(ended.get("message") or ended.get("reason") or "").strip()[-512:]
    if code == LOADER_ALTERED:
        return Waiting(reasons.VERIFICATION_FAILED, said or "the model is not what was asked for", False, hopeless=True)
    message = f"the loader ended with exit code {code}: {said}".rstrip(": ")
    hopeless = code != LOADER_AWAY and count >= MAX_RESTARTS
    return Waiting(reasons.MODEL_NOT_LOADED, message, stops_clock=False, hopeless=hopeless)


def _find_crash(pod: Raw) -> Waiting | None:
    containers = [status for status in _containers(pod) if status.get("name") != LOADER]
    found = [one for status in containers if (one := _find_container_crash(pod, status)) is not None]
    return found[0] if found else None


def _find_container_crash(pod: Raw, status: Raw) -> Waiting | None:
    """A container that ends again and again, or cannot even be started."""
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, count = waiting.get("reason"), int(status.get("restartCount") or 0)
    # Between two ends of a loop the container runs for a moment and is not ready.
    hopeless = count >= MAX_RESTARTS and not status.get("ready")
    if reason not in CRASH_REASONS and not hopeless:
        return None
    name, pod_name = status.get("name"), pod["metadata"]["name"]
    message = f"container {name} of pod {pod_name}: {reason or 'not ready'} after {count} restarts"
    if waiting.get("message"):
        message += f": {waiting['message']}"
    ended = (status.get("lastState") or {}).get("terminated")
    if ended:
        why = f" ({ended['reason']})" if ended.get("reason") else ""
        message += f"; it ended with exit code {ended.get('exitCode')}{why},"
        message += f" see kubectl logs {pod_name} -c {name} --previous"
    return Waiting(reasons.CRASH_LOOPING, message, stops_clock=False, hopeless=hopeless)


def _find_image(pod: Raw) -> Waiting | None:
    for status in _containers(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in IMAGE_REASONS:
            said = waiting.get("message") or status.get("image")
            message = f"{waiting['reason']}: {said}; correct the image's name, the registry or imagePullSecrets"
            return Waiting(reasons.IMAGE_PULL_FAILED, message, stops_clock=False)
    return None


def _find_unschedulable(pod: Raw) -> Waiting | None:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("reason") != "Unschedulable":
        return None
    return Waiting(reasons.WAITING_FOR_CAPACITY, str(scheduled.get("message") or "no node fits"), stops_clock=True)


def _find_gate(pod: Raw) -> Waiting | None:
    """A pod that somebody holds back, before the scheduler may look at it."""
    if _condition(pod, "PodScheduled").get("reason") != "SchedulingGated":
        return None
    gates = ", ".join(str(gate.get("name")) for gate in (pod.get("spec") or {}).get("schedulingGates") or ())
    queue = (pod["metadata"].get("labels") or {}).get(LABEL_QUEUE)
    message = f"pod {pod['metadata']['name']} is held back by scheduling gate {gates or 'unknown'}"
    message += f" in the queue {queue}" if queue else ""
    return Waiting(reasons.SCHEDULING_GATED, f"{message}, until its controller admits it", stops_clock=True)


def _find_node_lost(pod: Raw) -> Waiting | None:
    """The node controller takes the Ready condition of a lost node's pods and leaves what the kubelet said last."""
    ready = _condition(pod, "Ready")
    taken = ready.get("status") == "False" and ready.get("reason") != "ReadinessGatesNotReady"
    lost = taken and _condition(pod, "ContainersReady").get("status") == "True"
    if _status(pod).get("reason") != "NodeLost" and not lost:
        return None
    node, name = (pod.get("spec") or {}).get("nodeName"), pod["metadata"]["name"]
    message = f"node {node} of pod {name} does not answer; the cluster replaces the pod when it has given the node up"
    return Waiting(reasons.NODE_LOST, message, stops_clock=False)


def _find_start(pod: Raw) -> tuple[datetime, Waiting] | None:
    """What a pod that has a node and is not ready yet is at, and since when."""
    placed = parse_time(_condition(pod, "PodScheduled").get("lastTransitionTime"))
    if _condition(pod, "Ready").get("status") == "True" or placed is None:
        return None
    name, status = pod["metadata"]["name"], _status(pod)
    for one in status.get("initContainerStatuses") or ():
        # One that goes on running beside the others counts as started.
        if not one.get("ready") and not one.get("started"):
            began = _running_since(one)
            if began and one.get("name") == LOADER:
                return _start(reasons.LOADING_MODEL, began, f"the loader is putting the model into {name}")
            what = f"init container {one.get('name')} of {name} {'runs' if began else 'is being made'}"
            return _start(reasons.POD_INITIALIZING, began or placed, what)
    unready = [one for one in status.get("containerStatuses") or () if not one.get("ready")]
    for one in unready:
        if not _running_since(one):
            what = f"container {one.get('name')} of {name} is being made: its image is pulled, its volumes are mounted"
            return _start(reasons.CONTAINER_CREATING, placed, what)
    if not unready:
        return None
    began = max(moment for one in unready if (moment := _running_since(one)) is not None)
    what = f"container {unready[0].get('name')} of {name} runs and is not ready: its model is loading"
    return _start(reasons.LOADING_MODEL, began, what)


def _start(reason: str, since: datetime, what: str) -> tuple[datetime, Waiting]:
    return since, Waiting(reason, f"{what}, since {since:%H:%M:%SZ}", stops_clock=False)


def _running_since(container: Raw) -> datetime | None:
    return parse_time(((container.get("state") or {}).get("running") or {}).get("startedAt"))
