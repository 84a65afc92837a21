"""What holds for every query: it is read or refused, what is asked is confined, and printing loses nothing."""

import math
import string
from collections.abc import Iterator

import promql_parser as promql
from hypothesis import assume, given
from hypothesis import strategies as st

from serinus.metrics.promql import (
    Kind,
    QueryProblem,
    Scope,
    TypedQuery,
    build_instant_query,
    build_range_query,
    parse_query,
)
from serinus.metrics.promql.reading import MAX_CHARACTERS, read_expression
from serinus.metrics.promql.tree import (
    COMPARISONS,
    Aggregation,
    Call,
    Expression,
    Labels,
    Match,
    Negation,
    Number,
    Operation,
    Selector,
    list_selectors,
    print_expression,
    quote,
)
from serinus.metrics.promql.words import AGGREGATIONS, CONFINING, find_variable_problem

KINDS: st.SearchStrategy[Kind] = st.sampled_from(["counter", "histogram", "gauge"])
NEW, OLD = Scope("ml", "fraud-7c9d2b10"), Scope("ml", "fraud-51aa0c9e")
POD = "-[a-z0-9]+-[a-z0-9]+"

# Texts: anything at all, and good queries spoiled at random places.

GOOD = [
    'feedback_total{verdict="wrong",a!="b",c=~"d|e.*",f!~`\\d+`}',
    'sum by (a, "b.c") (rate(x_total{a=\'b\'}[5m] offset 1h)) / on (a) group_left (y) max without (z) (y{b="c"})',
    'quantile(0.9, -drift{model="{{deployment}}"} ^ 2 > bool 1e3) and on () avg_over_time(x[30s]) > 5 # why not',
    '{__name__="x.y", "a.b"="\\u00e9\\n\\""} or ({"z"} unless time() - timestamp(w) < bool 0x1F)',
]
SPOILERS = [
    *(
        '"',
        "'",
        "`",
        "\\",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ",",
        "#",
        "\n",
        "=",
        "=~",
        "!=",
        "-",
        "{{",
        "}}",
        "$0$",
        '"$0$"',
    ),
    *(
        " or ",
        " or vector(0)",
        " @ end()",
        " @ 5",
        "[5m:1m]",
        "[5m]",
        "[2h]",
        " offset -1h",
        " offset 5m",
        " offset Inf",
    ),
    *(
        '{namespace=~".*"}',
        'namespace="x",',
        ',pod!=""',
        '__name__=~".+"',
        'or b="c"',
        " fill(0) ",
        "absent(",
        "scalar(",
    ),
    *(
        "{{revision}}",
        "{{pod}}",
        "label_replace(",
        "count_values(",
        "topk(1,",
        "1e999",
        "NaN",
        "9" * 30,
        "'\"} or vector(0) #'",
    ),
]


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(start + draw(st.sampled_from([0, 0, 1, 2, 5])), len(text))
        text = text[:start] + draw(st.sampled_from(SPOILERS)) + text[end:]
    return text


TEXTS = st.one_of(
    st.text(max_size=100),
    st.lists(st.sampled_from([*"ab1.{}()[]\"'`\\=~!,#-+ \n", "{{", "}}", "or", "sum", "rate", "offset"])).map("".join),
    spoiled(),
)


@given(KINDS, TEXTS)
def test_every_text_is_a_query_or_a_problem(kind: Kind, text: str) -> None:
    found = parse_query(kind, text)
    assert isinstance(found, TypedQuery) or (isinstance(found, QueryProblem) and found.message)


@given(KINDS, spoiled())
def test_the_normal_form_of_a_query_is_the_same_query(kind: Kind, text: str) -> None:
    query = parse_query(kind, text)
    if isinstance(query, TypedQuery) and len(query.text) <= MAX_CHARACTERS:
        assert parse_query(kind, query.text) == query


