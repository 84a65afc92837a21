"""The loops around the monitor: follow what is stable, load its reference, close windows. The clock is here."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from .errors import ReferenceMissingError, ReferenceUnusableError, StableUnknownError
from .findings import assess_drift, assess_quality
from .follow import Source, check_reference
from .monitor import Monitor
from .reference import read_reference
from .store import Store

Say = Callable[[str], None]


class Service:
    """One monitor with its source of versions and its store of references."""

    def __init__(
        self, monitor: Monitor, source: Source, store: Store, say: Say, clock: Callable[[], float] = time.time
    ) -> None:
        self.monitor = monitor
        self.store = store
        self.stable_problem = ""
        self.clock = clock
        self._source = source
        self._say = say
        self._loading = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(
            self._repeat(self.follow, self.monitor.settings.poll),
            self._repeat(self.close, min(1.0, self.monitor.settings.window / 5)),
        )

    async def _repeat(self, act: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await act()
            except Exception as error:
                # One bad turn must not end the loop: the next one sees the world anew.
                self._say(f"{type(error).__name__}: {error}")
            await asyncio.sleep(seconds)

    async def follow(self) -> None:
        """Ask which version is stable, and load its reference where it is not loaded. A version that cannot be told now
        is taken to be the last one."""
        try:
            stable = await self._source.read()
            check_reference(stable)
        except StableUnknownError as error:
            if str(error) != self.stable_problem:
                self._say(str(error))
            self.stable_problem = str(error)
            return
        self.stable_problem = ""
        if self.monitor.follow(stable, self.clock()):
            self._say(f"{stable.version} is stable; windows begin anew, compared with reference {stable.reference}")
        await self.load()

    async def load(self) -> None:
        """Load the reference of the version that serves, unless it is there already."""
        async with self._loading:
            monitor, stable = self.monitor, self.monitor.stable
            if stable is None or monitor.reference is not None:
                return
            try:
                body = await self.store.load(stable.reference)
                reference = await asyncio.to_thread(read_reference, stable.reference, body)
            except (ReferenceMissingError, ReferenceUnusableError) as error:
                problem = f"no drift is measured: {error}"
                if monitor.stable is stable and problem != monitor.reference_problem:
                    monitor.reference_problem = problem
                    self._say(problem)
                return
            if monitor.stable is stable:
                monitor.use_reference(reference, self.clock())
                self._say(
                    f"reference {reference.name}: {len(reference.values)} rows, {len(reference.features)} features"
                )

    async def put_reference(self, name: str, body: bytes) -> bool:
        """Keep a reference that training brings; whether it is new. MonitorError where it cannot be used or kept."""
        self.store.locate(name)
        await asyncio.to_thread(read_reference, name, body)
        created = await self.store.save(name, body)
        await self.load()
        return created

    async def close(self) -> None:
        """Assess the windows that are over. Arithmetic is done beside the event loop, which goes on taking rows."""
        monitor, now = self.monitor, self.clock()
        stable, reference = monitor.stable, monitor.reference
        if (rows := monitor.close_rows(now)) is not None:
            drift = await asyncio.to_thread(assess_drift, rows, reference, monitor.calibration, monitor.settings)
            if monitor.stable is stable and monitor.reference is reference:
                monitor.drift = drift
        if (answers := monitor.close_answers(now)) is not None:
            quality = await asyncio.to_thread(assess_quality, answers, monitor.settings)
            if monitor.stable is stable:
                monitor.quality = quality

    def describe(self) -> dict[str, object]:
        """For people who wonder why there is no series."""
        monitor = self.monitor
        return {
            "stable": monitor.stable.version if monitor.stable else None,
            "stableProblem": self.stable_problem or None,
            "reference": monitor.reference.name if monitor.reference else None,
            "referenceProblem": monitor.reference_problem or None,
            "drift": None if monitor.drift is None else {"end": monitor.drift.end, "rows": monitor.drift.rows},
            "quality": None
            if monitor.quality is None
            else {"end": monitor.quality.end, "rows": monitor.quality.predictions, "labels": monitor.quality.labelled},
            "rows": {f"{kind}:{outcome}": number for (kind, outcome), number in sorted(monitor.counts.items())},
        }
