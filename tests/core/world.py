"""A small world for decisions: carries out plans on plain values, so that whole stories can be told in a few lines.

It knows three things about a cluster: pods become ready when told so, a route has the weights last written, and a plan
can be cut off after any of its steps."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.presets import resolve_rollout
from serinus.api.status import EvidenceState, ModelDeploymentStatus
from serinus.core.checkjobs import name_job
from serinus.core.judge import Verdict
from serinus.core.plan import (
    Action,
    ApplyPool,
    ApplyRoute,
    ApplyService,
    ApplySide,
    ApplyWorkload,
    DeleteCheck,
    DeleteFormerRoute,
    DeletePool,
    DeleteRevision,
    DeleteRoute,
    DeleteSide,
    MarkRevision,
    Plan,
    RecordRevision,
    RunCheck,
)
from serinus.core.revision import build_revision
from serinus.core.rollout import decide
from serinus.core.snapshot import (
    Check,
    CheckRun,
    Judgement,
    PoolView,
    Problem,
    RevisionRecord,
    RouteView,
    SideKind,
    SideView,
    Snapshot,
    Waiting,
    Workload,
)
from serinus.core.watching import is_watched

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def spec(image: str = "m:1", **changes: Any) -> ModelDeploymentSpec:
    body: dict[str, Any] = {
        "replicas": 2,
        "template": {
            "spec": {"containers": [{"name": "m", "image": image, "ports": [{"name": "http", "containerPort": 80}]}]}
        },
        "route": {"parentRefs": [{"name": "public"}]},
        "rollout": {
            "steps": [{"weight": 5, "hold": "10s"}, {"weight": 50, "hold": "10s"}],
            "bake": "20s",
            "drain": "5s",
            "progressDeadline": "60s",
            "analysis": {"maxHold": "60s"},
        },
    }
    return ModelDeploymentSpec.model_validate({**body, **changes})


def judged(verdict: Verdict = Verdict.GOOD, **changes: Any) -> Judgement:
    health = Check("True", "Fresh", "fresh")
    if verdict is Verdict.CANNOT_MEASURE:
        health = Check("False", "Unreachable", "connection refused")
    base = Judgement(
        verdict=verdict,
        message=f"the judge says {verdict.value}",
        health=health,
        traffic=Check("True", "SplitAsAsked", "as asked"),
        evidence=(EvidenceState(metric="errors", stable_total=100_000),),
    )
    return replace(base, **changes)


class CutOffError(Exception):
    """The operator died here."""


@dataclass
class World:
    """One ModelDeployment in a cluster. `judge` is asked in every pass with a candidate, `watcher` while a promoted
    revision is watched."""

    spec: ModelDeploymentSpec
    name: str = "m"
    now: datetime = START
    generation: int = 1
    command: str | None = None
    command_by: str | None = None
    status: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    revisions: dict[str, RevisionRecord] = field(default_factory=dict)
    workloads: dict[str, Workload] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    h2c: set[str] = field(default_factory=set)
    pools: dict[str, PoolView] = field(default_factory=dict)
    usable: bool = True
    route: RouteView = field(default_factory=lambda: RouteView(accepted=True))
    sides: dict[SideKind, SideView] = field(default_factory=dict)
    checks: dict[str, CheckRun] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    readable: bool = True
    judge: Callable[["World"], Judgement | None] = lambda world: judged()
    watcher: Callable[["World"], Judgement | None] = lambda world: None
    log: list[Any] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    weights: list[dict[str, int]] = field(default_factory=list)
    status_writes: int = 0
    lingering: set[str] = field(default_factory=set)
    """Revisions whose pods take their time to end."""
    frozen_pods: dict[str, Waiting | None] = field(default_factory=dict)
    cut_after: int | None = None
    written_at: datetime | None = None

    @property
    def wanted(self) -> str:
        return build_revision(self.name, self.spec).name

    def apply(self, image: str, **changes: Any) -> str:
        self.spec = spec(image, **changes)
        self.generation += 1
        return self.wanted

    def snapshot(self) -> Snapshot:
        s = Snapshot(
            name=self.name,
            namespace="ns",
            generation=self.generation,
            spec=self.spec,
            rollout=resolve_rollout(self.spec.rollout),
            status=self.status,
            wanted=build_revision(self.name, self.spec),
            now=self.now,
            command=self.command,
            command_by=self.command_by,
            revisions=dict(self.revisions),
            workloads=dict(self.workloads),
            service_targets=dict(self.services),
            h2c_services=frozenset(self.h2c),
            pools=dict(self.pools),
            route=self.route,
            sides=dict(self.sides),
            checks=dict(self.checks),
            problems=self.problems,
            spec_readable=self.readable,
            route_usable=self.usable,
            status_written_at=self.written_at,
        )
        if self.status.candidate is not None and self.status.stable is not None:
            s = replace(s, judgement=self.judge(self))
        elif is_watched(s, self.status.stable):
            s = replace(s, judgement=self.watcher(self))
        return s

    def pass_once(self) -> Plan:
        """One pass, carried out in the order that the plan promises; may be cut off by `cut_after` writes."""
        plan = decide(self.snapshot())
        for action in plan.before:
            self._write(action)
        if plan.write_status:
            self._count()
            self.status = ModelDeploymentStatus.model_validate(plan.status.dump())
            self.status_writes += 1
            self.written_at = self.now
            self.log.append("status")
        for action in plan.after:
            self._write(action)
        self.events += [event.reason for event in plan.events]
        return plan

    def settle(self, limit: int = 20) -> Plan:
        """Passes until nothing changes any more at this moment; pods become ready in between."""
        for _ in range(limit):
            plan = self.pass_once()
            self.pods_come()
            if not (plan.before or plan.after or plan.write_status):
                return plan
        raise AssertionError(f"does not settle: {plan}")

    def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, settling at each tick."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now += timedelta(seconds=step)
            self.settle()

    def pods_come(self) -> None:
        for name, work in self.workloads.items():
            if name in self.lingering and work.pods > work.wanted:
                self.workloads[name] = replace(work, current=0, ready=0, settled=0)
            elif name in self.frozen_pods:
                waiting = self.frozen_pods[name] if work.wanted else None
                self.workloads[name] = replace(
                    work, current=work.wanted, pods=work.wanted, ready=0, settled=0, waiting=waiting
                )
            else:
                self.workloads[name] = replace(
                    work,
                    current=work.wanted,
                    pods=work.wanted,
                    ready=work.wanted,
                    settled=work.wanted,
                    waiting=None,
                )

    def ready(self) -> tuple[str, str]:
        condition = next(c for c in self.status.conditions if c.type == "Ready")
        return condition.status, condition.reason

    def condition(self, type_: str) -> str | None:
        return next((c.reason for c in self.status.conditions if c.type == type_), None)

    def _count(self) -> None:
        if self.cut_after is not None:
            if self.cut_after == 0:
                raise CutOffError
            self.cut_after -= 1

    def _write(self, action: Action) -> None:
        self._count()
        self.log.append(action)
        match action:
            case RecordRevision(revision, number):
                self.revisions[revision.name] = RevisionRecord(revision.name, number)
            case ApplyWorkload(name, replicas):
                self.workloads[name] = replace(self.workloads.get(name, Workload()), wanted=replicas)
            case RunCheck(revision, check, target, _, attempt):
                name = name_job(revision, check.name, target)
                self.checks[name] = CheckRun(name, attempt, "Pending")
            case DeleteCheck(name):
                self.checks.pop(name)
            case ApplyService(name, target, h2c):
                self.services[name] = target or "*"
                (self.h2c.add if h2c else self.h2c.discard)(name)
            case ApplyPool(name, target):
                self.pools[name] = PoolView(target)
            case DeletePool(name):
                self.pools.pop(name)
            case ApplyRoute(weights, traces, mirror):
                backends = (*weights, *traces)
                known = {name: self.route.settles_at.get(name, self.now + timedelta(seconds=2)) for name in backends}
                former = None if self.route.former is None else dict(weights)
                kind = self.spec.route.kind
                self.route = replace(
                    self.route,
                    exists=True,
                    kind=kind,
                    weights=dict(weights),
                    backends=backends,
                    traces=traces,
                    settles_at=known,
                    mirror=mirror,
                    in_shape=True,
                    former=former,
                )
                self.weights.append(dict(weights))
            case ApplySide(kind, target):
                self.sides[kind] = SideView(target)
            case DeleteSide(kind):
                self.sides.pop(kind)
            case DeleteFormerRoute():
                self.route = replace(self.route, former=None)
            case DeleteRoute():
                self.route = replace(self.route, exists=False, weights={})
            case MarkRevision(name, phase, _, message):
                old = self.revisions.get(name, RevisionRecord(name, 0))
                promoted = self.now if phase == "Stable" else old.promoted_at
                self.revisions[name] = replace(old, phase=phase, message=message, promoted_at=promoted)
            case DeleteRevision(name):
                for place in (self.revisions, self.workloads, self.services, self.pools):
                    place.pop(name, None)
