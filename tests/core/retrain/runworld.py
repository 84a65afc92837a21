"""A run and its surroundings, moved by hand: what is set here is what the next pass sees."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from serinus.api.retrainrun import PolicyReference, RetrainRunSpec
from serinus.api.retrainstatus import ModelState, TriggerReason
from serinus.api.runplan import RunPlan
from serinus.api.runstatus import TERMINAL, RetrainRunStatus
from serinus.core.retrain.gates import Evidence, assess_gates
from serinus.core.retrain.outcome import ChildView
from serinus.core.retrain.results import Results, read_results
from serinus.core.retrain.run import decide_run
from serinus.core.retrain.runview import CreateChild, DeleteChild, RunGateJob, RunSnapshot
from serinus.core.retrain.runview import RunPlan as Decision

START = datetime(2026, 3, 1, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
CHAMPION = "sha256:" + "c" * 64
DATA = "sha256:" + "d" * 64


def results(**changes: Any) -> str:
    """Results as a training writes them; dotted keys replace what stands there, None removes it."""
    told: dict[str, Any] = {
        "model": {"uri": "models:/fraud/8", "digest": DIGEST},
        "data": {"id": "2026-03-01", "digest": DATA, "rows": 12000},
        "source": {"revision": "4f2c"},
        "metrics": {"f1": 0.93},
        "champion": {"digest": CHAMPION, "metrics": {"f1": 0.91}},
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        here = told
        for step in way:
            here = here[step]
        if value is None:
            here.pop(last)
        else:
            here[last] = value
    return json.dumps(told)


def plan(**changes: Any) -> RunPlan:
    body: dict[str, Any] = {
        "template": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"template": {"spec": {"containers": [{"name": "train", "image": "train:1"}]}}},
        },
        "queueTimeout": "10m",
        "activeDeadline": "1h",
        "gates": [{"name": "f1", "kind": "Metric", "value": "metrics.f1", "min": "0.90"}],
        "observation": {"bake": "1h"},
    }
    return RunPlan.model_validate(body | changes)


@dataclass
class RunWorld:
    """`text` is what the training says; a pass sees it once the child has succeeded."""

    plan: RunPlan = field(default_factory=plan)
    now: datetime = START
    status: RetrainRunStatus = field(default_factory=RetrainRunStatus)
    child: ChildView = field(default_factory=lambda: ChildView("Absent"))
    text: str | None = field(default_factory=results)
    seen: dict[str, Any] = field(default_factory=dict)
    followed: bool = True
    champion: str = "models:/fraud/7"
    gate_jobs: list[str] = field(default_factory=list)
    created: int = 0
    deleted: int = 0
    writes: int = 0
    events: list[str] = field(default_factory=list)

    @property
    def spec(self) -> RetrainRunSpec:
        first_bad = START - timedelta(minutes=30)
        return RetrainRunSpec(
            policy=PolicyReference(name="fraud", uid="u", generation=1, digest="0" * 64),
            number=1,
            model_deployment="fraud",
            reasons=(TriggerReason(trigger="accuracy", kind="metric", at=START, first_bad_at=first_bad),),
            decided_at=START,
            champion=ModelState(uri=self.champion, digest=CHAMPION),
            accelerators=2,
            plan=self.plan,
            template_digest="1" * 64,
        )

    def snapshot(self) -> RunSnapshot:
        found = None
        if self.child.state == "Succeeded" and self.text is not None:
            found = read_results(self.text, self.plan)
        gates = self.status.gates
        if isinstance(found, Results) and not gates:
            gates = assess_gates(self.plan.gates, Evidence(found, champion=self.spec.champion))
        gates = self.seen.get("gates", gates)
        known: dict[str, Any] = {"child": self.child, "results": found, "results_text": self.text, "gates": gates}
        return RunSnapshot(
            name="fraud-1",
            namespace="ml",
            generation=1,
            now=self.now,
            spec=self.spec,
            status=self.status,
            child_uid="child",
            followed=self.followed,
            **(known | {name: value for name, value in self.seen.items() if name not in known}),
        )

    def turn(self) -> Decision:
        decision = decide_run(self.snapshot())
        for action in (*decision.before, *decision.after):
            if isinstance(action, CreateChild):
                self.created += 1
                self.child = ChildView("Queued")
            if isinstance(action, RunGateJob):
                self.gate_jobs.append(action.gate.name)
                self.seen["missing_jobs"] = self.seen["missing_jobs"] - {action.gate.name}
            if isinstance(action, DeleteChild):
                self.deleted += 1
                self.child = ChildView("Absent")
        if decision.write_status:
            self.writes += 1
            self.status = RetrainRunStatus.model_validate(decision.status.dump())
        self.events += [event.reason for event in decision.events]
        return decision

    def settle(self) -> str:
        """Passes until nothing changes; the phase."""
        for _ in range(20):
            decision = self.turn()
            if not decision.write_status and not decision.before:
                return str(self.status.phase)
        raise AssertionError("does not settle")

    def train(self) -> str:
        """Up to the end of the training."""
        self.settle()
        self.child = ChildView("Running", started_at=self.now)
        self.settle()
        self.now += timedelta(minutes=10)
        self.child = ChildView("Succeeded", started_at=self.now - timedelta(minutes=10), finished_at=self.now)
        return self.settle()

    def train_until_validating(self) -> None:
        assert self.train() == "Validating"

    def later(self, **delta: float) -> str:
        self.now += timedelta(**delta)
        return self.settle()

    @property
    def is_over(self) -> bool:
        return self.status.phase in TERMINAL
