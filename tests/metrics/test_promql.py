"""Queries of users: what is accepted, what is asked for it, and what is refused in which words."""

import threading
import time

import pytest

from serinus.metrics.promql import (
    Kind,
    QueryProblem,
    Scope,
    TypedQuery,
    build_instant_query,
    build_range_query,
    parse_query,
)

NEW = Scope("ml", "fraud-7c9d2b10")
OLD = Scope("ml", "fraud-51aa0c9e")
ONE = 'namespace="ml",pod=~"fraud-7c9d2b10-[a-z0-9]+-[a-z0-9]+"'
BOTH = 'namespace="ml",pod=~"(fraud-51aa0c9e|fraud-7c9d2b10)-[a-z0-9]+-[a-z0-9]+"'


def typed(kind: Kind, text: str) -> TypedQuery:
    query = parse_query(kind, text)
    assert isinstance(query, TypedQuery), query
    return query


def refused(kind: Kind, text: str) -> str:
    query = parse_query(kind, text)
    assert isinstance(query, QueryProblem), query
    return query.message


@pytest.mark.parametrize(
    ("kind", "text", "asked"),
    [
        ("counter", "feedback_total", f"feedback_total{{{BOTH}}}[16s]"),
        ("counter", 'feedback_total{verdict="wrong"}', f'feedback_total{{verdict="wrong",{BOTH}}}[16s]'),
        ("counter", '(feedback_total{verdict="wrong",}) # ok', f'feedback_total{{verdict="wrong",{BOTH}}}[16s]'),
        ("counter", "{__name__='feedback_total'}", f"feedback_total{{{BOTH}}}[16s]"),
        ("counter", '{"feedback_total"}', f"feedback_total{{{BOTH}}}[16s]"),
        ("counter", "sum{}", f'{{__name__="sum",{BOTH}}}[16s]'),
        ("counter", '{"dots.total","a.b"="c"}', f'{{__name__="dots.total","a.b"="c",{BOTH}}}[16s]'),
        ("histogram", "latency_seconds", f"latency_seconds_bucket{{{BOTH}}}[16s]"),
        ("histogram", "latency_seconds_bucket{a!='b'}", f'latency_seconds_bucket{{a!="b",{BOTH}}}[16s]'),
        ("gauge", 'drift{statistic=~"psi|ks"}', f'drift{{statistic=~"psi|ks",{BOTH}}}[16s]'),
        ("gauge", "drift{a=`\\d\n`}", f'drift{{a="\\\\d\\n",{BOTH}}}[16s]'),
        ("gauge", "drift{a='\\'\"} or vector(0) #'}", f'drift{{a="\'\\"}} or vector(0) #",{BOTH}}}[16s]'),
        ("gauge", 'drift{a="b\\u00e9\\x07"}', f'drift{{a="bé\\x07",{BOTH}}}[16s]'),
    ],
)
def test_a_selector_is_asked_for_its_raw_samples_of_both_revisions(kind: Kind, text: str, asked: str) -> None:
    query = typed(kind, text)
    assert query.is_selector
    assert build_range_query(query, [NEW, OLD], 15.2) == asked


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("avg(drift)", f"avg(drift{{{ONE}}})"),
        ("sum by (a, 'b.c') (drift)", f'sum by (a, "b.c") (drift{{{ONE}}})'),
        ("sum by () (drift)", f"sum(drift{{{ONE}}})"),
        ("quantile(0.9, drift)", f"quantile(0.9, drift{{{ONE}}})"),
        ("a - b - c", f"(a{{{ONE}}} - b{{{ONE}}}) - c{{{ONE}}}"),
        ("a - (b - c)", f"a{{{ONE}}} - (b{{{ONE}}} - c{{{ONE}}})"),
        ("-a ^ 2", f"-(a{{{ONE}}} ^ 2)"),
        ("(-a) ^ -2", f"(-a{{{ONE}}}) ^ (-2)"),
        ("a > bool 0.5", f"a{{{ONE}}} > bool 0.5"),
        ("a and on () b > 5", f"a{{{ONE}}} and on () (b{{{ONE}}} > 5)"),
        ("a or b", f"a{{{ONE}}} or b{{{ONE}}}"),
        ("a / on (x) group_left (y) b", f"a{{{ONE}}} / on (x) group_left (y) b{{{ONE}}}"),
        ("a / ignoring (x) group_right b", f"a{{{ONE}}} / ignoring (x) group_right () b{{{ONE}}}"),
        ("time() - max(a)", f"time() - max(a{{{ONE}}})"),
        (
            "sum(rate(a[5m])) / sum(rate(b[1h] offset 90s))",
            f"sum(rate(a{{{ONE}}}[300s])) / sum(rate(b{{{ONE}}}[3600s] offset 90s))",
        ),
        ("max_over_time(a[1500ms])", f"max_over_time(a{{{ONE}}}[1500ms])"),
    ],
)
def test_every_selector_of_an_expression_is_confined_to_the_pods_of_one_revision(text: str, asked: str) -> None:
    query = typed("gauge", text)
    assert not query.is_selector
    assert build_instant_query(query, NEW) == asked


