"""A policy and its surroundings, moved by hand: what is set here is what the next pass sees. Runs go where a test sends
them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.retrainstatus import ModelState, RetrainPolicyStatus
from serinus.api.runstatus import PromotionState, RetrainRunStatus, RunModel
from serinus.core.retrain.policy import decide_policy
from serinus.core.retrain.policyview import CancelRun, CreateRun, ForgetRun, OrderRollback, PolicyPlan, PolicySnapshot
from serinus.core.retrain.reading import Reading
from serinus.core.retrain.records import observe_run
from serinus.core.retrain.standing import Served
from tests.core.retrain.world import START, reading, spec

FIRST = ModelState(uri="models:/fraud/1", digest="sha256:" + "1" * 64)
MADE = RunModel(uri="models:/fraud/2", digest="sha256:" + "2" * 64, snapshot="data-2")


@dataclass
class PolicyWorld:
    """`readings` are what the next pass sees of the triggers, `seen` whatever else of the snapshot a test changes."""

    spec: RetrainPolicySpec | None = field(default_factory=spec)
    now: datetime = START
    status: RetrainPolicyStatus = field(default_factory=RetrainPolicyStatus)
    runs: dict[str, tuple[RetrainRunSpec, RetrainRunStatus]] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    command: str | None = None
    stable: ModelState | None = FIRST
    served: Served | None = field(default_factory=lambda: Served("fraud-1", START - timedelta(days=9)))
    seen: dict[str, Any] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    writes: int = 0
    events: list[str] = field(default_factory=list)

    def snapshot(self) -> PolicySnapshot:
        records = [observe_run(_raw(name, *run)) for name, run in self.runs.items()]
        return PolicySnapshot(
            **{
                "name": "fraud",
                "namespace": "ml",
                "uid": "uid",
                "generation": 1,
                "created_at": START,
                "now": self.now,
                "spec": self.spec,
                "status": self.status,
                "digest": "0" * 64,
                "template_digest": "1" * 64,
                "readings": dict(self.readings),
                "runs": tuple(one.record for one in records if one is not None),
                "run_statuses": {name: status for name, (_, status) in self.runs.items()},
                "untold": {name: run for name, (run, _) in self.runs.items() if run.number > self.status.runs},
                "served": self.served,
                "stable": self.stable,
                "command": self.command,
            }
            | self.seen
        )

    def turn(self, *, loses_status: bool = False) -> PolicyPlan:
        """One pass; with `loses_status` the operator ends, or somebody else writes, before its status is written."""
        plan = decide_policy(self.snapshot())
        for action in (*plan.before, *plan.after):
            match action:
                case CreateRun(name, run):
                    assert name not in self.runs, "the same run is not made twice"
                    self.created.append(name)
                    self.runs[name] = (run, RetrainRunStatus())
                case CancelRun(name):
                    self.cancelled.append(name)
                case OrderRollback(revision):
                    self.ordered.append(revision)
                case ForgetRun(name):
                    del self.runs[name]
        if plan.write_status and not loses_status:
            self.writes += 1
            self.status = RetrainPolicyStatus.model_validate(plan.status.dump())
            self.events += [event.reason for event in plan.events]
        return plan

    def settle(self) -> PolicyPlan:
        """Passes until nothing changes."""
        for _ in range(10):
            plan = self.turn()
            if not plan.write_status and not plan.before:
                return plan
        raise AssertionError("does not settle")

    def look(self, value: float, name: str = "quality", **delta: float) -> PolicyPlan:
        """A window later a metric has this value."""
        self.now += timedelta(**(delta or {"hours": 1}))
        self.readings[name] = reading(value, self.now)
        return self.settle()

    def degrade(self) -> PolicyPlan:
        """Two bad windows: the metric fires."""
        self.look(0.8)
        return self.look(0.8)

    def send(self, name: str, phase: str, **status: Any) -> None:
        """Let a run be in this phase."""
        run, before = self.runs[name]
        over = {"finished_at": self.now} if phase not in _UNDER_WAY else {}
        self.runs[name] = (run, before.model_copy(update={"phase": phase, **over, **status}))

    def hand_over(self, name: str, phase: str = "Promoting") -> None:
        """Let a run have made a model and handed it over."""
        self.send(name, phase, model=MADE, promotion=PromotionState(target="Direct", at=self.now))

    def state(self, name: str = "quality") -> str:
        return next(one.state for one in self.status.triggers if one.name == name)

    @property
    def conditions(self) -> Mapping[str, str]:
        return {one.type: one.status for one in self.status.conditions}


_UNDER_WAY = frozenset({"Pending", "Queued", "Training", "Validating", "AwaitingApproval", "Promoting", "Observing"})


def _raw(name: str, run: RetrainRunSpec, status: RetrainRunStatus) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": run.dump(), "status": status.dump()}
