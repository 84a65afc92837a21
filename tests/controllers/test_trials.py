"""From what the user asks for to metrics and where their figures come from."""

from datetime import UTC, datetime
from typing import Any

import pytest

from serinus.api import reasons
from serinus.api.presets import resolve_rollout
from serinus.api.rollout import RolloutSpec
from serinus.controllers.asking import ExpressionSource, ProfileSource, QuerySource
from serinus.controllers.trials import PODS_SIGNAL, RESTARTS_SHARE, Plan, build_restarts, plan_metrics
from serinus.core.counters import BAD, TOTAL
from serinus.metrics.profiles.gateways import ENVOY_GATEWAY, ISTIO, TRAEFIK

ERRORS = {"name": "errors", "errorRatio": {"maxRegression": "1.2"}}


def plan(*metrics: dict[str, Any], runtime: str = "HTTP", gateway: Any = TRAEFIK) -> Plan:
    rollout = RolloutSpec.model_validate({"analysis": {"metrics": list(metrics)}} if metrics else {})
    return plan_metrics(resolve_rollout(rollout), gateway, runtime)


def test_the_default_is_errors_at_the_gateway_with_the_pods_to_learn_from() -> None:
    found = plan()
    (metric,) = found.metrics
    assert (metric.name, metric.kind, metric.signal, metric.margin) == ("errors", "ratio", "Errors", 1.2)
    assert metric.weight == pytest.approx(1 - RESTARTS_SHARE)
    assert metric.spread == PODS_SIGNAL
    assert [s.key for s in found.sources] == ["Errors", PODS_SIGNAL]
    assert found.measured_at == "the gateway"


def test_without_a_gateway_the_pods_count_and_need_no_second_look() -> None:
    found = plan(gateway=None)
    assert found.metrics[0].spread is None
    assert [s.key for s in found.sources] == ["Errors"]
    assert found.measured_at == "the pods"


def test_weights_share_the_budget() -> None:
    slo = {"name": "slo", "errorRatio": {"max": "2%"}, "weight": 3}
    found = plan(ERRORS, slo)
    assert [m.kind for m in found.metrics] == ["ratio", "limit"]
    assert found.metrics[1].weight == pytest.approx(3 * found.metrics[0].weight)
    assert sum(m.weight for m in found.metrics) == pytest.approx(1 - RESTARTS_SHARE)


def test_own_queries_become_sources_of_their_own() -> None:
    found = plan(
        {"name": "wrong", "ratio": {"bad": 'f{v="w"}', "total": "f", "maxRegression": "1.1", "labelDelay": "10m"}},
        {"name": "high", "histogram": {"query": "h", "maxRegression": "1.3"}},
        {"name": "drift", "gauge": {"query": "d", "max": "0.2"}},
        {"name": "mean", "gauge": {"query": "avg(d)", "max": "0.2"}},
    )
    assert found.problems == ()
    assert [type(s) for s in found.sources] == [QuerySource, QuerySource, QuerySource, ExpressionSource]
    assert found.metrics[0].delay == 600.0
    assert isinstance(found.sources[0], QuerySource)
    assert [keys for _, keys in found.sources[0].parts] == [(BAD,), (TOTAL,)]


@pytest.mark.parametrize(
    ("metric", "runtime", "said"),
    [
        ({"name": "m", "latency": {"maxRegression": "1.2", "of": "TimeToFirstToken"}}, "HTTP", "language models only"),
        ({"name": "m", "latency": {"maxRegression": "1.2", "source": "Runtime"}}, "Triton", "give a mean"),
        ({"name": "m", "gauge": {"query": 'd{namespace="x"}', "max": "1"}}, "HTTP", "namespace"),
        ({"name": "m", "ratio": {"bad": "rate(b[5m])", "total": "t", "maxRegression": "2"}}, "HTTP", "bad: "),
    ],
)
def test_what_cannot_be_measured_is_a_problem_of_the_spec_before_the_release(
    metric: dict[str, Any], runtime: str, said: str
) -> None:
    (problem,) = plan(metric, runtime=runtime).problems
    assert problem.reason == reasons.INVALID_SPEC
    assert problem.message.startswith("spec.rollout.analysis.metrics[m]: ")
    assert said in problem.message


def test_language_models_have_signals_of_their_own() -> None:
    found = plan(
        {"name": "ttft", "latency": {"maxRegression": "1.2", "of": "TimeToFirstToken"}},
        {"name": "queue", "gauge": {"of": "QueueDepth", "max": "20"}},
        runtime="VLLM",
    )
    assert found.problems == ()
    assert all(isinstance(s, ProfileSource) and s.profile.name == "vLLM" for s in found.sources)


def test_restarts_are_counted_against_the_time_that_pods_have_lived() -> None:
    def pod(name: str, restarts: int, **status: Any) -> dict[str, Any]:
        labels = {"serinus.dev/revision": name.rsplit("-", 2)[0]}
        containers = [{"restartCount": restarts}]
        return {"metadata": {"name": name, "labels": labels}, "status": {"containerStatuses": containers, **status}}

    began = "2026-11-24T10:00:00Z"
    pods = [pod("m-new-a-b", 2, startTime=began), pod("m-old-a-b", 0, startTime=began), pod("m-new-c-d", 5)]
    facts = build_restarts(("m-new", "m-old"), pods)
    candidate, stable = facts(datetime(2026, 11, 24, 10, 1, tzinfo=UTC))
    assert [(p.value, p.keys) for p in candidate] == [(60.0, (TOTAL,)), (2.0, (BAD,))], "one has not started yet"
    assert [p.value for p in stable] == [60.0, 0.0]


def plan_shadow(gateway: Any, runtime: str = "HTTP", **metric: Any) -> Plan:
    metrics = {"analysis": {"metrics": [{**ERRORS, **metric}]}}
    rollout = RolloutSpec.model_validate({"strategy": "Shadow", **metrics})
    return plan_metrics(resolve_rollout(rollout), gateway, runtime)


def test_mirrored_requests_are_counted_by_the_gateway_where_it_does_that_else_by_the_pods() -> None:
    assert plan_shadow(ENVOY_GATEWAY).measured_at == "the gateway"
    assert plan_shadow(ISTIO).measured_at == "the pods"
    assert plan(gateway=ISTIO).measured_at == "the gateway"


@pytest.mark.parametrize(("runtime", "source"), [("KServe", "Auto"), ("HTTP", "Gateway")])
def test_where_nobody_counts_them_that_is_said(runtime: str, source: str) -> None:
    (problem,) = plan_shadow(ISTIO, runtime, errorRatio={"maxRegression": "1.2", "source": source}).problems
    assert "Istio is not known to count mirrored requests" in problem.message
