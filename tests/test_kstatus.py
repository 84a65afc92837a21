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


def test_what_is_being_deleted_is_terminating() -> None:
    assert assess_kstatus(build(deleted=True, Ready="True/Serving")) == "Terminating"
