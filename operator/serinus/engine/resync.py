"""The periodic authoritative list: heals what events missed.

A watch can lose a deletion, die silently, or be cut off for longer than the API server remembers. Listing every kind
now and then and comparing bounds how long we can be wrong. It costs reads only; what did not change wakes nobody.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from serinus.engine.clock import Clock
from serinus.engine.feed import Feed
from serinus.engine.store import Listing

Lister = Callable[[str], Awaitable[Listing]]
"""Fetches all objects of a kind, none for a kind the cluster does not know; raises where that is not possible."""


@dataclass(frozen=True, slots=True)
class ResyncReport:
    """One round: how many objects the lists corrected, by kind, and which kinds could not be listed."""

    corrected: dict[str, int] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Kinds that there was nothing, or not all, to be had of, with the reason: not known to the API server, refused by
    it, or known to it as an older CRD has them."""


def _no_report(report: ResyncReport) -> None:
    return None


class Resync:
    """Lists `kinds` through `lister` and hands the result to `feed`, again and again.

    `interval` is asked before each wait, in seconds, so that it can be short while a rollout is active. After a round
    in which a kind failed the next one starts after `retry_after` seconds at the latest. Kinds that the API server does
    not know, or not all of, or refuses, are asked for alone every `missing_after` seconds: somebody may be about to put
    that right.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        lister: Lister,
        feed: Feed,
        clock: Clock,
        *,
        interval: Callable[[], float] = lambda: 300.0,
        retry_after: float = 10.0,
        missing_after: float = 15.0,
        jitter: float = 0.1,
        spread: Callable[[], float] = random.random,
        report: Callable[[ResyncReport], None] = _no_report,
    ) -> None:
        self._kinds = kinds
        self._lister = lister
        self._feed = feed
        self._clock = clock
        self._interval = interval
        self._retry_after = retry_after
        self._missing_after = missing_after
        self._jitter = jitter
        self._spread = spread
        self._report = report
        self._wanted = asyncio.Event()
        self._last_success: float | None = None

    def age(self) -> float | None:
        """Return the seconds since every kind was last listed, or None before the first time."""
        return None if self._last_success is None else self._clock.monotonic() - self._last_success

    def trigger(self) -> None:
        """Ask for a round now."""
        self._wanted.set()

    async def run(self) -> None:
        """List, report, wait, until cancelled."""
        while True:
            self._wanted.clear()
            report = await self.run_once()
            self._report(report)
            wait = self._interval() * (1 - self._jitter * self._spread())
            if report.failed:
                wait = min(wait, self._retry_after)
            await self._wait(wait, report)

    async def _wait(self, seconds: float, report: ResyncReport) -> None:
        """Wait for the next round, or until one is asked for, with an eye on the kinds that are missing."""
        due = self._clock.monotonic() + seconds
        missing = tuple(report.missing)
        while (left := due - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, self._missing_after) if missing else left):
                    await self._wanted.wait()
                return
            except TimeoutError:
                if missing and self._clock.monotonic() < due:
                    again = await self._list(missing)
                    missing = (*again.missing, *again.failed)

    async def run_once(self) -> ResyncReport:
        """Do one round. Never raises for a kind that cannot be listed: the others must not wait for it."""
        started = self._clock.monotonic()
        report = await self._list(self._kinds)
        if not report.failed:
            self._last_success = started
        return report

    async def _list(self, kinds: Sequence[str]) -> ResyncReport:
        report = ResyncReport()
        for kind in kinds:
            try:
                listing = await self._lister(kind)
            except Exception as error:
                report.failed[kind] = error
                continue
            self._feed.on_refused(kind, "list", listing.refused)
            if listing.refused:
                report.missing[kind] = listing.refused[0].message
            if listing.refused and not listing.resource_version:
                continue
            if not listing.served:
                report.missing[kind] = "not known to the API server"
            if listing.outdated is not None:
                self._feed.on_outdated(kind, listing.outdated)
            if listing.outdated:
                report.missing[kind] = listing.outdated
            corrected = self._feed.on_list(
                kind,
                list(listing.objects),
                listing.resource_version,
                served=listing.served,
                unread=[one.namespace for one in listing.refused],
            )
            if corrected:
                report.corrected[kind] = corrected
        return report
