"""Gates let through what has been shown, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.gatespec import Gate
from serinus.api.retrainstatus import ModelState
from serinus.api.runstatus import GateResult
from serinus.core.retrain.bounds import LOWER_IS_BETTER, describe_bound, direction_of
from serinus.core.retrain.gatejobs import JobReport
from serinus.core.retrain.gates import Evidence, Reading, assess_gates, gates_verdict
from serinus.core.retrain.results import Results, read_results
from tests.core.retrain.build import CHAMPION, build_plan, build_results

Raw = dict[str, Any]
SERVES = ModelState(uri="models:/fraud/6", digest=CHAMPION)


def gate(**fields: Any) -> Gate:
    return Gate.model_validate({"name": "g", "kind": "Metric", **fields})


def results(**parts: Any) -> Results:
    read = read_results(json.dumps(build_results(**parts)), build_plan())
    assert isinstance(read, Results), read
    return read


def assess(one: Gate, said: Results | None = None, champion: ModelState | None = SERVES, **evidence: Any) -> GateResult:
    (result,) = assess_gates([one], Evidence(said or results(), champion, **evidence))
    return result


def assess_value(value: Any, champion: Any = None, **fields: Any) -> GateResult:
    """A gate on metrics.m, which is `value` of the candidate and `champion` of the champion."""
    said = results(metrics={"m": value}, champion={"digest": CHAMPION, "metrics": {"m": champion}})
    return assess(gate(value="metrics.m", **fields), said)


@pytest.mark.parametrize(
    ("value", "fields", "verdict"),
    [
        (0.90, {"min": "0.90"}, "Passed"),
        (0.8999999, {"min": "0.90"}, "Failed"),
        (0.1 + 0.2, {"max": "0.3"}, "Failed"),
        (0.01, {"max": "0.01"}, "Passed"),
        (0, {"max": "0"}, "Passed"),
        (1, {"max": "0", "kind": "Safety"}, "Failed"),
        (0.5, {"min": "0.4", "max": "0.6"}, "Passed"),
        (0.7, {"min": "0.4", "max": "0.6"}, "Failed"),
        (-3, {"min": "-3"}, "Passed"),
        ({"value": 0.95, "samples": 400}, {"min": "0.9"}, "Passed"),
    ],
)
def test_a_value_is_held_against_its_bounds(value: Any, fields: Raw, verdict: str) -> None:
    assert assess_value(value, **fields).verdict == verdict


@pytest.mark.parametrize(
    ("value", "champion", "fields", "verdict"),
    [
        (0.905, 0.91, {"versusChampion": {"absolute": "-0.005"}}, "Passed"),
        (0.904, 0.91, {"versusChampion": {"absolute": "-0.005"}}, "Failed"),
        (0.91, 0.91, {"versusChampion": {"absolute": "0"}}, "Passed"),
        (0.91, 0.91, {"versusChampion": {"absolute": "0.001"}}, "Failed"),
        (0.911, 0.91, {"versusChampion": {"absolute": "0.001"}}, "Passed"),
        (0.49, 0.50, {"versusChampion": {"relative": "-0.02"}}, "Passed"),
        (0.489, 0.50, {"versusChampion": {"relative": "-0.02"}}, "Failed"),
        (-1.01, -1, {"versusChampion": {"relative": "-0.02"}}, "Passed"),
        (-1.03, -1, {"versusChampion": {"relative": "-0.02"}}, "Failed"),
        (0, 0, {"versusChampion": {"relative": "-0.02"}}, "Passed"),
        (105, 100, {"kind": "Latency", "versusChampion": {"absolute": "5"}}, "Passed"),
        (106, 100, {"kind": "Latency", "versusChampion": {"absolute": "5"}}, "Failed"),
        (95, 100, {"kind": "Latency", "versusChampion": {"absolute": "-5"}}, "Passed"),
        (96, 100, {"kind": "Latency", "versusChampion": {"absolute": "-5"}}, "Failed"),
        (110, 100, {"kind": "Size", "versusChampion": {"relative": "0.1"}}, "Passed"),
        (110, 100, {"kind": "Size", "direction": "HigherIsBetter", "versusChampion": {"relative": "0.2"}}, "Failed"),
        (0.2, 0.1, {"direction": "LowerIsBetter", "versusChampion": {"absolute": "0.05"}}, "Failed"),
        (0.95, 0.91, {"min": "0.96", "versusChampion": {"absolute": "0"}}, "Failed"),
    ],
)
def test_a_value_is_held_against_the_champions(value: Any, champion: Any, fields: Raw, verdict: str) -> None:
    result = assess_value(value, champion, **fields)
    assert (result.verdict, result.value, result.champion) == (verdict, f"{value:.10g}", f"{champion:.10g}")


def test_a_sentence_has_the_numbers() -> None:
    result = assess_value(0.88, 0.91, versusChampion={"absolute": "-0.005"}, min="0.90")
    assert result.message == (
        "0.88, at least 0.90 is asked for; 0.88 against 0.91 of the champion, at least 0.905 is asked for"
    )
    assert result.bound == ">= 0.90, >= champion - 0.005"
    assert describe_bound(gate(kind="Size", versusChampion={"relative": "0.1"}, value="a")) == "<= champion + 0.1 of it"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the results' metrics.m has no value"),
        (float("nan"), "NaN, which is no number that can be measured"),
        (float("inf"), "Infinity, which is no number"),
        (-(10**400), "which is no number that can be measured"),
        (1e300, "1e+300, which is no number that can be measured"),
        ("0.93", '"0.93", which is no number'),
        (True, "true, which is no number"),
        ([0.93], "which is no number"),
        ({"samples": 3}, "has no value"),
        ({"value": "x"}, '"x", which is no number'),
    ],
)
def test_what_is_no_number_is_missing_evidence(value: Any, message: str) -> None:
    result = assess_value(value, min="0")
    assert result.verdict == "Missing"
    assert message in result.message
    against = assess_value(0.9, value, versusChampion={"absolute": "0"})
    assert (against.verdict, against.value) == ("Missing", "0.9")


@pytest.mark.parametrize(
    ("severity", "on_missing", "failed", "missing"),
    [
        (None, None, "Failed", "Missing"),
        ("Block", "Warn", "Failed", "Warned"),
        ("Warn", None, "Warned", "Warned"),
        ("Warn", "Block", "Warned", "Warned"),
    ],
)
def test_severity_and_on_missing(severity: Any, on_missing: Any, failed: str, missing: str) -> None:
    fields = {"severity": severity, "onMissing": on_missing, "min": "0.9"}
    assert assess_value(0.1, **fields).verdict == failed
    assert assess_value(None, **fields).verdict == missing


def test_the_champion_must_be_this_champion_on_the_same_data() -> None:
    asked = gate(value="metrics.f1", versusChampion={"absolute": "0"})
    assert assess(asked).verdict == "Passed"
    other = f"sha256:{'0' * 64}"
    result = assess(asked, results(champion={"digest": other, "metrics": {"f1": 0.1}}))
    assert (result.verdict, result.champion) == ("Missing", None)
    assert result.message == f"the results compare with {other}, the champion is {CHAMPION}"
    assert "do not say which champion" in assess(asked, results(champion={"metrics": {"f1": 0.1}})).message
    assert assess(asked, results(champion=None)).verdict == "Missing"
    unpinned = ModelState(uri="models:/fraud/6")
    assert assess(asked, results(champion={"metrics": {"f1": 0.9}}), unpinned).verdict == "Passed"


def test_without_a_champion_only_bounds_hold() -> None:
    both = gate(value="metrics.f1", min="0.9", versusChampion={"absolute": "0"})
    assert assess(both, champion=None).verdict == "Passed"
    assert (
        assess(gate(value="metrics.f1", min="0.99", versusChampion={"absolute": "0"}), champion=None).verdict
        == "Failed"
    )
    alone = assess(gate(value="metrics.f1", versusChampion={"absolute": "0"}), champion=None)
    assert (alone.verdict, alone.message) == ("Skipped", "there is no champion to compare with")
    assert gates_verdict([alone]) == "Passed"


@pytest.mark.parametrize(
    "kind", ["DataQuality", "Fairness", "Safety", "Latency", "Size", "Metric", "Slice", "Robustness"]
)
def test_what_is_better_is_decided_by_the_kind(kind: Any) -> None:
    lower = direction_of(gate(kind=kind, value="a", min="0")) == "LowerIsBetter"
    assert lower == (kind in LOWER_IS_BETTER) == (kind in ("DataQuality", "Fairness", "Safety", "Latency", "Size"))
    assert direction_of(gate(kind=kind, value="a", min="0", direction="HigherIsBetter")) == "HigherIsBetter"


def slices(mine: Any, champion: Any = None, before: ModelState | None = SERVES, **fields: Any) -> GateResult:
    said = results(metrics={"s": mine}, champion={"digest": CHAMPION, "metrics": {"s": champion}})
    return assess(gate(kind="Slice", value="metrics.s", **fields), said, before)


def of(value: float, samples: int = 1000) -> Raw:
    return {"value": value, "samples": samples}


def test_every_slice_must_hold_and_the_worst_is_told() -> None:
    change = {"versusChampion": {"relative": "-0.02"}, "minSamples": 200}
    good = slices({"eu": of(0.91), "us": of(0.90)}, {"eu": of(0.90), "us": of(0.91)}, **change)
    assert good.verdict == "Passed"
    assert good.message.startswith("2 slices, the worst is us: 0.9 against 0.91 of the champion")
    bad = slices({"eu": of(0.80), "us": of(0.85), "uk": of(0.9)}, dict.fromkeys(("eu", "us", "uk"), of(0.9)), **change)
    assert (bad.verdict, bad.value, bad.champion, bad.samples) == ("Failed", "0.8", "0.9", 1000)
    assert bad.message.startswith("eu: 0.8 against 0.9 of the champion, at least 0.882 is asked for; us: ")


def test_a_slice_that_the_champion_had_must_be_there() -> None:
    result = slices({"eu": 0.9}, {"eu": 0.9, "us": 0.9}, versusChampion={"absolute": "0"})
    assert result.verdict == "Missing"
    assert "slice 'us' has no value" in result.message
    named = slices({"eu": 0.9}, None, None, min="0.5", slices=["eu", "us"])
    assert named.verdict == "Missing"


def test_a_new_slice_has_nothing_to_be_compared_with() -> None:
    assert slices({"eu": 0.9, "us": 0.1}, {"eu": 0.9}, versusChampion={"absolute": "0"}).verdict == "Passed"
    assert slices({"eu": 0.9, "us": 0.1}, {"eu": 0.9}, versusChampion={"absolute": "0"}, min="0.5").verdict == "Failed"


def test_slices_of_few_samples_are_told_and_not_judged() -> None:
    result = slices({"eu": of(0.9), "us": of(0.1, 199)}, None, None, min="0.5", minSamples=200)
    assert result.verdict == "Passed"
    assert "1 with fewer than 200 samples not judged" in result.message
    none = slices({"us": of(0.9, 199)}, None, None, min="0.5", minSamples=200)
    assert (none.verdict, none.message) == ("Missing", "none of 1 slices has 200 samples")
    unknown = slices({"us": 0.9}, None, None, min="0.5", minSamples=200)
    assert (unknown.verdict, unknown.message) == ("Missing", "slice 'us' does not say how many samples it has")
    broken = slices({"eu": of(0.1), "us": 0.9}, None, None, min="0.5", minSamples=200)
    assert broken.verdict == "Failed", "what is broken counts for more than what is unknown"


@pytest.mark.parametrize("mine", [None, {}, [], 0.9, "eu"])
def test_slices_must_be_an_object(mine: Any) -> None:
    assert slices(mine, None, None, min="0.5").verdict == "Missing"
    assert slices({"eu": 0.9}, mine or None, versusChampion={"absolute": "0"}).verdict == "Missing"


def test_slices_of_another_champion_do_not_count() -> None:
    said = results(champion={"digest": f"sha256:{'0' * 64}", "metrics": {"slices": {"region=eu": 0.1}}})
    asked = gate(kind="Slice", value="metrics.slices", versusChampion={"absolute": "0"})
    assert assess(asked, said).verdict == "Missing"


FEATURES = {"amount": ["number"], "country": ["string"]}
SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}, "country": {"type": "string"}}}


@pytest.mark.parametrize(
    ("features", "schema", "verdict", "message"),
    [
        (FEATURES, SCHEMA, "Passed", "takes all 2 features"),
        (FEATURES, {**SCHEMA, "properties": {**SCHEMA["properties"], "age": {"type": "integer"}}}, "Passed", ""),  # type: ignore[dict-item]
        (FEATURES, {"properties": {"amount": {"type": "number"}}}, "Failed", "feature 'country' was removed"),
        (
            FEATURES,
            {"properties": {"amount": {"type": "integer"}, "country": {"type": "string"}}},
            "Failed",
            "'amount' was number",
        ),
        (FEATURES, None, "Missing", "have no schema"),
        (FEATURES, ["amount"], "Missing", "the results' schema is not a JSON Schema"),
        (FEATURES, {"properties": {}}, "Missing", "names none"),
        (None, SCHEMA, "Skipped", "no caller relies on one"),
    ],
)
def test_the_schema_must_take_what_callers_send(features: Any, schema: Any, verdict: str, message: str) -> None:
    result = assess(gate(kind="Schema"), results(schema=schema), features=features)
    assert result.verdict == verdict
    assert message in result.message


@pytest.mark.parametrize(
    ("said", "wanted", "verdict"),
    [
        ({"identity": "trainer@example.com"}, "trainer@example.com", "Passed"),
        ({"identity": "trainer@example.com"}, None, "Passed"),
        ({"identity": "mallory@example.com"}, "trainer@example.com", "Failed"),
        (None, "trainer@example.com", "Missing"),
        ({}, None, "Missing"),
    ],
)
def test_the_signature_must_be_of_whom_is_asked_for(said: Any, wanted: Any, verdict: str) -> None:
    assert assess(gate(kind="Signature", identity=wanted), results(signature=said)).verdict == verdict


@pytest.mark.parametrize(
    ("readings", "verdict", "message"),
    [
        (None, "Running", "not been answered"),
        ({"g": None}, "Running", "not been answered"),
        ({"g": Reading(0.05)}, "Passed", "0.05"),
        ({"g": Reading(0.5)}, "Failed", "at most 0.1"),
        ({"g": Reading(problem="3 series, one is needed")}, "Missing", "3 series, one is needed"),
        ({"g": Reading()}, "Missing", "no data"),
        ({"g": Reading(float("nan"))}, "Missing", "no number that can be measured"),
    ],
)
def test_a_query_is_evidence_once_it_is_answered(readings: Any, verdict: str, message: str) -> None:
    result = assess(gate(kind="Latency", query="latency", max="0.1"), readings=readings)
    assert result.verdict == verdict
    assert message in result.message


POD: Raw = {"template": {"spec": {"containers": [{"name": "c", "image": "c:1"}]}}}


@pytest.mark.parametrize(
    ("report", "bounds", "verdict"),
    [
        (None, {}, "Running"),
        (JobReport("Pending"), {}, "Running"),
        (JobReport("Running"), {}, "Running"),
        (JobReport("Succeeded"), {}, "Passed"),
        (JobReport("Failed", message="exit code 1"), {}, "Failed"),
        (JobReport("Unknown", message="it could not be carried out"), {}, "Missing"),
        (JobReport("Succeeded", {"g": 0.95}), {"min": "0.9"}, "Passed"),
        (JobReport("Succeeded", {"value": 0.95}), {"min": "0.9"}, "Passed"),
        (JobReport("Succeeded", {"value": 0.85}), {"min": "0.9"}, "Failed"),
        (JobReport("Succeeded", {"other": 0.95}), {"min": "0.9"}, "Missing"),
        (JobReport("Succeeded", {"value": 0.9, "champion": 0.9}), {"versusChampion": {"absolute": "0"}}, "Passed"),
        (JobReport("Succeeded", {"value": 0.8, "champion": 0.9}), {"versusChampion": {"absolute": "0"}}, "Failed"),
        (JobReport("Succeeded", {"value": 0.8}), {"versusChampion": {"absolute": "0"}}, "Missing"),
    ],
)
def test_a_job_is_evidence_once_it_has_ended(report: Any, bounds: Raw, verdict: str) -> None:
    reports = {"g": report} if report else None
    assert assess(gate(kind="Robustness", job=POD, **bounds), reports=reports).verdict == verdict


def verdicts(*given: tuple[str, str]) -> list[GateResult]:
    return [
        GateResult.model_validate({"name": f"g{index}", "kind": "Metric", "verdict": verdict, "severity": severity})
        for index, (verdict, severity) in enumerate(given)
    ]


@pytest.mark.parametrize(
    ("given_", "verdict"),
    [
        ([], "Passed"),
        ([("Passed", "Block"), ("Skipped", "Block")], "Passed"),
        ([("Passed", "Block"), ("Warned", "Warn")], "Warned"),
        ([("Failed", "Block"), ("Passed", "Block")], "Blocked"),
        ([("Missing", "Block"), ("Passed", "Block")], "Blocked"),
        ([("Running", "Block"), ("Passed", "Block")], "Running"),
        ([("Running", "Warn"), ("Passed", "Block")], "Running"),
        ([("Running", "Block"), ("Failed", "Block")], "Blocked"),
        ([("Running", "Block"), ("Warned", "Warn")], "Running"),
    ],
)
def test_all_gates_together(given_: list[tuple[str, str]], verdict: str) -> None:
    assert gates_verdict(verdicts(*given_)) == verdict


@given(
    value=st.floats(-1e6, 1e6),
    champion=st.floats(-1e6, 1e6),
    change=st.decimals(-100, 100, places=4),
    relative=st.booleans(),
    lower=st.booleans(),
)
def test_a_better_value_never_fails_where_a_worse_one_passes(
    value: float, champion: float, change: Any, relative: bool, lower: bool
) -> None:
    fields = {
        "direction": "LowerIsBetter" if lower else "HigherIsBetter",
        "versusChampion": {"relative" if relative else "absolute": str(change)},
    }
    if assess_value(value, champion, **fields).verdict == "Passed":
        better = value - 1 if lower else value + 1
        assert assess_value(better, champion, **fields).verdict == "Passed"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "samples", "eu"]), inner),
    max_leaves=6,
)


@given(ANYTHING, ANYTHING, st.sampled_from(["Metric", "Slice"]))
def test_whatever_the_results_hold_is_an_answer(mine: Any, champion: Any, kind: Any) -> None:
    said = results(metrics={"m": mine}, champion={"digest": CHAMPION, "metrics": {"m": champion}})
    asked = gate(kind=kind, value="metrics.m", min="0", versusChampion={"absolute": "0"})
    result = assess(asked, said)
    assert result.verdict in ("Passed", "Failed", "Missing")
    assert len(result.message) <= 256
