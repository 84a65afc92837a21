"""From a user's text to a tree, or to what is wrong with it. No text raises, none takes long, none ends the process.

The parser would do all three: it panics on a huge duration, compiles every regular expression, and calls itself as
deeply as a text is nested. Its printer and its repr() take minutes for a nested query and are not used. Functions and
operators are a closed list: what is not known to keep "no data" apart from a number is refused.
"""

import math
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NoReturn

import promql_parser as promql

from serinus.metrics.promql.literals import fill_marks, mark_strings
from serinus.metrics.promql.tree import (
    COMPARISONS,
    MATCH_OPERATORS,
    SET_OPERATORS,
    Aggregation,
    Call,
    Comparator,
    Expression,
    Labels,
    Match,
    Negation,
    Number,
    Operation,
    QueryProblem,
    Selector,
    list_selectors,
    print_expression,
)
from serinus.metrics.promql.words import (
    AGGREGATIONS,
    CONFINING,
    FUNCTIONS,
    NAMESPACE_LABELS,
    REFUSED,
    find_variable_problem,
)

MAX_CHARACTERS: Final = 2048
MAX_SELECTORS: Final = 8
MAX_NESTING: Final = 100
MAX_REACH: Final = timedelta(hours=1)
FAR_REACH: Final = timedelta(days=7)

