"""What the process shows of itself: /healthz (restart me), /readyz (send me to work) and /metrics.

A probe looks at what we know of ourselves and never calls anybody: an API server that is down must not make every
replica restart at once. Nothing secret is shown, so nobody is asked who he is.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from serinus.engine.clock import Clock


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: whether it is well, and the observation behind that."""

    well: bool
    text: str


Check = Callable[[], Finding]

LAG_LIMIT: Final = 5.0


class LoopMonitor:
    """Measures how late the event loop is: when something blocks it, everything in it waits."""

    def __init__(self, clock: Clock, interval: float = 1.0) -> None:
        self._clock = clock
        self._interval = interval
        self._beat: float | None = None
        self._lag = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._beat = self._clock.monotonic()
            await asyncio.sleep(self._interval)
            self._lag = self._late()

    def lag(self) -> float:
        """Return by how many seconds the last beat was late, or the present one already is."""
        return max(self._lag, self._late())

    def check(self) -> Finding:
        """Not well while the loop is late by more than 5 seconds."""
        lag = self.lag()
        return Finding(lag <= LAG_LIMIT, f"event loop late by {lag:.3f}s, allowed {LAG_LIMIT:g}s")

    def _late(self) -> float:
        return 0.0 if self._beat is None else max(0.0, self._clock.monotonic() - self._beat - self._interval)


def build_list_checks(
    is_leader: Callable[[], bool], led_for: Callable[[], float], list_age: Callable[[], float | None], limit: float
) -> tuple[Check, Check]:
    """Return the checks for liveness and for readiness that look at the authoritative list.

    A leader is alive while its last complete list, or its election, is at most `limit` seconds ago, and ready after its
    first list. A standby is both.
    """

    def alive() -> Finding:
        if not is_leader():
            return Finding(True, "standby")
        age = list_age()
        known = led_for() if age is None else age
        text = f"never listed, leading for {known:.0f}s" if age is None else f"last listed {known:.0f}s ago"
        return Finding(known <= limit, f"{text}, allowed {limit:.0f}s")

    def ready() -> Finding:
        if not is_leader():
            return Finding(True, "standby")
        age = list_age()
        return Finding(age is not None, "leading, not listed yet" if age is None else "leading, listed")

    return alive, ready


def build_app(live: Sequence[Check], ready: Sequence[Check], registry: CollectorRegistry) -> web.Application:
    """Return the application with its three pages."""

    async def show_metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/healthz", _build_probe(live))
    app.router.add_get("/readyz", _build_probe(ready))
    app.router.add_get("/metrics", show_metrics)
    return app


def _build_probe(checks: Sequence[Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def show(request: web.Request) -> web.Response:
        findings = [check() for check in checks]
        text = "".join(f"[{'+' if finding.well else '-'}] {finding.text}\n" for finding in findings)
        return web.Response(text=text or "[+]\n", status=200 if all(finding.well for finding in findings) else 503)

    return show


@asynccontextmanager
async def serve(app: web.Application, port: int, host: str | None = None) -> AsyncIterator[int]:
    """Serve `app` on all addresses, or on `host`, while the context is open; gives the port (a free one for 0)."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def unknown_as_nan(value: float | None) -> float:
    """Return the value for a gauge, NaN where it is not known."""
    return math.nan if value is None else value
