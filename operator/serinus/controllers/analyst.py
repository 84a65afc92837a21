"""The analyst: asks the metrics of all running trials, in one query per provider and profile, and keeps their evidence.

    reconcile --watch(trial)--> Analyst --one query for all--> provider
        ^                          |
        '---- notify(key) ---------'   only when the judgement changed

One loop per provider, alive only while a trial needs it: no rollout, no query. A slow provider delays only its own
trials. Asked just after a scrape: the phase is learnt from the samples' own timestamps."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from serinus.api.status import EvidencePoint, EvidenceState
from serinus.controllers.asking import (
    Ask,
    Watch,
    build_frames,
    build_reading,
    history_queries,
    newest_sample,
    plan_round,
    read_round,
)
from serinus.core.chronicle import observe_look
from serinus.core.judge import Verdict
from serinus.core.snapshot import Judgement
from serinus.core.trial import (
    Trial,
    TrialState,
    enter_trial_step,
    observe_history,
    observe_reading,
    open_trial,
    open_watch,
)
from serinus.core.verdict import judge_trial
from serinus.engine.clock import Clock
from serinus.engine.store import Key
from serinus.metrics.source import Answer, Failure, MetricSource, QueryResult

AFTER_SCRAPE = 0.05
"""Seconds after the expected scrape at which we ask: Prometheus has stored the sample by then."""

HISTORY = timedelta(hours=1)
HISTORY_LOOKS = 120
"""How far back stable's past is looked at, and at how many moments."""

PASTS_PER_BEAT = 4
"""Pasts read before the present is: many rollouts that begin at once must not keep each other waiting."""

PAST_TRIES = 3

