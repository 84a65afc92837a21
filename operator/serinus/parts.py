"""The composition root: builds every object once. How they live together is told in serinus.app."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
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
from serinus.kube.connection import build_api_client, fetch_credentials, load_configuration
from serinus.kube.contract import ContractReader
from serinus.kube.events import EventRecorder
from serinus.kube.gateway import Kube
from serinus.kube.imagevolumes import rehearse_image_volume
from serinus.kube.lease import KubeLease
from serinus.kube.lister import Lister
from serinus.kube.resources import SWITCHES, Resource, Watched, watch_with
from serinus.kube.secrets import SecretReader
from serinus.kube.training import read_training_kinds
from serinus.metrics.prometheus import OnResult, PrometheusSource
from serinus.metrics.source import FetchAccess
from serinus.metrics.threads import QueryThreads
from serinus.net.hosts import read_hosts
from serinus.net.transport import Transport
from serinus.outside import build_carriers, build_registry
from serinus.registries.resolver import Registries, resolve
from serinus.retraining import Loop, Surroundings, build_gate_asker, build_loop, fetch_config_map, tell_release
from serinus.serving.client import ModelClient
from serinus.settings import Settings
from serinus.shell.http import unknown_as_nan
from serinus.shell.lifecycle import LifecycleTelemetry
from serinus.shell.logging import log_resync
from serinus.shell.streams import Streams
from serinus.shell.telemetry import Telemetry
from serinus.streaming import build_streams, log_refusals

log = structlog.get_logger(__name__)

ACTIVE_RESYNC = 30.0
"""Seconds between two lists while a rollout is being judged."""


@dataclass(frozen=True)
class Parts:
    """Everything that lives as long as the process."""

    settings: Settings
    clock: SystemClock
    telemetry: Telemetry
    free: Kube
    elector: LeaderElector
    queue: WorkQueue[Key]
    resync: Resync
    controller: ModelDeploymentController
    providers: MetricsProviderController
    loop: Loop
    streams: Streams

    def leads(self) -> bool:
        """Whether this replica is the one that works."""
        return self.elector.is_leader() if self.settings.leader_election else True


class Notices:
    """Who hears of what. Store and feed need it before those exist who are told, so these are set once, by
    `build_parts`, before anything is listed."""

    wakeup: Wakeup
    loop: RetrainWakeup
    streams: Streams

    def __init__(self, queue: WorkQueue[Key]) -> None:
        self._queue = queue

    def changed(self, kind: str, raw: Raw) -> None:
        """An object has changed in the cluster."""
        self.wakeup.notify(kind, raw)
        self.loop.notify(kind, raw)
        if kind == "MetricsProvider":
            self._queue.add(Key(kind, "", raw["metadata"]["name"]))

    def written(self, kind: str, raw: Raw) -> None:
        """We have written an object ourselves."""
        self.loop.notify_written(kind, raw)
        if kind == "RetrainPolicy":
            self.wakeup.notify(kind, raw)

    def kind_changed(self, store: Store, kind: str) -> None:
        """A kind came, went, or may no longer be read."""
        log_refusals(store, kind)
        self.wakeup.notify_kind(kind)
        self.loop.notify_kind(kind)
        self.streams.renew()


@dataclass(frozen=True)
class Shared:
    """What the controllers share: the cluster, what is known of it, and the way to the world outside.

    `free` calls the API server whether this replica leads or not, `kube` only while it leads."""

    settings: Settings
    clock: SystemClock
    telemetry: Telemetry
    kube: Kube
    free: Kube
    elector: LeaderElector
    queue: WorkQueue[Key]
    store: Store
    notices: Notices
    recorder: EventRecorder
    kinds: tuple[Resource, ...]
    transport: Transport
    registries: Registries
    lifecycle: LifecycleTelemetry


@asynccontextmanager
async def build_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Build everything; give back connections at the end."""
    configuration = await load_configuration(settings.kubeconfig, settings.context)
    telemetry = Telemetry()
    async with AsyncExitStack() as stack:
        free = Kube(build_api_client(configuration), on_request=telemetry.on_request)
        stack.push_async_callback(free.close)
        shared = _build_shared(settings, telemetry, free)
        providers = _build_providers(shared)
        stack.push_async_callback(providers.close)
        queue = shared.queue
        analyst = Analyst(providers.make_source, queue.add, shared.clock, telemetry.on_judged, telemetry.on_forgotten)
        stack.push_async_callback(analyst.close)
        stack.push_async_callback(shared.transport.close)
        controller = _build_releases(shared, analyst, stack)
        loop = _build_retraining(shared, providers)
        stack.push_async_callback(loop.close)
        feed = Feed(shared.store, shared.notices.changed, partial(shared.notices.kind_changed, shared.store))
        watched = watch_with(shared.kinds, kueue=settings.kueue, without=settings.switched_off)
        streams = build_streams(settings, free, feed, watched, partial(fetch_credentials, configuration))
        shared.notices.loop, shared.notices.streams = loop.wakeup, streams
        resync = _build_resync(shared, watched, feed, analyst)
        parts = Parts(
            settings, shared.clock, telemetry, free, shared.elector, queue, resync, controller, providers, loop, streams
        )
        _add_gauges(parts, shared.store)
        yield parts


