"""The watch streams: kopf lists and watches each kind and passes every event on, nothing else.

kopf must neither write to an object nor add a finalizer: there are event handlers only, storages that store nothing, no
peering, no Events. It runs in a thread with an event loop of its own, because on its way out it cancels every task of
its loop that is younger than itself, whoever it belongs to, and in the main thread it takes over the signals. So our
workers can finish their turn, and a burst of events at the start delays no renewal of the Lease.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import kopf

from serinus.engine.store import Raw
from serinus.kube.connection import Credentials
from serinus.kube.resources import WATCHED, Resource, Watched
from serinus.shell.login import FetchCredentials, register_login
from serinus.shell.storages import NoDiffBase, NoProgress

T = TypeVar("T")

Sink = Callable[[str, str | None, Raw], None]
"""Takes kind, type (None for a listed object, ADDED, MODIFIED, DELETED) and object; must not wait."""

_BACKOFFS: Final = (1, 1, 2, 3, 5, 8, 13, 21, 30, 30, 30)

_ENDING_SECONDS: Final = 6.0
"""How long kopf may take to end before it is helped; it gives what still runs five seconds."""


class WatchEndedError(Exception):
    """Events no longer come in, so that the process has to start anew."""


class WatchRefusedError(Exception):
    """One kind cannot be watched: it is gone, or a right is missing. The others can be, without it."""

    def __init__(self, resource: Resource | None, *, gone: bool) -> None:
        super().__init__(f"{resource.plural if resource else 'a kind'} {'is gone' if gone else 'may not be watched'}")
        self.resource, self.gone = resource, gone


def build_registry(sink: Sink, fetch: FetchCredentials, watched: Iterable[Watched] = WATCHED) -> kopf.OperatorRegistry:
    """Return the handlers: one per watched kind, and the login."""
    registry = kopf.OperatorRegistry()
    register_login(registry, fetch)
    for entry in watched:
        _register(registry, entry, sink)
    return registry


def _register(registry: kopf.OperatorRegistry, entry: Watched, sink: Sink) -> None:
    resource, kind = entry.resource, entry.kind

    async def forward(event: kopf.RawEvent, **_: Any) -> None:
        sink(kind, event["type"], dict(event["object"]))

    kopf.on.event(
        group=resource.group,
        version=resource.version,
        plural=resource.plural,
        id=f"watch-{resource.plural}.{resource.group}",
        registry=registry,
    )(forward)


def build_settings(watched: Iterable[Watched] = WATCHED) -> kopf.OperatorSettings:
    """Return how kopf has to behave; why, in each case, where it is not the default."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # we write our own Events
    settings.peering.standalone = True  # our Lease decides who works
    settings.scanning.disabled = True  # takes rights to CRDs and namespaces; our list notices a kind that comes or goes
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.finalizer = "serinus.dev/finalizer"  # never added: no handler needs one
    settings.watching.server_timeout = random.randint(300, 360)  # noqa: S311  bounded streams that do not end at once
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.watching.initial_streaming = False  # loses objects where the first stream breaks early
    settings.networking.request_timeout = 15  # the default would hold a list for 5 minutes
    settings.networking.error_backoffs = [pause * random.uniform(1, 1.3) for pause in _BACKOFFS]  # noqa: S311
    settings.queueing.idle_timeout = 1  # per-object workers keep no state
    settings.process.ultimate_exiting_timeout = None  # ending the process is not kopf's business
    settings.execution.max_workers = 1  # there are no synchronous handlers
    for entry in watched:
        if entry.label_selector is not None:
            resource = entry.resource
            selectors = settings.watching.label_selectors
            selectors[resource.group, resource.version, resource.plural] = entry.label_selector
    return settings


