"""The analyst: asks the metrics of all running trials, in one query per provider and profile, and keeps their evidence.

    reconcile --watch(trial)--> Analyst --one query for all--> provider
        ^                          |
        '---- notify(key) ---------'   only when the judgement changed

One loop per provider, alive only while a trial needs it: no rollout, no query. A slow provider delays only its own
trials. Asked just after a scrape: the phase is learnt from the samples' own timestamps."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from serinus.api import reasons
from serinus.api.status import EvidenceState
from serinus.core.judge import Verdict
from serinus.core.snapshot import Judgement
from serinus.core.trial import (
    Reading,
    Trial,
    TrialState,
    enter_trial_step,
    judge_trial,
    observe_failure,
    observe_reading,
    open_trial,
)
from serinus.engine.clock import Clock
from serinus.engine.store import Key
from serinus.metrics.profiles import Profile, Target, attribute_points, build_query, list_sources
from serinus.metrics.source import Answer, MetricSource

AFTER_SCRAPE = 0.05
"""Seconds after the expected scrape at which we ask: Prometheus has stored the sample by then."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Provider:
    """A MetricsProvider as it is used; `interval` and `timeout` in seconds."""

    name: str
    address: str
    interval: float
    timeout: float


@dataclass(frozen=True)
class Watch:
    """A trial and where its figures come from."""

    trial: Trial
    provider: Provider
    profile: Profile
    candidate: Target
    stable: Target


@dataclass
class _Entry:
    watch: Watch
    state: TrialState
    judgement: Judgement | None = None


@dataclass
class _Beat:
    """When a provider scrapes: learnt, never configured."""

    newest: float = 0.0
    next_at: float = 0.0
    task: asyncio.Task[None] | None = None
    entries: dict[Key, _Entry] = field(default_factory=dict)