@given(KINDS, TEXTS)
def test_whatever_is_accepted_is_confined_selector_by_selector(kind: Kind, text: str) -> None:
    query = parse_query(kind, text)
    if isinstance(query, QueryProblem):
        return
    assert_confined(build_instant_query(query, NEW), query, f"fraud-7c9d2b10{POD}")
    if query.is_selector:
        asked = build_range_query(query, [NEW, OLD], 16)
        assert asked.endswith("}[16s]")
        assert_confined(asked, query, f"(fraud-51aa0c9e|fraud-7c9d2b10){POD}")


def assert_confined(asked: str, query: TypedQuery, pods: str) -> None:
    """Read what is asked by the parser alone, without any of our own code."""
    try:
        nodes = list(walk(promql.parse(asked)))
    except ValueError as error:
        # Costly patterns are left to the server, which refuses the wrong ones as the parser does.
        if not str(error).startswith("illegal regex"):
            raise
        return
    found = [node for node in nodes if isinstance(node, promql.VectorSelector)]
    assert len(found) == len(list_selectors(query.expression)) >= 1
    assert not any(isinstance(node, promql.SubqueryExpr | promql.StringLiteral) for node in nodes)
    wanted = [
        str(promql.Matcher(promql.MatchOp.Equal, "namespace", "ml")),
        str(promql.Matcher(promql.MatchOp.Re, "pod", pods)),
    ]
    for selector in found:
        matchers = selector.matchers.matchers
        assert [str(one) for one in matchers if one.name in CONFINING] == wanted
        assert [str(one) for one in matchers[-2:]] == wanted
        assert selector.matchers.or_matchers == []
        assert selector.at is None
        names = [selector.name, *(one.value for one in matchers if one.name == "__name__")]
        assert len([name for name in names if name]) == 1
        assert all(one.op == promql.MatchOp.Equal for one in matchers if one.name == "__name__")
        assert selector.offset is None or 0 <= selector.offset.total_seconds() <= 3600


def walk(node: promql.Expr) -> Iterator[promql.Expr]:
    yield node
    match node:
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            children = [node.expr]
        case promql.AggregateExpr():
            children = [node.expr, *([node.param] if node.param is not None else [])]
        case promql.BinaryExpr():
            children = [node.lhs, node.rhs]
        case promql.Call():
            children = node.args
        case promql.MatrixSelector():
            children = [node.vector_selector]
        case _:
            children = []
    for child in children:
        yield from walk(child)


# Trees: everything that a query may consist of.

PRINTABLE = st.text(max_size=8)
LETTERS = st.text(alphabet=string.ascii_letters + "_", min_size=1, max_size=5)
METRICS = st.one_of(
    LETTERS,
    LETTERS.map(lambda name: f"{name}:{name}"),
    st.sampled_from(["sum", "by", "OFFSET", "nan", "Inf", "rate", "bool", "or", "on", "start", "x.y"]),
    st.text(min_size=1, max_size=6),
).filter(lambda name: "{{" not in name)
LABELS = st.one_of(
    LETTERS, st.sampled_from(["sum", "on", "a.b", 'a"b', "by", "Inf"]), st.text(min_size=1, max_size=4)
).filter(lambda name: name not in CONFINING and name != "__name__" and "{{" not in name)
VALUES = st.one_of(
    PRINTABLE,
    st.sampled_from(["{{revision}}", "x-{{ namespace }}", "\\", '"', "$0$", "a\nb", "\x00\x7f\u2028\U0001f600"]),
).filter(lambda value: find_variable_problem(value) is None)
PATTERNS = st.sampled_from(["", "a|b", ".+", "[a-z]+", "\\d{2,}", '\\.\\"', "(?i)x", "{{deployment}}-.*", "é"])
MATCHES = st.one_of(
    st.builds(Match, LABELS, st.sampled_from(["=", "!="]), VALUES),
    st.builds(Match, LABELS, st.sampled_from(["=~", "!~"]), PATTERNS),
)
OFFSETS = st.one_of(st.just(0), st.integers(0, 3_600_000))
INSTANT = st.builds(Selector, METRICS, st.lists(MATCHES, max_size=2).map(tuple), st.none(), OFFSETS)
RANGES = st.builds(Selector, METRICS, st.lists(MATCHES, max_size=2).map(tuple), st.integers(1, 3_600_000), OFFSETS)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(Number)
SCALARS = st.one_of(NUMBERS, st.just(Call("time", ())))
GROUPINGS = st.none() | st.builds(Labels, st.sampled_from(["by", "without"]), st.lists(LABELS, max_size=2).map(tuple))
MATCHINGS = st.none() | st.builds(Labels, st.sampled_from(["on", "ignoring"]), st.lists(LABELS, max_size=2).map(tuple))
ARITHMETIC = st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2"])


