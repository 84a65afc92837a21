"""From the triggers of a policy to the queries that answer them, and from the answers to readings. Pure.

What a user wrote is parsed, confined to the namespace and asked of the time `labelDelay` ago; what cannot be asked is a
reading of its own, which says what would be right."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from serinus.api import reasons
from serinus.api.meta import parse_duration
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.triggers import MetricTrigger, Trigger
from serinus.core.retrain.limits import resolve_metric
from serinus.core.retrain.looks import period_of
from serinus.core.retrain.reading import Reading, Unknown, Value
from serinus.metrics.promql import QueryProblem, Scope, build_number_query, parse_number_query, read_number
from serinus.metrics.source import Failure, QueryResult, Sample

_LATEST: Final = 1e11
"""No moment in seconds is this late; one in milliseconds is later."""
_NOBODY: Final = "-none"


@dataclass(frozen=True, slots=True)
class Want:
    """What one trigger wants to know, as queries that may be asked: its value, and what the value rests on. `period` is
    its window, `delay` its labelDelay, `due_at` when it is to be looked at."""

    name: str
    value: str
    period: timedelta
    due_at: datetime
    delay: timedelta = timedelta(0)
    samples: str | None = None
    coverage: str | None = None
    before: str | None = None
    window_end: str | None = None

    @property
    def queries(self) -> tuple[str, ...]:
        """Everything that is asked for it, each once."""
        given = (self.value, self.samples, self.coverage, self.before, self.window_end)
        return tuple(dict.fromkeys(one for one in given if one is not None))

    def asks_as(self, other: "Want") -> bool:
        """Whether both ask the same, whenever they do."""
        return replace(self, due_at=other.due_at) == other


def build_wants(
    spec: RetrainPolicySpec, namespace: str, revision: str | None, due: Mapping[str, datetime], now: datetime
) -> tuple[tuple[Want, ...], dict[str, Reading]]:
    """What is to be asked for the triggers in `due` (`looks.next_look`), and readings of those that cannot be.
    `revision` is the stable one, for variables in the queries."""
    scope = build_scope(namespace, spec.model_deployment_ref.name, revision)
    wants: list[Want] = []
    problems: dict[str, Reading] = {}
    for trigger in spec.triggers:
        if trigger.name not in due:
            continue
        try:
            wants.append(_build_want(trigger, scope, due[trigger.name]))
        except _UnaskableError as error:
            problems[trigger.name] = Reading(Unknown(reasons.INVALID_QUERY, str(error)), now)
    return tuple(wants), problems


def build_scope(namespace: str, deployment: str, revision: str | None) -> Scope:
    """What a query about a policy is confined to; `revision` is the stable one, None before there is any."""
    return Scope(namespace, revision or f"{deployment}{_NOBODY}")


def read_answer(query: str, result: QueryResult, shown: str) -> Sample | Unknown:
    """The one number that a query gave, or why there is none; `shown` is the query as it is told."""
    if isinstance(result, Failure):
        return Unknown(result.reason, result.message)
    found = read_number(query, result.series)
    if found is None:
        return Unknown(reasons.NO_DATA, f"{shown} has no value")
    return Unknown(reasons.INVALID_QUERY, found.message) if isinstance(found, QueryProblem) else found


def list_query_problems(spec: RetrainPolicySpec) -> Iterator[tuple[str, str]]:
    """Each query of triggers and gates that cannot be asked: its field, and a sentence."""
    given = [
        (f"spec.triggers[{index}].{field}", text)
        for index, trigger in enumerate(spec.triggers)
        for field, text in _list_queries(trigger)
    ]
    given += [(f"spec.gates[{index}].query", gate.query) for index, gate in enumerate(spec.gates) if gate.query]
    for place, text in given:
        query = parse_number_query(text)
        if isinstance(query, QueryProblem):
            yield place, query.message


def build_reading(want: Want, results: Mapping[str, QueryResult], now: datetime) -> Reading:
    """What a trigger gets to see of the answers; `now` is our own clock."""
    value = _read(want.value, results)
    if isinstance(value, Unknown):
        return Reading(value, now)
    asked_at = datetime.fromtimestamp(value.timestamp, UTC)
    end: datetime | Unknown = asked_at - want.delay
    if want.window_end is not None:
        end = _read_moment(want.window_end, results)
    if isinstance(end, Unknown):
        return Reading(end, asked_at)
    samples, coverage, before = (
        None if one is None else _value_of(_read(one, results)) for one in (want.samples, want.coverage, want.before)
    )
    return Reading(value.value, asked_at, end, samples, coverage, before)


class _UnaskableError(Exception):
    """Says what is wrong with a query."""


def _build_want(trigger: Trigger, scope: Scope, due: datetime) -> Want:
    period = period_of(trigger)
    if trigger.new_data is not None and period is not None:
        return Want(trigger.name, _confine(trigger.new_data.query, scope), period, due)
    metric = trigger.metric
    if metric is None or period is None:
        raise _UnaskableError("it asks nothing")
    delay = resolve_metric(metric).delay
    before = delay + parse_duration(metric.compare_offset) if metric.compare_offset else None

    def confine(query: str | None) -> str | None:
        return None if query is None else _confine(query, scope, delay)

    return Want(
        name=trigger.name,
        value=_confine(metric.query, scope, delay),
        period=period,
        due_at=due,
        delay=delay,
        samples=confine(metric.min_samples.query if metric.min_samples else None),
        coverage=confine(metric.min_label_coverage.query if metric.min_label_coverage else None),
        before=None if before is None else _confine(metric.query, scope, before),
        window_end=confine(metric.window_end),
    )


def _list_queries(trigger: Trigger) -> Iterator[tuple[str, str]]:
    if trigger.new_data is not None:
        yield "newData.query", trigger.new_data.query
    metric: MetricTrigger | None = trigger.metric
    if metric is None:
        return
    yield "metric.query", metric.query
    if metric.min_samples:
        yield "metric.minSamples.query", metric.min_samples.query
    if metric.min_label_coverage:
        yield "metric.minLabelCoverage.query", metric.min_label_coverage.query
    if metric.window_end:
        yield "metric.windowEnd", metric.window_end


def _confine(text: str, scope: Scope, ago: timedelta = timedelta(0)) -> str:
    query = parse_number_query(text)
    if isinstance(query, QueryProblem):
        raise _UnaskableError(query.message)
    return build_number_query(query, scope, ago)


def _read(query: str, results: Mapping[str, QueryResult]) -> Sample | Unknown:
    return read_answer(query, results[query], query)


def _value_of(found: Sample | Unknown) -> Value:
    return found.value if isinstance(found, Sample) else found


def _read_moment(query: str, results: Mapping[str, QueryResult]) -> datetime | Unknown:
    found = _read(query, results)
    if isinstance(found, Unknown):
        return found
    if not math.isfinite(found.value) or not 0 < found.value < _LATEST:
        message = f"windowEnd {query} is {found.value:g}: it must be a Unix time in seconds"
        return Unknown(reasons.INVALID_ANSWER, message)
    return datetime.fromtimestamp(found.value, UTC)
