"""`python hostile_client.py GOOD BAD...`: ask bad servers while a good one is asked too; tell memory, times, reasons.

Each BAD is NAME=SECONDS=ADDRESS, where SECONDS is how long it is waited for. Prints one JSON object: `grown` and `peak`
in MiB above what a process needs that asks the good server only, `slowest` answer of the good server in seconds, and
for each bad one its three results."""

import asyncio
import json
import sys
import time
from pathlib import Path

from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Answer, QueryResult
from serinus.metrics.threads import QueryThreads

PATIENCE = 20.0
"""Seconds that the good server is waited for."""
ROUNDS = 3
AT_ONCE = 8
"""Bad servers at a time."""


def memory(field: str) -> float:
    """A field of the process's status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def forget_peak() -> None:
    """The highest memory use counts from now on."""
    Path("/proc/self/clear_refs").write_text("5")


async def main(good_address: str, bad: dict[str, tuple[float, str]]) -> None:
    threads, places = QueryThreads(), asyncio.Semaphore(AT_ONCE)
    good = PrometheusSource(good_address, timeout=PATIENCE, threads=threads)
    for _ in range(20):
        await good.fetch_series("up[15s]")
    before = memory("VmRSS")
    forget_peak()
    slowest = 0.0

    async def poll() -> None:
        nonlocal slowest
        while True:
            started = time.monotonic()
            result = await good.fetch_series("up[15s]")
            assert isinstance(result, Answer), result
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.02)

    async def suffer(seconds: float, address: str) -> list[str]:
        async with places:
            source = PrometheusSource(address, timeout=seconds, threads=threads)
            told = [tell(await source.fetch_series("up[15s]")) for _ in range(ROUNDS)]
            source.close()
            return told

    polling = asyncio.create_task(poll())
    told = await asyncio.gather(*(suffer(*given) for given in bad.values()))
    assert not polling.done(), polling
    polling.cancel()
    print(
        json.dumps(
            {
                "grown": memory("VmRSS") - before,
                "peak": memory("VmHWM") - before,
                "slowest": slowest,
                "results": dict(zip(bad, told, strict=True)),
            }
        )
    )


def tell(result: QueryResult) -> str:
    return "Answer" if isinstance(result, Answer) else result.reason


def parse(given: str) -> tuple[str, tuple[float, str]]:
    name, seconds, address = given.split("=", 2)
    return name, (float(seconds), address)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], dict(map(parse, sys.argv[2:]))))
