"""What a run's child is at, read from the child itself, its pods, and the queue it may stand in.

Waiting is not running: two clocks. A state that its controller has not caught up with is no end, a child that is gone
or has been replaced by another of its name is Absent, and neither is ever taken for success. The first end that is seen
must be kept by the caller: controllers have been seen to take theirs back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from serinus.api.meta import parse_time
from serinus.api.runplan import OutcomeRules
from serinus.api.statuspath import Path, find_first
from serinus.core.retrain.kindrules import Group, Kind
from serinus.core.retrain.kinds import find_told, resolve_kind
from serinus.core.waiting import find_waiting

Raw = dict[str, Any]
ChildState = Literal["Absent", "Queued", "Running", "Succeeded", "Failed", "Errored"]
ENDED: Final[frozenset[ChildState]] = frozenset({"Succeeded", "Failed", "Errored"})

UNKNOWN_KIND: Final = "UnknownKind"
STALE: Final = "StatusNotCurrent"
NOT_STARTED: Final = "NotStarted"
SUSPENDED: Final = "Suspended"
REPLACED: Final = "Replaced"


@dataclass(frozen=True)
class ChildView:
    """What trains, as observed. Failed: the training says no. Errored: it could not be carried out."""

    state: ChildState
    reason: str = ""
    """One word: of its controller, of the scheduler, or of Kueue while it waits."""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    generation_observed: bool = True
    """False while its controller has not seen the last change of its spec."""
    may_still_run: bool = False
    """Whether it is at its end while what it started may go on using accelerators."""
    leaving: bool = False
    """Whether it is being deleted."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def observe_child(
    raw: Raw | None,
    template: Raw,
    outcome: OutcomeRules | None = None,
    workload: Raw | None = None,
    *,
    pods: Iterable[Raw] | None = None,
    uid: str | None = None,
    begun: bool = False,
) -> ChildView:
    """What the child is at. `raw` is None where there is none; `template` and `outcome` are the run's; `workload` is
    Kueue's Workload of the child (`find_workload`), `pods` are its pods where they are known; `uid` is that of the
    child that was made, `begun` whether the run has seen it begin. Total: raises nothing, whatever the status is."""
    if raw is None:
        return ChildView("Absent")
    metadata = _object(raw.get("metadata"))
    if uid is not None and metadata.get("uid") not in (None, uid):
        return ChildView("Absent", REPLACED, f"another object has its name, uid {metadata.get('uid')}")
    view = _observe(raw, resolve_kind(template, outcome), workload, pods, begun=begun)
    return replace(view, leaving=metadata.get("deletionTimestamp") is not None)


def find_workload(workloads: Iterable[Raw], child: Raw) -> Raw | None:
    """Kueue's Workload of a child: the newest that it owns and that is not over."""
    uid = _object(child.get("metadata")).get("uid")
    own = [
        one
        for one in workloads
        if uid is not None
        and any(
            isinstance(reference, dict) and reference.get("uid") == uid
            for reference in _object(one.get("metadata")).get("ownerReferences") or ()
        )
    ]
    return max(own, key=lambda one: (_condition(one, "Finished") is None, _created(one)), default=None)


def _observe(
    raw: Raw, kind: Kind | None, workload: Raw | None, pods: Iterable[Raw] | None, *, begun: bool
) -> ChildView:
    if kind is None:
        message = "the operator does not know this kind: set outcome.successWhen and outcome.failureWhen"
        return ChildView("Running", UNKNOWN_KIND, message)
    known = list(pods) if pods is not None else []
    end = _find_end(raw, kind)
    if end is not None:
        if not _is_current(raw):
            message = "its status is older than its spec; its controller has not seen the last change"
            return ChildView("Running", STALE, message, generation_observed=False)
        return _describe_end(raw, kind, end, known)
    view = _describe_waiting(raw, kind, workload) or _describe_start(raw, kind, known, begun=begun)
    if view is None:
        view = ChildView("Running", started_at=_find_start(raw, kind, known))
    return replace(view, generation_observed=_is_current(raw))


def _find_end(raw: Raw, kind: Kind) -> ChildState | None:
    """Failure wins: an object that tells both is at odds with itself, and that is no success."""
    if _any(kind.failure, raw):
        return "Failed"
    if _any(kind.error, raw):
        return "Errored"
    return "Succeeded" if _any(kind.success, raw) else None


def _describe_end(raw: Raw, kind: Kind, end: ChildState, pods: Sequence[Raw]) -> ChildView:
    runs = _any(kind.still_runs, raw) or any(_is_at_work(pod) for pod in pods)
    return ChildView(
        end,
        find_told(raw, kind.reason) if end != "Succeeded" else "",
        find_told(raw, kind.message),
        started_at=_find_start(raw, kind, pods),
        finished_at=_find_time(raw, kind.ended),
        may_still_run=runs and end != "Succeeded",
    )


