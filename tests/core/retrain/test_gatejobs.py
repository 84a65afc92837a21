"""The Job of a gate speaks for one gate and one model, and only about the model when it ended as agreed."""

from datetime import timedelta
from typing import Any

import pytest

from serinus.api.gatespec import Gate
from serinus.api.runstatus import RunModel
from serinus.core.retrain.gatejobs import LATENESS, JobReport, build_gate_job, name_gate_job, observe_gate_job
from tests.core.retrain.build import CANDIDATE, CHAMPION, DATA, NOW, RUN, build_run

Raw = dict[str, Any]

MODEL = RunModel(uri="models:/fraud/7", digest=CANDIDATE, snapshot=DATA)
POD: Raw = {"spec": {"containers": [{"name": "attack", "image": "attack:2"}]}}
GATE = Gate.model_validate({"name": "robustness", "kind": "Robustness", "job": {"template": POD}, "min": "0.8"})
UNBOUNDED = Gate.model_validate({"name": "robustness", "kind": "Robustness", "job": {"template": POD}})


def build(gate: Gate = GATE, model: RunModel = MODEL) -> Raw:
    return build_gate_job(build_run(), gate, model, run_name=RUN, owner_uid="r1", namespace="ml")


def ended(state: str, reason: str = "", code: int = 0, message: str = "", gate: Gate = GATE) -> JobReport:
    job = build(gate)
    job["metadata"]["uid"] = "j1"
    condition = {"type": state, "status": "True", "reason": reason, "lastTransitionTime": "2026-11-23T09:59:00Z"}
    job["status"] = {"conditions": [condition] if state else [], "failed": int(code != 0), "succeeded": int(code == 0)}
    end = {"exitCode": code, "finishedAt": "2026-11-23T09:58:59Z", "message": message}
    pod = {
        "metadata": {"name": "p", "ownerReferences": [{"uid": "j1"}]},
        "status": {"phase": "Running", "containerStatuses": [{"state": {"terminated": end}}]},
    }
    return observe_gate_job(job, [pod], gate, MODEL, NOW)


def test_a_job_is_told_which_model_and_which_champion() -> None:
    job = build()
    told = {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert told == {
        "SERINUS_RUN": RUN,
        "SERINUS_GATE": "robustness",
        "SERINUS_MODEL_URI": "models:/fraud/7",
        "SERINUS_MODEL_DIGEST": CANDIDATE,
        "SERINUS_CHAMPION_URI": "models:/fraud/6",
        "SERINUS_CHAMPION_DIGEST": CHAMPION,
        "SERINUS_DATA_SNAPSHOT": DATA,
    }
    assert job["metadata"]["name"] == f"{RUN}-robustness"
    assert job["metadata"]["ownerReferences"][0]["kind"] == "RetrainRun"
    assert job["spec"]["template"]["metadata"]["labels"]["serinus.dev/retrain-run"] == RUN
    assert job["spec"]["activeDeadlineSeconds"] == 1800
    assert POD == {"spec": {"containers": [{"name": "attack", "image": "attack:2"}]}}, "the record must not change"


def test_names_fit_and_stay_apart() -> None:
    long = f"{'f' * 38}-1a2b3c4d"
    names = {name_gate_job(long, f"{'g' * 39}{end}") for end in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


@pytest.mark.parametrize(
    ("report", "state", "message"),
    [
        (ended("Complete", message='{"robustness": 0.9}'), "Succeeded", ""),
        (ended("Complete", gate=UNBOUNDED), "Succeeded", "says yes"),
        (ended("Complete", message="all good"), "Unknown", "not JSON"),
        (ended("Complete"), "Unknown", "reported nothing"),
        (
            ended("Failed", "PodFailurePolicy", 1, "3 of 5 attacks succeed"),
            "Failed",
            "exit code 1: 3 of 5 attacks succeed",
        ),
        (ended("Failed", "BackoffLimitExceeded", 75), "Unknown", "could not be carried out"),
        (ended("Failed", "PodFailurePolicy", 64), "Unknown", "configured wrongly"),
        (ended("Failed", "DeadlineExceeded", 1), "Unknown", "not finished within 30m"),
        (ended("", code=0), "Running", ""),
    ],
)
def test_a_job_says_by_its_end_what_it_found(report: JobReport, state: str, message: str) -> None:
    assert report.state == state
    assert message in report.message


def test_a_report_may_be_seconds_behind_the_end() -> None:
    job = build()
    condition = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-23T10:00:00Z"}
    job["status"] = {"conditions": [condition]}
    assert observe_gate_job(job, [], GATE, MODEL, NOW + timedelta(seconds=1)).state == "Running"
    assert observe_gate_job(job, [], GATE, MODEL, NOW + LATENESS).state == "Unknown"


def test_a_job_of_another_model_or_another_gate_says_nothing() -> None:
    assert observe_gate_job(None, [], GATE, MODEL, NOW).state == "Pending"
    other = build(model=RunModel(uri="models:/fraud/6", digest=CHAMPION))
    other["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert observe_gate_job(other, [], GATE, MODEL, NOW).state == "Pending"
    changed = build(UNBOUNDED)
    changed["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert observe_gate_job(changed, [], GATE, MODEL, NOW).state == "Pending"