def vectors(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    included = st.none() | st.sampled_from(["group_left", "group_right"]).map(lambda word: Labels(word, ("extra_one",)))
    return st.one_of(
        inner.map(Negation),
        st.builds(lambda one: Call("abs", (one,)), inner),
        st.builds(lambda one, low, high: Call("clamp", (one, low, high)), inner, SCALARS, SCALARS),
        st.builds(lambda one: Call("rate", (one,)), RANGES),
        st.builds(lambda op, one, grouping: Aggregation(op, one, None, grouping), OPS, inner, GROUPINGS),
        st.builds(lambda q, one, grouping: Aggregation("quantile", one, q, grouping), SCALARS, inner, GROUPINGS),
        st.builds(Operation, ARITHMETIC, inner, SCALARS),
        st.builds(Operation, ARITHMETIC, SCALARS, inner),
        st.builds(pair, ARITHMETIC, inner, inner, st.just(False), MATCHINGS, included),
        st.builds(pair, st.sampled_from(sorted(COMPARISONS)), inner, inner, st.booleans(), MATCHINGS, included),
        st.builds(pair, st.sampled_from(["and", "or", "unless"]), inner, inner, st.just(False), MATCHINGS, st.none()),
    )


OPS = st.sampled_from(sorted(AGGREGATIONS - {"quantile"}))


def pair(
    op: str, left: Expression, right: Expression, is_bool: bool, matching: Labels | None, included: Labels | None
) -> Operation:
    return Operation(op, left, right, is_bool, matching, included if matching is not None else None)


TREES: st.SearchStrategy[Expression] = st.recursive(INSTANT, vectors, max_leaves=6)


@given(TREES)
def test_reading_what_was_printed_gives_the_same_tree(tree: Expression) -> None:
    text = print_expression(tree)
    assume(len(text) <= MAX_CHARACTERS)
    found = read_expression(text)
    assert normal(found) == normal(tree), text


def normal(tree: Expression | QueryProblem) -> Expression | QueryProblem:
    """`sum by ()` is `sum`."""
    match tree:
        case Aggregation(op, operand, parameter, grouping):
            kept = None if grouping == Labels("by", ()) else grouping
            return Aggregation(op, strict(operand), None if parameter is None else strict(parameter), kept)
        case Negation(operand):
            return Negation(strict(operand))
        case Call(function, arguments):
            return Call(function, tuple(map(strict, arguments)))
        case Operation(op, left, right, is_bool, matching, included):
            return Operation(op, strict(left), strict(right), is_bool, matching, included)
        case _:
            return tree


def strict(tree: Expression) -> Expression:
    found = normal(tree)
    assert not isinstance(found, QueryProblem)
    return found


@given(st.text())
def test_a_quoted_text_is_read_as_itself(text: str) -> None:
    node = promql.parse(quote(text))
    assert isinstance(node, promql.StringLiteral)
    assert node.val == text


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_are_confining_whatever_they_are(namespace: str, revision: str) -> None:
    query = parse_query("counter", 'a{b="{{deployment}}",c=~"{{revision}}"}')
    assert isinstance(query, TypedQuery)
    (node,) = (
        n
        for n in walk(promql.parse(build_range_query(query, [Scope(namespace, revision)], math.pi)))
        if isinstance(n, promql.VectorSelector)
    )
    values = {one.name: one.value for one in node.matchers.matchers}
    assert set(values) == {"b", "c", "namespace", "pod"}
    assert values["namespace"] == namespace
    assert values["b"] == revision.rpartition("-")[0]
    assert values["pod"] == values["c"] + POD
