"""From a ModelDeployment in mid-release to the trial that judges it: which metrics, by which figures, from where. Pure.

What cannot be measured as asked is a problem of the spec and said before the release begins, not when it is judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from serinus.api import reasons
from serinus.api.meta import parse_time
from serinus.api.presets import ResolvedMetric, ResolvedRollout
from serinus.api.route import RouteKind
from serinus.api.status import CandidateState, StableState
from serinus.controllers.asking import (
    RATIO_PARTS,
    ExpressionSource,
    FactSource,
    ProfileSource,
    QuerySource,
    Source,
    Watch,
)
from serinus.core.counters import BAD, TOTAL, Point
from serinus.core.metric import Metric
from serinus.core.observe import pods_of
from serinus.core.shadow import mirrored_share
from serinus.core.snapshot import Problem, Snapshot
from serinus.core.steps import FULL
from serinus.core.trial import Trial
from serinus.metrics.profiles import Profile, Refusal, Target, choose_runtime_profile, find_profile
from serinus.metrics.promql import QueryProblem, TypedQuery, parse_query

Raw = dict[str, Any]

PODS_SIGNAL = "Pods"
"""Requests and failures as stable's pods count them: only to learn how unruly they are."""

RESTARTS_SIGNAL = "Restarts"
RESTARTS_SHARE = 0.1
"""Part of the false-alarm budget that is kept for restarts of the candidate's containers."""

RESTARTS_MARGIN = 2.0

_parse = lru_cache(maxsize=1024)(parse_query)


@dataclass(frozen=True)
class Plan:
    """The metrics of a rollout with their sources, and what is wrong with them."""

    metrics: tuple[Metric, ...]
    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]
    measured_at: str


def plan_metrics(
    rollout: ResolvedRollout, gateway: Profile | None, runtime: str, route_kind: RouteKind = "HTTPRoute"
) -> Plan:
    """Turn what the user asks for into metrics and the sources of their figures."""
    pods = choose_runtime_profile(runtime, route_kind)
    blind = rollout.shadow is not None and gateway is not None and not gateway.mirrors
    # What counts mirrored requests must count the others too, or the two would not compare.
    counting = None if blind else gateway
    total = sum(metric.weight for metric in rollout.metrics) or 1
    metrics: list[Metric] = []
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for asked in rollout.metrics:
        found = _find_source(asked, counting, pods)
        if isinstance(found, str) and blind and gateway is not None:
            found = f"{gateway.name} is not known to count mirrored requests, so the pods must. {found}"
        if isinstance(found, str):
            field = f"spec.rollout.analysis.metrics[{asked.name}]"
            problems.append(Problem(reasons.INVALID_SPEC, f"{field}: {found}"))
            continue
        sources[found.key] = found
        share = asked.weight / total * (1.0 - RESTARTS_SHARE)
        metrics.append(_build_metric(asked, found, share, rollout.min_requests, has_pods="Errors" in pods.signals))
    first = next((s.profile for s in sources.values() if isinstance(s, ProfileSource)), None)
    if any(metric.spread is not None for metric in metrics):
        sources[PODS_SIGNAL] = ProfileSource(PODS_SIGNAL, pods, "Errors")
    return Plan(tuple(metrics), tuple(sources.values()), tuple(problems), first.measured_at if first else "the pods")


def build_watch(s: Snapshot, plan: Plan, candidate: CandidateState, interval: float, pods: Sequence[Raw]) -> Watch:
    """The watch of a release in mid-run. `interval` is the provider's scrape interval in seconds, `pods` are those of
    the ModelDeployment.
    """
    stable = s.status.stable
    if stable is None or candidate.started_at is None:
        raise ValueError("nothing to compare")
    restarts = Metric(
        "restarts", "ratio", RESTARTS_SIGNAL, RESTARTS_SHARE, RESTARTS_MARGIN, optional=True, over_time=True
    )
    profiled = [source.signal for source in plan.sources if isinstance(source, ProfileSource)]
    traffic = next((signal for signal in ("Errors", *profiled) if signal in profiled), None)
    steps = len(s.rollout.steps)
    shadowed = s.rollout.shadow is not None or candidate.shadowed_at is not None
    trial = Trial(
        candidate=candidate.revision,
        stable=stable.revision,
        started_at=candidate.started_at,
        weight=candidate.weight,
        step=candidate.step if candidate.phase != "Baking" else candidate.steps + 1,
        step_started_at=candidate.step_started_at,
        metrics=(*plan.metrics, restarts),
        min_requests=s.rollout.min_requests,
        interval_seconds=interval,
        measured_at=plan.measured_at,
        # Mirrored and real requests are two tests, each with fresh evidence; together they keep the budget.
        false_alarm=s.rollout.false_alarm / (2 if shadowed else 1),
        traffic_signal=traffic,
        candidate_pods=max(s.workload(candidate.revision).ready, 1),
        must_detect=s.rollout.must_detect if candidate.step >= steps and candidate.phase != "Baking" else None,
        approximate=s.spec.route.mode == "Replicas",
        judged_from=None if candidate.traffic_since is None else candidate.traffic_since + s.rollout.unjudged,
        mirrored=mirrored_share(s, candidate),
    )
    names = (candidate.revision, stable.revision)
    facts = FactSource(RESTARTS_SIGNAL, build_restarts(names, pods))
    place = _find_place(s, stable.revision)
    # A candidate that has no place yet takes the first one that is not stable's; see `routing`.
    mine = _build_target(s, candidate.revision, _find_place(s, candidate.revision, 1 if place == 0 else 0))
    # From the beginning, so that what the mirror of an earlier release has counted is known to be past.
    mine = replace(mine, mirrored=shadowed)
    other = _build_target(s, stable.revision, place)
    return Watch(trial, mine, other, (*plan.sources, facts))


