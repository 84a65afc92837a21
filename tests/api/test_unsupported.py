"""A field that does nothing yet is named whenever it is used, and only then."""

from typing import Any

import pytest

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.unsupported import find_unsupported
from tests.api.cases import change, load_example

METRICS = "spec.rollout.analysis.metrics"
SOURCE = {"uri": "oci://registry.example/models/fraud:7"}


def find(*changes: tuple[str, Any]) -> tuple[str, ...]:
    obj = load_example("modeldeployment-minimal")
    for path, value in changes:
        obj = change(obj, path, value)
    return find_unsupported(ModelDeploymentSpec.model_validate(obj["spec"]))


def test_the_minimal_example_uses_nothing_unsupported() -> None:
    assert find() == ()


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("spec.model", {"from": {"retrainPolicy": "fraud"}}, "spec.model.from.retrainPolicy"),
    ],
)
def test_a_field_that_does_nothing_yet_is_named(path: str, value: Any, named: str) -> None:
    assert find((path, value)) == (named,)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.runtime", "VLLM"),
        ("spec.model", {"from": SOURCE, "delivery": "ImageVolume"}),
        ("spec.model", {"from": SOURCE, "schema": {"configMap": "c", "key": "k"}}),
        ("spec.model", {"from": {"registry": {"provider": "mlflow", "name": "fraud", "alias": "champion"}}}),
        (METRICS, [{"name": "m", "latency": {"maxRegression": "1.2"}}]),
        (METRICS, [{"name": "m", "gauge": {"query": "q", "max": "1"}}]),
        ("spec.rollout.strategy", "Canary"),
        ("spec.rollout.strategy", "Shadow"),
        ("spec.rollout.approval", {"required": "Never"}),
        ("spec.rollout.freeze", []),
        ("spec.accelerator", {"resource": "nvidia.com/gpu"}),
        ("spec.route", {"mode": "Replicas"}),
        ("spec.route.kind", "GRPCRoute"),
        (METRICS, [{"name": "m", "errorRatio": {"maxRegression": "1.5"}}]),
    ],
)
def test_a_default_or_a_working_field_is_not_named(path: str, value: Any) -> None:
    assert find((path, value)) == ()
