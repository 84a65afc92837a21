"""Calls to the API server with raw dicts, a short timeout, and one small set of errors.

No typed model is ever parsed, and nothing is tried again here: whoever calls knows whether that makes sense. Writes go
through a fence that asks, at the last moment, whether we still lead. Nothing returned is cached.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.exceptions import ApiException

from serinus.engine.store import Listing, Raw
from serinus.kube.errors import Expired, KubeError, NotFound, NotLeading, TimedOut, Unavailable, build_error
from serinus.kube.resources import Resource
from serinus.net.transport import describe

TIMEOUT: Final = 5.0
PAGE_SIZE: Final = 500
MANAGER: Final = "serinus"

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_JSON: Final = "application/json-patch+json"

Query = list[tuple[str, str]]
OnRequest = Callable[[str, str, str, float], None]
"""Told of every call: verb (get, list, create, update, patch, apply, delete), resource (`services`, `x/status`),
HTTP status or the reason why there was none, seconds."""


def _no_telemetry(verb: str, plural: str, code: str, seconds: float) -> None:
    return None


def _always() -> bool:
    return True


class Kube:
    """The API server. Every method raises KubeError (see serinus.kube.errors) and nothing else but cancellation."""

    def __init__(
        self,
        client: ApiClient,
        *,
        may_write: Callable[[], bool] = _always,
        on_request: OnRequest = _no_telemetry,
        timeout: float = TIMEOUT,
    ) -> None:
        self._client = client
        self._may_write = may_write
        self._on_request = on_request
        self._timeout = timeout

    def fenced(self, may_write: Callable[[], bool]) -> "Kube":
        """Return a twin on the same connections that refuses writes (NotLeading) while `may_write` says no."""
        return Kube(self._client, may_write=may_write, on_request=self._on_request, timeout=self._timeout)

    async def close(self) -> None:
        """Close the connections, also those of the twins."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, resource: Resource, namespace: str, name: str) -> Raw:
        """Read one object. `namespace` is empty for cluster-scoped kinds, here and below."""
        return await self._call("get", "GET", resource, namespace, name)

    async def find(self, resource: Resource, namespace: str, name: str) -> Raw:
        """Read one object of a kind that is listed anyway, as a list of one: that takes no further right."""
        query = [("fieldSelector", f"metadata.name={name}")]
        found = (await self._call("list", "GET", resource, namespace, query=query)).get("items") or ()
        for item in found:
            return _typed(resource, item)
        raise NotFound(f"{resource.plural} {namespace}/{name} not found", status=404, reason="NotFound")

    async def list(self, resource: Resource, namespace: str = "", label_selector: str | None = None) -> Listing:
        """Read all objects of a namespace, or of all namespaces, page by page, with the version they have in common.

        Objects carry apiVersion and kind, which the API server leaves out in lists.
        """
        for _ in range(2):
            try:
                return await self._list_once(resource, namespace, label_selector)
            except Expired:
                # The continuation died of old age between two pages; a fresh list has a fresh one.
                continue
        return await self._list_once(resource, namespace, label_selector)

    async def try_watch(self, resource: Resource, namespace: str = "") -> None:
        """Begin a watch that the API server ends within a second; Denied where there is no right to one."""
        path = _path(resource, namespace, "", "")
        # Such a watch begins with all that there is: no object has this name.
        query = [("watch", "true"), ("timeoutSeconds", "1"), ("fieldSelector", "metadata.name=-")]
        await self._send("GET", path, None, query, "application/json", empty=True)

    async def fetch_document(self, address: str) -> Raw:
        """Read a JSON document of the API server that is no resource; `address` is path and query."""
        path, _, query = address.partition("?")
        return await self._tell("get", "openapi", self._send("GET", path, None, parse_qsl(query), "application/json"))

    async def create(self, resource: Resource, obj: Raw, manager: str = MANAGER, *, dry_run: bool = False) -> Raw:
        """Create an object; AlreadyExists if there is one of that name. In a dry run the API server does everything but
        keep it."""
        query = [("fieldManager", manager), *([("dryRun", "All")] if dry_run else [])]
        namespace = obj["metadata"].get("namespace", "")
        return await self._call("create", "POST", resource, namespace, body=_typed(resource, obj), query=query)

    async def apply(self, resource: Resource, obj: Raw, manager: str = MANAGER, force: bool = True) -> Raw:
        """Apply the fields of `obj` on the server as `manager`; what the manager applied before and left out now goes.

        Creates the object where it is missing, unless `metadata.uid` is set: then the API server answers Conflict, so
        that an object deleted in the meantime does not come back. Without `force`, Conflict if somebody else manages
        one of the fields.
        """
        metadata = obj["metadata"]
        query = [("fieldManager", manager), ("force", "true" if force else "false")]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        body = _typed(resource, obj)
        return await self._call("apply", "PATCH", resource, namespace, name, body=body, query=query, content=_APPLY)

    async def replace(self, resource: Resource, obj: Raw, manager: str = MANAGER) -> Raw:
        """Write the whole object; Conflict if it is not of `metadata.resourceVersion` any more."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        query = [("fieldManager", manager)]
        return await self._call("update", "PUT", resource, namespace, name, body=_typed(resource, obj), query=query)

    async def replace_status(self, resource: Resource, obj: Raw, status: Raw, manager: str = MANAGER) -> Raw:
        """Write the whole status of `obj` as last read; Conflict if it has changed since."""
        metadata = obj["metadata"]
        body = _typed(resource, {**obj, "status": status})
        return await self._call(
            "update",
            "PUT",
            resource,
            metadata.get("namespace", ""),
            metadata["name"],
            subresource="status",
            body=body,
            query=[("fieldManager", manager)],
        )

    async def patch_status(self, resource: Resource, obj: Raw, status: Raw, manager: str = MANAGER) -> Raw:
        """Merge `status` into that of `obj` (null removes a field, a list replaces a list); Conflict if it changed."""
        metadata = obj["metadata"]
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status}
        return await self.merge_patch(
            resource, metadata.get("namespace", ""), metadata["name"], body, subresource="status", manager=manager
        )

    async def merge_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Raw,
        *,
        subresource: str = "",
        manager: str = MANAGER,
    ) -> Raw:
        """Merge `patch` into the object; a `metadata.resourceVersion` in it is a precondition."""
        query = [("fieldManager", manager)]
        return await self._call(
            "patch",
            "PATCH",
            resource,
            namespace,
            name,
            subresource=subresource,
            body=patch,
            query=query,
            content=_MERGE,
        )

    async def json_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[Raw],
        *,
        subresource: str = "",
        manager: str = MANAGER,
    ) -> Raw:
        """Apply JSON-patch operations; a `test` that fails is Invalid."""
        query = [("fieldManager", manager)]
        body = [dict(operation) for operation in operations]
        return await self._call(
            "patch", "PATCH", resource, namespace, name, subresource=subresource, body=body, query=query, content=_JSON
        )

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
    ) -> bool:
        """Delete an object; False if it was gone already. With `uid`, Conflict if the name is another object's now."""
        body: Raw = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        try:
            await self._call("delete", "DELETE", resource, namespace, name, body=body)
        except NotFound:
            return False
        return True

    async def _list_once(self, resource: Resource, namespace: str, label_selector: str | None) -> Listing:
        objects: list[Raw] = []
        token = ""
        while True:
            query = [("limit", str(PAGE_SIZE))]
            query += [("labelSelector", label_selector)] if label_selector else []
            query += [("continue", token)] if token else []
            page = await self._call("list", "GET", resource, namespace, query=query)
            objects.extend(_typed(resource, item) for item in page.get("items") or ())
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                return Listing(objects, str(metadata.get("resourceVersion") or ""))

    async def _call(
        self,
        verb: str,
        method: str,
        resource: Resource,
        namespace: str,
        name: str = "",
        *,
        subresource: str = "",
        body: Any = None,
        query: Query | None = None,
        content: str = "application/json",
    ) -> Raw:
        if method != "GET" and not self._may_write():
            raise NotLeading(f"not leading: {verb} {resource.plural} {namespace}/{name} was held back")
        path = _path(resource, namespace, name, subresource)
        place = f"{resource.plural}/{subresource}" if subresource else resource.plural
        return await self._tell(verb, place, self._send(method, path, body, query or [], content))

    async def _tell(self, verb: str, place: str, sending: Awaitable[tuple[int, Raw]]) -> Raw:
        """The answer to a call, which is counted however it ends."""
        started = time.monotonic()
        code = "cancelled"
        try:
            status, answer = await sending
            code = str(status)
            return answer
        except KubeError as error:
            code = str(error.status) if error.status else type(error).__name__
            raise
        finally:
            self._on_request(verb, place, code, time.monotonic() - started)

    async def _send(
        self, method: str, path: str, body: Any, query: Query, content: str, *, empty: bool = False
    ) -> tuple[int, Raw]:
        what = f"{method} {path}"
        try:
            async with asyncio.timeout(self._timeout):
                _, url, headers, data, _ = await self._client.param_serialize(
                    method,
                    path,
                    query_params=query,
                    header_params={"Accept": "application/json", "Content-Type": content},
                    body=body,
                    auth_settings=["BearerToken"],
                )
                limit = aiohttp.ClientTimeout(total=self._timeout)
                answer = await self._client.call_api(method, url, headers, data, _request_timeout=limit)
                raw: bytes = await answer.read()  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise TimedOut(f"{what}: no answer within {self._timeout:g}s") from error
        except (aiohttp.ClientError, ApiException, OSError) as error:
            raise Unavailable(f"{what}: {describe(error)}") from error
        if empty and answer.status == 200:
            return answer.status, {}
        return answer.status, _parse(what, answer.status, raw, answer.headers.get("Retry-After"))


def _parse(what: str, status: int, raw: bytes, retry_after: str | None) -> Raw:
    try:
        parsed = json.loads(raw)
    except ValueError:
        parsed = None
    if not 200 <= status < 300:
        raise build_error(status, parsed, raw[:500].decode(errors="replace"), retry_after)
    if not isinstance(parsed, dict):
        raise Unavailable(f"{what}: the answer is no JSON object", status=status)
    return parsed


def _path(resource: Resource, namespace: str, name: str, subresource: str) -> str:
    parts = [resource.base_path]
    if namespace and resource.namespaced:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(resource.plural)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def _typed(resource: Resource, obj: Raw) -> Raw:
    return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
