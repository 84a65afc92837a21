"""Gather: what the gates of a run have for evidence. What is somebody else's, by whatever name, is none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from serinus.api.gatespec import Gate
from serinus.api.podtemplate import child
from serinus.api.runstatus import GateResult, RunModel
from serinus.controllers.ownership import has_owner
from serinus.controllers.retrain.desk import RunDesk
from serinus.controllers.wakeup import of_run
from serinus.core.features import Features
from serinus.core.retrain.gatejobs import JobReport, name_gate_job, observe_gate_job
from serinus.core.retrain.gates import Evidence, Reading, assess_gates
from serinus.core.retrain.reading import Unknown
from serinus.core.retrain.results import Results
from serinus.core.retrain.run import evidence_is_late
from serinus.core.retrain.runtraining import read_model
from serinus.core.retrain.runview import RunSnapshot
from serinus.core.snapshot import Problem
from serinus.engine.store import Key, Store

Raw = dict[str, Any]


@dataclass(frozen=True)
class Jobs:
    """What Jobs of gates must belong to and be about, and those that cannot be made, by name of the gate."""

    owner: str
    model: RunModel | None
    refused: Mapping[str, Problem]


def model_of(s: RunSnapshot) -> RunModel | None:
    """The model that the run is about, once that is known."""
    if s.status.model is not None:
        return s.status.model
    if isinstance(s.results, Results):
        return read_model(s.results)
    return None


def with_gates(store: Store, key: Key, s: RunSnapshot, desk: RunDesk, jobs: Jobs) -> RunSnapshot:
    """What each gate says by now. What has been said is kept: the results may be gone by the next pass."""
    looking = isinstance(s.results, Results) or s.status.phase == "Validating"
    if not looking:
        return s
    plan = s.spec.plan
    said = {one.name: one for one in s.status.gates if one.verdict != "Running"}
    open_ = tuple(gate for gate in plan.gates if gate.name not in said)
    model = jobs.model
    if model is None:
        return s
    reports = _observe_jobs(store, key, open_, jobs, s.now)
    evidence = Evidence(
        # Where they are gone by now, gates that had not spoken find nothing, and that is no evidence.
        results=s.results if isinstance(s.results, Results) else Results(uri=model.uri),
        champion=s.spec.champion,
        readings=_ask(desk, key, s, open_),
        reports=reports,
        features=_champion_schema(store, key, s),
    )
    fresh = {one.name: one for one in assess_gates(open_, evidence)}
    gates: tuple[GateResult, ...] = tuple(said.get(gate.name) or fresh[gate.name] for gate in plan.gates)
    missing = {name for name in reports if store.get("Job", key.namespace, name_gate_job(key.name, name)) is None}
    return replace(s, gates=gates, missing_jobs=frozenset(missing) - jobs.refused.keys())


def _champion_schema(store: Store, key: Key, s: RunSnapshot) -> Features | None:
    """The features that the champion's revision was made for."""
    name = s.spec.champion_revision
    record = store.get("ModelRevision", key.namespace, name) if name is not None else None
    features = child(record or {}, "spec", "content", "schema").get("features")
    return features if isinstance(features, dict) else None


def _ask(desk: RunDesk, key: Key, s: RunSnapshot, gates: tuple[Gate, ...]) -> dict[str, Reading | None]:
    values = desk.ask_gates(key, s.spec.policy.name, gates, late=evidence_is_late(s.now, s.status))
    return {
        name: Reading(problem=value.message) if isinstance(value, Unknown) else Reading(value)
        for name, value in values.items()
    }


def _observe_jobs(store: Store, key: Key, gates: tuple[Gate, ...], jobs: Jobs, now: datetime) -> dict[str, JobReport]:
    pods = store.by_owner("Pod", key.namespace, of_run(key.name))
    found = {}
    for gate in gates:
        if gate.job is None or jobs.model is None:
            continue
        job = store.get("Job", key.namespace, name_gate_job(key.name, gate.name))
        if gate.name in jobs.refused:
            found[gate.name] = JobReport("Unknown", message=jobs.refused[gate.name].message)
        elif job is not None and not has_owner(job, jobs.owner):
            found[gate.name] = JobReport(
                "Unknown", message=f"a Job of somebody else has its name, {job['metadata']['name']}"
            )
        else:
            found[gate.name] = observe_gate_job(job, pods, gate, jobs.model, now)
    return found