def _describe_waiting(raw: Raw, kind: Kind, workload: Raw | None) -> ChildView | None:
    """Why it waits for its turn, as somebody says: Kueue first, who knows why; else the child."""
    queued = _read_workload(workload) if workload is not None else None
    if queued is not None:
        return queued
    if not _any(kind.waiting, raw):
        return None
    suspended = _object(raw.get("spec")).get("suspend") is True
    reason = find_told(raw, kind.reason) or (SUSPENDED if suspended else NOT_STARTED)
    return ChildView("Queued", reason, find_told(raw, kind.message))


def _describe_start(raw: Raw, kind: Kind, pods: Sequence[Raw], *, begun: bool) -> ChildView | None:
    """Why it has not begun although nobody holds it. Once it has, pods that are replaced are no return to the queue."""
    if begun:
        return None
    if kind.begun and not _any(kind.begun, raw) and not any(_has_node(pod) for pod in pods):
        return ChildView("Queued", find_told(raw, kind.reason) or NOT_STARTED, find_told(raw, kind.message))
    if pods and not any(_has_node(pod) for pod in pods):
        waiting = find_waiting(pods)
        if waiting is not None:
            return ChildView("Queued", waiting.reason, waiting.message)
        return ChildView("Queued", NOT_STARTED, "none of its pods has a node yet")
    return None


def _read_workload(workload: Raw) -> ChildView | None:
    """What Kueue says; None where it holds nothing back."""
    finished = _condition(workload, "Finished")
    if finished is not None:
        rejected = finished.get("reason") == "AdmissionChecksRejected"
        message = str(finished.get("message") or "")
        return ChildView("Errored", "AdmissionChecksRejected", message) if rejected else None
    evicted = _condition(workload, "Evicted")
    if evicted is not None:
        return _queued(evicted, "Evicted")
    if _condition(workload, "Admitted") is not None:
        return None
    if _object(workload.get("spec")).get("active") is False:
        return ChildView("Queued", "Deactivated", "its Workload is not active")
    reserved = next((one for one in _conditions(workload) if one.get("type") == "QuotaReserved"), None)
    if reserved is None:
        return ChildView("Queued", "QuotaPending", "Kueue has not looked at its Workload yet")
    if reserved.get("status") != "True":
        return _queued(reserved, "QuotaPending")
    checks = _object(workload.get("status")).get("admissionChecks")
    for check in checks if isinstance(checks, list) else ():
        if isinstance(check, dict) and check.get("state") != "Ready":
            message = f"admission check {check.get('name')}: {check.get('message') or check.get('state')}"
            return ChildView("Queued", "AdmissionCheckPending", message)
    return ChildView("Queued", "NotAdmitted", str(reserved.get("message") or ""))


def _queued(condition: Raw, otherwise: str) -> ChildView:
    return ChildView("Queued", str(condition.get("reason") or otherwise), str(condition.get("message") or ""))


def _any(groups: Iterable[Group], raw: Raw) -> bool:
    return any(group and all(test.holds(raw) for test in group) for group in groups)


def _is_current(raw: Raw) -> bool:
    """Whether the status is about the spec as it is; kinds that do not say so are believed."""
    seen = _object(raw.get("status")).get("observedGeneration")
    generation = _object(raw.get("metadata")).get("generation")
    return not (isinstance(seen, int) and isinstance(generation, int) and 0 < seen < generation)


def _find_start(raw: Raw, kind: Kind, pods: Sequence[Raw]) -> datetime | None:
    """When the first pod got to its node, where pods are known: an object's own start is when somebody first looked at
    it, whether or not there was room."""
    starts = [at for pod in pods if (at := _time(_object(pod.get("status")).get("startTime"))) is not None]
    return min(starts) if starts else _find_time(raw, kind.started)


def _find_time(raw: Raw, paths: Sequence[Path]) -> datetime | None:
    return next((at for path in paths if (at := _time(find_first(raw, path))) is not None), None)


def _time(value: object) -> datetime | None:
    try:
        moment = parse_time(value)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _has_node(pod: Raw) -> bool:
    begun = _object(pod.get("status")).get("phase") in ("Running", "Succeeded", "Failed")
    return begun or bool(_object(pod.get("spec")).get("nodeName"))


def _is_at_work(pod: Raw) -> bool:
    return _object(pod.get("status")).get("phase") == "Running"


def _conditions(obj: Raw) -> list[Raw]:
    given = _object(obj.get("status")).get("conditions")
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _condition(obj: Raw, type_: str) -> Raw | None:
    """The condition of that type, where it is True."""
    return next((one for one in _conditions(obj) if one.get("type") == type_ and one.get("status") == "True"), None)


def _created(obj: Raw) -> str:
    return str(_object(obj.get("metadata")).get("creationTimestamp") or "")


def _object(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}
