"""The scalar types of the contract, and models that come back as they were written."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from serinus.api.meta import (
    DecimalString,
    Duration,
    Ratio,
    Time,
    format_time,
    parse_decimal,
    parse_duration,
    parse_ratio,
)
from serinus.api.metricsprovider import MetricsProviderSpec
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.modelrevision import ModelRevisionStatus
from serinus.api.status import CandidateState, LastCommand, ModelDeploymentStatus
from tests.api.cases import load_example


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h30m", 5400), ("500ms", 0.5), ("0s", 0), ("2m", 120), ("1h1m1s1ms", 3661.001), ("63h", 226800)],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert TypeAdapter(Duration).validate_python(text) == text
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "soon", "-5m", "1.5h", "1d", "5 m", "1h\n", "123456s", "1us"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


def test_parsing_what_is_no_duration_says_what_would_be() -> None:
    with pytest.raises(ValueError, match="90s or 1h30m"):
        parse_duration("soon")


@given(st.lists(st.tuples(st.integers(0, 99999), st.sampled_from(["h", "m", "s", "ms"])), min_size=1, max_size=4))
def test_every_duration_of_the_contract_can_be_parsed(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    units = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    expected = timedelta(milliseconds=sum(number * units[unit] for number, unit in parts))
    assert TypeAdapter(Duration).validate_python(text) == text
    assert abs(parse_duration(text) - expected) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "fraction"), [("1%", 0.01), ("0.01", 0.01), ("2.5%", 0.025), ("100%", 1.0), ("0", 0.0), ("1", 1.0)]
)
def test_a_ratio_is_percent_or_fraction(text: str, fraction: float) -> None:
    assert TypeAdapter(Ratio).validate_python(text) == text
    assert parse_ratio(text) == pytest.approx(fraction)


@pytest.mark.parametrize("text", ["", "%", "-1%", "1e-2", "2", ".01", "1 %", "one", "nan"])
def test_what_is_no_ratio_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Ratio).validate_python(text)


@pytest.mark.parametrize(("text", "number"), [("1.2", 1.2), ("2", 2.0), ("-0.5", -0.5)])
def test_a_decimal_is_a_number_as_a_string(text: str, number: float) -> None:
    assert TypeAdapter(DecimalString).validate_python(text) == text
    assert parse_decimal(text) == number


@pytest.mark.parametrize("value", ["1e9", "inf", "NaN", "1,2", "", 1.2])
def test_what_is_no_decimal_string_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(DecimalString).validate_python(value)


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    paris = timezone(timedelta(hours=1))
    assert format_time(datetime(2026, 11, 23, 11, 12, 0, 123999, paris)) == "2026-11-23T10:12:00.123Z"


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Time).validate_python("2026-11-23T10:12:00")


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1971 < moment.year < 2200))
def test_a_time_comes_back_as_it_was(moment: datetime) -> None:
    once = TypeAdapter(Time).validate_python(moment)
    assert TypeAdapter(Time).validate_python(format_time(once)) == once
    assert timedelta(0) <= moment - once < timedelta(milliseconds=1)


@pytest.mark.parametrize("name", ["modeldeployment-minimal", "modeldeployment-full"])
def test_a_spec_comes_back_as_it_was(name: str) -> None:
    spec = ModelDeploymentSpec.model_validate(load_example(name)["spec"])
    assert ModelDeploymentSpec.model_validate(spec.dump()) == spec


def test_dumping_keeps_everything_that_was_written() -> None:
    def is_within(part: Any, whole: Any) -> bool:
        if isinstance(part, dict):
            return all(key in whole and is_within(value, whole[key]) for key, value in part.items())
        if isinstance(part, list):
            return len(part) == len(whole) and all(map(is_within, part, whole))
        return bool(part == whole)

    for name, model in (("modeldeployment-full", ModelDeploymentSpec), ("metricsprovider", MetricsProviderSpec)):
        written = load_example(name)["spec"]
        assert is_within(written, model.model_validate(written).dump())


FULL_STATUS: dict[str, Any] = {
    "observedGeneration": 7,
    "phase": "Progressing",
    "replicas": 4,
    "selector": "serinus.dev/revision=fraud-51aa0c9e",
    "stable": {
        "revision": "fraud-51aa0c9e",
        "weight": 75,
        "replicas": 4,
        "readyReplicas": 4,
        "since": "2026-11-23T10:00:00.000Z",
        "watchUntil": "2026-11-24T10:00:00.000Z",
        "baseline": [{"metric": "errors", "candidateTotal": 9, "stableTotal": 9, "exposure": 1, "lanes": []}],
        "degradedAt": "2026-11-23T11:00:00.000Z",
        "degraded": "worse",
    },
    "candidate": {
        "revision": "fraud-7c9d2b10",
        "phase": "Progressing",
        "weight": 25,
        "replicas": 1,
        "readyReplicas": 1,
        "stableSize": 4,
        "crashingSince": "2026-11-23T10:12:30.000Z",
        "step": 2,
        "steps": 4,
        "startedAt": "2026-11-23T10:08:00.000Z",
        "stepStartedAt": "2026-11-23T10:12:00.000Z",
        "trafficSince": "2026-11-23T10:12:00.000Z",
        "nextAt": "2026-11-23T10:17:00.000Z",
        "deadlineAt": "2026-11-23T10:38:00.000Z",
        "clockStoppedAt": "2026-11-23T10:38:00.000Z",
        "holdSince": "2026-11-23T10:17:00.000Z",
        "validation": [
            {"name": "cases", "attempt": "0f", "outcome": "Passed", "job": "fraud-1-cases", "message": "recall 1"}
        ],
        "paused": True,
        "pauseReason": "a pause step",
        "returning": True,
        "inPlace": False,
        "forcedStep": 2,
        "bakeUntil": "2026-11-23T10:38:00.000Z",
        "rehearsed": "would have rolled back",
        "verdict": "NotEnoughEvidence",
        "evidence": [
            {
                "metric": "errors",
                "candidateTotal": 1268,
                "stableTotal": 24011,
                "exposure": 2990,
                "lanes": [{"bound": "0.25", "logs": ["-0.25", "1.5e-3", "-inf"], "candidateBad": 5, "stableBad": 96}],
                "margin": "1.7",
                "dispersion": "2.2",
                "firstBadAt": "2026-11-23T10:13:00.500Z",
                "asOf": "2026-11-23T10:16:59.000Z",
            }
        ],
    },
    "rejected": {
        "revision": "fraud-1",
        "at": "2026-11-22T10:00:00.000Z",
        "reason": "AnalysisFailed",
        "message": "52 of 1,268",
    },
    "draining": [{"revision": "fraud-0", "until": "2026-11-23T10:17:30.000Z", "inPlace": True}],
    "analysis": [
        {
            "name": "errors",
            "verdict": "Good",
            "candidate": "0.4% of 1268",
            "stable": "0.4% of 24011",
            "limit": "1.2x",
            "evidence": "0.3 of 100",
            "wouldHaveSeen": "2.6x",
            "message": "fresh",
        }
    ],
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "CanaryProgressing",
            "message": "...",
            "lastTransitionTime": "2026-11-23T10:08:00.000Z",
            "observedGeneration": 7,
        }
    ],
    "lastCommand": {
        "text": "pause fraud-7c9d2b10",
        "verb": "pause",
        "revision": "fraud-7c9d2b10",
        "at": "2026-11-23T10:15:00.000Z",
        "outcome": "Accepted",
        "message": "",
    },
}


def test_a_status_comes_back_exactly_as_it_was_written() -> None:
    status = ModelDeploymentStatus.model_validate(FULL_STATUS)
    assert status.dump() == FULL_STATUS
    assert ModelDeploymentStatus.model_validate(status.dump()) == status


@pytest.mark.parametrize("model", [ModelDeploymentStatus, ModelRevisionStatus])
def test_an_object_without_status_reads_as_an_empty_one(model: type[ModelDeploymentStatus]) -> None:
    status = model.model_validate({})
    assert status.conditions == () if isinstance(status, ModelDeploymentStatus) else status.evidence == ()
    assert model.model_validate(status.dump()) == status


def test_a_text_that_is_too_long_for_a_status_is_cut_so_that_it_can_be_written() -> None:
    command = LastCommand(text="x" * 100_000, verb="v" * 100, revision="r" * 300, message="short")
    assert (len(command.text), len(command.verb), len(command.revision)) == (2048, 64, 253)
    assert command.text.endswith("…")
    assert command.message == "short"


def test_a_status_of_a_newer_operator_is_read_without_what_is_new() -> None:
    assert ModelDeploymentStatus.model_validate({"phase": "Stable", "mood": "good"}).phase == "Stable"


def test_a_spec_of_a_newer_operator_is_refused() -> None:
    with pytest.raises(ValidationError):
        ModelDeploymentSpec.model_validate(load_example("modeldeployment-minimal")["spec"] | {"mood": "good"})


def test_fields_may_be_given_by_their_python_names() -> None:
    assert CandidateState(revision="fraud-1", ready_replicas=2).dump()["readyReplicas"] == 2
