"""From what running trials want to know to as few queries as possible, and from the answers back to each trial. Pure.

All signals of all trials that come from one profile are one query; a query of a user's own is asked once however many
trials share it. A source that cannot be read becomes a problem of its signal alone."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from serinus.api import reasons
from serinus.api.signals import Signal
from serinus.core.counters import BAD, TOTAL, Point
from serinus.core.snapshot import Check
from serinus.core.trial import Reading, SignalReading, Trial
from serinus.metrics.profiles import (
    Profile,
    Target,
    attribute_points,
    build_query,
    find_shape_problem,
    list_sources,
)
from serinus.metrics.promql import (
    QueryProblem,
    Scope,
    TypedQuery,
    attribute_query_points,
    build_instant_query,
    build_range_query,
    read_instant,
)
from serinus.metrics.source import Answer, Failure, QueryResult, Series

Sides = tuple[Sequence[Point], Sequence[Point]]


@dataclass(frozen=True)
class ProfileSource:
    """A signal as a gateway or runtime exports it; read under the name `key`."""

    key: str
    profile: Profile
    signal: Signal


@dataclass(frozen=True)
class QuerySource:
    """Selectors of the user's own, each with the sums that its series add to (see `Point.keys`)."""

    key: str
    parts: tuple[tuple[TypedQuery, tuple[str, ...]], ...]


@dataclass(frozen=True)
class ExpressionSource:
    """An expression of the user's own that yields one number for each revision."""

    key: str
    query: TypedQuery


@dataclass(frozen=True)
class FactSource:
    """Figures that Kubernetes itself gives: called with the time of the reading, returns points of both sides."""

    key: str
    facts: Callable[[datetime], Sides] = field(compare=False)


Source = ProfileSource | QuerySource | ExpressionSource | FactSource


@dataclass(frozen=True)
class Watch:
    """A trial, its two revisions, and where its figures come from."""

    trial: Trial
    candidate: Target
    stable: Target
    sources: tuple[Source, ...]

    @property
    def targets(self) -> tuple[Target, Target]:
        return self.candidate, self.stable

    @property
    def scopes(self) -> tuple[Scope, Scope]:
        return self._scope(self.candidate), self._scope(self.stable)

    def _scope(self, target: Target) -> Scope:
        return Scope(target.namespace, target.revision)


@dataclass(frozen=True)
class Ask:
    """One query: of raw samples, or of the value at this moment."""

    kind: Literal["samples", "value"]
    text: str


@dataclass(frozen=True)
class ProfileAsk:
    """What one profile is asked for, on behalf of many trials."""

    ask: Ask
    profile: Profile
    signals: frozenset[Signal]
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Round:
    """All that is asked at one beat."""

    profiles: tuple[ProfileAsk, ...]
    asks: frozenset[Ask]


def plan_round(watches: Iterable[Watch], window_seconds: float, max_targets: int) -> Round:
    """The queries that answer all watches; no profile query names more than about `max_targets` revisions."""
    wanted: dict[Profile, tuple[set[Signal], dict[Target, None]]] = {}
    asks: set[Ask] = set()
    for watch in watches:
        for source in watch.sources:
            if isinstance(source, ProfileSource):
                signals, targets = wanted.setdefault(source.profile, (set(), {}))
                signals.add(source.signal)
                targets.update(dict.fromkeys(watch.targets))
            else:
                asks.update(_asks_of(source, watch, window_seconds))
    profiles = [
        _profile_ask(profile, signals, sorted(chunk), window_seconds)
        for profile, (signals, targets) in wanted.items()
        for chunk in _chunks(list(targets), max_targets)
    ]
    return Round(tuple(profiles), frozenset(asks) | {one.ask for one in profiles})


@dataclass(frozen=True)
class Answers:
    """The answers of one round, read: points by profile, target and signal; everything else by its query."""

    points: Mapping[tuple[Profile, Target, Signal], Sequence[Point]]
    sources: Mapping[tuple[Profile, Target], frozenset[str]]
    problems: Mapping[tuple[Profile, Target, Signal], Check]
    results: Mapping[Ask, QueryResult]


def read_round(asked: Round, results: Mapping[Ask, QueryResult]) -> Answers:
    """Read the profiles' answers, once for all trials."""
    points: dict[tuple[Profile, Target, Signal], Sequence[Point]] = {}
    sources: dict[tuple[Profile, Target], frozenset[str]] = {}
    problems: dict[tuple[Profile, Target, Signal], Check] = {}
    for one in asked.profiles:
        result = results[one.ask]
        if isinstance(result, Failure):
            failed = check_failure(result)
            problems |= dict.fromkeys(((one.profile, t, s) for t in one.targets for s in one.signals), failed)
            continue
        found = attribute_points(one.profile, one.signals, one.targets, result.series)
        points |= {(one.profile, target, signal): each for (target, signal), each in found.items()}
        seen = list_sources(result.series)
        sources |= dict.fromkeys(((one.profile, target) for target in one.targets), seen)
        for signal in one.signals:
            shape = find_shape_problem(one.profile, {signal}, result.series)
            if shape is not None:
                check = Check("False", reasons.INVALID_ANSWER, shape)
                problems |= {(one.profile, target, signal): check for target in one.targets}
    return Answers(points, sources, problems, results)


def build_reading(watch: Watch, answers: Answers, window_seconds: float, at: datetime, mono: float) -> Reading:
    """What one trial gets to see of the answers."""
    signals = {source.key: _read(source, watch, answers, window_seconds, at) for source in watch.sources}
    return Reading(signals, at, mono)


def newest_sample(answers: Answers) -> float:
    """Time of the newest sample of any profile, 0 without any: it tells when the server scrapes."""
    return max((point.at for points in answers.points.values() for point in points), default=0.0)


