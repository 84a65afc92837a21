"""The composition root: builds every object once, and owns the order in which things start and stop.

    probes and metrics -> Lease -> first list -> watches, workers, periodic list      (start)
    workers finish their turns -> watches -> metrics loops -> Lease given back        (stop)

A replica that does not lead serves probes and metrics and does nothing else. One that loses the Lease ends: its
successor starts from what is written in the cluster."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from serinus.controllers.access import AccessReader
from serinus.controllers.analyst import Analyst, Provider
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.metricsprovider import MetricsProviderController
from serinus.controllers.modeldeployment import Ended, ModelDeploymentController
from serinus.controllers.models import ImageVolumes, LoaderSettings, ModelDesk, ModelResolver, SchemaReader
from serinus.controllers.retrain.desk import Places
from serinus.controllers.retrain.wakeup import RetrainWakeup
from serinus.controllers.wakeup import Wakeup, owner_of, slim
from serinus.controllers.warmer import Warmer
from serinus.engine.clock import SystemClock
from serinus.engine.feed import Feed
from serinus.engine.leader import LeaderElector, LeaseTimes
from serinus.engine.queue import WorkQueue
from serinus.engine.resync import Resync
from serinus.engine.store import Key, Raw, Store
from serinus.engine.worker import Result, Turn, run_workers
from serinus.kube.connection import build_api_client, fetch_credentials, load_configuration
from serinus.kube.contract import ContractReader
from serinus.kube.events import EventRecorder
from serinus.kube.gateway import Kube
from serinus.kube.imagevolumes import rehearse_image_volume
from serinus.kube.lease import KubeLease
from serinus.kube.lister import Lister
from serinus.kube.resources import SWITCHES, watch_with
from serinus.kube.secrets import SecretReader
from serinus.kube.training import read_training_kinds
from serinus.metrics.prometheus import OnResult, PrometheusSource
from serinus.metrics.source import FetchAccess
from serinus.metrics.threads import QueryThreads
from serinus.net.hosts import read_hosts
from serinus.net.transport import Transport
from serinus.outside import build_carriers, build_registry, receive_events
from serinus.registries.resolver import Registries, resolve
from serinus.retraining import Loop, Surroundings, build_gate_asker, build_loop, fetch_config_map, tell_release
from serinus.serving.client import ModelClient
from serinus.settings import Settings
from serinus.shell.http import LoopMonitor, build_app, build_list_checks, serve, unknown_as_nan
from serinus.shell.lifecycle import LifecycleTelemetry
from serinus.shell.logging import log_resync, log_turn
from serinus.shell.streams import Streams
from serinus.shell.telemetry import Telemetry
from serinus.streaming import build_streams, log_refusals

log = structlog.get_logger(__name__)

FIRST_LIST_RETRY = 2.0
"""Seconds between attempts at the first list: nothing is decided before every kind has been seen once."""

ACTIVE_RESYNC = 30.0
"""Seconds between two lists while a rollout is being judged."""

GRACE = 8.0
"""Seconds that turns under way are given to end when the process stops."""


@dataclass(frozen=True)
class Parts:
    """Everything that lives as long as the process."""

    settings: Settings
    clock: SystemClock
    telemetry: Telemetry
    kube: Kube
    free: Kube
    elector: LeaderElector
    queue: WorkQueue[Key]
    feed: Feed
    resync: Resync
    analyst: Analyst
    controller: ModelDeploymentController
    providers: MetricsProviderController
    loop: Loop
    streams: Streams


async def run(settings: Settings) -> int:
    """Run until a signal comes or a restart is due; the exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with build_parts(settings) as parts:
        return await operate(parts, stop)


