"""The controller of RetrainPolicy: gather -> decide -> execute -> one status write."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from serinus.api.meta import (
    ANNOTATION_CANCEL,
    ANNOTATION_COMMAND,
    ANNOTATION_COMMAND_BY,
    API_VERSION,
    LABEL_MANAGED_BY,
    LABEL_POLICY,
    MANAGED_BY,
)
from serinus.controllers.auditing import write_audit
from serinus.controllers.denied import DeniedTeller, tidy_up
from serinus.controllers.hands import read_anew, require_current
from serinus.controllers.recorder import Recorder
from serinus.controllers.retrain.policygather import Looks, PolicyGathered, gather_policy
from serinus.controllers.retrain.snapshots import SnapshotReader
from serinus.core.retrain.audit import build_policy_lines
from serinus.core.retrain.child import build_owner
from serinus.core.retrain.policy import decide_policy
from serinus.core.retrain.policyview import CancelRun, CreateRun, ForgetRun, OrderRollback, PolicyAction, PolicyPlan
from serinus.engine.clock import Clock
from serinus.engine.store import Key, Store
from serinus.engine.worker import Result
from serinus.kube.errors import AlreadyExists, Conflict, Denied, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import MODELDEPLOYMENTS, RETRAINPOLICIES, RETRAINRUNS, Resource

Raw = dict[str, Any]

RECORD: Final = "serinus/record"
COMMAND: Final = "serinus/command"

log = structlog.get_logger(__name__)

OnPolicy = Callable[[PolicyGathered, PolicyPlan], None]
"""Told of each pass that wrote something."""


@dataclass
class RetrainPolicyController:
    """Reconciles one RetrainPolicy at a time. `kinds` are those that may train."""

    kube: Kube
    store: Store
    recorder: Recorder
    clock: Clock
    looks: Looks
    snapshots: SnapshotReader
    kinds: tuple[Resource, ...]
    on_pass: OnPolicy = lambda gathered, plan: None

    async def reconcile(self, key: Key) -> Result:
        """One turn. KubeErrors other than conflicts are raised: the worker backs off and tries again."""
        raw = self.store.get(key.kind, key.namespace, key.name)
        if raw is None or raw["metadata"].get("deletionTimestamp"):
            self.looks.forget(key)
            self.snapshots.forget(key)
            return Result()
        gathered = gather_policy(
            self.store,
            key,
            raw,
            now=self.clock.now(),
            looks=self.looks,
            snapshots=self.snapshots,
            kinds=self.kinds,
        )
        plan = decide_policy(gathered.snapshot)
        try:
            return await self._carry_out(key, gathered, plan)
        except Conflict as conflict:
            log.info("looks again", key=str(key), conflict=str(conflict))
            await read_anew(self.kube, self.store, RETRAINPOLICIES, key)
            return Result(retry=True, urgent=True)
        except Denied as denied:
            return await DeniedTeller(RETRAINPOLICIES, self.kube, self.store, self.recorder, self.clock).tell(
                key, denied
            )

    async def _carry_out(self, key: Key, gathered: PolicyGathered, plan: PolicyPlan) -> Result:
        if plan.before:
            # A run is decided on what is there, not on what was there when somebody else changed it.
            require_current(self.store, key, gathered.raw)
        for action in plan.before:
            await self._do(key, gathered, action)
        if plan.write_status:
            require_current(self.store, key, gathered.raw)
            written = await self.kube.replace_status(
                RETRAINPOLICIES, gathered.raw, plan.status.dump(), "serinus/status"
            )
            self.store.written(key.kind, written)
            self.on_pass(gathered, plan)
        write_audit(build_policy_lines(gathered.raw, gathered.snapshot, plan))
        for event in plan.events:
            kind = "Warning" if event.warning else "Normal"
            await self.recorder.emit_event(gathered.raw, kind, event.reason, event.message)
        if not await tidy_up(self.recorder, gathered.raw, partial(self._do, key, gathered), plan.after):
            return Result(retry=True)
        if plan.before:
            return Result(requeue_after=0.01)
        return Result.at(plan.wake_at, gathered.snapshot.now)

    async def _do(self, key: Key, gathered: PolicyGathered, action: PolicyAction) -> None:
        match action:
            case CreateRun():
                await self._create_run(key, gathered, action)
            case CancelRun(name, why):
                patch = {"metadata": {"annotations": {ANNOTATION_CANCEL: why}}}
                await self._patch(RETRAINRUNS, key.namespace, name, patch, RECORD)
            case OrderRollback(revision, why):
                await self._order_rollback(key, gathered, revision, why)
            case ForgetRun(name):
                run = self.store.get("RetrainRun", key.namespace, name)
                if run is not None:
                    await self.kube.delete(RETRAINRUNS, key.namespace, name, uid=run["metadata"]["uid"])

    async def _create_run(self, key: Key, gathered: PolicyGathered, action: CreateRun) -> None:
        body = {
            "apiVersion": API_VERSION,
            "kind": "RetrainRun",
            "metadata": {
                "name": action.name,
                "namespace": key.namespace,
                "labels": {LABEL_POLICY: key.name, LABEL_MANAGED_BY: MANAGED_BY},
                "ownerReferences": [build_owner(key.name, gathered.uid, key.kind)],
            },
            "spec": action.spec.dump(),
        }
        try:
            self.store.written("RetrainRun", await self.kube.create(RETRAINRUNS, body, RECORD))
        except AlreadyExists:
            # Made by a pass that did not get to say so. What it was decided on is in the record, and is looked at anew.
            self.store.written("RetrainRun", await self.kube.find(RETRAINRUNS, key.namespace, action.name))
            raise Conflict(f"RetrainRun {action.name} is there already") from None

    async def _order_rollback(self, key: Key, gathered: PolicyGathered, revision: str, why: str) -> None:
        if gathered.deployment is None:
            return
        metadata = gathered.deployment["metadata"]
        # A name that is left there would stand in the way of the next person who gives a command.
        annotations = {
            ANNOTATION_COMMAND: f"undo {revision} retrainpolicy/{key.name}: {why}",
            ANNOTATION_COMMAND_BY: None,
        }
        # A command that somebody has written since would be lost: where it has changed, it is looked at anew.
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": annotations}}
        await self._patch(MODELDEPLOYMENTS, key.namespace, metadata["name"], patch, COMMAND)

    async def _patch(self, resource: Resource, namespace: str, name: str, patch: Raw, manager: str) -> None:
        try:
            raw = await self.kube.merge_patch(resource, namespace, name, patch, manager=manager)
        except NotFound:
            return
        self.store.written(resource.kind, raw)