def _build_shared(settings: Settings, telemetry: Telemetry, free: Kube) -> Shared:
    clock = SystemClock()
    times = LeaseTimes.for_duration(settings.lease_duration)
    lease = KubeLease(free, settings.namespace, settings.lease_name)
    elector = LeaderElector(lease, settings.identity, clock, times, on_trouble=_log_lease_trouble)
    # Whoever lost the Lease must not write any more, however late he notices.
    kube = free.fenced(elector.is_leader) if settings.leader_election else free
    queue: WorkQueue[Key] = WorkQueue(group_of=lambda key: key.namespace)
    notices = Notices(queue)
    off = {one.kind: value for one, value in SWITCHES.items() if value in settings.switched_off}
    store = Store(owner_of, slim, notices.written, off, settings.namespaces_looked_at)
    return Shared(
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        kube=kube,
        free=free,
        elector=elector,
        queue=queue,
        store=store,
        notices=notices,
        recorder=EventRecorder(kube, clock, settings.identity),
        kinds=read_training_kinds(settings.training_kinds),
        transport=Transport(),
        registries=_registries(settings),
        lifecycle=LifecycleTelemetry(telemetry.registry, store),
    )


def _build_providers(shared: Shared) -> MetricsProviderController:
    return MetricsProviderController(
        shared.kube,
        shared.store,
        shared.recorder,
        shared.clock,
        AccessReader(shared.store, SecretReader(shared.free, shared.settings.namespace, shared.clock)),
        partial(_open_source, shared.telemetry, QueryThreads()),
        shared.queue.add,
    )


def _build_releases(shared: Shared, analyst: Analyst, stack: AsyncExitStack) -> ModelDeploymentController:
    notify, config_maps = shared.queue.add, partial(fetch_config_map, shared.free)
    client = ModelClient()
    stack.push_async_callback(client.close)
    desk = ModelDesk(
        ModelResolver(partial(resolve, shared.transport, shared.registries), notify),
        SchemaReader(config_maps, notify),
        ImageVolumes(partial(rehearse_image_volume, shared.kube), notify),
        _loader(shared.settings),
    )
    stack.push_async_callback(desk.close)
    warmer = Warmer(client.send, config_maps, notify)
    stack.push_async_callback(warmer.close)
    claims = ClaimIndex()
    shared.notices.wakeup = Wakeup(shared.store, claims, notify)
    return ModelDeploymentController(
        shared.kube,
        shared.store,
        claims,
        analyst,
        shared.recorder,
        shared.clock,
        warmer,
        desk,
        on_release=partial(_count_release, shared.telemetry, shared.lifecycle),
    )


def _build_retraining(shared: Shared, providers: MetricsProviderController) -> Loop:
    return build_loop(
        Surroundings(
            shared.kube,
            shared.store,
            shared.queue.add,
            shared.recorder,
            shared.clock,
            providers.make_source,
            shared.lifecycle,
            shared.kinds,
            enabled=shared.settings.retraining,
        ),
        Places(
            fetch_config_map=partial(fetch_config_map, shared.free),
            resolve=partial(resolve, shared.transport, shared.registries),
            ask_gate=build_gate_asker(shared.store, providers.make_source),
            fetch_registry=build_registry(shared.transport, shared.settings),
            carriers=build_carriers(shared.transport, shared.settings, shared.free),
        ),
    )


def _build_resync(shared: Shared, watched: Sequence[Watched], feed: Feed, analyst: Analyst) -> Resync:
    settings = shared.settings
    lister = Lister(
        shared.free,
        settings.watch_namespaces,
        watched,
        {"Gateway": settings.gateway_namespaces},
        ContractReader(shared.free).fetch_outdated,
    )
    return Resync(
        lister.kinds,
        lister,
        feed,
        shared.clock,
        # A watch that has died in silence must not hide a rollout's objects for long.
        interval=lambda: min(ACTIVE_RESYNC, settings.resync_interval) if analyst.active else settings.resync_interval,
        report=log_resync,
    )


def _add_gauges(parts: Parts, store: Store) -> None:
    telemetry = parts.telemetry
    telemetry.gauge("serinus_queue_keys", "Objects that wait for a worker", lambda: len(parts.queue))
    telemetry.gauge("serinus_list_age_seconds", "Age of the last list", lambda: unknown_as_nan(parts.resync.age()))
    telemetry.gauge("serinus_leader", "1 while this replica leads", lambda: float(parts.leads()))
    telemetry.gauge("serinus_retrainpolicies", "RetrainPolicies known", lambda: store.count("RetrainPolicy"))
    telemetry.gauge("serinus_modeldeployments", "ModelDeployments known", lambda: store.count("ModelDeployment"))


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


def _log_lease_trouble(error: Exception) -> None:
    log.warning("lease", error=f"{type(error).__name__}: {error}")