class Analyst:
    """See the module. `notify(key, urgent)` asks for a turn of the key."""

    def __init__(
        self,
        make_source: Callable[[Provider], MetricSource],
        notify: Callable[[Key, bool], None],
        clock: Clock,
        on_query: Callable[[str, str], None] = lambda provider, outcome: None,
    ) -> None:
        self._make_source = make_source
        self._notify = notify
        self._clock = clock
        self._on_query = on_query
        self._beats: dict[Provider, _Beat] = {}
        self._homes: dict[Key, Provider] = {}

    def watch(self, key: Key, watch: Watch, saved: Sequence[EvidenceState]) -> Judgement | None:
        """Follow a trial from now on and return what is known of it; a trial that is followed already goes on.

        `saved` is the evidence in the status (EvidenceState items), used when the trial is new to this process.
        """
        entry = self._find(key)
        if entry is None or not _is_same(entry.watch.trial, watch.trial):
            self.forget(key)
            entry = _Entry(watch, open_trial(saved))
        elif self._homes[key] != watch.provider:
            state = entry.state
            self.forget(key)
            entry = _Entry(watch, state)
        entry.watch = watch
        beat = self._beats.setdefault(watch.provider, _Beat())
        beat.entries[key] = entry
        self._homes[key] = watch.provider
        if beat.task is None or beat.task.done():
            beat.task = asyncio.create_task(self._run(watch.provider, beat), name=f"metrics-{watch.provider.name}")
        if entry.judgement is not None:
            # The trial may be at another step now, which changes what is enough.
            entry.judgement = judge_trial(enter_trial_step(entry.state, watch.trial), watch.trial)
        return entry.judgement

    @property
    def active(self) -> int:
        """How many trials are followed."""
        return len(self._homes)

    def forget(self, key: Key) -> None:
        """Stop following a trial; the loop of its provider ends with its last one."""
        provider = self._homes.pop(key, None)
        if provider is not None and provider in self._beats:
            self._beats[provider].entries.pop(key, None)

    async def close(self) -> None:
        """Stop all loops."""
        tasks = [beat.task for beat in self._beats.values() if beat.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, key: Key) -> _Entry | None:
        provider = self._homes.get(key)
        return None if provider is None else self._beats[provider].entries.get(key)

    async def _run(self, provider: Provider, beat: _Beat) -> None:
        source = self._make_source(provider)
        try:
            while beat.entries:
                started = self._clock.monotonic()
                await self._read_all(source, provider, beat)
                await asyncio.sleep(max(self._wait(provider, beat, started), 0.02))
        finally:
            source.close()
            # Somebody may have joined while the loop was ending; watch() starts a new one then.
            beat.task = None
            if not beat.entries:
                self._beats.pop(provider, None)

    def _wait(self, provider: Provider, beat: _Beat, started: float) -> float:
        """Seconds until the next scrape is stored. While it is late, ask again soon, but not faster than four times per
        interval.
        """
        now = self._clock.monotonic()
        if beat.next_at > now:
            return beat.next_at - now
        return max(provider.interval / 4 - (now - started), 0.0)

    async def _read_all(self, source: MetricSource, provider: Provider, beat: _Beat) -> None:
        by_profile: dict[Profile, list[Key]] = {}
        for key, entry in beat.entries.items():
            by_profile.setdefault(entry.watch.profile, []).append(key)
        for profile, keys in by_profile.items():
            entries = {key: beat.entries[key] for key in keys if key in beat.entries}
            targets = sorted({t for e in entries.values() for t in (e.watch.candidate, e.watch.stable)})
            result = await source.fetch_series(build_query(profile, targets, 3 * provider.interval + 1))
            outcome = "ok" if isinstance(result, Answer) else result.reason
            self._on_query(provider.name, outcome)
            if not isinstance(result, Answer):
                self._take_failure(entries, result.reason, result.message)
                continue
            points = attribute_points(profile, targets, result.series)
            sources = list_sources(result.series)
            self._learn_phase(provider, beat, [p.at for ps in points.values() for p in ps])
            now, mono = self._clock.now(), self._clock.monotonic()
            for key, entry in entries.items():
                watch = entry.watch
                reading = Reading(points[watch.candidate], points[watch.stable], sources, now, mono)
                self._settle(key, entry, observe_reading(entry.state, watch.trial, reading))

    def _take_failure(self, entries: Mapping[Key, _Entry], reason: str, message: str) -> None:
        known = reason if reason in reasons.REASONS else reasons.INVALID_ANSWER
        for key, entry in entries.items():
            self._settle(key, entry, observe_failure(entry.state, known, message))

    def _learn_phase(self, provider: Provider, beat: _Beat, times: list[float]) -> None:
        newest = max(times, default=0.0)
        if newest > beat.newest:
            # The sample's age is unknown (clocks differ), but it arrived just now: the next one follows an interval
            # later.
            late = self._clock.now().timestamp() - newest
            beat.newest = newest
            lag = late if 0 <= late < provider.interval else 0.0
            beat.next_at = self._clock.monotonic() - lag + provider.interval + AFTER_SCRAPE
        elif beat.next_at <= self._clock.monotonic():
            beat.next_at = 0.0

    def _settle(self, key: Key, entry: _Entry, state: TrialState) -> None:
        before, entry.state = entry.judgement, state
        entry.judgement = judge_trial(state, entry.watch.trial)
        if before is None or _gist(before) != _gist(entry.judgement):
            self._notify(key, entry.judgement.verdict is Verdict.BAD)


def _is_same(a: Trial, b: Trial) -> bool:
    return (a.candidate, a.stable, a.started_at) == (b.candidate, b.stable, b.started_at)


def _gist(judgement: Judgement) -> tuple[object, ...]:
    """What can change a decision, or is worth writing down; figures that merely grow are neither."""
    doublings = int(max(judgement.log_evidence, 0.0) / 1.3863)
    return (judgement.verdict, judgement.health.reason, judgement.traffic.status, judgement.traffic.reason, doublings)
