"""The Jobs of gates: how they are made, and what one says by the way it ended.

Exit codes are those of checks (`serinus.core.checkjobs`): 0 measured, 75 trouble of the infrastructure, which the Job
controller tries again, 64 the Job itself is wrong, any other: the gate fails. Only 0 and a verdict are about the model;
the rest is missing evidence."""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from serinus.api.gatespec import Gate
from serinus.api.meta import ANNOTATION_ATTEMPT
from serinus.api.podtemplate import child
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.runstatus import RunModel
from serinus.core.checkjobs import MISCONFIGURED, RETRIED, RETRIES, build_job_spec, observe_job, read_report
from serinus.core.delivery import DIGEST, URI, set_environment
from serinus.core.names import fit_name
from serinus.core.retrain.child import build_labels, build_owner

Raw = dict[str, Any]

TIMEOUT: Final = "30m"
LABEL_GATE: Final = "serinus.dev/gate"
LATENESS: Final = timedelta(seconds=15)
"""How long after the end of a Job its report may still be on its way to us."""
_NAME_LIMIT: Final = 63


@dataclass(frozen=True)
class JobReport:
    """What a gate's Job has said. Unknown: it could not be carried out, or is wrong itself."""

    state: Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
    values: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    attempts: int = 0


def name_gate_job(run_name: str, gate: str) -> str:
    return fit_name(f"{run_name}-{gate}", _NAME_LIMIT)


def attempt_of(gate: Gate, model: RunModel) -> str:
    """Names this gate for this model: a Job that was made for another says nothing."""
    named = json.dumps([gate.dump(), model.uri, model.digest], sort_keys=True)
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def build_gate_job(
    run: RetrainRunSpec, gate: Gate, model: RunModel, *, run_name: str, owner_uid: str, namespace: str
) -> Raw:
    """The Job of a gate that has one, for the model that was trained. ValueError for a gate that has none."""
    if gate.job is None:
        raise ValueError(f"gate {gate.name} has no job")
    labels = {**build_labels(run_name, run.policy.name), LABEL_GATE: gate.name}
    template = copy.deepcopy(gate.job.template)
    metadata = template["metadata"] = {**child(template, "metadata")}
    metadata["labels"] = {**child(metadata, "labels"), **labels}
    pod = template["spec"]
    pod["restartPolicy"] = "Never"
    champion = run.champion
    environment = {
        "SERINUS_RUN": run_name,
        "SERINUS_GATE": gate.name,
        URI: model.uri,
        DIGEST: model.digest or "",
        "SERINUS_CHAMPION_URI": champion.uri if champion else "",
        "SERINUS_CHAMPION_DIGEST": (champion.digest if champion else None) or "",
        "SERINUS_DATA_SNAPSHOT": model.snapshot or "",
    }
    set_environment(pod, environment, owned=tuple(environment))
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_gate_job(run_name, gate.name),
            "namespace": namespace,
            "labels": labels,
            "annotations": {ANNOTATION_ATTEMPT: attempt_of(gate, model)},
            "ownerReferences": [build_owner(run_name, owner_uid)],
        },
        "spec": build_job_spec(template, RETRIES, gate.timeout or TIMEOUT),
    }


def observe_gate_job(job: Raw | None, pods: Iterable[Raw], gate: Gate, model: RunModel, now: datetime) -> JobReport:
    """What a gate's Job says; Pending where there is none, or one that was made for something else."""
    if job is None:
        return JobReport("Pending", message="its Job has not been made yet")
    own = list(pods)
    run = observe_job(job, own, {})
    if run.attempt != attempt_of(gate, model) or run.leaving:
        return JobReport("Pending", message="a Job that was made for another model has its name")
    status = child(job, "status")
    attempts = sum(count for key in ("active", "succeeded", "failed") if isinstance(count := status.get(key), int))
    said = f": {run.report.strip()[:120]}" if run.report.strip() else ""
    logs = f" (kubectl logs job/{run.name})"
    if run.state in ("Pending", "Running"):
        return JobReport(run.state, message=run.waiting, attempts=attempts)
    if run.state == "Failed":
        return _explain_failure(gate, run.reason, run.exit_code, f"{said}{logs}", attempts)
    bounded = gate.min is not None or gate.max is not None or gate.versus_champion is not None
    if not bounded:
        return JobReport("Succeeded", message=f"its Job says yes{said}", attempts=attempts)
    if not run.report:
        if run.ended_at is not None and now < run.ended_at + LATENESS:
            return JobReport("Running", message="its report is on its way", attempts=attempts)
        return JobReport("Unknown", message="its Job reported nothing", attempts=attempts)
    values = read_report(run.report)
    if isinstance(values, str):
        return JobReport("Unknown", message=values, attempts=attempts)
    return JobReport("Succeeded", values, attempts=attempts)


def _explain_failure(gate: Gate, reason: str, exit_code: int | None, said: str, attempts: int) -> JobReport:
    if reason == "DeadlineExceeded":
        return JobReport("Unknown", message=f"not finished within {gate.timeout or TIMEOUT}{said}", attempts=attempts)
    if exit_code in (None, RETRIED):
        return JobReport("Unknown", message=f"its Job could not be carried out ({reason}){said}", attempts=attempts)
    if exit_code == MISCONFIGURED:
        return JobReport("Unknown", message=f"its Job is configured wrongly{said}", attempts=attempts)
    return JobReport("Failed", message=f"exit code {exit_code}{said}", attempts=attempts)
