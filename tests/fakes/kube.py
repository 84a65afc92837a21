"""A Kubernetes API in memory: as much of it as the controllers rely on, with faults on demand."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serinus.engine.store import Listing, Store
from serinus.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from serinus.kube.resources import Resource

Raw = dict[str, Any]
Place = tuple[str, str, str]


@dataclass
class Write:
    """One write as it was asked for."""

    verb: str
    kind: str
    name: str
    body: Any


@dataclass
class FakeKube:
    """Stands in for `serinus.kube.gateway.Kube`; every write is noted and goes into `store` as a watch would do."""

    store: Store
    objects: dict[Place, Raw] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    fault: Callable[[Write], KubeError | None] = lambda write: None
    _version: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, obj: Raw) -> Raw:
        """Somebody else writes an object."""
        metadata = obj["metadata"]
        place = (obj["kind"], metadata.get("namespace", ""), metadata["name"])
        old = self.objects.get(place)
        number = next(self._version)
        kept = old["metadata"] if old else {"uid": f"uid-{number}", "creationTimestamp": "2026-11-23T10:00:00Z"}
        generation = (old["metadata"].get("generation", 1) + (old.get("spec") != obj.get("spec"))) if old else 1
        obj = copy.deepcopy(obj)
        obj["metadata"] = {
            **obj["metadata"],
            "uid": kept["uid"],
            "creationTimestamp": kept["creationTimestamp"],
            "resourceVersion": str(number),
            "generation": generation,
        }
        self.objects[place] = obj
        self.store.put(obj["kind"], obj)
        return obj

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Somebody else deletes an object."""
        gone = self.objects.pop((kind, namespace, name))
        gone["metadata"]["resourceVersion"] = str(next(self._version))
        self.store.pop(kind, gone)

    async def get(self, resource: Resource, namespace: str, name: str) -> Raw:
        found = self.objects.get((resource.kind, namespace, name))
        if found is None:
            raise NotFound(f"{resource.kind} {namespace}/{name}", status=404)
        return copy.deepcopy(found)

    async def find(self, resource: Resource, namespace: str, name: str) -> Raw:
        return await self.get(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str = "", label_selector: str | None = None) -> Listing:
        return Listing([o for (kind, _, _), o in self.objects.items() if kind == resource.kind], "0")

    async def create(self, resource: Resource, obj: Raw, manager: str = "") -> Raw:
        place = (resource.kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        self._note("create", resource, obj["metadata"]["name"], obj)
        if place in self.objects:
            raise AlreadyExists(f"{place}", status=409)
        return self.put({**obj, "kind": resource.kind})

    async def apply(self, resource: Resource, obj: Raw, manager: str = "", force: bool = True) -> Raw:
        metadata = obj["metadata"]
        place = (resource.kind, metadata.get("namespace", ""), metadata["name"])
        self._note("apply", resource, metadata["name"], obj)
        old = self.objects.get(place)
        if metadata.get("uid") and (old is None or old["metadata"]["uid"] != metadata["uid"]):
            raise Conflict("uid mismatch", status=409)
        merged = {**(old or {}), **obj, "kind": resource.kind}
        merged["metadata"] = {**((old or {}).get("metadata") or {}), **metadata}
        return self.put(merged)

    async def replace_status(self, resource: Resource, obj: Raw, status: Raw, manager: str = "") -> Raw:
        metadata = obj["metadata"]
        self._note("status", resource, metadata["name"], status)
        old = await self.get(resource, metadata.get("namespace", ""), metadata["name"])
        if old["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise Conflict("changed", status=409)
        return self.put({**old, "status": copy.deepcopy(status)})

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, patch: Raw, *, subresource: str = "", manager: str = ""
    ) -> Raw:
        self._note("patch", resource, name, patch)
        old = await self.get(resource, namespace, name)
        wanted = (patch.get("metadata") or {}).get("resourceVersion")
        if wanted is not None and wanted != old["metadata"]["resourceVersion"]:
            raise Conflict("changed", status=409)
        return self.put(_merge(old, patch))

    async def delete(self, resource: Resource, namespace: str, name: str, **_: Any) -> bool:
        self._note("delete", resource, name, None)
        if (resource.kind, namespace, name) in self.objects:
            self.remove(resource.kind, namespace, name)
        return True

    def _note(self, verb: str, resource: Resource, name: str, body: Any) -> None:
        write = Write(verb, resource.kind, name, copy.deepcopy(body))
        self.writes.append(write)
        fault = self.fault(write)
        if fault is not None:
            raise fault


def _merge(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    merged = dict(old)
    for key, value in patch.items():
        merged[key] = _merge(merged.get(key, {} if isinstance(value, dict) else None), value)
    return {key: value for key, value in merged.items() if value is not None}
