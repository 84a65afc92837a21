"""From the answer to a user's query to points, or to what is wrong with what was asked.

A query that gives several series where one is meant is a mistake in the spec and said at once: to take any of them, or
their sum, would be a guess.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from serinus.core.counters import LEVEL, TOTAL, Point, bound_key
from serinus.metrics.promql.query import Kind, Scope, TypedQuery
from serinus.metrics.promql.tree import QueryProblem, quote
from serinus.metrics.promql.words import CONFINING
from serinus.metrics.source import Sample, Series

_POD: Final = re.compile(r"(.+)-[a-z0-9]+-[a-z0-9]+", re.ASCII)
_SHOWN: Final = 3


def attribute_query_points(
    kind: Kind, scopes: Sequence[Scope], series: Iterable[Series], keys: tuple[str, ...] = ()
) -> dict[Scope, list[Point]] | QueryProblem:
    """The newest sample of every series, by the revision whose pod it is of; series of no scope are left out.

    `keys` are the sums that a counter's growth adds to; buckets have those of their bounds, a gauge has LEVEL. A series
    of a histogram without a bound, and two series of a gauge for one pod, are problems.
    """
    by_name = {(scope.namespace, scope.revision): scope for scope in scopes}
    points: dict[Scope, list[Point]] = {scope: [] for scope in scopes}
    levels: dict[str, Mapping[str, str]] = {}
    for one in series:
        labels = one.labels
        pod = labels.get("pod", "")
        found = _POD.fullmatch(pod)
        scope = by_name.get((labels.get("namespace", ""), found[1])) if found else None
        if scope is None or not one.samples:
            continue
        own = _keys_of(kind, labels, keys)
        if isinstance(own, QueryProblem):
            return own
        if kind == "gauge" and pod in levels:
            return QueryProblem(
                f"the query has several values for the pod {pod} where one is meant; {_explain(levels[pod], labels)}"
            )
        if kind == "gauge":
            levels[pod] = labels
        last = one.samples[-1]
        # One series may be asked for twice, as what is bad and as part of all: it is counted under both names.
        identity = "\x00".join([*(f"{name}={value}" for name, value in sorted(labels.items())), *own])
        points[scope].append(Point(identity, pod, labels.get("instance", ""), last.value, last.timestamp, own))
    return points


def read_instant(query: TypedQuery, scope: Scope, series: Sequence[Series]) -> Point | QueryProblem | None:
    """The value of an expression for one revision; None where it has none, which is unknown, neither good nor bad. Its
    value may be NaN or infinite, as after a division by nothing; its unit is the whole revision.
    """
    last = read_number(query.text, series)
    if not isinstance(last, Sample):
        return last
    identity = f"{scope.namespace}/{scope.revision}"
    return Point(identity, scope.revision, "", last.value, last.timestamp, (LEVEL,))


def read_number(text: str, series: Sequence[Series]) -> Sample | QueryProblem | None:
    """The one sample that a query gave (`text` is how it is shown); None where it gave none."""
    valued = [one for one in series if one.samples]
    if len(valued) > 1:
        return QueryProblem(
            f"{text} has {len(valued)} values where one is meant; {_explain(valued[0].labels, valued[1].labels)}"
        )
    return valued[0].samples[-1] if valued else None


def _keys_of(kind: Kind, labels: Mapping[str, str], keys: tuple[str, ...]) -> tuple[str, ...] | QueryProblem:
    if kind == "counter":
        return keys
    if kind == "gauge":
        return (LEVEL,)
    try:
        bound = float(labels.get("le", ""))
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        name = labels.get("__name__", "the metric")
        return QueryProblem(f"{name[:120]} is no histogram: a series of it has no bound in the label le")
    return (TOTAL,) if bound == math.inf else (bound_key(bound),)


def _explain(first: Mapping[str, str], second: Mapping[str, str]) -> str:
    """How two series differ, and what would leave one of them."""
    differing = sorted(name for name in {*first, *second} if first.get(name, "") != second.get(name, ""))
    shown = ", ".join(
        f'{name} ("{first.get(name, "")[:40]}", "{second.get(name, "")[:40]}")' for name in differing[:_SHOWN]
    )
    more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    text = f"they differ in {shown}{more}. Make them one by an aggregation, such as avg(...) or max(...)"
    choosable = [name for name in differing if name not in CONFINING and name != "instance"]
    if choosable:
        name = choosable[0]
        text += f", or choose one by a matcher, such as {name}={quote(first.get(name, '')[:200])}"
    return text
