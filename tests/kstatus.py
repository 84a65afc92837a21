"""How tools read our objects: the rules of kstatus (Flux, Helm --wait, kpt) and the health that Argo CD shows.

An oracle for tests: it knows the rules that every tool applies and nothing of what the operator means."""

from collections.abc import Mapping
from typing import Any, Literal

Raw = Mapping[str, Any]
KStatus = Literal["Current", "InProgress", "Failed", "Terminating"]
Health = Literal["Healthy", "Progressing", "Suspended", "Degraded"]

WAITS_FOR_A_PERSON = frozenset({"Paused", "AwaitingApproval", "Frozen", "ScaledToZero"})
"""Reasons of Ready that the health script for Argo CD shows as Suspended."""


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
    """The health of a ModelDeployment in Argo CD."""
    conditions = _conditions(obj)
    ready = conditions.get("Ready")
    if not _is_observed(obj) or ready is None:
        return "Progressing"
    if conditions.get("Stalled", {}).get("status") == "True":
        return "Degraded"
    if ready["reason"] in WAITS_FOR_A_PERSON:
        return "Suspended"
    return "Healthy" if ready["status"] == "True" else "Progressing"


def _is_observed(obj: Raw) -> bool:
    # kstatus takes an object without observedGeneration for seen; ours always has it from the first visit on.
    status = obj.get("status") or {}
    return status.get("observedGeneration") == obj["metadata"].get("generation")


def _conditions(obj: Raw) -> dict[str, Raw]:
    return {condition["type"]: condition for condition in (obj.get("status") or {}).get("conditions") or ()}
