"""From a tree to a typed query, and to what is asked of the server.

What is built is printed from a tree whose selectors each carry the two confining matchers, last; a user's matcher on
the same labels has been refused before. Text of a user is never joined to text of ours.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Final, Literal

from serinus.metrics.promql.reading import OF_NAMESPACE, read_expression
from serinus.metrics.promql.tree import (
    Comparator,
    Expression,
    Match,
    QueryProblem,
    Selector,
    find_filter,
    is_scalar,
    list_selectors,
    map_selectors,
    print_expression,
    shift_back,
)
from serinus.metrics.promql.words import fill_variables, has_variables

Kind = Literal["counter", "histogram", "gauge"]

_BUCKET: Final = "_bucket"
_SPECIAL: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_POD_SUFFIX: Final = "-[a-z0-9]+-[a-z0-9]+"


@dataclass(frozen=True, order=True)
class Scope:
    """A revision whose pods a query is confined to: those named `<revision>-<hash>-<hash>`, known to the server by the
    labels `namespace` and `pod`.
    """

    namespace: str
    revision: str

    @property
    def deployment(self) -> str:
        """Name of the ModelDeployment: a revision is called `<deployment>-<id>`."""
        return self.revision.rpartition("-")[0]


@dataclass(frozen=True)
class TypedQuery:
    """A query that may be asked once it is confined. A selector is read as raw samples, any other expression as the
    one value that it has now.
    """

    kind: Kind
    expression: Expression

    @cached_property
    def text(self) -> str:
        """The query in normal form, not confined, variables unfilled: to be shown, never to be asked."""
        return print_expression(self.expression)

    @property
    def is_selector(self) -> bool:
        return isinstance(self.expression, Selector)


def parse_query(kind: Kind, text: str) -> TypedQuery | QueryProblem:
    """Type a query. Counters and histograms are plain selectors, a gauge is a selector or an expression of one value.

    A histogram may be given by its name or by that of its buckets. Total: no text raises.
    """
    expression = read_expression(text)
    if isinstance(expression, QueryProblem):
        return expression
    problem = _find_selector_problem(kind, expression) or _find_gauge_problem(expression)
    if problem is not None:
        return QueryProblem(problem)
    if kind == "histogram" and isinstance(expression, Selector):
        return _type_histogram(expression)
    return TypedQuery(kind, expression)


@lru_cache(maxsize=4096)
def parse_number_query(text: str) -> TypedQuery | QueryProblem:
    """Type a query that gives one number about a namespace; its ranges and offsets may reach back for a week. Total.
    Kept by its text: every pass of a policy asks for the same ones."""
    expression = read_expression(text, OF_NAMESPACE)
    if isinstance(expression, QueryProblem):
        return expression
    problem = _find_selector_problem("gauge", expression) or _find_gauge_problem(expression)
    return TypedQuery("gauge", expression) if problem is None else QueryProblem(problem)


def build_number_query(query: TypedQuery, scope: Scope, ago: timedelta = timedelta(0)) -> str:
    """The query as it was that long ago, with every selector in it confined to the namespace of the scope. Its
    variables are those of the scope's revision."""
    mine = Match("namespace", "=", scope.namespace)

    def confine(selector: Selector) -> Selector:
        return replace(selector, matches=(*(_fill(one, [scope]) for one in selector.matches), mine))

    shifted = shift_back(query.expression, ago // timedelta(milliseconds=1))
    return print_expression(map_selectors(shifted, confine))


def build_range_query(query: TypedQuery, scopes: Sequence[Scope], window_seconds: float) -> str:
    """Every raw sample of the last `window_seconds` that a selector chooses of the pods of all scopes.

    Raises ValueError for what is no selector, without scopes, and for scopes of several namespaces: their pods could
    not be told apart by name.
    """
    if not isinstance(query.expression, Selector):
        raise ValueError(f"{query.text} is no selector")
    window = max(math.ceil(window_seconds), 1)
    return print_expression(replace(_confine(query.expression, scopes), range_ms=window * 1000))


def build_instant_query(query: TypedQuery, scope: Scope) -> str:
    """The query with every selector in it confined to the pods of one revision."""
    return print_expression(map_selectors(query.expression, lambda selector: _confine(selector, [scope])))


def build_confining_matches(scopes: Sequence[Scope]) -> tuple[Match, Match]:
    """What every selector gets. Regular expressions are anchored at both ends by the server."""
    namespaces = {scope.namespace for scope in scopes}
    if len(namespaces) != 1:
        raise ValueError(f"a query is confined to one namespace, not to {len(namespaces)}")
    revisions = sorted({_escape_pattern(scope.revision) for scope in scopes})
    pods = revisions[0] if len(revisions) == 1 else f"({'|'.join(revisions)})"
    return Match("namespace", "=", namespaces.pop()), Match("pod", "=~", pods + _POD_SUFFIX)


def _confine(selector: Selector, scopes: Sequence[Scope]) -> Selector:
    own = tuple(_fill(one, scopes) for one in selector.matches)
    return replace(selector, matches=own + build_confining_matches(scopes))


def _fill(match: Match, scopes: Sequence[Scope]) -> Match:
    """Where revisions differ any of them is meant: whose a series is, the confining matchers say."""
    if not has_variables(match.value):
        return match
    is_pattern = match.op in ("=~", "!~")
    texts = sorted({_fill_value(match.value, scope, is_pattern=is_pattern) for scope in scopes})
    if len(texts) == 1:
        return replace(match, value=texts[0])
    patterns = texts if is_pattern else [_escape_pattern(text) for text in texts]
    op: Comparator = "=~" if match.op in ("=", "=~") else "!~"
    return Match(match.label, op, "|".join(f"(?:{pattern})" for pattern in patterns))


def _fill_value(value: str, scope: Scope, *, is_pattern: bool) -> str:
    names = {"namespace": scope.namespace, "deployment": scope.deployment, "revision": scope.revision}
    return fill_variables(value, lambda name: _escape_pattern(names[name]) if is_pattern else names[name])


def _escape_pattern(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _find_selector_problem(kind: Kind, expression: Expression) -> str | None:
    if isinstance(expression, Selector):
        plain = print_expression(replace(expression, range_ms=None, offset_ms=0))
        if expression.range_ms is not None:
            return f"a range is no value: write {plain}" + (
                ", the operator adds the range that it needs" if kind != "gauge" else " or avg_over_time(...)"
            )
        if expression.offset_ms:
            delay = "; for outcomes that arrive late there is labelDelay" if kind == "counter" else ""
            return (
                f"offset is not allowed after a plain selector, whose newest samples are judged: write {plain}{delay}"
            )
        return None
    if kind == "gauge":
        return None
    selectors = list_selectors(expression)
    example = print_expression(Selector(selectors[0].name, selectors[0].matches)) if selectors else "my_metric"
    return (
        f"{_shorten(print_expression(expression))}: a {kind} is given as a plain selector such as {_shorten(example)}."
        " rate(), increase() and sum() are not needed: the operator reads the raw samples and subtracts them itself,"
        " because rate() and increase() cannot see the first failures of a new pod"
    )


def _find_gauge_problem(expression: Expression) -> str | None:
    text = _shorten(print_expression(expression))
    if is_scalar(expression):
        return f"{text} reads no metric: it would have a value even where there are no data"
    found = find_filter(expression)
    if found is not None:
        shown = _shorten(print_expression(found))
        return (
            f"{shown}: a comparison has no value where it does not hold, which would look like missing data. Write the"
            " value alone and its limits as min and max, or `bool` after the comparison"
        )
    return None


def _type_histogram(selector: Selector) -> TypedQuery | QueryProblem:
    if any(one.label == "le" for one in selector.matches):
        return QueryProblem(
            f"{print_expression(selector)}: leave out the matcher on le, all buckets of the histogram are compared"
        )
    base = re.sub(r"_(sum|count)$", "", selector.name)
    if base != selector.name:
        return QueryProblem(f"{selector.name} has no buckets: give the name of the histogram, {base}")
    name = selector.name if selector.name.endswith(_BUCKET) else f"{selector.name}{_BUCKET}"
    return TypedQuery("histogram", replace(selector, name=name))


def _shorten(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."
