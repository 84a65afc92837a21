"""A policy alone in a world of samples: readings come, time passes, runs take an hour."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import PendingRun, TriggerState
from serinus.core.retrain.assess import Seen, assess_triggers
from serinus.core.retrain.decision import build_pending, decide_start
from serinus.core.retrain.groups import answer_triggers, pass_over, settle_triggers
from serinus.core.retrain.reading import Reading, Unknown
from serinus.core.retrain.records import RunRecord, find_active
from serinus.core.retrain.standing import Decision, Hold, Nothing, Standing, Start

START = datetime(2026, 11, 2, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

METRIC: dict[str, Any] = {"query": "model_quality", "fireBelow": "0.9", "window": "1h"}
DRIFT: dict[str, Any] = {
    "query": "model_drift_score",
    "signal": "Drift",
    "fireAbove": "0.2",
    "window": "1h",
    "minSamples": {"query": "rows", "value": 1000},
}
TEMPLATE: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {
        "template": {"spec": {"containers": [{"name": "t", "image": "t", "resources": {"limits": {"a.b/gpu": 2}}}]}}
    },
}


def spec(*triggers: dict[str, Any], **more: Any) -> RetrainPolicySpec:
    """A policy in mode Automatic; quality by default."""
    given = triggers or ({"name": "quality", "metric": METRIC},)
    raw = {
        "modelDeploymentRef": {"name": "fraud"},
        "mode": "Automatic",
        "template": TEMPLATE,
        "activeDeadline": "1h",
        "triggers": list(given),
    }
    return RetrainPolicySpec.model_validate(raw | more)


def reading(value: float | Unknown, at: datetime, **more: Any) -> Reading:
    end = None if isinstance(value, Unknown) else more.pop("window_end", at)
    return Reading(value, at, end, **more)


@dataclass
class World:
    """What a controller does with the pure functions, as short as can be."""

    spec: RetrainPolicySpec
    now: datetime = START
    states: tuple[TriggerState, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    pending: PendingRun | None = None
    takes: timedelta = HOUR
    outcome: str = "Failed"
    decisions: list[tuple[datetime, Decision]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)

    def look(self, *, command: Any = None, **readings: Reading) -> Decision:
        """One pass."""
        self._end_run()
        since = self.seen.get("since", START)
        seen = Seen(uid="uid", readings=readings, **({"since": since} | self.seen))
        self.states = assess_triggers(self.spec, self.states, seen, self.now)
        standing = Standing(
            "fraud", "ml", self.spec, self.states, self.runs, self.now, self.pending, command, **self.about
        )
        decision = decide_start(standing)
        self.pending = build_pending(decision, self.pending, self.now)
        self._carry_out(decision)
        self.decisions.append((self.now, decision))
        return decision

    def state(self, name: str = "quality") -> TriggerState:
        return next(one for one in self.states if one.name == name)

    @property
    def starts(self) -> list[datetime]:
        return [at for at, decision in self.decisions if isinstance(decision, Start)]

    def _carry_out(self, decision: Decision) -> None:
        if isinstance(decision, Hold | Nothing):
            self.states = pass_over(self.states, decision.passed_over, self.now)
        if not isinstance(decision, Start):
            return
        names = tuple(one.trigger for one in decision.reasons)
        self.states = answer_triggers(self.spec, self.states, names, self.now)
        self.runs = tuple(
            replace(one, phase="Cancelled", finished_at=self.now) if one.name == decision.replaces else one
            for one in self.runs
        )
        number = len(self.runs) + 1
        run = RunRecord(f"fraud-{number}", number, self.now, "Training", 2, HOUR, started_at=self.now, triggers=names)
        self.runs = (*self.runs, run)

    def _end_run(self) -> None:
        active = find_active(self.runs)
        if active is None or self.now < active.decided_at + self.takes:
            return
        ended = replace(active, phase=self.outcome, trained_at=self.now, finished_at=self.now)
        self.runs = tuple(ended if one.name == active.name else one for one in self.runs)
        self.states = settle_triggers(self.spec, self.states, ended, self.now)