async def run_kopf(
    sink: Sink,
    fetch: FetchCredentials,
    stop: asyncio.Event,
    *,
    ready: asyncio.Event | None = None,
    namespaces: Sequence[str] = (),
    watched: Sequence[Watched] = WATCHED,
) -> None:
    """Watch until `stop` is set, cluster-wide or in the given namespaces (kinds without namespace always).

    `sink` and `fetch` are called in the loop of the caller; `ready` is set once kopf has started. Before `stop` it ends
    only for a reason that a restart may cure, and that reason is raised.

    It looks once, at its start, which kinds there are. Raises WatchRefusedError where a kind is gone, or where a right
    is missing for two minutes and more, in which it says so in the log.
    """
    loop = asyncio.get_running_loop()

    def deliver(kind: str, event_type: str | None, obj: Raw) -> None:
        loop.call_soon_threadsafe(sink, kind, event_type, obj)

    async def fetch_here() -> Credentials:
        return await fetch()

    async def fetch_there() -> Credentials:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch_here(), loop))

    async def tell_ready(**_: Any) -> None:
        if ready is not None:
            loop.call_soon_threadsafe(ready.set)

    async def operate(stop_flag: asyncio.Event) -> None:
        registry = build_registry(deliver, fetch_there, watched)
        kopf.on.startup(id="ready", registry=registry)(tell_ready)
        kopf.on.cleanup(id="ending", registry=registry)(_make_sure_of_the_end(asyncio.current_task()))
        await kopf.operator(
            registry=registry,
            settings=build_settings(watched),
            clusterwide=not namespaces,
            namespaces=tuple(namespaces),
            standalone=True,
            stop_flag=stop_flag,
        )

    try:
        await _run_in_thread(operate, stop)
    except Exception as error:
        status = _read_status(error)
        if stop.is_set() and 400 <= status < 500:
            return
        if status not in (403, 404):
            raise
        raise _build_refusal(error, watched) from error
    if not stop.is_set():
        raise WatchEndedError("the watch streams ended without being asked to")


def _make_sure_of_the_end(main: "asyncio.Task[None] | None") -> Callable[..., Awaitable[None]]:
    """A handler of kopf's ending, which cancels again what outlives it, all but `main`, until nothing does.

    kopf cancels its watchers once and then waits for them without limit; a watcher that just reconnects may lose that
    one cancellation, and with it would be lost why kopf ends.
    """

    def cancel_the_rest(loop: asyncio.AbstractEventLoop) -> None:
        for task in asyncio.all_tasks(loop) - {main}:
            task.cancel()
        loop.call_later(1.0, cancel_the_rest, loop)

    async def begin(**_: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(_ENDING_SECONDS, cancel_the_rest, loop)

    return begin


def _read_status(error: Exception) -> int:
    """The HTTP status that an error of kopf's stands for, 0 for any other: their classes are not public."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else 0


def _build_refusal(error: Exception, watched: Iterable[Watched]) -> WatchRefusedError:
    """Which kind it is about: the API server names it by group and plural (as `kind`) where it answers 403."""
    details: Raw = dict(getattr(error, "details", None) or {})
    place = (details.get("group") or "", details.get("kind"))
    resource = next((one.resource for one in watched if (one.resource.group, one.resource.plural) == place), None)
    return WatchRefusedError(resource, gone=_read_status(error) == 404)


async def _run_in_thread(operate: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    """Run `operate` in a loop of its own and set its flag when `stop` is set, or when the caller is cancelled."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    inner: asyncio.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = loop.create_future()

    async def main() -> None:
        flag = asyncio.Event()
        loop.call_soon_threadsafe(_settle, inner, (asyncio.get_running_loop(), flag), None)
        await operate(flag)

    def run() -> None:
        error: BaseException | None = None
        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            error = WatchEndedError("the watch streams were cancelled from within")
        except BaseException as caught:
            # Whatever ended kopf is the caller's to judge; in this thread nobody would hear of it.
            error = caught
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, ended, None, error)

    threading.Thread(target=run, name="kopf", daemon=True).start()
    inner_loop, flag = await inner
    stopping = asyncio.create_task(stop.wait())
    try:
        either: list[asyncio.Future[Any]] = [stopping, ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        with contextlib.suppress(RuntimeError):
            inner_loop.call_soon_threadsafe(flag.set)
    await ended


def _settle(future: "asyncio.Future[T]", result: T, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
