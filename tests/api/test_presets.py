"""A preset fills in what is left out; what is written wins."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import durationpy
import pytest

from serinus.api.analysis import AnalysisSpec
from serinus.api.meta import Model
from serinus.api.presets import (
    PRESETS,
    PauseStep,
    ResolvedMetric,
    ResolvedRollout,
    ResolvedShadow,
    ResolvedWatch,
    WeightStep,
    resolve_rollout,
)
from serinus.api.rollout import RolloutSpec


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("preset", "weights", "minutes_of_bake", "min_requests"),
    [("Cautious", [1, 5, 10, 25, 50], 60, 500), ("Standard", [5, 25, 50], 15, 200), ("Fast", [20, 50], 5, 50)],
)
def test_a_preset_is_a_whole_rollout(preset: Any, weights: list[int], minutes_of_bake: int, min_requests: int) -> None:
    rollout = resolve_rollout(RolloutSpec(preset=preset))
    assert [step.weight for step in rollout.steps] == weights
    assert rollout.bake == timedelta(minutes=minutes_of_bake)
    assert rollout.min_requests == min_requests
    assert rollout == PRESETS[preset]


def test_no_rollout_at_all_is_the_standard_one() -> None:
    assert resolve_rollout(None) == resolve_rollout(RolloutSpec()) == PRESETS["Standard"]


def test_the_default_metric_is_the_error_ratio() -> None:
    assert resolve_rollout(None).metrics == (ResolvedMetric("errors", "Ratio", signal="Errors", max_regression=1.2),)


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ({"steps": [{"weight": 30}]}, "steps", (WeightStep(30, seconds(60)),)),
        ({"bake": "0s"}, "bake", seconds(0)),
        ({"drain": "5s"}, "drain", seconds(5)),
        ({"progressDeadline": "2h"}, "progress_deadline", seconds(7200)),
        ({"rollbackWindow": 0}, "rollback_window", 0),
        ({"analysis": {"provider": "central"}}, "provider", "central"),
        ({"analysis": {"falseAlarm": "0.1%"}}, "false_alarm", 0.001),
        ({"analysis": {"minRequests": 0}}, "min_requests", 0),
        ({"analysis": {"maxHold": "0s"}}, "max_hold", seconds(0)),
        ({"analysis": {"onInconclusive": "Rollback"}}, "on_inconclusive", "Rollback"),
        ({"analysis": {"mode": "Rehearse"}}, "mode", "Rehearse"),
        ({"analysis": {"mustDetect": "3"}}, "must_detect", 3.0),
        ({"analysis": {"watch": {"for": "24h"}}}, "watch", ResolvedWatch(seconds(86400), "Alert", 1.5)),
        ({"holdback": 5}, "holdback", 5),
        (
            {"analysis": {"metrics": [{"name": "mine", "errorRatio": {"maxRegression": "2"}}]}},
            "metrics",
            (ResolvedMetric("mine", "Ratio", signal="Errors", max_regression=2.0),),
        ),
    ],
    ids=str,
)
def test_what_is_written_wins_and_nothing_else_changes(written: dict[str, Any], field: str, value: Any) -> None:
    resolved = resolve_rollout(RolloutSpec.model_validate(written | {"preset": "Fast"}))
    changed = {name for name in resolved.__slots__ if getattr(resolved, name) != getattr(PRESETS["Fast"], name)}
    assert changed == {field}
    assert getattr(resolved, field) == value


def test_a_pause_keeps_the_weight_of_the_step_before() -> None:
    steps = [{"pause": {"for": "1h"}}, {"weight": 5, "hold": "2m"}, {"pause": {}}]
    resolved = resolve_rollout(RolloutSpec.model_validate({"steps": steps}))
    assert resolved.steps == (PauseStep(0, seconds(3600)), WeightStep(5, seconds(120)), PauseStep(5, None))


@pytest.mark.parametrize(
    ("steps", "weights"), [([{"weight": 5}, {"weight": 100}], [5]), ([{"weight": 100}], []), ([{"weight": 99}], [99])]
)
def test_a_last_weight_of_100_is_the_bake_and_no_step(steps: list[dict[str, int]], weights: list[int]) -> None:
    resolved = resolve_rollout(RolloutSpec.model_validate({"steps": steps}))
    assert [step.weight for step in resolved.steps] == weights


def test_every_kind_of_metric_is_made_concrete() -> None:
    metrics = [
        {"name": "slo", "errorRatio": {"max": "2%"}, "weight": 3},
        {"name": "slow", "latency": {"maxRegression": "1.2", "of": "TimeToFirstToken", "source": "Runtime"}},
        {"name": "wrong", "ratio": {"bad": "b", "total": "t", "maxRegression": "1.1", "labelDelay": "10m"}},
        {"name": "high", "histogram": {"query": "h", "maxRegression": "1.3"}},
        {"name": "drift", "gauge": {"query": "d", "max": "0.2", "maxFall": "0.01"}},
        {"name": "queue", "gauge": {"of": "QueueDepth", "max": "20"}},
    ]
    resolved = resolve_rollout(RolloutSpec.model_validate({"analysis": {"metrics": metrics}})).metrics
    assert resolved == (
        ResolvedMetric("slo", "Ratio", 3, "Errors", "Auto", limit=0.02),
        ResolvedMetric("slow", "Latency", 1, "TimeToFirstToken", "Runtime", 1.2),
        ResolvedMetric("wrong", "Ratio", bad="b", total="t", max_regression=1.1, delay=seconds(600), min_samples=20),
        ResolvedMetric("high", "Latency", query="h", max_regression=1.3, min_samples=20),
        ResolvedMetric("drift", "Gauge", source="Runtime", query="d", high=0.2, fall=0.01, min_samples=40),
        ResolvedMetric("queue", "Gauge", 1, "QueueDepth", "Runtime", high=20.0, min_samples=40),
    )


@pytest.mark.parametrize(
    ("model", "field", "show"),
    [
        (RolloutSpec, "progress_deadline", lambda preset: durationpy.to_str(preset.progress_deadline)),
        (RolloutSpec, "bake", lambda preset: durationpy.to_str(preset.bake)),
        (AnalysisSpec, "max_hold", lambda preset: durationpy.to_str(preset.max_hold)),
        (AnalysisSpec, "min_requests", lambda preset: str(preset.min_requests)),
    ],
)
def test_kubectl_explain_tells_the_numbers_of_every_preset(
    model: type[Model], field: str, show: Callable[[ResolvedRollout], str]
) -> None:
    described = " ".join((model.model_fields[field].description or "").split())
    for name, preset in PRESETS.items():
        assert re.search(rf"\b{name} {show(preset)}\b", described)


@pytest.mark.parametrize(("preset", "minutes"), [("Cautious", 60), ("Standard", 10), ("Fast", 1)])
def test_only_shadow_mirrors_all_requests_for_the_time_of_the_preset(preset: Any, minutes: int) -> None:
    resolved = resolve_rollout(RolloutSpec(preset=preset, strategy="Shadow"))
    assert resolved.shadow == ResolvedShadow(100, timedelta(minutes=minutes))
    assert resolved.steps == PRESETS[preset].steps
    written = {"preset": preset, "strategy": "Shadow", "shadow": {"percent": 5, "hold": "2h"}}
    assert resolve_rollout(RolloutSpec.model_validate(written)).shadow == ResolvedShadow(5, timedelta(hours=2))
