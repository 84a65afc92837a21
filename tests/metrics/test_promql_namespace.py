"""Queries about a whole namespace, of a time that is past."""

from datetime import timedelta

import pytest

from serinus.metrics.promql import QueryProblem, Scope, build_number_query, parse_number_query

SCOPE = Scope("ml", "fraud-1a2b3c4d")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "ago", "asked"),
    [
        ("x", timedelta(0), 'x{namespace="ml"}'),
        ("x", HOUR, 'x{namespace="ml"} offset 3600s'),
        ("x offset 2h + 1", HOUR, None),
        ("max(x offset 2h)", HOUR, 'max(x{namespace="ml"} offset 10800s)'),
        (
            "sum(rate(a[6h])) / sum(rate(b[6h]))",
            HOUR,
            'sum(rate(a{namespace="ml"}[21600s] offset 3600s)) / sum(rate(b{namespace="ml"}[21600s] offset 3600s))',
        ),
        ("time() - max(x)", HOUR, '(time() - 3600) - max(x{namespace="ml"} offset 3600s)'),
        ("-abs(quantile(0.5, x))", HOUR, '-abs(quantile(0.5, x{namespace="ml"} offset 3600s))'),
        ('x{m="{{deployment}}",v="{{revision}}"}', timedelta(0), 'x{m="fraud",v="fraud-1a2b3c4d",namespace="ml"}'),
    ],
)
def test_every_selector_is_confined_and_moved(text: str, ago: timedelta, asked: str | None) -> None:
    query = parse_number_query(text)
    assert not isinstance(query, QueryProblem)
    built = build_number_query(query, SCOPE, ago)
    again = parse_number_query(text)
    assert not isinstance(again, QueryProblem)
    assert built.count('namespace="ml"') == built.count("{")
    if asked is not None:
        assert built == asked


@pytest.mark.parametrize("label", ["namespace", "exported_namespace", "kubernetes_namespace"])
@pytest.mark.parametrize("op", ["=", "!=", "=~", "!~"])
def test_nobody_gets_out_of_a_namespace(label: str, op: str) -> None:
    problem = parse_number_query(f'max(x{{{label}{op}".+"}}) or max(y)')
    assert isinstance(problem, QueryProblem)
    assert "the operator itself adds the namespace" in problem.message
