"""How tools read our objects: the rules of kstatus (Flux, Helm --wait, kpt) and the health that Argo CD shows.

An oracle for tests: it knows the rules that every tool applies and nothing of what the operator means."""

from collections.abc import Mapping
from typing import Any, Literal

Raw = Mapping[str, Any]
KStatus = Literal["Current", "InProgress", "Failed", "Terminating"]
Health = Literal["Healthy", "Progressing", "Suspended", "Degraded"]

_REVISION_HEALTHS: Mapping[str | None, Health] = {
    None: "Progressing",
    "Candidate": "Progressing",
    "Rejected": "Degraded",
}
_RECORDS = frozenset({"ModelApproval", "ModelRevision"})
"""Kinds whose objects are there and nothing else: they have no conditions."""
_WAITING_PHASES = frozenset({"Suspended", "AwaitingApproval"})
WAITS_FOR_A_PERSON = frozenset({"Paused", "AwaitingApproval", "Frozen", "ScaledToZero"})
"""Reasons of a ModelDeployment's Ready that the health script for Argo CD shows as Suspended."""


def assess_kstatus(obj: Raw) -> KStatus:
    """The status that kstatus computes for an object of a kind it does not know: deletion, then whether the controller
    has seen the spec, then Reconciling and Stalled, then Ready."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    conditions = _conditions(obj)
    if not _is_observed(obj) or conditions.get("Reconciling", {}).get("status") == "True":
        return "InProgress"
    if conditions.get("Stalled", {}).get("status") == "True":
        return "Failed"
    ready = conditions.get("Ready")
    return "Current" if ready is None or ready["status"] == "True" else "InProgress"


def assess_health(obj: Raw) -> Health:
    """The health of an object of any of our kinds in Argo CD."""
    kind, status = obj.get("kind", "ModelDeployment"), obj.get("status") or {}
    if kind == "ModelApproval":
        return "Healthy"
    if kind == "ModelRevision":
        return _REVISION_HEALTHS.get(status.get("phase"), "Healthy")
    conditions = _conditions(obj)
    ready = conditions.get("Ready")
    if not _is_observed(obj) or ready is None:
        return "Progressing"
    if conditions.get("Stalled", {}).get("status") == "True":
        return "Degraded"
    if kind == "ModelDeployment" and ready["reason"] in WAITS_FOR_A_PERSON:
        return "Suspended"
    if kind in ("RetrainPolicy", "RetrainRun") and status.get("phase") in _WAITING_PHASES:
        return "Suspended"
    return "Healthy" if ready["status"] == "True" else "Progressing"


def _is_observed(obj: Raw) -> bool:
    # kstatus takes an object without observedGeneration for seen; ours have it from the first visit on, or are records.
    status = obj.get("status") or {}
    if "observedGeneration" not in status and obj.get("kind") in _RECORDS:
        return True
    return status.get("observedGeneration") == obj["metadata"].get("generation")


def _conditions(obj: Raw) -> dict[str, Raw]:
    return {condition["type"]: condition for condition in (obj.get("status") or {}).get("conditions") or ()}