_NESTS: Final = re.compile(r"[-+*/%^(<>]|[=!]=|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
"""What can put one expression inside another."""

_COSTLY_PATTERN: Final = re.compile(r"\{|\\[a-zA-Z]|\(\?|\[\[")
"""Counted repetitions, classes of letters, flags: what makes a regular expression large once it is compiled."""

_ARITHMETIC: Final = frozenset(("+", "-", "*", "/", "%", "^", "atan2"))
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Bounds:
    """What a query is confined to: labels that only the operator selects by, what it adds instead, and how far ranges
    and offsets may reach back.
    """

    reserved: frozenset[str]
    adds: str
    reach: timedelta


OF_REVISION: Final = Bounds(CONFINING, "the namespace and the pods of the revision", MAX_REACH)
OF_NAMESPACE: Final = Bounds(NAMESPACE_LABELS, "the namespace", FAR_REACH)
"""For what is asked once in a while about everything in a namespace."""


class _RefusedError(Exception):
    """Carries a problem out of the depth of a query."""


def read_expression(text: str, bounds: Bounds = OF_REVISION) -> Expression | QueryProblem:
    """Read PromQL into a tree; every selector in it has one metric name and no matcher on a reserved label."""
    try:
        expression = _read(text, bounds)
    except _RefusedError as refused:
        return QueryProblem(str(refused))
    count = len(list_selectors(expression))
    if count > MAX_SELECTORS:
        return QueryProblem(f"the query has {count} selectors, at most {MAX_SELECTORS} are allowed")
    return expression


def _read(text: str, bounds: Bounds) -> Expression:
    if len(text) > MAX_CHARACTERS:
        _refuse(f"the query has {len(text)} characters, at most {MAX_CHARACTERS} are allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse("the query has a character that is none (half of a UTF-16 pair)")
    marked = mark_strings(text)
    if "{{" in marked.text:
        _refuse(
            '{{...}} stands outside quotes: variables are allowed in the value of a label, as in model="{{deployment}}"'
        )
    nesting = len(_NESTS.findall(marked.text))
    if nesting > MAX_NESTING:
        _refuse(f"the query has {nesting} operators and brackets, at most {MAX_NESTING} are allowed")
    strings = tuple(_read_string(string) for string in marked.strings)
    return _Reader(strings, bounds).read(_parse(marked.text, marked.strings))


def _read_string(string: str) -> str:
    if string.startswith("`"):
        # Without escapes; the parser reads some into it.
        return string[1:-1]
    node = _parse(string)
    if not isinstance(node, promql.StringLiteral):
        _refuse(f"{string} is no string")
    return node.val


def _parse(text: str, strings: tuple[str, ...] = ()) -> promql.Expr:
    try:
        return promql.parse(text)
    except ValueError as error:
        reason = fill_marks(" ".join(str(error).split()), strings)
    except BaseException as error:
        # A panic inside the parser; it is no Exception, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        reason = "it has a number or duration that is too large"
    raise _RefusedError(f"the query cannot be read: {reason[:200]}")


def _refuse(message: str) -> NoReturn:
    raise _RefusedError(message)


@dataclass(frozen=True)
class _Reader:
    """Turns the parser's nodes into ours; `strings` are the texts that the marks stand for."""

    strings: tuple[str, ...]
    bounds: Bounds

    def read(self, node: promql.Expr) -> Expression:
        match node:
            case promql.ParenExpr():
                return self.read(node.expr)
            case promql.VectorSelector():
                return self._read_selector(node)
            case promql.MatrixSelector():
                return self._read_range(node)
            case promql.NumberLiteral():
                if not math.isfinite(node.val):
                    _refuse("NaN and Inf are no numbers to calculate with")
                return Number(node.val)
            case promql.UnaryExpr():
                operand = self.read(node.expr)
                return Number(-operand.value) if isinstance(operand, Number) else Negation(operand)
            case promql.BinaryExpr():
                return self._read_operation(node)
            case promql.AggregateExpr():
                return self._read_aggregation(node)
            case promql.Call():
                return self._read_call(node)
            case promql.SubqueryExpr():
                inner = print_expression(self.read(node.expr))
                _refuse(f"{inner}[...:...] is a subquery, which is not allowed: use a range of a plain selector, [5m]")
            case promql.StringLiteral():
                _refuse("a string is no value: write the name of a metric, without quotes")
        _refuse("the query has a part that is not known here")

    @property
    def _reach(self) -> str:
        return f"{self.bounds.reach / timedelta(hours=1):g}h"

    def _read_selector(self, node: promql.VectorSelector) -> Selector:
        if node.matchers.or_matchers:
            _refuse('`or` between matchers is not allowed: write one matcher with a regular expression, label=~"a|b"')
        matches = [self._read_match(one) for one in node.matchers.matchers]
        named = [one for one in matches if one.label == "__name__"]
        if any(one.op != "=" for one in named):
            _refuse("a metric is chosen by its one name: __name__ with !=, =~ or !~ is not allowed")
        names = [*([node.name] if node.name else []), *(one.value for one in named)]
        if len(names) > 1:
            _refuse(f"a selector has one metric name, not {len(names)} ({', '.join(names)})")
        if not names or not names[0]:
            labels = ", ".join(one.label for one in matches if one.label != "__name__")
            _refuse(
                f"a selector ({labels or 'without labels'}) has no metric name: write it first, as in my_metric{{...}}"
            )
        selector = Selector(names[0], tuple(one for one in matches if one.label != "__name__"))
        if "{{" in selector.name:
            _refuse(f"{selector.name}: a variable cannot be part of a metric's name, only of a label's value")
        for one in selector.matches:
            self._check_match(selector, one)
        if node.at is not None:
            _refuse(f"{print_expression(selector)} @ ...: `@` is not allowed, what is judged is the present")
        return replace(selector, offset_ms=self._read_offset(selector, node.offset))

    def _read_match(self, node: promql.Matcher) -> Match:
        kinds = (promql.MatchOp.Equal, promql.MatchOp.NotEqual, promql.MatchOp.Re, promql.MatchOp.NotRe)
        ops: list[Comparator] = [op for kind, op in zip(kinds, MATCH_OPERATORS, strict=True) if node.op == kind]
        return Match(self._read_label(node.name), ops[0], fill_marks(node.value, self.strings))

    def _check_match(self, selector: Selector, match: Match) -> None:
        if match.label in self.bounds.reserved:
            _refuse(
                f"{print_expression(selector)}: leave out the matcher on {match.label}, the operator itself adds"
                f" {self.bounds.adds}"
            )
        problem = find_variable_problem(match.value)
        if problem is not None:
            _refuse(f"{print_expression(selector)}: {problem}")
        if match.op in ("=~", "!~") and not _COSTLY_PATTERN.search(match.value):
            _parse(print_expression(Selector("checked", (match,))))

    def _read_offset(self, selector: Selector, offset: timedelta | None) -> int:
        if offset is not None and not timedelta(0) <= offset <= self.bounds.reach:
            shown = f"{print_expression(selector)} offset {offset.total_seconds():.0f}s"
            _refuse(f"{shown}: the offset must lie between 0 and {self._reach}")
        return 0 if offset is None else offset // _MILLISECOND

    def _read_range(self, node: promql.MatrixSelector) -> Selector:
        selector = self._read_selector(node.vector_selector)
        if not _MILLISECOND <= node.range <= self.bounds.reach:
            shown = f"{print_expression(selector)}[{node.range.total_seconds():g}s]"
            _refuse(f"{shown}: the range must be longer than 0 and at most {self._reach}")
        return replace(selector, range_ms=node.range // _MILLISECOND)

    def _read_call(self, node: promql.Call) -> Call:
        name = node.func.name
        if name not in FUNCTIONS:
            reason = REFUSED.get(name) or f"the functions that may be used are {', '.join(sorted(FUNCTIONS))}"
            _refuse(f"{name}() is not allowed: {reason}")
        return Call(name, tuple(self.read(one) for one in node.args))

    def _read_aggregation(self, node: promql.AggregateExpr) -> Aggregation:
        op = str(node.op)
        if op not in AGGREGATIONS:
            reason = REFUSED.get(op) or f"what may be used is {', '.join(sorted(AGGREGATIONS))}"
            _refuse(f"{op}() is not allowed: {reason}")
        parameter = self.read(node.param) if node.param is not None else None
        grouping = None
        if node.modifier is not None:
            word = "by" if node.modifier.type == promql.AggModifierType.By else "without"
            grouping = self._read_labels(word, node.modifier.labels)
        # `sum by ()` is `sum`.
        grouping = None if grouping == Labels("by", ()) else grouping
        return Aggregation(op, self.read(node.expr), parameter, grouping)

    def _read_operation(self, node: promql.BinaryExpr) -> Operation:
        op = str(node.op)
        if op not in _ARITHMETIC | COMPARISONS | SET_OPERATORS:
            _refuse(f"the operator {op} is not known here")
        operation = Operation(op, self.read(node.lhs), self.read(node.rhs))
        modifier = node.modifier
        if modifier is None:
            return operation
        if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
            _refuse(
                f"fill after {op} is not allowed: it turns no data into a number, and no data is an answer of its own"
            )
        matching = included = None
        if modifier.matching is not None:
            word = "on" if modifier.matching.type == promql.LabelModifierType.Include else "ignoring"
            matching = self._read_labels(word, modifier.matching.labels)
        cardinality = modifier.card
        if cardinality in (promql.VectorMatchCardinality.ManyToOne, promql.VectorMatchCardinality.OneToMany):
            word = "group_left" if cardinality == promql.VectorMatchCardinality.ManyToOne else "group_right"
            included = self._read_labels(word, modifier.group_labels or [])
        return replace(operation, is_bool=modifier.return_bool, matching=matching, included=included)

    def _read_labels(self, word: str, labels: list[str]) -> Labels:
        return Labels(word, tuple(self._read_label(one) for one in labels))

    def _read_label(self, name: str) -> str:
        label = fill_marks(name, self.strings)
        if not label or "{{" in label:
            _refuse(f"{label or 'an empty text'} is no label: a label's name is written as it is, without variables")
        return label
