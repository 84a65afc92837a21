"""The controller of ModelDeployment: gather -> judge's word -> decide -> execute -> one status write.

Level-triggered and idempotent: a turn may be lost, repeated or cut off anywhere. Conflicts are answered by looking
again, never by overwriting."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from serinus.api import reasons
from serinus.api.audit import AuditLine
from serinus.controllers.analyst import Analyst
from serinus.controllers.auditing import write_audit
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.denied import DeniedTeller, problem_of
from serinus.controllers.execute import Executor, SourceChangedError
from serinus.controllers.gather import Gathered, gather_snapshot
from serinus.controllers.hands import Hands, NameTakenError, read_anew, require_current
from serinus.controllers.models import ModelDesk
from serinus.controllers.ownership import is_orphan, is_owned
from serinus.controllers.reach import Reach
from serinus.controllers.recorder import Recorder
from serinus.controllers.reroute import HostTakenError, Rerouter
from serinus.controllers.trials import build_stable_watch, build_watch
from serinus.controllers.warmer import Warmer
from serinus.core.audit import build_release_lines, keep_history
from serinus.core.children import Owner
from serinus.core.dropped import explain_dropped, find_dropped
from serinus.core.observe import observe_status
from serinus.core.plan import Action, Event, Plan
from serinus.core.rollout import REFRESH, decide
from serinus.core.snapshot import Judgement, Problem, Snapshot
from serinus.core.watching import is_watched
from serinus.engine.clock import Clock
from serinus.engine.store import Key, Store
from serinus.engine.worker import Result
from serinus.kube.errors import Conflict, Denied, Invalid, KubeError, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import MODELDEPLOYMENTS, ROUTES
from serinus.routing.gateway_api import observe_weights
from serinus.routing.mirror import is_mirrored

Raw = dict[str, Any]

log = structlog.get_logger(__name__)

ENDINGS = frozenset(
    {
        reasons.PROMOTED,
        reasons.ANALYSIS_FAILED,
        reasons.INCONCLUSIVE,
        reasons.CRASH_LOOPING,
        reasons.MODEL_NOT_LOADED,
        reasons.SCHEMA_INCOMPATIBLE,
        reasons.VALIDATION_FAILED,
        reasons.VERIFICATION_FAILED,
        reasons.WARMUP_FAILED,
        reasons.DEADLINE_EXCEEDED,
        reasons.ABORTED,
        reasons.SUPERSEDED,
        reasons.SLOW_DEGRADATION,
    }
)
"""Events with which a release is over."""


@dataclass(frozen=True)
class Ended:
    """How a release ended. `seconds` since its revision was first asked for; `followed` says that a RetrainPolicy made
    its model, so that the version is older than the revision."""

    namespace: str
    name: str
    outcome: str
    seconds: float | None = None
    followed: bool = False


@dataclass
class ModelDeploymentController:
    """Reconciles one ModelDeployment at a time; `on_release` is told how each release ends."""

    kube: Kube
    store: Store
    claims: ClaimIndex
    analyst: Analyst
    recorder: Recorder
    clock: Clock
    warmer: Warmer | None = None
    desk: ModelDesk = field(default_factory=ModelDesk)
    on_release: Callable[[Ended], None] = lambda ended: None
    _written_at: dict[Key, datetime] = field(default_factory=dict)
    _obstacles: dict[Key, Problem] = field(default_factory=dict)
    _reach: Reach = field(default_factory=Reach)

    async def reconcile(self, key: Key) -> Result:
        """One turn. KubeErrors other than conflicts are raised: the worker backs off and tries again."""
        raw = self.store.get("ModelDeployment", key.namespace, key.name)
        if raw is None:
            return self._forget(key)
        if raw["metadata"].get("deletionTimestamp"):
            self._forget(key)
            await self._leave_on_stable(key, raw)
            return Result()
        gathered = gather_snapshot(
            self.store,
            self.claims,
            self._reach,
            key,
            raw,
            now=self.clock.now(),
            written_at=self._written_at.get(key),
            warmer=self.warmer,
            desk=self.desk,
        )
        gathered = self._with_obstacle(key, gathered)
        gathered = self._with_judgement(key, gathered)
        plan = decide(gathered.snapshot)
        lines = build_release_lines(raw, gathered.snapshot, plan)
        plan = keep_history(plan, lines, gathered.snapshot)
        try:
            return await self._carry_out(key, gathered, plan, lines)
        except Conflict as conflict:
            log.info("looks again", key=str(key), conflict=str(conflict))
            await read_anew(self.kube, self.store, MODELDEPLOYMENTS, key)
            return Result(retry=True, urgent=True)
        except Denied as denied:
            teller = DeniedTeller(MODELDEPLOYMENTS, self.kube, self.store, self.recorder, self.clock)
            leaves = gathered.snapshot.status.candidate is not None and plan.status.candidate is None
            return await teller.tell(key, denied, urgent=leaves)

    async def _carry_out(self, key: Key, gathered: Gathered, plan: Plan, lines: tuple[AuditLine, ...]) -> Result:
        executor = Executor(self.kube, self.store, self.clock)
        obstacles: list[Problem] = []
        failed: KubeError | None = None
        for action in plan.before:
            # Two levers take traffic away; the second must not wait for the first to work.
            try:
                obstacles += await _attempt(executor, gathered, action)
            except KubeError as error:
                failed = failed or error
        if isinstance(failed, Denied):
            raise failed
        if failed is not None:
            log.warning("not carried out, tried again", key=str(key), error=str(failed))
            return Result(retry=True, urgent=True)
        outdated = self._find_outdated(key)
        if plan.write_status or (outdated and self._is_write_due(key)):
            obstacles += await self._write_status(key, gathered, plan)
        else:
            obstacles += outdated
        try:
            for action in plan.after:
                try:
                    obstacles += await _attempt(executor, gathered, action)
                except Denied as denied:
                    obstacles.append(problem_of(denied))
        finally:
            # The transition is in the status by now; the next turn would not tell it again.
            write_audit(lines)
            await self._tell(gathered, plan)
        if obstacles:
            return self._note_obstacle(key, obstacles[0])
        cleared = self._obstacles.pop(key, None) is not None
        if plan.before or plan.after or plan.write_status or cleared:
            # What was just done may open the next gate; an echo of our own writes wakes nobody.
            return Result(requeue_after=0.01)
        return Result.at(plan.wake_at, gathered.snapshot.now)

    def _note_obstacle(self, key: Key, problem: Problem) -> Result:
        """What stands in the way is said on the object by the next turn, and tried again with growing pauses."""
        if self._obstacles.get(key) == problem:
            return Result(retry=True)
        self._obstacles[key] = problem
        return Result(requeue_after=0.01)

    def _find_outdated(self, key: Key) -> list[Problem]:
        obstacle = self._obstacles.get(key)
        return [obstacle] if obstacle is not None and obstacle.reason == reasons.CRD_OUTDATED else []

    def _is_write_due(self, key: Key) -> bool:
        """Whether an older CRD has been upgraded shows only in a write, be there news in it or not."""
        written_at = self._written_at.get(key)
        return written_at is None or self.clock.now() - written_at >= REFRESH

    async def _write_status(self, key: Key, gathered: Gathered, plan: Plan) -> list[Problem]:
        require_current(self.store, key, gathered.raw)
        status = plan.status.dump()
        written = await self.kube.replace_status(MODELDEPLOYMENTS, gathered.raw, status, "serinus/status")
        self.store.written("ModelDeployment", written)
        self._written_at[key] = self.clock.now()
        dropped = find_dropped(status, written.get("status"), "status")
        return [] if dropped is None else [Problem(reasons.CRD_OUTDATED, explain_dropped("modeldeployments", dropped))]

    async def _tell(self, gathered: Gathered, plan: Plan) -> None:
        snapshot = gathered.snapshot
        for event in plan.events:
            if event.reason in ENDINGS:
                self.on_release(_describe_end(snapshot, event.reason))
            await self._emit(gathered.raw, event)

    async def _emit(self, raw: Raw, event: Event) -> None:
        kind = "Warning" if event.warning else "Normal"
        await self.recorder.emit_event(raw, kind, event.reason, event.message)

    def _with_obstacle(self, key: Key, gathered: Gathered) -> Gathered:
        obstacle = self._obstacles.get(key)
        if obstacle is None:
            return gathered
        problems = (*gathered.snapshot.problems, obstacle)
        return replace(gathered, snapshot=replace(gathered.snapshot, problems=problems))

    def _with_judgement(self, key: Key, gathered: Gathered) -> Gathered:
        judgement = self._judge(key, gathered)
        return replace(gathered, snapshot=replace(gathered.snapshot, judgement=judgement))

    def _judge(self, key: Key, gathered: Gathered) -> Judgement | None:
        s, provider = gathered.snapshot, gathered.provider
        candidate, stable = s.status.candidate, s.status.stable
        if stable is not None and candidate is None and provider is not None and is_watched(s, stable):
            watch = build_stable_watch(s, gathered.plan, stable, provider.interval, gathered.pods)
            return self.analyst.watch(key, provider, watch, stable.baseline)
        unjudged = s.rollout.strategy == "Direct"
        if candidate is None or stable is None or candidate.started_at is None or provider is None or unjudged:
            self.analyst.forget(key)
            return None
        watch = build_watch(s, gathered.plan, candidate, provider.interval, gathered.pods)
        return self.analyst.watch(key, provider, watch, candidate.evidence)

    async def _leave_on_stable(self, key: Key, raw: Raw) -> None:
        """Being deleted: traffic stays on stable for as long as the route lives. Nothing waits for this, so deletion
        never hangs.
        """
        owner = Owner(key.name, key.namespace, raw["metadata"]["uid"])
        status = observe_status(raw)
        if status.candidate is None or status.stable is None:
            return
        weights = {status.stable.revision: 100}
        for kind in ROUTES:
            route = self.store.get(kind, key.namespace, key.name)
            if route is None or not (is_owned(route, owner) or is_orphan(route, owner)):
                continue
            if observe_weights(route) == weights and not is_mirrored(route):
                continue
            try:
                await Rerouter(Hands(self.kube, self.store)).leave_route(route, weights)
            except (Conflict, NotFound):
                log.info("route is gone already", key=str(key), kind=kind, route=key.name)

    def _forget(self, key: Key) -> Result:
        self.analyst.forget(key)
        self._written_at.pop(key, None)
        self._obstacles.pop(key, None)
        self._reach.forget(key)
        if self.warmer is not None:
            self.warmer.forget(key)
        self.desk.forget(key)
        return Result()


def _describe_end(s: Snapshot, outcome: str) -> Ended:
    candidate = s.status.candidate
    begun = candidate.started_at if candidate is not None else None
    seconds = (s.now - begun).total_seconds() if begun is not None else None
    source = s.spec.model.from_ if s.spec.model is not None else None
    followed = source is not None and source.retrain_policy is not None
    return Ended(s.namespace, s.name, outcome, seconds, followed)


async def _attempt(executor: Executor, gathered: Gathered, action: Action) -> list[Problem]:
    """Carry out an action; what only a person can put right comes back as a problem, everything else is raised."""
    try:
        await executor.carry_out(gathered, action)
    except Invalid as refused:
        return [Problem(reasons.INVALID_SPEC, f"the API server refuses what the spec asks for: {refused}")]
    except SourceChangedError as changed:
        return [Problem(reasons.CONFIG_MAP_NOT_FOUND, f"{changed}: put them back")]
    except HostTakenError as taken:
        return [Problem(reasons.ROUTE_CONFLICT, f"spec.route.kind: {taken}")]
    except NameTakenError as taken:
        return [Problem(reasons.NAME_CONFLICT, f"{taken}: rename or remove it, or rename this one")]
    return []
