"""A preset fills in what is left out; what is written wins."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import durationpy
import pytest

from serinus.api.analysis import AnalysisSpec
from serinus.api.meta import Model
from serinus.api.presets import PRESETS, PauseStep, ResolvedMetric, ResolvedRollout, WeightStep, resolve_rollout
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
    assert resolve_rollout(None).metrics == (ResolvedMetric("errors", 1.2),)


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
        (
            {"analysis": {"metrics": [{"name": "mine", "errorRatio": {"maxRegression": "2"}}]}},
            "metrics",
            (ResolvedMetric("mine", 2.0),),
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


def test_metrics_that_cannot_be_judged_yet_are_not_replaced_by_others() -> None:
    metrics = [{"name": "slo", "errorRatio": {"max": "2%"}}, {"name": "slow", "latency": {"maxRegression": "1.2"}}]
    assert resolve_rollout(RolloutSpec.model_validate({"analysis": {"metrics": metrics}})).metrics == ()


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