def test_the_scopes_of_a_range_query_are_of_one_namespace() -> None:
    query = typed("counter", "feedback_total")
    with pytest.raises(ValueError, match="one namespace, not to 2"):
        build_range_query(query, [NEW, Scope("other", "fraud-51aa0c9e")], 16)
    with pytest.raises(ValueError, match="one namespace, not to 0"):
        build_range_query(query, [], 16)
    with pytest.raises(ValueError, match="no selector"):
        build_range_query(typed("gauge", "avg(drift)"), [NEW], 16)


def test_names_in_a_regular_expression_stand_for_themselves() -> None:
    asked = build_range_query(typed("counter", "a"), [Scope("ml", "my.model-1|.*-7c9d2b10")], 16)
    assert r'pod=~"my\\.model-1\\|\\.\\*-7c9d2b10-[a-z0-9]+-[a-z0-9]+"' in asked


@pytest.mark.parametrize(
    ("match", "asked"),
    [
        ('a="{{deployment}}"', 'a="my.fraud"'),
        ('a="{{ namespace }}/{{revision}}"', 'a="ml/my.fraud-7c9d2b10"'),
        ('a=~"{{deployment}}.*"', 'a=~"my\\\\.fraud.*"'),
        ("a!='{{deployment}}'", 'a!="my.fraud"'),
    ],
)
def test_a_variable_is_filled_in_and_escaped_for_where_it_stands(match: str, asked: str) -> None:
    built = build_instant_query(typed("gauge", f"avg(drift{{{match}}})"), Scope("ml", "my.fraud-7c9d2b10"))
    assert built.startswith(f"avg(drift{{{asked},namespace=")


@pytest.mark.parametrize(
    ("match", "asked"),
    [
        ('a="{{revision}}"', 'a=~"(?:fraud-51aa0c9e)|(?:fraud-7c9d2b10)"'),
        ('a!="{{revision}}"', 'a!~"(?:fraud-51aa0c9e)|(?:fraud-7c9d2b10)"'),
        ('a=~"x|{{revision}}"', 'a=~"(?:x|fraud-51aa0c9e)|(?:x|fraud-7c9d2b10)"'),
        ('a!~"{{revision}}"', 'a!~"(?:fraud-51aa0c9e)|(?:fraud-7c9d2b10)"'),
        ('a="{{deployment}}"', 'a="fraud"'),
    ],
)
def test_where_two_revisions_are_asked_for_a_variable_means_either(match: str, asked: str) -> None:
    assert build_range_query(typed("gauge", f"drift{{{match}}}"), [NEW, OLD], 16) == f"drift{{{asked},{BOTH}}}[16s]"


def test_a_name_cannot_leave_the_string_it_is_filled_into() -> None:
    hostile = Scope('"} or vector(0) #\\', '"} or vector(0) #\\-1')
    built = build_instant_query(typed("gauge", 'drift{a="{{deployment}}",b=~"{{namespace}}"}'), hostile)
    assert built.startswith(
        r'drift{a="\"} or vector(0) #\\",b=~"\"\\} or vector\\(0\\) #\\\\",namespace="\"} or vector(0) #\\",pod=~"'
    )


