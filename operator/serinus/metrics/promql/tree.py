"""What a query may consist of, as frozen values, and how they are printed.

There is no subquery, no `@`, no string and no negative offset here, so none can ever be printed. Brackets are not kept:
the printer sets them around every operand that could be read in another way without. It must stay true that reading
what was printed gives the same tree; a test proves it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

Comparator = Literal["=", "!=", "=~", "!~"]

MATCH_OPERATORS: Final[tuple[Comparator, ...]] = ("=", "!=", "=~", "!~")
COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))
SET_OPERATORS: Final = frozenset(("and", "or", "unless"))

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_WORDS: Final = frozenset(
    (
        *("and", "or", "unless", "atan2", "by", "without", "on", "ignoring", "group_left", "group_right", "bool"),
        *("offset", "start", "end", "step", "inf", "nan", "smoothed", "anchored", "fill", "fill_left", "fill_right"),
        *("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "quantile", "count_values"),
        *("topk", "bottomk", "limitk", "limit_ratio"),
    )
)
"""Words of the language: a metric of this name is written as a matcher, which every server understands."""


@dataclass(frozen=True)
class QueryProblem:
    """What is wrong with a query: a sentence that names the part and says what would be right."""

    message: str


@dataclass(frozen=True, slots=True)
class Match:
    """A condition on a label. `value` is the text itself, without quotes and escapes."""

    label: str
    op: Comparator
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Series of one metric. `range_ms` (milliseconds) is None for the newest value, `offset_ms` is 0 or more."""

    name: str
    matches: tuple[Match, ...] = ()
    range_ms: int | None = None
    offset_ms: int = 0


@dataclass(frozen=True, slots=True)
class Number:
    """A finite constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Negation:
    """A minus sign before something that is no constant."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels with the word that says what is done with them: by, without, on, ignoring, group_left or group_right."""

    word: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Many series made one, or one for each group. `parameter` is the quantile of `quantile`."""

    op: str
    operand: "Expression"
    parameter: "Expression | None" = None
    grouping: Labels | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands. `is_bool` makes a comparison answer 0 or 1 instead of leaving series out; `matching` (on, ignoring)
    and `included` (group_left, group_right) say which series belong together.
    """

    op: str
    left: "Expression"
    right: "Expression"
    is_bool: bool = False
    matching: Labels | None = None
    included: Labels | None = None


Expression = Selector | Number | Negation | Call | Aggregation | Operation


def print_expression(expression: Expression) -> str:
    """PromQL that every Prometheus from 2.40 on reads as this tree."""
    match expression:
        case Selector():
            return _print_selector(expression)
        case Number(value):
            return repr(value).removesuffix(".0")
        case Negation(operand):
            return f"-{_print_operand(operand)}"
        case Call(function, arguments):
            return f"{function}({', '.join(print_expression(one) for one in arguments)})"
        case Aggregation(op, operand, parameter, grouping):
            inside = ", ".join(print_expression(one) for one in (parameter, operand) if one is not None)
            return f"{op} {_print_labels(grouping)} ({inside})" if grouping is not None else f"{op}({inside})"
        case Operation(op, left, right, is_bool, matching, included):
            modifiers = [_print_labels(one) for one in (matching, included) if one is not None]
            words = [_print_operand(left), op, *(["bool"] if is_bool else []), *modifiers, _print_operand(right)]
            return " ".join(words)


def quote(text: str) -> str:
    """A PromQL string that stands for exactly this text."""
    return '"' + "".join(_escape(letter) for letter in text) + '"'


def list_selectors(expression: Expression) -> tuple[Selector, ...]:
    """All selectors, from left to right."""
    found: list[Selector] = []

    def visit(selector: Selector) -> Selector:
        found.append(selector)
        return selector

    map_selectors(expression, visit)
    return tuple(found)


