"""What is asked of the hour before a rollout, and how the answers become looks at the past."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from serinus.api.presets import resolve_rollout
from serinus.api.rollout import RolloutSpec
from serinus.controllers.asking import Watch, build_frames, history_queries
from serinus.controllers.trials import plan_metrics
from serinus.core.counters import BAD, LEVEL, TOTAL
from serinus.core.trial import Trial
from serinus.metrics.profiles import Target
from serinus.metrics.profiles.gateways import TRAEFIK
from serinus.metrics.source import Answer, Sample, Series

NOW = datetime(2030, 1, 1, tzinfo=UTC)
POD = {"namespace": "ml", "pod": "fraud-old-5d4f8c-x2x7k"}


def watch(metric: dict[str, Any]) -> Watch:
    rollout = RolloutSpec.model_validate({"analysis": {"metrics": [metric]}})
    plan = plan_metrics(resolve_rollout(rollout), TRAEFIK, "HTTP")
    assert plan.problems == ()
    trial = Trial("fraud-new", "fraud-old", NOW, 5, 1, NOW, plan.metrics, 0, 15.0, "the pods")
    return Watch(trial, Target("ml", "fraud-new", "fraud", 1), Target("ml", "fraud-old", "fraud"), plan.sources)


def answer(labels: dict[str, str], *values: float) -> Answer:
    samples = tuple(Sample(30.0 * number, value) for number, value in enumerate(values))
    return Answer((Series({**POD, **labels}, samples),))


def test_both_counters_of_an_own_ratio_are_asked_for_stable_alone_and_joined_by_time() -> None:
    asked = watch({"name": "wrong", "ratio": {"bad": 'f{v="w"}', "total": "f", "maxRegression": "1.1"}})
    (source, texts), *_ = history_queries(asked)
    assert [re.sub(r"\{.*", "", text) for text in texts] == ["f", "f"]
    assert all("fraud-old" in text and "fraud-new" not in text and "[" not in text.split("}")[1] for text in texts)
    frames = build_frames(asked, source, [answer({"v": "w"}, 1, 2), answer({}, 10, 20)])
    assert [{point.keys: point.value for point in frame} for frame in frames] == [
        {(BAD,): 1, (TOTAL,): 10},
        {(BAD,): 2, (TOTAL,): 20},
    ]


@pytest.mark.parametrize("query", ["drift", "avg(drift)"])
def test_a_gauge_is_asked_for_whatever_its_form(query: str) -> None:
    asked = watch({"name": "drift", "gauge": {"query": query, "max": "0.2"}})
    (source, (text,)), *_ = history_queries(asked)
    assert text.startswith("drift{" if query == "drift" else "avg(drift{")
    frames = build_frames(asked, source, [answer({}, 0.1, 0.3)])
    values = [[(point.value, point.keys) for point in frame] for frame in frames]
    assert values == [[(0.1, (LEVEL,))], [(0.3, (LEVEL,))]]


def test_a_past_that_cannot_be_read_teaches_nothing() -> None:
    asked = watch({"name": "drift", "gauge": {"query": "avg by (le) (drift)", "max": "0.2"}})
    (source, _), *_ = history_queries(asked)
    two = Answer(tuple(Series({"le": le}, (Sample(0.0, 1.0),)) for le in ("1", "2")))
    assert build_frames(asked, source, [two]) == [[]]
