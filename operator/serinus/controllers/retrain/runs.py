"""The controller of RetrainRun: gather -> decide -> execute -> one status write.

What trains is made before the status says so, by a name that only this run can have, so that an operator that dies in
between finds it again and never makes a second one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import structlog

from serinus.api import retrainreasons as words
from serinus.api.gatespec import Gate
from serinus.api.podtemplate import child
from serinus.controllers.auditing import write_audit
from serinus.controllers.denied import DeniedTeller, tidy_up
from serinus.controllers.hands import read_anew, require_current
from serinus.controllers.ownership import has_owner
from serinus.controllers.recorder import Recorder
from serinus.controllers.retrain.desk import RunDesk
from serinus.controllers.retrain.rungather import RunGathered, gather_run
from serinus.core.retrain.audit import build_run_lines
from serinus.core.retrain.child import build_child
from serinus.core.retrain.gatejobs import build_gate_job, name_gate_job
from serinus.core.retrain.run import decide_run
from serinus.core.retrain.runview import CreateChild, DeleteChild, DeleteGateJobs, RunAction, RunGateJob, RunPlan
from serinus.core.snapshot import Problem
from serinus.engine.clock import Clock
from serinus.engine.store import Key, Store
from serinus.engine.worker import Result
from serinus.kube.errors import AlreadyExists, Conflict, Denied, DeniedByPolicy, Forbidden, Invalid, KubeError, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import JOBS, RETRAINRUNS, Resource, kind_of
from serinus.kube.training import find_training_kind

Raw = dict[str, Any]

TRAINING: Final = "serinus/training"
_CHILD: Final = ""

LOOK: Final = 10.0
"""Seconds between two looks at a child of a kind whose watch cannot be relied on."""

log = structlog.get_logger(__name__)

OnRun = Callable[[RunGathered, RunPlan], None]
"""Told of each change of phase."""


@dataclass
class RetrainRunController:
    """Reconciles one RetrainRun at a time. `kinds` are those that may train."""

    kube: Kube
    store: Store
    recorder: Recorder
    clock: Clock
    desk: RunDesk
    kinds: tuple[Resource, ...]
    on_change: OnRun = lambda gathered, plan: None
    _refused: dict[Key, dict[str, Problem]] = field(default_factory=dict)
    """What the API server will not make until a person has acted: by name of the gate, what trains under no name."""
    _looked: dict[Key, float] = field(default_factory=dict)
    """When what trains was last read anew, by the monotonic clock."""

    async def reconcile(self, key: Key) -> Result:
        """One turn. KubeErrors other than conflicts are raised: the worker backs off and tries again."""
        raw = self.store.get(key.kind, key.namespace, key.name)
        if raw is None or raw["metadata"].get("deletionTimestamp"):
            self._refused.pop(key, None)
            self._looked.pop(key, None)
            self.desk.forget(key)
            return Result()
        foreign = self._find_foreign(raw)
        if foreign is not None:
            await self._look_again(key, foreign)
        refused = self._refused.get(key, {})
        gathered = gather_run(
            self.store, key, raw, now=self.clock.now(), desk=self.desk, kinds=self.kinds, refused=refused
        )
        if gathered is None:
            log.error("a record that cannot be read is left alone", key=str(key))
            return Result()
        if _CHILD in refused:
            gathered = replace(gathered, snapshot=replace(gathered.snapshot, child_problem=refused[_CHILD]))
        plan = decide_run(gathered.snapshot)
        try:
            result = await self._carry_out(key, gathered, plan)
            return result if foreign is None else _at_latest(result, LOOK)
        except Conflict as conflict:
            log.info("looks again", key=str(key), conflict=str(conflict))
            await read_anew(self.kube, self.store, RETRAINRUNS, key)
            return Result(retry=True, urgent=True)
        except Denied as denied:
            return await DeniedTeller(RETRAINRUNS, self.kube, self.store, self.recorder, self.clock).tell(key, denied)

    async def _carry_out(self, key: Key, gathered: RunGathered, plan: RunPlan) -> Result:
        for action in plan.before:
            if not await self._do(key, gathered, action):
                return Result(requeue_after=0.01)
        if plan.write_status:
            await self._write_status(key, gathered, plan)
            write_audit(build_run_lines(gathered.raw, gathered.snapshot, plan))
        # The phase is in the status by now; a turn that is tried again would not tell it.
        for event in plan.events:
            kind = "Warning" if event.warning else "Normal"
            await self.recorder.emit_event(gathered.raw, kind, event.reason, event.message)
        if plan.events:
            self.on_change(gathered, plan)
        if not await tidy_up(self.recorder, gathered.raw, partial(self._do, key, gathered), plan.after):
            return Result(retry=True)
        if plan.before or plan.write_status:
            return Result(requeue_after=0.01)
        return Result.at(plan.wake_at, gathered.snapshot.now)

    def _find_foreign(self, raw: Raw) -> Resource | None:
        """The kind of what trains just now, where it is not one that is always served."""
        if child(raw, "status").get("phase") not in ("Queued", "Training"):
            return None
        template = child(raw, "spec", "plan", "template")
        resource = find_training_kind(self.kinds, str(template.get("apiVersion")), str(template.get("kind")))
        return resource if resource is not None and kind_of(resource) != resource.kind else None

    async def _look_again(self, key: Key, resource: Resource) -> None:
        """Read what trains anew. The watch of a kind that was installed after we had started may not have begun: its
        first list can come before the API server serves it, and no event says that it does."""
        now = self.clock.monotonic()
        if now - self._looked.setdefault(key, now) < LOOK:
            return
        self._looked[key] = now
        kind = kind_of(resource)
        try:
            self.store.written(kind, await self.kube.find(resource, key.namespace, key.name))
        except NotFound:
            held = self.store.get(kind, key.namespace, key.name)
            if held is not None:
                self.store.pop(kind, held)
        except KubeError as error:
            log.info("not read again", key=str(key), error=type(error).__name__)

    async def _do(self, key: Key, gathered: RunGathered, action: RunAction) -> bool:
        """Carry out an action; False where only a person can put right what stands in the way."""
        match action:
            case CreateChild():
                return await self._create_child(key, gathered)
            case DeleteChild():
                await self._delete_child(key, gathered)
            case RunGateJob(gate):
                return await self._run_gate(key, gathered, gate)
            case DeleteGateJobs():
                for gate in gathered.run.plan.gates:
                    made = self.store.get("Job", key.namespace, name_gate_job(key.name, gate.name))
                    if made is not None and has_owner(made, gathered.uid):
                        uid = made["metadata"]["uid"]
                        await self.kube.delete(JOBS, key.namespace, made["metadata"]["name"], uid=uid)
        return True

    async def _run_gate(self, key: Key, gathered: RunGathered, gate: Gate) -> bool:
        assert gathered.model is not None  # noqa: S101
        body = build_gate_job(
            gathered.run, gate, gathered.model, run_name=key.name, owner_uid=gathered.uid, namespace=key.namespace
        )
        return await self._make(key, JOBS, gathered, body, gate.name)

    async def _create_child(self, key: Key, gathered: RunGathered) -> bool:
        assert gathered.resource is not None  # noqa: S101
        body = build_child(gathered.run, key.name, gathered.uid, key.namespace)
        return await self._make(key, gathered.resource, gathered, body, _CHILD)

    async def _make(self, key: Key, resource: Resource, gathered: RunGathered, body: Raw, what: str) -> bool:
        """Make an object of the run; False where the API server will not have it, which the next turn sees."""
        try:
            await self._create_owned(resource, gathered, body)
        except (Invalid, Forbidden) as refused:
            missing = isinstance(refused, Denied) and not isinstance(refused, DeniedByPolicy)
            if missing or "exceeded quota" in str(refused):
                raise
            message = f"the API server refuses {resource.kind} {body['metadata']['name']}: {refused}"
            self._refused.setdefault(key, {})[what] = Problem(words.CHILD_REFUSED, message)
            return False
        return True

    async def _create_owned(self, resource: Resource, gathered: RunGathered, body: Raw) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            raw = await self.kube.create(resource, body, TRAINING)
        except AlreadyExists:
            raw = await self.kube.find(resource, namespace, name)
            if not has_owner(raw, gathered.uid):
                raise Invalid(f"{resource.kind} {name} exists and does not belong to this run") from None
        self.store.written(kind_of(resource), raw)

    async def _delete_child(self, key: Key, gathered: RunGathered) -> None:
        if gathered.resource is None or gathered.child is None or gathered.child["metadata"].get("deletionTimestamp"):
            return
        uid = gathered.child["metadata"]["uid"]
        await self.kube.delete(gathered.resource, key.namespace, key.name, uid=uid)

    async def _write_status(self, key: Key, gathered: RunGathered, plan: RunPlan) -> None:
        require_current(self.store, key, gathered.raw)
        written = await self.kube.replace_status(RETRAINRUNS, gathered.raw, plan.status.dump(), "serinus/status")
        self.store.written(key.kind, written)


def _at_latest(result: Result, seconds: float) -> Result:
    wait = seconds if result.requeue_after is None else min(result.requeue_after, seconds)
    return result if result.retry else replace(result, requeue_after=wait)
