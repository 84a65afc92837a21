"""Execute: carry out the actions of a plan, one after the other, each idempotent.

Every write is a server-side apply with one field manager per concern, so that other controllers' labels and fields on
the same object are left alone. An object of a name we need that belongs to somebody else is never touched:
`NameTakenError`. Children that were orphaned on purpose are taken up again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serinus.api.meta import format_time
from serinus.controllers.gather import Gathered, is_orphan, is_owned
from serinus.core.checkjobs import build_job
from serinus.core.children import Owner, build_deployment, build_metadata, build_model_revision, build_service
from serinus.core.configmaps import build_copy, digest_of, name_copy, revision_of
from serinus.core.plan import (
    Action,
    ApplyRoute,
    ApplyService,
    ApplySide,
    ApplyWorkload,
    CopyConfigMap,
    DeleteCheck,
    DeleteRevision,
    DeleteRoute,
    DeleteSide,
    MarkRevision,
    RecordRevision,
    RunCheck,
)
from serinus.engine.clock import Clock
from serinus.engine.store import Store
from serinus.kube.errors import AlreadyExists, Invalid, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import CONFIGMAPS, DEPLOYMENTS, HTTPROUTES, JOBS, MODELREVISIONS, SERVICES, Resource
from serinus.routing.gateway_api import build_route
from serinus.routing.reweigh import reweigh_route
from serinus.routing.side_routes import build_side, name_side

Raw = dict[str, Any]

WORKLOAD: Final = "serinus/workload"
ROUTING: Final = "serinus/routing"
RECORD: Final = "serinus/record"


class SourceChangedError(Exception):
    """A ConfigMap does not hold the data any more that a revision was made of."""


class NameTakenError(Exception):
    """An object of a name that is needed exists and is not ours."""

    def __init__(self, kind: str, namespace: str, name: str) -> None:
        super().__init__(f"{kind} {namespace}/{name} exists and does not belong to this ModelDeployment")
        self.kind, self.namespace, self.name = kind, namespace, name


@dataclass(frozen=True)
class Executor:
    """Turns actions into calls. Raises KubeError where the API server does not do as asked, NameTakenError for foreign
    objects.
    """

    kube: Kube
    store: Store
    clock: Clock

    async def carry_out(self, gathered: Gathered, action: Action) -> None:
        owner, contents = gathered.owner, gathered.contents
        match action:
            case RecordRevision(revision, number):
                await self._create_revision(owner, build_model_revision(owner, revision, number))
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
            case ApplyService(name, target):
                content = contents.get(target or gathered.snapshot.wanted.name) or gathered.snapshot.wanted.content
                await self._apply(SERVICES, owner, build_service(owner, name, target, content), ROUTING)
            case ApplyRoute():
                await self._apply_route(gathered, action)
            case DeleteRoute():
                await self._delete(HTTPROUTES, owner, owner.name)
            case ApplySide(kind, target):
                spec = gathered.snapshot.spec
                testers = spec.rollout.testers if spec.rollout else None
                await self._apply(HTTPROUTES, owner, build_side(owner, spec.route, testers, kind, target), ROUTING)
            case DeleteSide(kind):
                await self._delete(HTTPROUTES, owner, name_side(owner, kind))
            case MarkRevision():
                await self._mark(owner, action)
            case DeleteRevision(name):
                await self._delete_revision(owner, name)

    async def leave_route(self, route: Raw, weights: Mapping[str, int]) -> None:
        """Set the weights of the route of a ModelDeployment that is being deleted, and touch nothing else. An apply
        would make it the owner again: where children are to be left behind, the garbage collector would take the route
        away with the requests on it.
        """
        metadata = route["metadata"]
        rules = reweigh_route(route, weights)["spec"]["rules"]
        patch = {"metadata": {"uid": metadata["uid"]}, "spec": {"rules": rules}}
        raw = await self.kube.merge_patch(HTTPROUTES, metadata["namespace"], metadata["name"], patch, manager=ROUTING)
        self.store.written("HTTPRoute", raw)

    async def _apply_route(self, gathered: Gathered, action: ApplyRoute) -> None:
        owner, route = gathered.owner, gathered.raw_route
        weights, traces, mirror, snapshot = action.weights, action.traces, action.mirror, gathered.snapshot
        if not snapshot.route_usable:
            if route is not None:
                await self._apply(HTTPROUTES, owner, reweigh_route(route, weights, traces), ROUTING)
            return
        by_place = snapshot.route.by_place
        try:
            spec = snapshot.spec.route
            wanted = build_route(owner, spec, weights, route, by_place=by_place, traces=traces, mirror=mirror)
            await self._apply(HTTPROUTES, owner, wanted, ROUTING)
        except Invalid:
            # The way back to stable depends on nothing, and so not on the rest of the route.
            seen = snapshot.route
            if route is not None and (dict(seen.weights) != dict(weights) or (seen.mirror and not mirror)):
                await self._apply(HTTPROUTES, owner, reweigh_route(route, weights, traces), ROUTING)
            raise

    async def _delete(self, resource: Resource, owner: Owner, name: str) -> Raw | None:
        """Remove an object of that name where it is ours; the object as it was last seen."""
        known = self.store.get(resource.kind, owner.namespace, name)
        if known is None or not is_owned(known, owner):
            return None
        await self.kube.delete(resource, owner.namespace, name, uid=known["metadata"]["uid"])
        return known

    async def _apply_workload(self, owner: Owner, name: str, content: Raw | None, replicas: int) -> None:
        if content is not None:
            await self._apply(DEPLOYMENTS, owner, build_deployment(owner, name, content, replicas), WORKLOAD)
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
            raw = await self.kube.get(JOBS, owner.namespace, name)
            if not is_owned(raw, owner):
                raise NameTakenError("Job", owner.namespace, name) from None
            return raw

    async def _delete_check(self, owner: Owner, name: str) -> None:
        deleted = await self._delete(JOBS, owner, name)
        if deleted is not None:
            # The next attempt has the same name, and must not wait for the watch.
            self.store.pop("Job", deleted)

    async def _copy_config_map(self, owner: Owner, revision: str, source: str, digest: str) -> None:
        raw = await self._look_up(CONFIGMAPS, owner, source)
        if raw is None or digest_of(raw) != digest:
            raise SourceChangedError(f"ConfigMap {source} has not the data any more that {revision} was made of")
        copy = build_copy(build_metadata(owner, name_copy(revision, source), revision), raw)
        await self._apply(CONFIGMAPS, owner, copy, WORKLOAD)

    async def _apply(self, resource: Resource, owner: Owner, body: Raw, manager: str) -> None:
        name = body["metadata"]["name"]
        known = self.store.get(resource.kind, owner.namespace, name)
        if known is None:
            known = await self._look_up(resource, owner, name)
        if known is not None:
            if not (is_owned(known, owner) or is_orphan(known, owner)):
                raise NameTakenError(resource.kind, owner.namespace, name)
            # With the uid the API server refuses to bring back an object that was deleted in the meantime.
            body = {**body, "metadata": {**body["metadata"], "uid": known["metadata"]["uid"]}}
        self.store.written(resource.kind, await self.kube.apply(resource, body, manager))

    async def _look_up(self, resource: Resource, owner: Owner, name: str) -> Raw | None:
        """The store sees only labelled objects; one without our label may hold the name."""
        try:
            return await self.kube.get(resource, owner.namespace, name)
        except NotFound:
            return None

    async def _create_revision(self, owner: Owner, body: Raw) -> None:
        try:
            raw = await self.kube.create(MODELREVISIONS, body, RECORD)
        except AlreadyExists:
            raw = await self._take_up_revision(owner, body)
        self.store.written("ModelRevision", raw)

    async def _take_up_revision(self, owner: Owner, body: Raw) -> Raw:
        name = body["metadata"]["name"]
        raw = await self.kube.get(MODELREVISIONS, owner.namespace, name)
        if is_owned(raw, owner):
            return raw
        if not is_orphan(raw, owner) or raw["spec"].get("digest") != body["spec"]["digest"]:
            raise NameTakenError("ModelRevision", owner.namespace, name)
        patch = {"metadata": {"uid": raw["metadata"]["uid"], "ownerReferences": [owner.reference]}}
        return await self.kube.merge_patch(MODELREVISIONS, owner.namespace, name, patch, manager=RECORD)

    async def _mark(self, owner: Owner, mark: MarkRevision) -> None:
        status = build_revision_status(mark, format_time(self.clock.now()))
        try:
            raw = await self.kube.merge_patch(
                MODELREVISIONS, owner.namespace, mark.name, {"status": status}, subresource="status", manager=RECORD
            )
        except NotFound:
            return
        self.store.written("ModelRevision", raw)

    async def _delete_revision(self, owner: Owner, name: str) -> None:
        for resource in (DEPLOYMENTS, SERVICES, MODELREVISIONS):
            await self._delete(resource, owner, name)
        for resource in (JOBS, CONFIGMAPS):
            for one in self.store.by_owner(resource.kind, owner.namespace, owner.name):
                if revision_of(one) == name:
                    await self._delete(resource, owner, one["metadata"]["name"])


def build_revision_status(mark: MarkRevision, now: str) -> Raw:
    """What a mark writes: phase and reason, the time that belongs to the phase, and the judge's figures where there are
    any.
    """
    times = {"Stable": "promotedAt", "Rejected": "rejectedAt", "Retired": "retiredAt", "Candidate": "startedAt"}
    status: Raw = {"phase": mark.phase, "reason": mark.reason, "message": mark.message[:2048]}
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