def map_selectors(expression: Expression, change: Callable[[Selector], Selector]) -> Expression:
    """The same expression with every selector replaced by what `change` makes of it."""
    match expression:
        case Selector():
            return change(expression)
        case Number():
            return expression
        case Negation(operand):
            return Negation(map_selectors(operand, change))
        case Call(function, arguments):
            return Call(function, tuple(map_selectors(one, change) for one in arguments))
        case Aggregation(_, operand, parameter, _):
            parameter = map_selectors(parameter, change) if parameter is not None else None
            return replace(expression, operand=map_selectors(operand, change), parameter=parameter)
        case Operation(_, left, right):
            return replace(expression, left=map_selectors(left, change), right=map_selectors(right, change))


def shift_back(expression: Expression, milliseconds: int) -> Expression:
    """The same expression as it was that long ago."""
    if not milliseconds:
        return expression
    match expression:
        case Selector(offset_ms=offset):
            return replace(expression, offset_ms=offset + milliseconds)
        case Number():
            return expression
        case Negation(operand):
            return Negation(shift_back(operand, milliseconds))
        case Call("time"):
            return Operation("-", expression, Number(milliseconds / 1000))
        case Call(function, arguments):
            return Call(function, tuple(shift_back(one, milliseconds) for one in arguments))
        case Aggregation(_, operand, parameter, _):
            parameter = shift_back(parameter, milliseconds) if parameter is not None else None
            return replace(expression, operand=shift_back(operand, milliseconds), parameter=parameter)
        case Operation(_, left, right):
            return replace(expression, left=shift_back(left, milliseconds), right=shift_back(right, milliseconds))


def is_scalar(expression: Expression) -> bool:
    """Whether it has a value without any series: constants, time(), and what is calculated from them alone."""
    match expression:
        case Number() | Call("time"):
            return True
        case Negation(operand):
            return is_scalar(operand)
        case Operation(_, left, right):
            return is_scalar(left) and is_scalar(right)
        case Selector() | Call() | Aggregation():
            return False


def find_filter(expression: Expression) -> Operation | None:
    """The comparison that decides whether the expression has a value at all, if there is one."""
    match expression:
        case Operation(op, left, right, is_bool):
            if op in COMPARISONS and not is_bool:
                return expression
            # What stands right of `and` and `unless` is a condition, and meant as one.
            return find_filter(left) or (find_filter(right) if op not in SET_OPERATORS else None)
        case Negation(operand):
            return find_filter(operand)
        case Call(_, arguments):
            return next(filter(None, map(find_filter, arguments)), None)
        case Selector() | Number() | Aggregation():
            return None


def _print_selector(selector: Selector) -> str:
    is_plain = _METRIC_NAME.fullmatch(selector.name) and selector.name.lower() not in _WORDS
    matches = selector.matches if is_plain else (Match("__name__", "=", selector.name), *selector.matches)
    inside = ",".join(f"{_print_label(m.label)}{m.op}{quote(m.value)}" for m in matches)
    name = selector.name if is_plain else ""
    text = f"{name}{{{inside}}}" if inside else name
    text += f"[{_print_duration(selector.range_ms)}]" if selector.range_ms is not None else ""
    return text + (f" offset {_print_duration(selector.offset_ms)}" if selector.offset_ms else "")


def _print_operand(operand: Expression) -> str:
    text = print_expression(operand)
    is_bare = isinstance(operand, Selector | Call | Aggregation) or (isinstance(operand, Number) and operand.value >= 0)
    return text if is_bare else f"({text})"


def _print_labels(labels: Labels) -> str:
    return f"{labels.word} ({', '.join(map(_print_grouped, labels.labels))})"


def _print_grouped(name: str) -> str:
    # Alone in brackets these are read as numbers.
    return quote(name) if name.lower() in ("inf", "nan") else _print_label(name)


def _print_label(name: str) -> str:
    return name if _LABEL_NAME.fullmatch(name) else quote(name)


def _print_duration(milliseconds: int) -> str:
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def _escape(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter == "\n":
        return "\\n"
    return f"\\x{ord(letter):02x}" if ord(letter) < 0x20 or ord(letter) == 0x7F else letter
