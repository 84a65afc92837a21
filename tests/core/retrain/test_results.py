"""Results are read strictly: what is not there, or not what it says, promotes nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.retrain.results import (
    LIMIT,
    Fault,
    Results,
    compare_digests,
    find_in_child,
    find_in_config_map,
    find_termination_message,
    read_results,
)
from tests.core.retrain.build import CANDIDATE, CHAMPION, DATA, build_plan, build_results

Raw = dict[str, Any]
PLAN = build_plan()
GOOD = json.dumps(build_results())


def read(said: Any, snapshot: str | None = None, **plan: Any) -> Results | Fault:
    text = said if isinstance(said, str) else json.dumps(said)
    return read_results(text, build_plan(**plan), snapshot)


def test_results_are_what_they_say() -> None:
    results = read(GOOD)
    assert isinstance(results, Results)
    assert (results.uri, results.digest, results.champion_digest) == ("models:/fraud/7", CANDIDATE, CHAMPION)
    assert (results.snapshot, results.snapshot_digest, results.source) == (DATA, DATA, "4f1c2d3")
    assert (results.value("metrics.f1"), results.value("metrics.none.f1"), results.unpinned) == (0.93, None, ())


@pytest.mark.parametrize(
    ("said", "reason", "message"),
    [
        ("", "ResultsMalformed", "not JSON"),
        ("done, see the logs", "ResultsMalformed", "they begin with 'done, see the logs'"),
        ('{"model": {"uri": "models:/fraud/7"', "ResultsMalformed", "not JSON"),
        ("[1]", "ResultsMalformed", "must be one JSON object, not a list"),
        ("null", "ResultsMalformed", "not null"),
        ('{"model": {"uri": "a"}, "model": {"uri": "b"}}', "ResultsMalformed", "'model' stands twice"),
        ("{" + '"a": {' * 40 + "}" * 41, "ResultsMalformed", "nested deeper than 16"),
        ("[" * 3000, "ResultsMalformed", "not JSON"),
        (
            json.dumps(build_results(model={"uri": "models:/fraud/7", "note": "x" * 5000})),
            "ResultsTooLarge",
            "may have 4,096",
        ),
        (build_results(model=None), "ResultsIncomplete", "model.uri is missing"),
        (build_results(model={"digest": CANDIDATE}), "ResultsIncomplete", "model.uri is missing"),
        (build_results(model="models:/fraud/7"), "ResultsMalformed", "model must be an object, not text"),
        (build_results(model={"uri": 7}), "ResultsMalformed", "model.uri must be text"),
        (build_results(model={"uri": "ftp://models/fraud"}), "ResultsMalformed", "must begin with one of"),
        (build_results(model={"uri": "models:/fraud"}), "ResultsMalformed", "must have the form models:/NAME@ALIAS"),
        (
            build_results(model={"uri": "models:/fraud/7", "digest": "7f3a"}),
            "ResultsMalformed",
            'model.digest "7f3a" must be an algorithm',
        ),
        (build_results(model={"uri": "models:/fraud/7", "digest": 7}), "ResultsMalformed", "model.digest 7 must be"),
        (build_results(data={"digest": "latest"}), "ResultsMalformed", "data.digest"),
        (build_results(champion={"digest": "none"}), "ResultsMalformed", "champion.digest"),
        (build_results(champion=[0.9]), "ResultsMalformed", "champion must be an object, not a list"),
        (build_results(metrics=0.9), "ResultsMalformed", "metrics must be an object, not a number"),
        (build_results(source={"revision": "r" * 300}), "ResultsMalformed", "source.revision"),
        (build_results(source={"revision": ["r"]}), "ResultsMalformed", "must be text of at most 256"),
        ('{"model": {"uri": "models:/fraud/7"}, "data": {"id": "\\ud800"}}', "ResultsMalformed", "surrogate"),
        (
            build_results(model={"uri": f"oci://registry.example/fraud@{CHAMPION}", "digest": CANDIDATE}),
            "DigestMismatch",
            "model.uri is pinned to",
        ),
    ],
)
def test_results_that_are_wrong_say_what_would_be_right(said: Any, reason: str, message: str) -> None:
    fault = read(said)
    assert isinstance(fault, Fault), fault
    assert fault.reason == reason
    assert message in fault.message


def test_a_message_that_was_cut_says_where_there_is_more_room() -> None:
    long = json.dumps(build_results(metrics={f"m{index}": 0.5 for index in range(1000)}))
    cut = read(long[:4096])
    assert isinstance(cut, Fault)
    assert "cut at 4096 bytes: use results.from ConfigMap" in cut.message
    assert isinstance(read(long, results={"from": "ConfigMap"}), Results)
    beyond = read(json.dumps(build_results(source={"x": "y" * LIMIT})), results={"from": "ConfigMap"})
    assert isinstance(beyond, Fault)
    assert "262,144" in beyond.message


@pytest.mark.parametrize(
    ("uri", "digest"),
    [
        (f"oci://registry.example/fraud@{CANDIDATE}", CANDIDATE),
        (f"https://models.example/fraud.tar#sha256={'d' * 64}", CANDIDATE),
        (f"hf://org/fraud@{'a' * 40}", f"git:{'a' * 40}"),
        ("s3://bucket/fraud?versionId=3xYz", None),
        ("models:/fraud/7", None),
    ],
)
def test_an_address_that_pins_itself_is_its_own_digest(uri: str, digest: str | None) -> None:
    results = read(build_results(model={"uri": uri}))
    assert isinstance(results, Results)
    assert results.digest == digest


def test_what_is_not_pinned_is_named() -> None:
    results = read({"model": {"uri": "models:/fraud/7"}})
    assert isinstance(results, Results)
    assert results.unpinned == ("model.digest", "the id of the data snapshot", "data.digest", "source.revision")


@pytest.mark.parametrize(
    ("data", "source", "known", "snapshot"),
    [
        ({"digest": DATA, "id": "payments@41"}, {"result": "data.digest"}, None, DATA),
        ({"digest": DATA, "id": "payments@41"}, {"result": "data.id"}, None, "payments@41"),
        ({"id": 41}, {"result": "data.id"}, None, "41"),
        ({"id": "payments@41"}, {"result": "data.digest"}, None, "payments@41"),
        ({"digest": DATA}, {"configMap": {"configMap": "snapshots", "key": "newest"}}, "payments@42", "payments@42"),
        ({"digest": DATA}, {"configMap": {"configMap": "snapshots", "key": "newest"}}, None, DATA),
        ({}, {"result": "data.digest"}, None, None),
    ],
)
def test_the_snapshot_is_what_the_policy_reads_it_from(
    data: Raw, source: Raw, known: str | None, snapshot: str
) -> None:
    results = read(build_results(data=data), known, data={"snapshotFrom": source})
    assert isinstance(results, Results)
    assert results.snapshot == snapshot


def test_a_digest_is_compared_where_both_know_one() -> None:
    assert compare_digests(CANDIDATE, CANDIDATE) is None
    assert compare_digests(CANDIDATE, None) is None
    assert compare_digests(None, CANDIDATE) is None
    assert compare_digests(f"git:{'a' * 40}", "a" * 40) is None
    fault = compare_digests(CANDIDATE, CHAMPION)
    assert fault is not None
    assert fault.message == f"the results say {CANDIDATE}, the registry has {CHAMPION}"


def pod(name: str, *ends: tuple[str, int, str] | None, phase: str = "Succeeded", disrupted: bool = False) -> Raw:
    """A pod whose containers ended with (when, exit code, last words); None runs on."""
    statuses = [
        {"name": f"c{index}", "state": {"terminated": {"finishedAt": end[0], "exitCode": end[1], "message": end[2]}}}
        if end
        else {"name": f"c{index}", "state": {"running": {}}}
        for index, end in enumerate(ends)
    ]
    conditions = [{"type": "DisruptionTarget", "status": "True"}] if disrupted else []
    return {
        "metadata": {"name": name},
        "status": {"phase": phase, "containerStatuses": statuses, "conditions": conditions},
    }


EARLY, LATE = "2026-11-23T10:00:00Z", "2026-11-23T10:05:00Z"


def test_the_last_words_of_the_newest_pod_that_succeeded_count() -> None:
    old, new = pod("a", (EARLY, 0, '{"old": 1}')), pod("b", (LATE, 0, '{"new": 1}'))
    assert find_termination_message([new, old]) == '{"new": 1}'
    assert find_termination_message([old, pod("b", (LATE, 1, '{"new": 1}'), phase="Failed")]) == '{"old": 1}'
    assert find_termination_message([old, pod("b", (LATE, 0, '{"new": 1}'), disrupted=True)]) == '{"old": 1}'


def test_of_several_containers_the_one_with_json_counts() -> None:
    both = pod("a", (LATE, 0, "proxy says goodbye"), (EARLY, 0, '{"model": 1}'))
    assert find_termination_message([both]) == '{"model": 1}'
    assert find_termination_message([both], container="c0") == "proxy says goodbye"
    still = pod("a", None, (EARLY, 0, '{"model": 1}'), phase="Running")
    assert find_termination_message([still]) == '{"model": 1}'


def test_a_worker_without_results_does_not_hide_the_master() -> None:
    assert find_termination_message([pod("worker", (LATE, 0, "")), pod("master", (EARLY, 0, "{}"))]) == "{}"


def test_nobody_said_anything() -> None:
    assert find_termination_message([]) is None
    assert find_termination_message([pod("a", (LATE, 0, "  ")), pod("b", None, phase="Running"), {}]) is None


def test_last_words_that_are_no_results_are_told_once_no_pod_can_bring_any() -> None:
    words = pod("worker", (LATE, 0, "goodbye"))
    assert find_termination_message([words, pod("master", None, phase="Running")]) is None
    assert find_termination_message([words, pod("master", (LATE, 0, ""))]) == "goodbye"


def test_results_are_found_in_a_status_as_text_or_as_object() -> None:
    path = "status.outputs.parameters[name=results].value"
    workflow = {
        "status": {"outputs": {"parameters": [{"name": "other", "value": "1"}, {"name": "results", "value": GOOD}]}}
    }
    assert find_in_child(workflow, path) == GOOD
    assert find_in_child({"status": {"results": {"a": 1}}}, "status.results") == '{"a":1}'
    assert find_in_child({"status": {"outputs": None}}, path) is None
    assert find_in_child({"status": {"results": " "}}, "status.results") is None
    assert find_in_child({}, "not[a") is None


def test_results_are_found_in_a_config_map() -> None:
    assert find_in_config_map({"data": {"results.json": GOOD}}) == GOOD
    for raw in (None, {}, {"data": None}, {"data": {"other": "{}"}}, {"data": {"results.json": ""}}):
        assert find_in_config_map(raw) is None


@given(st.text(max_size=200) | st.sampled_from([GOOD, GOOD[:-1], GOOD.replace("{", "[")]))
def test_no_text_breaks_the_reader(text: str) -> None:
    results = read_results(text, PLAN)
    assert isinstance(results, Fault | Results)
    if isinstance(results, Results):
        assert results.uri


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["model", "data", "champion", "source", "metrics", "mlflow"]), JSON))
def test_no_object_breaks_the_reader(said: Raw) -> None:
    assert isinstance(read_results(json.dumps({**build_results(), **said}), build_plan()), Fault | Results)
