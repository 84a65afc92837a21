"""The controller of MetricsProvider: says in its status whether the provider can be used, and why not.

What is known comes from use: every answer that a rollout gets is told here too. A provider that nobody uses is asked
once after each change of its spec, and again with growing pauses only while it does not answer; one that is well costs
nothing. Nothing here can delay a rollout: checks run beside the turns.

Releases that keep to namespaces of their own share the providers, and may find different things: each writes what is
news to itself, and leaves what another has written.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from serinus.api import reasons
from serinus.api.metricsprovider import MetricsProviderSpec
from serinus.api.validate import check_metrics_provider
from serinus.controllers.access import AccessReader, build_provider
from serinus.controllers.analyst import Provider
from serinus.controllers.denied import problem_of
from serinus.controllers.recorder import Recorder
from serinus.core.provider import (
    Finding,
    Health,
    build_good_finding,
    build_provider_status,
    find_ready,
    observe_finding,
    observe_provider_status,
)
from serinus.engine.clock import Clock
from serinus.engine.store import Key, Store
from serinus.engine.worker import Result
from serinus.kube.errors import Conflict, Denied, KubeError, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import METRICSPROVIDERS
from serinus.metrics.source import Failure, FetchAccess, MetricSource, QueryResult

Raw = dict[str, Any]

CHECK: Final = "vector(1)"
"""A query that costs nothing and that every server of this kind answers."""
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two checks of a provider that does not answer."""
NEWS_PAUSE: Final = 1.0
"""The same once another reason is seen than before, until that is sure."""

log = structlog.get_logger(__name__)

OpenSource = Callable[[Provider, FetchAccess, Callable[[QueryResult], None]], MetricSource]


@dataclass
class _Case:
    spec: MetricsProviderSpec
    provider: Provider
    health: Health
    task: asyncio.Task[None] | None = None


@dataclass
class MetricsProviderController:
    """Reconciles one MetricsProvider at a time; `notify(key)` asks for a turn, `open_source` makes a connection."""

    kube: Kube
    store: Store
    recorder: Recorder
    clock: Clock
    access: AccessReader
    open_source: OpenSource
    notify: Callable[[Key], None]
    _cases: dict[str, _Case] = field(default_factory=dict)
    _said: dict[str, tuple[str, int, Finding]] = field(default_factory=dict)
    """What was last written of a provider, or found written: the object by its uid, its generation, the finding."""

    def make_source(self, provider: Provider) -> MetricSource:
        """A source that sends what the object asks for, and tells this controller how it went."""
        return self.open_source(provider, partial(self.access.fetch, provider), partial(self.on_result, provider))

    def on_result(self, provider: Provider, result: QueryResult) -> None:
        """Learn from an answer, whoever asked."""
        case = self._cases.get(provider.name)
        if case is None or case.provider.address != provider.address:
            return
        if not isinstance(result, Failure):
            finding = build_good_finding(case.spec)
        elif result.of_query:
            return
        else:
            finding = Finding(result.reason, result.message)
        before, case.health = case.health.told, observe_finding(case.health, finding)
        if case.health.told != before:
            self.notify(Key("MetricsProvider", "", provider.name))

    async def reconcile(self, key: Key) -> Result:
        """One turn: check what changed, write the status where it says something else now."""
        raw = self.store.get(key.kind, "", key.name)
        if raw is None or raw["metadata"].get("deletionTimestamp"):
            self._drop(key.name)
            self._said.pop(key.name, None)
            return Result()
        finding = self._assess(key.name, raw)
        if finding is None:
            return Result()
        old, generation = observe_provider_status(raw), int(raw["metadata"].get("generation") or 0)
        status = build_provider_status(old, generation, finding, self.clock.now())
        news = (raw["metadata"].get("uid", ""), generation, finding)
        if find_ready(old, generation) is not None and self._said.get(key.name) == news:
            return Result()
        if status == old:
            self._said[key.name] = news
            return Result()
        try:
            written = await self.kube.replace_status(METRICSPROVIDERS, raw, status.dump(), "serinus/status")
        except NotFound:
            return Result()
        except Conflict:
            await self._refresh(key)
            return Result(retry=True)
        except Denied as denied:
            problem = problem_of(denied)
            await self.recorder.emit_event(raw, "Warning", problem.reason, problem.message)
            raise
        self.store.written(key.kind, written)
        self._said[key.name] = news
        if {one.reason for one in old.conditions} != {finding.reason}:
            await self._tell(raw, finding)
        return Result()

    async def close(self) -> None:
        """Stop all checks."""
        tasks = [case.task for case in self._cases.values() if case.task is not None]
        for name in list(self._cases):
            self._drop(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _assess(self, name: str, raw: Raw) -> Finding | None:
        """What is to be said of the object; None while that is being found out."""
        spec = check_metrics_provider(raw.get("spec") or {})
        if isinstance(spec, tuple):
            self._drop(name)
            return Finding(reasons.INVALID_SPEC, "; ".join(map(str, spec)))
        case = self._cases.get(name)
        if case is None or case.spec != spec:
            self._drop(name)
            case = self._cases[name] = _Case(spec, build_provider(name, spec), _health_before(raw, spec))
        told = case.health.told
        if (told is None or not told.is_good) and (case.task is None or case.task.done()):
            case.task = asyncio.create_task(self._check(case), name=f"check-{name}")
        return told

    async def _check(self, case: _Case) -> None:
        """Ask until the provider is known to answer."""
        source = self.make_source(case.provider)
        pause = FIRST_PAUSE
        try:
            while True:
                await source.fetch_instant(CHECK)
                told, seen = case.health.told, case.health.seen
                if told is not None and told.is_good:
                    return
                news = told is not None and seen is not None and told.reason != seen.reason
                await asyncio.sleep(NEWS_PAUSE if news else pause)
                pause = FIRST_PAUSE if news else min(2 * pause, LONGEST_PAUSE)
        finally:
            source.close()

    def _drop(self, name: str) -> None:
        case = self._cases.pop(name, None)
        if case is not None and case.task is not None:
            case.task.cancel()

    async def _refresh(self, key: Key) -> None:
        try:
            self.store.written(key.kind, await self.kube.find(METRICSPROVIDERS, "", key.name))
        except KubeError as error:
            log.info("not read again", key=str(key), error=type(error).__name__)

    async def _tell(self, raw: Raw, finding: Finding) -> None:
        name = raw["metadata"]["name"]
        log.info("provider", name=name, reason=finding.reason, message=finding.message)
        kind = "Normal" if finding.is_good else "Warning"
        await self.recorder.emit_event(raw, kind, finding.reason, finding.message)


def _health_before(raw: Raw, spec: MetricsProviderSpec) -> Health:
    """What the status knows of this very generation, if that is good; what was wrong is looked at again."""
    ready = find_ready(observe_provider_status(raw), int(raw["metadata"].get("generation") or 0))
    return Health(build_good_finding(spec)) if ready is not None and ready.status == "True" else Health()
