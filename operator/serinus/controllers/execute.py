"""Execute: carry out the actions of a plan, one after the other, each idempotent.

Every write is a server-side apply with one field manager per concern, so that other controllers' labels and fields on
the same object are left alone. An object of a name we need that belongs to somebody else is never touched:
`NameTakenError`. Children that were orphaned on purpose are taken up again."""

from dataclasses import dataclass
from typing import Any, Final

from serinus.api.audit import HistoryEntry
from serinus.api.meta import format_time
from serinus.api.redact import redact
from serinus.controllers.gather import Gathered
from serinus.controllers.hands import Hands, NameTakenError
from serinus.controllers.ownership import is_orphan, is_owned
from serinus.controllers.reroute import ROUTING, Rerouter
from serinus.core.audit import read_subject
from serinus.core.checkjobs import build_job
from serinus.core.children import Owner, build_deployment, build_metadata, build_model_revision, build_service
from serinus.core.configmaps import build_copy, digest_of, name_copy, revision_of
from serinus.core.history import add_history
from serinus.core.plan import (
    Action,
    ApplyPool,
    ApplyRoute,
    ApplyService,
    ApplySide,
    ApplyWorkload,
    CopyConfigMap,
    DeleteCheck,
    DeleteFormerRoute,
    DeletePool,
    DeleteRevision,
    DeleteRoute,
    DeleteSide,
    MarkRevision,
    NoteRevision,
    RecordRevision,
    RunCheck,
)
from serinus.engine.clock import Clock
from serinus.engine.store import Store
from serinus.kube.errors import AlreadyExists, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    INFERENCEPOOLS,
    JOBS,
    MODELREVISIONS,
    SERVICES,
)

Raw = dict[str, Any]

WORKLOAD: Final = "serinus/workload"
RECORD: Final = "serinus/record"


class SourceChangedError(Exception):
    """A ConfigMap does not hold the data any more that a revision was made of."""