def check_failure(failure: Failure) -> Check:
    reason = failure.reason if failure.reason in reasons.REASONS else reasons.INVALID_ANSWER
    return Check("False", reason, failure.message)


def history_queries(watch: Watch) -> list[tuple[Source, tuple[str, ...]]]:
    """What tells how unruly stable was before the rollout: for each source the expressions of range queries."""
    return [(source, texts) for source in watch.sources if (texts := _past_texts(source, watch))]


def _past_texts(source: Source, watch: Watch) -> tuple[str, ...]:
    scope = watch.scopes[1]
    match source:
        case ProfileSource(_, profile, signal):
            return (_without_range(build_query(profile, {signal}, [watch.stable], 1)),)
        case QuerySource(_, parts):
            return tuple(_without_range(build_range_query(query, [scope], 1)) for query, _ in parts)
        case ExpressionSource(_, query):
            return (build_instant_query(query, scope),)
    return ()


def _without_range(selector: str) -> str:
    return re.sub(r"\[\d+s\]$", "", selector)


def build_frames(watch: Watch, source: Source, answers: Sequence[Answer]) -> list[list[Point]]:
    """The past as a sequence of looks, oldest first; `answers` are those to the source's expressions."""
    frames: dict[float, list[list[Series]]] = {}
    for number, answer in enumerate(answers):
        for series in answer.series:
            for sample in series.samples:
                frame = frames.setdefault(sample.timestamp, [[] for _ in answers])
                frame[number].append(Series(series.labels, (sample,)))
    return [_read_past(watch, source, frames[time]) for time in sorted(frames)]


def _read_past(watch: Watch, source: Source, frame: Sequence[Sequence[Series]]) -> list[Point]:
    """What stable's series held at one moment. What cannot be read teaches nothing; it is told of when it is judged."""
    scope = watch.scopes[1]
    points: list[Point] = []
    match source:
        case ProfileSource(_, profile, signal):
            points += attribute_points(profile, {signal}, [watch.stable], frame[0])[watch.stable, signal]
        case QuerySource(_, parts):
            for (query, keys), series in zip(parts, frame, strict=True):
                found = attribute_query_points(query.kind, [scope], series, keys)
                points += [] if isinstance(found, QueryProblem) else found[scope]
        case ExpressionSource(_, query):
            value = read_instant(query, scope, frame[0])
            points += [value] if isinstance(value, Point) else []
    return points


def _read(source: Source, watch: Watch, answers: Answers, window: float, at: datetime) -> SignalReading:
    match source:
        case ProfileSource(_, profile, signal):
            places = [(profile, target, signal) for target in watch.targets]
            problem = next((answers.problems[place] for place in places if place in answers.problems), None)
            if problem is not None:
                return SignalReading(problem=problem)
            candidate, stable = (answers.points.get(place, ()) for place in places)
            return SignalReading(candidate, stable, answers.sources.get((profile, watch.stable), frozenset()))
        case QuerySource():
            return _read_query(source, watch, answers, window)
        case ExpressionSource():
            return _read_expression(source, watch, answers, at)
        case FactSource(_, find_facts):
            candidate, stable = find_facts(at)
            return SignalReading(candidate, stable, frozenset(p.source for p in (*candidate, *stable)))


def _read_query(source: QuerySource, watch: Watch, answers: Answers, window: float) -> SignalReading:
    sides: dict[Scope, list[Point]] = {scope: [] for scope in watch.scopes}
    seen: set[str] = set()
    for query, keys in source.parts:
        result = answers.results[Ask("samples", build_range_query(query, watch.scopes, window))]
        if isinstance(result, Failure):
            return SignalReading(problem=check_failure(result))
        found = attribute_query_points(query.kind, watch.scopes, result.series, keys)
        if isinstance(found, QueryProblem):
            return SignalReading(problem=Check("False", reasons.INVALID_QUERY, found.message))
        seen |= list_sources(result.series)
        for scope, points in found.items():
            sides[scope] += points
    candidate, stable = watch.scopes
    return SignalReading(sides[candidate], sides[stable], frozenset(seen))


def _read_expression(source: ExpressionSource, watch: Watch, answers: Answers, at: datetime) -> SignalReading:
    sides: list[list[Point]] = []
    for scope in watch.scopes:
        result = answers.results[Ask("value", build_instant_query(source.query, scope))]
        if isinstance(result, Failure):
            return SignalReading(problem=check_failure(result))
        value = read_instant(source.query, scope, result.series)
        if isinstance(value, QueryProblem):
            return SignalReading(problem=Check("False", reasons.INVALID_QUERY, value.message))
        sides.append([] if value is None else [value])
    return SignalReading(sides[0], sides[1])


def _asks_of(source: Source, watch: Watch, window_seconds: float) -> list[Ask]:
    match source:
        case QuerySource(_, parts):
            return [Ask("samples", build_range_query(query, watch.scopes, window_seconds)) for query, _ in parts]
        case ExpressionSource(_, query):
            return [Ask("value", build_instant_query(query, scope)) for scope in watch.scopes]
    return []


def _profile_ask(
    profile: Profile, signals: set[Signal], targets: Sequence[Target], window_seconds: float
) -> ProfileAsk:
    ask = Ask("samples", build_query(profile, signals, targets, window_seconds))
    return ProfileAsk(ask, profile, frozenset(signals), tuple(targets))


def _chunks(targets: list[Target], size: int) -> list[list[Target]]:
    return [targets[i : i + size] for i in range(0, len(targets), size)]


RATIO_PARTS: tuple[tuple[str, ...], tuple[str, ...]] = ((BAD,), (TOTAL,))
"""Keys of the two counters of a ratio of the user's own, bad ones first."""