def build_stable_watch(s: Snapshot, plan: Plan, stable: StableState, interval: float, pods: Sequence[Raw]) -> Watch:
    """The watch of a promoted revision against what it showed up to its promotion. Gauges keep their fixed bounds."""
    asked = s.rollout.watch
    if asked is None or stable.since is None:
        raise ValueError("nothing to watch")
    known = {evidence.metric for evidence in stable.baseline}
    metrics = tuple(
        replace(m, margin=max(asked.max_regression, m.margin), needed=0, delay=0.0, rise=None, fall=None)
        for m in plan.metrics
        if m.name in known and (m.kind != "gauge" or m.low is not None or m.high is not None)
    )
    share = sum(metric.weight for metric in metrics) or 1.0
    looks = max(asked.duration.total_seconds() / interval, 1.0)
    trial = Trial(
        candidate=stable.revision,
        stable=f"{stable.revision} up to its promotion",
        started_at=stable.since,
        weight=FULL,
        step=0,
        step_started_at=stable.since,
        metrics=tuple(replace(metric, weight=metric.weight / share) for metric in metrics),
        min_requests=0,
        interval_seconds=interval,
        measured_at=plan.measured_at,
        # A detector may be wrong at every look; all of them together share the budget.
        false_alarm=s.rollout.false_alarm / looks,
        traffic_signal=None,
        watched=True,
    )
    target = _build_target(s, stable.revision, _find_place(s, stable.revision))
    return Watch(trial, target, target, plan.sources)


def build_restarts(
    names: tuple[str, str], pods: Sequence[Raw]
) -> Callable[[datetime], tuple[list[Point], list[Point]]]:
    """Restarts of the containers of both sides against the seconds that their pods have lived, as counters."""
    sides = [pods_of(pods, name) for name in names]

    def facts(at: datetime) -> tuple[list[Point], list[Point]]:
        candidate, stable = ([p for pod in side for p in _restart_points(pod, at)] for side in sides)
        return candidate, stable

    return facts


def _restart_points(pod: Raw, at: datetime) -> list[Point]:
    status = pod.get("status") or {}
    began = parse_time(status.get("startTime"))
    if began is None:
        return []
    name, now = pod["metadata"]["name"], at.timestamp()
    lived = max((at - began).total_seconds(), 0.0)
    restarts = sum(int(one.get("restartCount") or 0) for one in status.get("containerStatuses") or ())
    return [
        Point(f"{name}/seconds", name, "kubernetes", lived, now, (TOTAL,)),
        Point(f"{name}/restarts", name, "kubernetes", float(restarts), now, (BAD,)),
    ]


def _find_place(s: Snapshot, revision: str, otherwise: int = 0) -> int:
    return s.route.backends.index(revision) if revision in s.route.backends else otherwise


def _build_target(s: Snapshot, revision: str, position: int) -> Target:
    return Target(s.namespace, revision, s.name, position=position)


def _find_source(asked: ResolvedMetric, gateway: Profile | None, pods: Profile) -> Source | str:
    """Where a metric's figures come from, or why they cannot be had."""
    if asked.signal is not None:
        found = find_profile(asked.signal, gateway, pods, asked.source)
        return found.message if isinstance(found, Refusal) else ProfileSource(asked.signal, found, asked.signal)
    key = f"query:{asked.name}"
    if asked.bad is not None and asked.total is not None:
        parts = [(field, _parse("counter", text)) for field, text in (("bad", asked.bad), ("total", asked.total))]
        broken = _find_problem(dict(parts))
        if broken is not None:
            return broken
        typed = [query for _, query in parts if isinstance(query, TypedQuery)]
        return QuerySource(key, tuple(zip(typed, RATIO_PARTS, strict=True)))
    kind = "gauge" if asked.kind == "Gauge" else "histogram"
    query = _parse(kind, asked.query or "")
    if isinstance(query, QueryProblem):
        return f"query: {query.message}"
    return QuerySource(key, ((query, ()),)) if query.is_selector else ExpressionSource(key, query)


def _find_problem(queries: Mapping[str, TypedQuery | QueryProblem]) -> str | None:
    return next((f"{field}: {q.message}" for field, q in queries.items() if isinstance(q, QueryProblem)), None)


def _build_metric(asked: ResolvedMetric, source: Source, share: float, min_requests: int, *, has_pods: bool) -> Metric:
    kind = {"Latency": "latency", "Gauge": "gauge"}.get(asked.kind) or ("ratio" if asked.limit is None else "limit")
    at_gateway = isinstance(source, ProfileSource) and source.profile.measured_at != "the pods"
    return Metric(
        name=asked.name,
        kind=kind,  # type: ignore[arg-type]
        signal=source.key,
        weight=share,
        margin=asked.max_regression or 1.0,
        limit=asked.limit or 1.0,
        low=asked.low,
        high=asked.high,
        rise=asked.rise,
        fall=asked.fall,
        needed=asked.min_samples or min_requests,
        delay=asked.delay.total_seconds(),
        # A gateway does not tell pods apart; their own counters do.
        spread=PODS_SIGNAL if at_gateway and has_pods and asked.kind == "Ratio" else None,
    )
