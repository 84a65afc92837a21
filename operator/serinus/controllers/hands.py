"""Writing and removing objects without ever touching somebody else's.

An object of a name we need that is not ours is left alone: `NameTakenError`. Children that were orphaned on purpose are
taken up again."""

from dataclasses import dataclass
from typing import Any

from serinus.controllers.ownership import is_orphan, is_owned
from serinus.core.children import Owner
from serinus.engine.store import Key, Store
from serinus.kube.errors import Conflict, KubeError, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import Resource

Raw = dict[str, Any]


class NameTakenError(Exception):
    """An object of a name that is needed exists and is not ours."""

    def __init__(self, kind: str, namespace: str, name: str) -> None:
        super().__init__(f"{kind} {namespace}/{name} exists and does not belong to this ModelDeployment")
        self.kind, self.namespace, self.name = kind, namespace, name


def require_current(store: Store, key: Key, raw: Raw) -> None:
    """Conflict where an object has changed since it was gathered as `raw`: what was decided is about what it was."""
    known = store.get(key.kind, key.namespace, key.name) or raw
    if known["metadata"].get("resourceVersion") != raw["metadata"].get("resourceVersion"):
        raise Conflict(f"the {key.kind} changed while it was being worked on")


async def read_anew(kube: Kube, store: Store, resource: Resource, key: Key) -> None:
    """After a conflict: read the object, so that the next turn decides on what is there. One that is gone, or cannot be
    read now, is for the watch to tell."""
    try:
        raw = await kube.find(resource, key.namespace, key.name)
    except KubeError:
        return
    store.written(key.kind, raw)


@dataclass(frozen=True)
class Hands:
    """Raises KubeError where the API server does not do as asked."""

    kube: Kube
    store: Store

    async def apply(self, resource: Resource, owner: Owner, body: Raw, manager: str) -> None:
        """Apply an object on the server; one that is there must be ours, or nobody's any more."""
        name = body["metadata"]["name"]
        known = self.store.get(resource.kind, owner.namespace, name)
        if known is None:
            known = await self.look_up(resource, owner, name)
        if known is not None:
            if not (is_owned(known, owner) or is_orphan(known, owner)):
                raise NameTakenError(resource.kind, owner.namespace, name)
            # With the uid the API server refuses to bring back an object that was deleted in the meantime.
            body = {**body, "metadata": {**body["metadata"], "uid": known["metadata"]["uid"]}}
        self.store.written(resource.kind, await self.kube.apply(resource, body, manager))

    async def look_up(self, resource: Resource, owner: Owner, name: str) -> Raw | None:
        """The store sees only labelled objects; one without our label may hold the name."""
        try:
            return await self.kube.find(resource, owner.namespace, name)
        except NotFound:
            return None

    async def delete(self, resource: Resource, owner: Owner, name: str) -> Raw | None:
        """Remove an object of that name where it is ours; the object as it was last seen."""
        known = self.store.get(resource.kind, owner.namespace, name)
        if known is None or not is_owned(known, owner):
            return None
        await self.kube.delete(resource, owner.namespace, name, uid=known["metadata"]["uid"])
        return known
