"""Sends the requests of `rollout.warmup` to each pod of a candidate as it becomes ready.

A pod counts for more traffic only once it is warm. Kept in memory alone: after a restart of the operator the pods that
have no traffic yet are warmed again, which costs a few requests and nothing else."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakValueDictionary

from serinus.api.meta import parse_time
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.podtemplate import find_port
from serinus.api.rollout import ConfigMapKey
from serinus.api.status import CandidateState
from serinus.core.observe import addresses_of, pods_of
from serinus.core.snapshot import Warmth
from serinus.engine.store import Key
from serinus.serving.client import Sent

Raw = dict[str, Any]

REQUESTS: Final = 10
"""Sent to each pod where only a path is given."""
TRIES: Final = 3
"""First requests that may be answered with an error before the model is given up."""
PAUSE: Final = 2.0
"""Seconds between them."""
AT_ONCE: Final = 8
"""Requests under way at any time, of all models of a namespace together: those that hang hold up nobody else's."""


@dataclass(frozen=True)
class Order:
    """What is to be sent, and for which release; another order starts anew."""

    revision: str
    release: str
    port: int
    path: str
    requests: int
    body: ConfigMapKey | None


def find_order(spec: ModelDeploymentSpec, candidate: CandidateState, content: Raw) -> Order | None:
    """What `rollout.warmup` asks for; None where no request is to be sent."""
    warmup = spec.rollout.warmup if spec.rollout else None
    port = find_port(content.get("template") or {}, content.get("port"))
    if warmup is None or port is None or (warmup.requests is None and warmup.path is None):
        return None
    return Order(
        revision=candidate.revision,
        release=str(candidate.started_at),
        port=port,
        path=warmup.path or "/",
        requests=warmup.requests or REQUESTS,
        body=warmup.body_from,
    )


@dataclass
class _Job:
    order: Order
    pods: dict[str, Warmth] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class Warmer:
    """`send(url, body)` asks a pod, `read(namespace, name)` fetches a ConfigMap (None where it cannot be had), and
    `notify(key, urgent)` asks for a turn when something is known."""

    def __init__(
        self,
        send: Callable[[str, bytes | None], Awaitable[Sent]],
        read: Callable[[str, str], Awaitable[Raw | None]],
        notify: Callable[[Key, bool], None],
        pause: float = PAUSE,
    ) -> None:
        self._send = send
        self._read = read
        self._notify = notify
        self._pause = pause
        self._jobs: dict[Key, _Job] = {}
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def observe(
        self,
        key: Key,
        spec: ModelDeploymentSpec,
        candidate: CandidateState | None,
        contents: Mapping[str, Raw],
        pods: Iterable[Raw],
    ) -> dict[str, Mapping[str, Warmth]]:
        """How warm the candidate's pods are, by revision; nothing where none need to be."""
        order = None if candidate is None else find_order(spec, candidate, contents.get(candidate.revision, {}))
        if order is None:
            self.forget(key)
            return {}
        mine = pods_of(pods, order.revision)
        serving = [pod for pod in mine if candidate is not None and _has_served(candidate, pod)]
        warm = {name: Warmth("Warm") for name in addresses_of(serving)}
        cold = {name: address for name, address in addresses_of(mine).items() if name not in warm}
        return {order.revision: {**self.watch(key, order, cold), **warm}}

    def watch(self, key: Key, order: Order, addresses: Mapping[str, str]) -> Mapping[str, Warmth]:
        """See to it that the pods (address by name) become warm, and say how far each is. Never waits."""
        job = self._jobs.get(key)
        if job is None or job.order != order:
            self.forget(key)
            job = self._jobs[key] = _Job(order)
        for pod in set(job.tasks) - set(addresses):
            job.tasks.pop(pod).cancel()
            job.pods.pop(pod, None)
        for pod, address in addresses.items():
            if pod not in job.tasks:
                job.pods[pod] = Warmth("Cold", "its first request has not been answered yet")
                job.tasks[pod] = asyncio.create_task(self._warm(key, job, pod, address), name=f"warm {pod}")
        return dict(job.pods)

    def forget(self, key: Key) -> None:
        """Nothing of it is being warmed any more."""
        job = self._jobs.pop(key, None)
        for task in job.tasks.values() if job else ():
            task.cancel()

    async def close(self) -> None:
        tasks = [task for job in self._jobs.values() for task in job.tasks.values()]
        for key in list(self._jobs):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _warm(self, key: Key, job: _Job, pod: str, address: str) -> None:
        order = job.order
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{order.port}{order.path}"
        errors = 0
        while True:
            body, missing = await self._find_body(key.namespace, order)
            sent = Sent(None, missing) if missing else await self._ask(key, url, body)
            if sent.succeeded:
                break
            errors += sent.status is not None
            what = f"HTTP {sent.status}" if sent.status is not None else sent.message
            failed = errors >= TRIES
            message = f"the first request to {pod}{order.path}: {what}"
            self._note(key, job, pod, Warmth("Failed" if failed else "Cold", message))
            if failed:
                return
            await asyncio.sleep(self._pause)
        for _ in range(order.requests - 1):
            await self._ask(key, url, body)
        self._note(key, job, pod, Warmth("Warm"))

    async def _ask(self, key: Key, url: str, body: bytes | None) -> Sent:
        slots = self._slots.setdefault(key.namespace, asyncio.Semaphore(AT_ONCE))
        async with slots:
            return await self._send(url, body)

    async def _find_body(self, namespace: str, order: Order) -> tuple[bytes | None, str]:
        """The body to send, or why there is none though one was asked for."""
        if order.body is None:
            return None, ""
        source = order.body
        found = await self._read(namespace, source.config_map)
        field = f"spec.rollout.warmup.bodyFrom: ConfigMap {source.config_map!r}"
        if found is None:
            return None, f"{field} is not there"
        text, binary = (found.get("data") or {}).get(source.key), (found.get("binaryData") or {}).get(source.key)
        if text is not None:
            return str(text).encode(), ""
        if binary is None:
            return None, f"{field} has no key {source.key!r}"
        try:
            return base64.b64decode(binary), ""
        except binascii.Error:
            return None, f"{field}: {source.key!r} is not base64"

    def _note(self, key: Key, job: _Job, pod: str, warmth: Warmth) -> None:
        if self._jobs.get(key) is job and job.pods.get(pod) != warmth:
            job.pods[pod] = warmth
            self._notify(key, True)


def _has_served(candidate: CandidateState, pod: Raw) -> bool:
    """Whether a pod was ready when the present step began, and so has had its share since."""
    since = candidate.step_started_at if candidate.weight > 0 else None
    conditions = (pod.get("status") or {}).get("conditions") or ()
    at = next((c.get("lastTransitionTime") for c in conditions if c.get("type") == "Ready"), None)
    ready = parse_time(at)
    return since is not None and ready is not None and ready < since
