"""Serving until told to stop, and a little longer: gateways need a moment to forget a pod."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

from aiohttp import web

KEEP_ALIVE_SECONDS: Final = 620.0
"""Longer than any gateway keeps an idle connection: whoever closes first must be the one who sends the requests."""


async def serve(
    app: web.Application, host: str, port: int, drain_seconds: float = 0.0, on_drain: Callable[[], None] = lambda: None
) -> None:
    """Answer until SIGTERM, then for `drain_seconds` more, then finish what is under way."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        await stop.wait()
        on_drain()
        await asyncio.sleep(drain_seconds)
    finally:
        await runner.cleanup()