SELECTOR_ONLY = "plain selector such as feedback_total. rate(), increase() and sum() are not needed"


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("counter", "rate(feedback_total[5m])", SELECTOR_ONLY),
        ("counter", "sum(feedback_total)", SELECTOR_ONLY),
        ("counter", "feedback_total + other_total", SELECTOR_ONLY),
        ("counter", "1", "a counter is given as a plain selector"),
        ("counter", "feedback_total[5m]", "write feedback_total, the operator adds the range"),
        ("counter", "feedback_total offset 5m", "there is labelDelay"),
        ("histogram", "rate(feedback_total[5m])", SELECTOR_ONLY),
        ("histogram", 'latency_bucket{le="0.5"}', 'latency_bucket{le="0.5"}: leave out the matcher on le'),
        ("histogram", "latency_sum", "give the name of the histogram, latency"),
        ("histogram", "latency_count", "give the name of the histogram, latency"),
        ("histogram", "histogram_quantile(0.9, rate(x_bucket[5m]))", "use a histogram metric instead"),
        ("gauge", "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))", "use a histogram metric instead"),
        ("gauge", "drift[5m]", "a range is no value: write drift or avg_over_time"),
        ("gauge", "drift offset 5m", "write drift"),
        # A number without data.
        ("gauge", "vector(0)", "a number where there are no data"),
        ("gauge", "sum(drift) or vector(0)", "a number where there are no data"),
        ("gauge", "absent(drift)", "a number where there are no data"),
        ("gauge", "absent_over_time(drift[5m])", "a number where there are no data"),
        ("gauge", "sum(a) + on () group_left () fill(0) b", "turns no data into a number"),
        ("gauge", "sum(a) + fill_left(0) sum(b)", "turns no data into a number"),
        ("gauge", "scalar(drift) > bool 1", "scalar() is not allowed"),
        ("gauge", "hour()", "hour() is not allowed"),
        ("gauge", "1", "1 reads no metric"),
        ("gauge", "time() - (2 * 3)", "time() - (2 * 3) reads no metric"),
        ("gauge", "drift > 5", "drift > 5: a comparison has no value where it does not hold"),
        ("gauge", "abs(-(1 + (drift > 5)))", "drift > 5: a comparison has no value"),
        ("gauge", "sum(drift * NaN)", "no numbers to calculate with"),
        # What is not of the revision, or not of now.
        ("gauge", '{namespace=~".*"}', "a selector (namespace) has no metric name"),
        ("gauge", '{__name__=~".+"}', "a metric is chosen by its one name"),
        ("gauge", '{__name__!="a",b="c"}', "a metric is chosen by its one name"),
        ("gauge", '{__name__="a",__name__="b"}', "one metric name, not 2 (a, b)"),
        ("gauge", '{"a",__name__="b"}', "one metric name, not 2 (a, b)"),
        ("gauge", 'drift{__name__="other"}', "metric name must not be set twice"),
        ("gauge", '{__name__="",a="b"}', "has no metric name"),
        ("gauge", 'drift{namespace="kube-system"}', "the operator itself adds the namespace"),
        ("gauge", 'drift{"namespace"="kube-system"}', "the operator itself adds the namespace"),
        ("gauge", 'drift{"n\\x61mespace"="kube-system"}', "the operator itself adds the namespace"),
        ("gauge", 'sum(drift{a="b",pod=~".*"})', 'drift{a="b",pod=~".*"}: leave out the matcher on pod'),
        ("gauge", 'drift{exported_namespace="x"}', "leave out the matcher on exported_namespace"),
        ("gauge", 'drift or other{pod!=""}', 'other{pod!=""}: leave out the matcher on pod'),
        ("gauge", 'drift{a="b" or namespace="x"}', "`or` between matchers"),
        ("gauge", "drift @ end()", "`@` is not allowed"),
        ("gauge", "sum(rate(drift[5m] @ 5))", "`@` is not allowed"),
        ("gauge", "drift[5m:1m]", "subquery"),
        ("gauge", "max_over_time(sum(drift)[5m:1m])", "sum(drift)[...:...] is a subquery"),
        ("gauge", "max_over_time(drift[2h])", "drift[7200s]: the range must be longer than 0 and at most 1h"),
        ("gauge", "max_over_time(drift[3600001ms])", "at most 1h"),
        ("gauge", "sum(drift offset 2h)", "drift offset 7200s: the offset must lie between 0 and 1h"),
        ("gauge", "sum(drift offset -1h)", "drift offset -3600s: the offset must lie between 0 and 1h"),
        ("gauge", 'label_replace(drift,"pod","x","","")', "it rewrites labels"),
        ("gauge", 'label_join(drift,"pod","","a")', "it rewrites labels"),
        ("gauge", "info(drift)", "not the revision's own"),
        # What is no single value.
        ("gauge", 'count_values("pod", drift)', "labels from values"),
        ("gauge", "topk(3, drift)", "several series"),
        ("gauge", "sort(drift)", "needs no order"),
        ("gauge", "day_of_week(drift)", "the functions that may be used are abs,"),
        # Variables.
        (
            "gauge",
            'drift{a="{{pod}}"}',
            "{{pod}} is no variable; known are {{namespace}}, {{deployment}}, {{revision}}",
        ),
        ("gauge", 'drift{a="{{"}', "known are {{namespace}}"),
        ("gauge", "{{deployment}}_drift", "stands outside quotes"),
        ("gauge", '{"{{deployment}}_drift"}', "cannot be part of a metric's name"),
        ("gauge", 'drift{"{{revision}}"="a"}', "is no label"),
        ("gauge", 'sum by ("{{revision}}") (drift)', "is no label"),
        # What cannot be read, and what is too much.
        ("gauge", "'\"} or vector(0) #'", "a string is no value"),
        ("gauge", '"} or vector(0) #', "cannot be read"),
        ("gauge", 'drift{a=~"(psi|ks"}', "illegal regex for (psi|ks"),
        ("gauge", 'drift{a="\\q"}', "unknown escape sequence"),
        ("gauge", "nonsense(drift)", "nonsense"),
        ("gauge", "", "cannot be read"),
        ("gauge", "drift{", "cannot be read"),
        ("gauge", 'drift{a="\ud800"}', "a character that is none"),
        ("gauge", "sum(drift offset Inf)", "a number or duration that is too large"),
        ("gauge", " + ".join(["drift"] * 9), "9 selectors, at most 8"),
        ("gauge", "+".join(["drift"] * 200), "199 operators and brackets, at most 100"),
        ("gauge", "x" * 2049, "2049 characters, at most 2048"),
    ],
)
def test_what_is_refused_is_refused_in_words_that_help(kind: Kind, text: str, said: str) -> None:
    assert said in refused(kind, text)