@contextlib.asynccontextmanager
async def build_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Build everything; give back connections at the end."""
    clock, telemetry = SystemClock(), Telemetry()
    configuration = await load_configuration(settings.kubeconfig, settings.context)
    free = Kube(build_api_client(configuration), on_request=telemetry.on_request)
    times = LeaseTimes.for_duration(settings.lease_duration)
    lease = KubeLease(free, settings.namespace, settings.lease_name)
    elector = LeaderElector(lease, settings.identity, clock, times, on_trouble=_log_lease_trouble)
    # Whoever lost the Lease must not write any more, however late he notices.
    kube = free.fenced(elector.is_leader) if settings.leader_election else free
    queue: WorkQueue[Key] = WorkQueue(group_of=lambda key: key.namespace)
    claims = ClaimIndex()
    store = Store(
        owner_of,
        slim,
        lambda kind, raw: _notify_written(wakeup, loop.wakeup, kind, raw),
        {one.kind: value for one, value in SWITCHES.items() if value in settings.switched_off},
        settings.watch_namespaces and (*settings.watch_namespaces, *settings.gateway_namespaces),
    )
    wakeup = Wakeup(store, claims, queue.add)
    kinds = read_training_kinds(settings.training_kinds)
    without = settings.switched_off
    watched = watch_with(kinds, kueue=settings.kueue, without=without)
    lister = Lister(
        free,
        settings.watch_namespaces,
        watched,
        {"Gateway": settings.gateway_namespaces},
        ContractReader(free).fetch_outdated,
    )
    recorder = EventRecorder(kube, clock, settings.identity)
    providers = MetricsProviderController(
        kube,
        store,
        recorder,
        clock,
        AccessReader(store, SecretReader(free, settings.namespace, clock)),
        partial(_open_source, telemetry, QueryThreads()),
        queue.add,
    )
    transport = Transport()
    registries = _registries(settings)
    lifecycle = LifecycleTelemetry(telemetry.registry, store)
    loop = build_loop(
        Surroundings(
            kube,
            store,
            queue.add,
            recorder,
            clock,
            providers.make_source,
            lifecycle,
            kinds,
            enabled=settings.retraining,
        ),
        Places(
            fetch_config_map=partial(fetch_config_map, free),
            resolve=partial(resolve, transport, registries),
            ask_gate=build_gate_asker(store, providers.make_source),
            fetch_registry=build_registry(transport, settings),
            carriers=build_carriers(transport, settings, free),
        ),
    )
    feed = Feed(
        store,
        partial(_notify, wakeup, loop.wakeup, queue.add),
        lambda kind: _notify_kind(wakeup, loop.wakeup, streams, store, kind),
    )
    streams = build_streams(settings, free, feed, watched, partial(fetch_credentials, configuration))
    analyst = Analyst(providers.make_source, queue.add, clock, telemetry.on_judged, telemetry.on_forgotten)
    resync = Resync(
        lister.kinds,
        lister,
        feed,
        clock,
        # A watch that has died in silence must not hide a rollout's objects for long.
        interval=lambda: min(ACTIVE_RESYNC, settings.resync_interval) if analyst.active else settings.resync_interval,
        report=log_resync,
    )
    client = ModelClient()
    desk = ModelDesk(
        ModelResolver(partial(resolve, transport, registries), queue.add),
        SchemaReader(partial(fetch_config_map, free), queue.add),
        ImageVolumes(partial(rehearse_image_volume, kube), queue.add),
        _loader(settings),
    )
    warmer = Warmer(client.send, partial(fetch_config_map, free), queue.add)
    controller = ModelDeploymentController(
        kube,
        store,
        claims,
        analyst,
        recorder,
        clock,
        warmer,
        desk,
        on_release=partial(_count_release, telemetry, lifecycle),
    )
    parts = Parts(
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        kube=kube,
        free=free,
        elector=elector,
        queue=queue,
        feed=feed,
        resync=resync,
        analyst=analyst,
        controller=controller,
        providers=providers,
        loop=loop,
        streams=streams,
    )
    telemetry.gauge("serinus_queue_keys", "Objects that wait for a worker", lambda: len(queue))
    telemetry.gauge("serinus_list_age_seconds", "Age of the last list", lambda: unknown_as_nan(resync.age()))
    telemetry.gauge("serinus_leader", "1 while this replica leads", lambda: float(_leads(parts)))
    telemetry.gauge("serinus_retrainpolicies", "RetrainPolicies known", lambda: store.count("RetrainPolicy"))
    telemetry.gauge("serinus_modeldeployments", "ModelDeployments known", lambda: store.count("ModelDeployment"))
    try:
        yield parts
    finally:
        await loop.close()
        await warmer.close()
        await desk.close()
        await transport.close()
        await client.close()
        await analyst.close()
        await providers.close()
        await free.close()


async def operate(parts: Parts, stop: asyncio.Event) -> int:
    """Serve probes, wait for the Lease, work; the exit status."""
    monitor = LoopMonitor(parts.clock)
    led_since = parts.clock.monotonic()
    alive, ready = build_list_checks(
        partial(_leads, parts),
        lambda: parts.clock.monotonic() - led_since,
        parts.resync.age,
        3 * parts.settings.resync_interval,
    )
    app = build_app([monitor.check, alive], [ready], parts.telemetry.registry)
    async with (
        serve(app, parts.settings.http_port) as port,
        receive_events(parts.settings, parts.free, parts.clock, parts.telemetry),
    ):
        log.info("started", port=port, identity=parts.settings.identity, namespace=parts.settings.namespace)
        beat = asyncio.create_task(monitor.run(), name="monitor")
        # The Lease is given back last, when no turn can write any more.
        release = asyncio.Event()
        elect = asyncio.create_task(_elect(parts, release), name="lease")
        try:
            if not await _until(stop, parts.elector.acquired, skip=not parts.settings.leader_election):
                return 0
            led_since = parts.clock.monotonic()
            return await _lead(parts, stop)
        finally:
            release.set()
            beat.cancel()
            await asyncio.gather(beat, elect, return_exceptions=True)


async def _lead(parts: Parts, stop: asyncio.Event) -> int:
    """Work until asked to stop (0), or until a restart is the best that can be done (1)."""
    log.info("leads", identity=parts.settings.identity)
    if not await _list_once(parts, stop):
        return 0
    settings = parts.settings
    unwatch = asyncio.Event()
    watches = asyncio.create_task(parts.streams.run(unwatch), name="watches")
    workers = asyncio.create_task(
        run_workers(
            parts.queue,
            partial(_reconcile, parts),
            workers=settings.workers,
            report=partial(_report_turn, parts.telemetry),
        ),
        name="workers",
    )
    lists = asyncio.create_task(parts.resync.run(), name="lists")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    losing = asyncio.create_task(parts.elector.lost.wait(), name="lost")
    everything = {watches, workers, lists, stopping, losing}
    done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    status = 0 if stopping in done else 1
    for task in done - {stopping}:
        why = parts.elector.why_lost if task is losing else repr(task.exception())
        log.error("ends", because=task.get_name(), why=why)
    parts.queue.close()
    unwatch.set()
    for task in (lists, stopping, losing):
        task.cancel()
    await asyncio.wait({workers, watches}, timeout=GRACE)
    for task in (workers, watches):
        task.cancel()
    await asyncio.gather(*everything, return_exceptions=True)
    return status


async def _list_once(parts: Parts, stop: asyncio.Event) -> bool:
    """The first complete list; False if asked to stop before."""
    while not stop.is_set():
        report = await parts.resync.run_once()
        if not report.failed:
            return True
        log_resync(report)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), FIRST_LIST_RETRY)
    return False


async def _elect(parts: Parts, release: asyncio.Event) -> None:
    if parts.settings.leader_election:
        await parts.elector.run(release)


async def _until(stop: asyncio.Event, wanted: asyncio.Event, *, skip: bool) -> bool:
    """Wait for `wanted`; False if `stop` came first."""
    if skip:
        return True
    waiting = {asyncio.create_task(stop.wait()), asyncio.create_task(wanted.wait())}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return wanted.is_set() and not stop.is_set()


def _leads(parts: Parts) -> bool:
    return parts.elector.is_leader() if parts.settings.leader_election else True


async def _reconcile(parts: Parts, key: Key) -> Result:
    match key.kind:
        case "ModelDeployment":
            return await parts.controller.reconcile(key)
        case "MetricsProvider":
            return await parts.providers.reconcile(key)
    return await parts.loop.reconcile(key)


def _count_release(telemetry: Telemetry, lifecycle: LifecycleTelemetry, ended: Ended) -> None:
    telemetry.on_release(ended.namespace, ended.outcome)
    tell_release(lifecycle, ended)


def _registries(settings: Settings) -> Registries:
    return Registries(
        read_hosts(settings.model_hosts), settings.mlflow_url, settings.mlflow_credentials, settings.huggingface_url
    )


def _loader(settings: Settings) -> LoaderSettings:
    hosts = read_hosts(settings.model_hosts)
    return LoaderSettings(settings.loader_image, hosts, settings.mlflow_url, settings.huggingface_url)


def _notify(wakeup: Wakeup, loop: RetrainWakeup, add: Callable[[Key], None], kind: str, raw: Raw) -> None:
    wakeup.notify(kind, raw)
    loop.notify(kind, raw)
    if kind == "MetricsProvider":
        add(Key(kind, "", raw["metadata"]["name"]))


def _notify_kind(wakeup: Wakeup, loop: RetrainWakeup, streams: Streams, store: Store, kind: str) -> None:
    log_refusals(store, kind)
    wakeup.notify_kind(kind)
    loop.notify_kind(kind)
    streams.renew()


def _notify_written(wakeup: Wakeup, loop: RetrainWakeup, kind: str, raw: Raw) -> None:
    loop.notify_written(kind, raw)
    if kind == "RetrainPolicy":
        wakeup.notify(kind, raw)


def _open_source(
    telemetry: Telemetry, threads: QueryThreads, provider: Provider, access: FetchAccess, on_result: OnResult
) -> PrometheusSource:
    return PrometheusSource(
        provider.address,
        timeout=provider.timeout,
        access=access,
        threads=threads,
        on_query=partial(telemetry.on_query, provider.name),
        on_result=on_result,
    )


def _report_turn(telemetry: Telemetry, turn: Turn[Key]) -> None:
    telemetry.on_turn(turn)
    log_turn(turn)


def _log_lease_trouble(error: Exception) -> None:
    log.warning("lease", error=f"{type(error).__name__}: {error}")