MAX_TARGETS = 64
MIN_TARGETS = 2
"""Revisions in one query: fewer where an answer is too large."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Provider:
    """A MetricsProvider as it is used; `interval` and `timeout` in seconds, `gateway_labels` as in its spec."""

    name: str
    address: str
    interval: float
    timeout: float
    gateway_labels: tuple[tuple[str, str], ...] = ()


@dataclass
class _Entry:
    watch: Watch
    state: TrialState
    judgement: Judgement | None = None
    past_known: bool = False
    past_tries: int = 0
    series: tuple[EvidencePoint, ...] = ()


@dataclass
class _Beat:
    """When a provider scrapes: learnt, never configured."""

    newest: float = 0.0
    next_at: float = 0.0
    max_targets: int = MAX_TARGETS
    task: asyncio.Task[None] | None = None
    entries: dict[Key, _Entry] = field(default_factory=dict)


OnJudged = Callable[[Key, Judgement], None]


class Analyst:
    """See the module. `notify(key, urgent)` asks for a turn of the key; `on_judged` sees every judgement,
    `on_forgotten` the end of a trial.
    """

    def __init__(
        self,
        make_source: Callable[[Provider], MetricSource],
        notify: Callable[[Key, bool], None],
        clock: Clock,
        on_judged: OnJudged = lambda key, judgement: None,
        on_forgotten: Callable[[Key], None] = lambda key: None,
    ) -> None:
        self._make_source = make_source
        self._notify = notify
        self._clock = clock
        self._on_judged = on_judged
        self._on_forgotten = on_forgotten
        self._beats: dict[Provider, _Beat] = {}
        self._homes: dict[Key, Provider] = {}

    def watch(self, key: Key, provider: Provider, watch: Watch, saved: Sequence[EvidenceState]) -> Judgement | None:
        """Follow a trial from now on and return what is known of it; a trial that is followed already goes on.

        `saved` is the evidence in the status (EvidenceState items; of a promoted revision its baseline), used when the
        trial is new to this process.
        """
        entry = self._find(key)
        if entry is None or not _is_same(entry.watch.trial, watch.trial):
            self.forget(key)
            entry = _Entry(watch, open_watch(saved) if watch.trial.watched else open_trial(saved))
        elif self._homes[key] != provider:
            known = entry
            self.forget(key)
            entry = replace(known, watch=watch)
        entry.watch = watch
        beat = self._beats.setdefault(provider, _Beat())
        beat.entries[key] = entry
        self._homes[key] = provider
        if beat.task is None or beat.task.done():
            beat.task = asyncio.create_task(self._run(provider, beat), name=f"metrics-{provider.name}")
        if entry.judgement is not None:
            # The trial may be at another step now, which changes what is enough.
            judgement = judge_trial(enter_trial_step(entry.state, watch.trial), watch.trial)
            entry.judgement = replace(judgement, series=entry.series)
        return entry.judgement

    @property
    def active(self) -> int:
        """How many trials are followed."""
        return len(self._homes)

    def forget(self, key: Key) -> None:
        """Stop following a trial; the loop of its provider ends with its last one."""
        provider = self._homes.pop(key, None)
        if provider is not None:
            self._on_forgotten(key)
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
        entries = dict(beat.entries)
        for entry in [one for one in entries.values() if not one.past_known][:PASTS_PER_BEAT]:
            await self._read_past(source, provider, entry)
        window = 3 * provider.interval + 1
        asked = plan_round([entry.watch for entry in entries.values()], window, beat.max_targets)
        asks = list(asked.asks)
        answers = await asyncio.gather(*(_fetch(source, ask) for ask in asks))
        results = dict(zip(asks, answers, strict=True))
        if any(isinstance(r, Failure) and r.reason == "TooLarge" for r in results.values()):
            beat.max_targets = max(beat.max_targets // 2, MIN_TARGETS)
        read = read_round(asked, results)
        self._learn_phase(provider, beat, newest_sample(read))
        now, mono = self._clock.now(), self._clock.monotonic()
        for key, entry in entries.items():
            if beat.entries.get(key) is not entry:
                continue
            watch = entry.watch
            reading = build_reading(watch, read, window, now, mono)
            self._settle(key, entry, observe_reading(entry.state, watch.trial, reading))

    async def _read_past(self, source: MetricSource, provider: Provider, entry: _Entry) -> None:
        """Learn from before the rollout how unruly stable is. What cannot be had after a few tries is done without."""
        entry.past_tries += 1
        entry.past_known = entry.past_tries >= PAST_TRIES
        trial = entry.watch.trial
        step = max(provider.interval, HISTORY.total_seconds() / HISTORY_LOOKS)
        for asked, texts in history_queries(entry.watch):
            results = [
                await source.fetch_history(text, trial.started_at - HISTORY, trial.started_at, step) for text in texts
            ]
            failed = next((result for result in results if isinstance(result, Failure)), None)
            if failed is not None:
                log.info("past not known", provider=provider.name, reason=failed.reason, message=failed.message)
                continue
            entry.past_known = True
            frames = build_frames(entry.watch, asked, [result for result in results if isinstance(result, Answer)])
            entry.state = observe_history(entry.state, trial, asked.key, frames, step)

    def _learn_phase(self, provider: Provider, beat: _Beat, newest: float) -> None:
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
        trial = entry.watch.trial
        judgement = judge_trial(state, trial)
        entry.series = observe_look(entry.series, judgement, trial.weight, self._clock.now())
        entry.judgement = replace(judgement, series=entry.series)
        self._on_judged(key, entry.judgement)
        if before is None or _gist(before) != _gist(entry.judgement):
            self._notify(key, entry.judgement.verdict is Verdict.BAD)


async def _fetch(source: MetricSource, ask: Ask) -> QueryResult:
    return await (source.fetch_series(ask.text) if ask.kind == "samples" else source.fetch_instant(ask.text))


def _is_same(a: Trial, b: Trial) -> bool:
    return (a.candidate, a.stable, a.started_at) == (b.candidate, b.stable, b.started_at)


def _gist(judgement: Judgement) -> tuple[object, ...]:
    """What can change a decision, or is worth writing down; figures that merely grow are neither."""
    doublings = int(max(judgement.log_evidence, 0.0) / 1.3863)
    health, traffic = judgement.health, judgement.traffic
    return judgement.verdict, judgement.suspicious, health.reason, traffic.status, traffic.reason, doublings