@dataclass(frozen=True)
class Executor:
    """Turns actions into calls. Raises KubeError where the API server does not do as asked, NameTakenError for foreign
    objects.
    """

    kube: Kube
    store: Store
    clock: Clock

    @property
    def hands(self) -> Hands:
        return Hands(self.kube, self.store)

    async def carry_out(self, gathered: Gathered, action: Action) -> None:
        owner, contents = gathered.owner, gathered.contents
        match action:
            case RecordRevision(revision, number):
                cause = read_subject(gathered.raw, "ModelDeployment")
                body = build_model_revision(owner, revision, number, cause.generation, cause.spec_manager)
                await self._create_revision(owner, body)
            case ApplyWorkload(name, replicas):
                await self._apply_workload(owner, name, contents.get(name), replicas)
            case CopyConfigMap(revision, source, digest):
                await self._copy_config_map(owner, revision, source, digest)
            case RunCheck(revision, check, target, asked, attempt):
                model = contents.get(asked, {}).get("model") or {}
                job = build_job(owner, revision, check, target, asked, attempt=attempt, model=model)
                self.store.written("Job", await self._create_job(owner, job))
            case DeleteCheck(name):
                await self._delete_check(owner, name)
            case ApplyService(name, target, h2c):
                content = contents.get(target or gathered.snapshot.wanted.name) or gathered.snapshot.wanted.content
                await self.hands.apply(SERVICES, owner, build_service(owner, name, target, content, h2c=h2c), ROUTING)
            case (
                ApplyRoute()
                | DeleteRoute()
                | DeleteFormerRoute()
                | ApplySide()
                | DeleteSide()
                | ApplyPool()
                | DeletePool()
            ):
                await Rerouter(self.hands).carry_out(gathered, action)
            case MarkRevision():
                status = build_revision_status(action, format_time(self.clock.now()))
                await self._write_record(owner, action.name, status, action.entries)
            case NoteRevision(name, entries):
                await self._write_record(owner, name, {}, entries)
            case DeleteRevision(name):
                await self._delete_revision(owner, name)

    async def _apply_workload(self, owner: Owner, name: str, content: Raw | None, replicas: int) -> None:
        if content is not None:
            await self.hands.apply(DEPLOYMENTS, owner, build_deployment(owner, name, content, replicas), WORKLOAD)
            return
        # Its ModelRevision is gone, so its content is not known; its size still is ours to set.
        patch = {"spec": {"replicas": replicas}}
        raw = await self.kube.merge_patch(DEPLOYMENTS, owner.namespace, name, patch, manager=WORKLOAD)
        self.store.written("Deployment", raw)

    async def _create_job(self, owner: Owner, job: Raw) -> Raw:
        try:
            return await self.kube.create(JOBS, job, WORKLOAD)
        except AlreadyExists:
            name = job["metadata"]["name"]
            raw = await self.kube.find(JOBS, owner.namespace, name)
            if not is_owned(raw, owner):
                raise NameTakenError("Job", owner.namespace, name) from None
            return raw

    async def _delete_check(self, owner: Owner, name: str) -> None:
        deleted = await self.hands.delete(JOBS, owner, name)
        if deleted is not None:
            # The next attempt has the same name, and must not wait for the watch.
            self.store.pop("Job", deleted)

    async def _copy_config_map(self, owner: Owner, revision: str, source: str, digest: str) -> None:
        raw = await self.hands.look_up(CONFIGMAPS, owner, source)
        if raw is None or digest_of(raw) != digest:
            raise SourceChangedError(f"ConfigMap {source} has not the data any more that {revision} was made of")
        copy = build_copy(build_metadata(owner, name_copy(revision, source), revision), raw)
        self.store.written("ConfigMap", await self._create_copy(owner, copy))

    async def _create_copy(self, owner: Owner, copy: Raw) -> Raw:
        """A copy never changes, and so is made, not applied. One that was orphaned on purpose is made anew."""
        name = copy["metadata"]["name"]
        try:
            return await self.kube.create(CONFIGMAPS, copy, WORKLOAD)
        except AlreadyExists:
            found = await self.kube.find(CONFIGMAPS, owner.namespace, name)
        if is_owned(found, owner) and digest_of(found) == digest_of(copy):
            return found
        if not (is_owned(found, owner) or is_orphan(found, owner)):
            raise NameTakenError("ConfigMap", owner.namespace, name)
        await self.kube.delete(CONFIGMAPS, owner.namespace, name, uid=found["metadata"]["uid"])
        return await self.kube.create(CONFIGMAPS, copy, WORKLOAD)

    async def _create_revision(self, owner: Owner, body: Raw) -> None:
        try:
            raw = await self.kube.create(MODELREVISIONS, body, RECORD)
        except AlreadyExists:
            raw = await self._take_up_revision(owner, body)
        self.store.written("ModelRevision", raw)

    async def _take_up_revision(self, owner: Owner, body: Raw) -> Raw:
        name = body["metadata"]["name"]
        raw = await self.kube.find(MODELREVISIONS, owner.namespace, name)
        if is_owned(raw, owner):
            return raw
        if not is_orphan(raw, owner) or raw["spec"].get("digest") != body["spec"]["digest"]:
            raise NameTakenError("ModelRevision", owner.namespace, name)
        patch = {"metadata": {"uid": raw["metadata"]["uid"], "ownerReferences": [owner.reference]}}
        return await self.kube.merge_patch(MODELREVISIONS, owner.namespace, name, patch, manager=RECORD)

    async def _write_record(self, owner: Owner, name: str, status: Raw, entries: tuple[HistoryEntry, ...]) -> None:
        if entries:
            held = self.store.get("ModelRevision", owner.namespace, name) or {}
            known = (held.get("status") or {}).get("history")
            status = {**status, "history": add_history(known, entries)}
        try:
            raw = await self.kube.merge_patch(
                MODELREVISIONS, owner.namespace, name, {"status": status}, subresource="status", manager=RECORD
            )
        except NotFound:
            return
        self.store.written("ModelRevision", raw)

    async def _delete_revision(self, owner: Owner, name: str) -> None:
        for resource in (DEPLOYMENTS, SERVICES, INFERENCEPOOLS):
            await self.hands.delete(resource, owner, name)
        for resource in (JOBS, CONFIGMAPS):
            for one in self.store.by_owner(resource.kind, owner.namespace, owner.name):
                if revision_of(one) == name:
                    await self.hands.delete(resource, owner, one["metadata"]["name"])
        # Last of all: without the record nobody knows that the others are to go.
        await self.hands.delete(MODELREVISIONS, owner, name)


def build_revision_status(mark: MarkRevision, now: str) -> Raw:
    """What a mark writes: phase and reason, the time that belongs to the phase, and the judge's figures where there are
    any.
    """
    times = {"Stable": "promotedAt", "Rejected": "rejectedAt", "Retired": "retiredAt", "Candidate": "startedAt"}
    status: Raw = {"phase": mark.phase, "reason": mark.reason, "message": redact(mark.message)[:2048]}
    if mark.phase in times:
        status[times[mark.phase]] = now
    if mark.validation:
        status["validation"] = [one.dump() for one in mark.validation]
    if mark.judgement is not None:
        status["verdict"] = mark.judgement.verdict.value
        status["evidence"] = [one.dump() for one in mark.judgement.evidence]
        status["analysis"] = [one.dump() for one in mark.judgement.summaries]
        status["series"] = [one.dump() for one in mark.judgement.series]
    return status
