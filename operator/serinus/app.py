"""How the process lives: the order in which things start and stop.

    probes and metrics -> Lease -> first list -> watches, workers, periodic list      (start)
    workers finish their turns -> watches -> metrics loops -> Lease given back        (stop)

A replica that does not lead serves probes and metrics and does nothing else. One that loses the Lease ends: its
successor starts from what is written in the cluster."""

import asyncio
import contextlib
import signal
from functools import partial

import structlog

from serinus.engine.store import Key
from serinus.engine.worker import Result, Turn, run_workers
from serinus.outside import receive_events
from serinus.parts import Parts, build_parts
from serinus.settings import Settings
from serinus.shell.http import LoopMonitor, build_app, build_list_checks, serve
from serinus.shell.logging import log_resync, log_turn
from serinus.shell.telemetry import Telemetry

log = structlog.get_logger(__name__)

FIRST_LIST_RETRY = 2.0
"""Seconds between attempts at the first list: nothing is decided before every kind has been seen once."""

GRACE = 8.0
"""Seconds that turns under way are given to end when the process stops."""


async def run(settings: Settings) -> int:
    """Run until a signal comes or a restart is due; the exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with build_parts(settings) as parts:
        return await operate(parts, stop)


async def operate(parts: Parts, stop: asyncio.Event) -> int:
    """Serve probes, wait for the Lease, work; the exit status."""
    monitor = LoopMonitor(parts.clock)
    led_since = parts.clock.monotonic()
    alive, ready = build_list_checks(
        parts.leads,
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


async def _reconcile(parts: Parts, key: Key) -> Result:
    match key.kind:
        case "ModelDeployment":
            return await parts.controller.reconcile(key)
        case "MetricsProvider":
            return await parts.providers.reconcile(key)
    return await parts.loop.reconcile(key)


def _report_turn(telemetry: Telemetry, turn: Turn[Key]) -> None:
    telemetry.on_turn(turn)
    log_turn(turn)
