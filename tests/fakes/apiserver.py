"""A small API server on loopback: discovery, objects with resourceVersions, lists in pages, watches, faults on demand.

It knows as much of Kubernetes as our adapters rely on, no more: server-side apply is a plain merge, and schemas,
admission and garbage collection do not exist.
"""

import asyncio
import contextlib
import copy
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from serinus.kube.resources import Resource
from tests.fakes.objects import Raw, apply_json_patch, bare, is_selected, merge

CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Fault:
    """Answers `times` matching requests in place of the server: after `delay` seconds, with status, headers, body."""

    matches: Callable[[Request], bool]
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    times: int = 1


@dataclass(frozen=True)
class _Change:
    version: int
    resource: Resource
    type: str
    obj: Raw


@dataclass
class _Target:
    resource: Resource
    namespace: str
    name: str
    subresource: str


class FakeApiServer:
    """The server. Tests look at `requests` and change the cluster with `put` and `remove`."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = [CRDS, NAMESPACES, *resources]
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.page_limit: int | None = None
        self.url = ""
        self._objects: dict[Resource, dict[tuple[str, str], Raw]] = defaultdict(dict)
        self._version = 100
        self._oldest = 0
        self._changes: list[_Change] = []
        self._news = asyncio.Condition()
        self._watch_epoch = 0
        self._runner: web.AppRunner | None = None

    # What tests do to the cluster

    async def put(self, resource: Resource, obj: Raw) -> Raw:
        """Create or change an object as somebody else would."""
        stored = self._store(resource, copy.deepcopy(obj))
        await self._tell()
        return stored

    async def remove(self, resource: Resource, namespace: str, name: str, *, unseen: bool = False) -> None:
        """Delete an object; `unseen` keeps it from every watch, as a gap in the history would."""
        self._delete(resource, namespace, name, unseen=unseen)
        await self._tell()

    async def break_watches(self, *, gone: bool = False) -> None:
        """End every watch; with `gone` the history is forgotten too, so that resuming one gives 410."""
        if gone:
            self._oldest = self._version
        self._watch_epoch += 1
        await self._tell()

    def get(self, resource: Resource, namespace: str, name: str) -> Raw | None:
        return self._objects[resource].get((namespace, name))

    def writes(self) -> list[Request]:
        """Return the requests that would change something."""
        return [request for request in self.requests if request.method not in {"GET", "HEAD"}]

    def fail(self, matches: Callable[[Request], bool], **fault: Any) -> None:
        self.faults.append(Fault(matches, **fault))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeApiServer"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await self._runner.cleanup()

    # What it answers

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        seen = Request(
            request.method, request.path, dict(request.query), dict(request.headers), json.loads(text) if text else None
        )
        self.requests.append(seen)
        for fault in self.faults:
            if fault.times > 0 and fault.matches(seen):
                fault.times -= 1
                await asyncio.sleep(fault.delay)
                if isinstance(fault.body, str):
                    return web.Response(status=fault.status, headers=fault.headers, text=fault.body)
                return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        if seen.path in {"/api", "/apis", "/version"} or self._is_group(seen.path):
            return web.json_response(self._discover(seen.path))
        target = self._find(seen.path)
        if target is None:
            return web.Response(status=404, text="404 page not found")
        if seen.query.get("watch") == "true":
            return await self._watch(request, seen, target)
        status, body = self._answer(seen, target)
        await self._tell()
        return web.json_response(body, status=status)

    def _answer(self, request: Request, target: _Target) -> tuple[int, Raw]:
        stored = self.get(target.resource, target.namespace, target.name)
        if request.method == "GET":
            if not target.name:
                return self._list(request, target)
            return (200, stored) if stored else _missing(target)
        if request.method == "POST":
            name = request.body["metadata"]["name"]
            if self.get(target.resource, target.namespace, name):
                return _failure(409, "AlreadyExists", f"{target.resource.plural} {name!r} already exists")
            return 201, self._store(target.resource, request.body)
        if request.method == "DELETE":
            return self._answer_delete(request, target, stored)
        return self._answer_update(request, target, stored)

    def _answer_delete(self, request: Request, target: _Target, stored: Raw | None) -> tuple[int, Raw]:
        if stored is None:
            return _missing(target)
        uid = ((request.body or {}).get("preconditions") or {}).get("uid")
        if uid is not None and uid != stored["metadata"]["uid"]:
            return _failure(409, "Conflict", "the UID in the precondition does not match")
        self._delete(target.resource, target.namespace, target.name)
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _answer_update(self, request: Request, target: _Target, stored: Raw | None) -> tuple[int, Raw]:
        body = request.body
        content = request.headers.get("Content-Type", "")
        if stored is None:
            if "apply-patch" not in content or target.subresource:
                return _missing(target)
            if body["metadata"].get("uid"):
                return _failure(409, "Conflict", "uid mismatch: the provided object specified uid, none exists")
            return 201, self._store(target.resource, body)
        if isinstance(body, dict):
            version = body.get("metadata", {}).get("resourceVersion")
            if version and version != stored["metadata"]["resourceVersion"]:
                return _failure(409, "Conflict", "the object has been modified; please apply your changes")
        if isinstance(body, list):
            changed = apply_json_patch(stored, body)
            if changed is None:
                return _failure(422, "Invalid", "the server rejected our request: a test failed")
        elif request.method == "PUT":
            changed = {**stored, "status": body.get("status")} if target.subresource else body
        else:
            changed = merge(stored, {"status": body.get("status", {})} if target.subresource else body)
        return 200, self._store(target.resource, changed)

    def _list(self, request: Request, target: _Target) -> tuple[int, Raw]:
        found = [
            bare(obj)
            for (namespace, _), obj in sorted(self._objects[target.resource].items())
            if target.namespace in {"", namespace} and is_selected(obj, request.query)
        ]
        metadata: Raw = {"resourceVersion": str(self._version)}
        limit = int(request.query.get("limit") or 0) or len(found) or 1
        limit = min(limit, self.page_limit or limit)
        start = int(request.query.get("continue") or 0)
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        page = found[start : start + limit]
        kind, version = f"{target.resource.kind}List", target.resource.api_version
        return 200, {"kind": kind, "apiVersion": version, "metadata": metadata, "items": page}

    async def _watch(self, http: web.Request, request: Request, target: _Target) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(http)
        since = int(request.query.get("resourceVersion") or self._version)
        epoch = self._watch_epoch
        with contextlib.suppress(ConnectionError):
            if since < self._oldest:
                await _send(response, "ERROR", _failure(410, "Expired", "too old resource version")[1])
                return response
            while epoch == self._watch_epoch:
                for change in [c for c in self._changes if c.version > since and c.resource == target.resource]:
                    namespace = change.obj["metadata"].get("namespace", "")
                    if target.namespace in {"", namespace} and is_selected(change.obj, request.query):
                        await _send(response, change.type, change.obj)
                since = self._version
                async with self._news:
                    await self._news.wait()
        return response

    def _discover(self, path: str) -> Raw:
        groups: dict[str, str] = {r.group: r.version for r in self.resources if r.group}
        if path == "/version":
            return {"major": "1", "minor": "37"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            versions = {name: {"groupVersion": f"{name}/{v}", "version": v} for name, v in groups.items()}
            entries = [{"name": n, "versions": [v], "preferredVersion": v} for n, v in versions.items()]
            return {"kind": "APIGroupList", "groups": entries}
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        served = [r for r in self.resources if r.base_path == path]
        names = [(r, r.plural) for r in served] + [(r, f"{r.plural}/status") for r in served]
        return {
            "kind": "APIResourceList",
            "groupVersion": path.removeprefix("/apis/").removeprefix("/api/"),
            "resources": [
                {"name": n, "singularName": r.kind.lower(), "namespaced": r.namespaced, "kind": r.kind, "verbs": verbs}
                for r, n in names
            ],
        }

    def _is_group(self, path: str) -> bool:
        return any(resource.base_path == path for resource in self.resources)

    def _find(self, path: str) -> _Target | None:
        for resource in self.resources:
            if not path.startswith(resource.base_path + "/"):
                continue
            parts = path.removeprefix(resource.base_path + "/").split("/")
            namespace = ""
            if parts[0] == "namespaces" and len(parts) > 2:
                namespace, parts = parts[1], parts[2:]
            if parts[0] == resource.plural:
                name, subresource, *_ = (*parts[1:], "", "")
                return _Target(resource, namespace, name, subresource)
        return None

    # What it keeps

    def _store(self, resource: Resource, obj: Raw) -> Raw:
        metadata = obj["metadata"]
        place = (metadata.get("namespace", ""), metadata["name"])
        before = self._objects[resource].get(place)
        self._version += 1
        uid = before["metadata"]["uid"] if before else f"uid-{self._version}"
        stored = {
            **obj,
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {**metadata, "uid": uid, "resourceVersion": str(self._version)},
        }
        self._objects[resource][place] = stored
        self._changes.append(_Change(self._version, resource, "MODIFIED" if before else "ADDED", stored))
        return stored

    def _delete(self, resource: Resource, namespace: str, name: str, *, unseen: bool = False) -> None:
        last = self._objects[resource].pop((namespace, name))
        self._version += 1
        if not unseen:
            metadata = {**last["metadata"], "resourceVersion": str(self._version)}
            self._changes.append(_Change(self._version, resource, "DELETED", {**last, "metadata": metadata}))

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


async def _send(response: web.StreamResponse, event_type: str, obj: Raw) -> None:
    await response.write(json.dumps({"type": event_type, "object": obj}).encode() + b"\n")


def _failure(code: int, reason: str, message: str) -> tuple[int, Raw]:
    return code, {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


def _missing(target: _Target) -> tuple[int, Raw]:
    return _failure(404, "NotFound", f"{target.resource.plural} {target.name!r} not found")