def test_the_longest_query_is_not_too_long() -> None:
    assert typed("counter", "x" * 2048).text == "x" * 2048
    assert typed("gauge", " + ".join(["drift"] * 8))


HOSTILE = {
    "brackets": "(" * 1023 + "a" + ")" * 1023,
    "minus": "-" * 2047 + "a",
    "calls": "abs(" * 400 + "a" + ")" * 400,
    "powers": "a" + "^a" * 1000,
    "conditions": "a" + " and a" * 300,
    "hidden in strings": "a" + '-"-"-' * 400,
    "classes of letters": "a{" + ",".join(['b=~"\\\\w{99}"'] * 120) + "}",
    "one huge class": 'a{b=~"\\\\pL{1000}{1000}"}',
    "nested repetition": 'a{b=~"(((((x{99}){99}){99}){99}){99})"}',
    "nested groups": 'a{b=~"' + "(" * 1000 + ")" * 1000 + '"}',
    "many dots": 'a{b=~"' + "." * 2000 + '"}',
    "strings": '""' * 1000,
    "open quotes": "\"'`" * 680,
    "backslashes": '"' + "\\" * 2000,
    "marks": 'a{b="$0$",c="$1$",d="' + "$2$" * 600 + '"}',
    "braces": "{" * 2048,
    "variables": 'a{b="' + "{{revision}}" * 150 + '"}',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long_or_exhausts_a_small_stack(text: str) -> None:
    found: list[TypedQuery | QueryProblem] = []
    spent: list[float] = []

    def parse() -> None:
        found.append(parse_query("gauge", text))
        spent.append(time.thread_time())

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=parse)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    # Without the limits the worst of them take from 6 s to minutes.
    assert spent[0] < 2.0
    assert len(found) == 1


def test_what_looks_like_a_mark_in_a_string_is_a_string() -> None:
    assert typed("gauge", 'a{b="$1$",c="x$0$",d="$99999999$"}').text == 'a{b="$1$",c="x$0$",d="$99999999$"}'
    assert refused("gauge", 'a{b="c"} or $0$')
