"""The oracle itself."""

import pytest

from tests.kstatus import assess_health, assess_kstatus


def build(*, observed: int = 2, deleted: bool = False, **conditions: str) -> dict[str, object]:
    """An object at generation 2; a condition is given as Type="Status/Reason"."""
    told = [
        {"type": type_, "status": said.split("/")[0], "reason": said.split("/")[1]}
        for type_, said in conditions.items()
    ]
    metadata = {"generation": 2} | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {})
    return {"metadata": metadata, "status": {"observedGeneration": observed, "conditions": told}}


@pytest.mark.parametrize(
    ("obj", "kstatus", "health"),
    [
        (build(), "Current", "Progressing"),
        (build(Ready="True/Serving"), "Current", "Healthy"),
        (build(Ready="True/Serving", observed=1), "InProgress", "Progressing"),
        (build(Ready="False/Holding", Reconciling="True/Holding"), "InProgress", "Progressing"),
        (build(Ready="False/Paused", Reconciling="True/Paused"), "InProgress", "Suspended"),
        (build(Ready="False/RolledBack", Stalled="True/AnalysisFailed"), "Failed", "Degraded"),
        (build(Ready="True/ScaledToZero"), "Current", "Suspended"),
        (build(Ready="Unknown/Deploying"), "InProgress", "Progressing"),
        (build(Ready="True/Serving", Stalled="False/Fine"), "Current", "Healthy"),
    ],
)
def test_tools_read_it_so(obj: dict[str, object], kstatus: str, health: str) -> None:
    assert (assess_kstatus(obj), assess_health(obj)) == (kstatus, health)


TABLE = {
    "first install": (
        build(Available="False/NoStableRevision", Ready="False/Deploying", Reconciling="True/Deploying"),
    ),
    "serves": (build(Available="True/StableServing", Ready="True/Serving"),),
    "canary": tuple(
        build(Available="True/StableServing", Ready=f"False/{why}", Reconciling=f"True/{why}")
        for why in ("CanaryProgressing", "Holding", "Baking")
    ),
    "a person": tuple(
        build(Available="True/StableServing", Ready=f"False/{why}", Reconciling=f"True/{why}")
        for why in ("Paused", "AwaitingApproval", "Frozen")
    ),
    "rolled back": (build(Available="True/StableServing", Ready="False/RolledBack", Stalled="True/AnalysisFailed"),),
    "bad spec": tuple(
        build(Available=said, Ready="False/InvalidSpec", Stalled="True/InvalidSpec")
        for said in ("True/StableServing", "False/NoStableRevision")
    ),
    "scaled to zero": (build(Available="False/ScaledToZero", Ready="True/ScaledToZero"),),
}
"""Every row of the table of the design, with the conditions that it gives."""
SEEN = {
    "first install": ("InProgress", "Progressing"),
    "serves": ("Current", "Healthy"),
    "canary": ("InProgress", "Progressing"),
    "a person": ("InProgress", "Suspended"),
    "rolled back": ("Failed", "Degraded"),
    "bad spec": ("Failed", "Degraded"),
    "scaled to zero": ("Current", "Suspended"),
}


@pytest.mark.parametrize("row", TABLE)
def test_every_row_of_the_status_table(row: str) -> None:
    assert {(assess_kstatus(one), assess_health(one)) for one in TABLE[row]} == {SEEN[row]}


@pytest.mark.parametrize(
    ("kind", "status", "kstatus", "health"),
    [
        ("ModelRevision", {}, "Current", "Progressing"),
        ("ModelRevision", {"phase": "Candidate"}, "Current", "Progressing"),
        ("ModelRevision", {"phase": "Rejected"}, "Current", "Degraded"),
        ("ModelRevision", {"phase": "Retired"}, "Current", "Healthy"),
        ("ModelApproval", {}, "Current", "Healthy"),
    ],
)
def test_records_are_current_as_soon_as_they_are_there(kind: str, status: dict, kstatus: str, health: str) -> None:
    obj = {"kind": kind, "metadata": {"generation": 1}, "status": status}
    assert (assess_kstatus(obj), assess_health(obj)) == (kstatus, health)


def test_what_is_being_deleted_is_terminating() -> None:
    assert assess_kstatus(build(deleted=True, Ready="True/Serving")) == "Terminating"
