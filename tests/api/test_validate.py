"""Every fault is found, named by its field, and told with its cure."""

from typing import Any

import pytest

from serinus.api.metricsprovider import MetricsProviderSpec
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.presets import resolve_rollout
from serinus.api.problems import Problem
from serinus.api.validate import check_metrics_provider, check_model_deployment
from serinus.controllers.asking import ProfileSource
from serinus.controllers.trials import plan_metrics
from tests.api.cases import BAD_INPUTS, CONTAINER, LANGUAGE_MODEL, REMOVE, BadInput, change, load, load_example


def problems_of(obj: dict[str, Any]) -> tuple[Problem, ...]:
    outcome = check_model_deployment(obj["metadata"]["name"], obj["spec"])
    return outcome if isinstance(outcome, tuple) else ()


@pytest.mark.parametrize("name", ["modeldeployment-minimal", "modeldeployment-full"])
def test_worked_examples_have_no_problem(name: str) -> None:
    obj = load_example(name)
    assert isinstance(check_model_deployment(obj["metadata"]["name"], obj["spec"]), ModelDeploymentSpec)


def test_the_language_model_asks_for_pools_and_for_what_vllm_gives() -> None:
    obj = load(LANGUAGE_MODEL)
    spec = check_model_deployment(obj["metadata"]["name"], obj["spec"])
    assert isinstance(spec, ModelDeploymentSpec)
    assert spec.route.backend is not None
    assert spec.route.backend.kind == "InferencePool"
    plan = plan_metrics(resolve_rollout(spec.rollout), None, spec.runtime)
    assert plan.problems == ()
    assert [source.profile.name for source in plan.sources if isinstance(source, ProfileSource)] == ["vLLM"] * 3


@pytest.mark.parametrize("case", BAD_INPUTS, ids=lambda case: case.sentence)
def test_a_fault_is_named_with_field_and_cure(case: BadInput) -> None:
    found = [problem for problem in problems_of(case.build()) if problem.field == case.field]
    assert found, f"no problem names {case.field}: {problems_of(case.build())}"
    assert case.cure in str(found[0])


@pytest.mark.parametrize("case", BAD_INPUTS, ids=lambda case: case.sentence)
def test_a_single_fault_is_told_once_for_each_field(case: BadInput) -> None:
    fields = [problem.field for problem in problems_of(case.build())]
    assert len(fields) == len(set(fields))


def test_every_fault_is_told_not_only_the_first() -> None:
    obj = change(load_example("modeldeployment-minimal"), "spec.port", "grpc")
    obj = change(obj, "spec.rollout.steps", [{"weight": 50}, {"weight": 5}])
    assert {problem.field for problem in problems_of(obj)} == {"spec.port", "spec.rollout.steps[1].weight"}


ACCELERATOR = {"resource": "nvidia.com/gpu", "count": 1, "nodeSelector": {"gpu": "L4"}}


@pytest.mark.parametrize(
    ("sentence", "path", "value", "field"),
    [
        (
            "the template asks for another number of devices",
            "spec.template.spec.containers.0.resources",
            {"limits": {"nvidia.com/gpu": 2}},
            "spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]",
        ),
        (
            "the template wants another kind of node",
            "spec.template.spec.nodeSelector",
            {"gpu": "H100"},
            "spec.template.spec.nodeSelector[gpu]",
        ),
    ],
)
def test_an_accelerator_that_the_template_contradicts_is_a_fault(
    sentence: str, path: str, value: Any, field: str
) -> None:
    obj = change(change(load_example("modeldeployment-minimal"), "spec.accelerator", ACCELERATOR), path, value)
    assert [problem.field for problem in problems_of(obj)] == [field]


@pytest.mark.parametrize("count", [1, "1"])
def test_an_accelerator_that_the_template_repeats_is_no_fault(count: int | str) -> None:
    obj = change(load_example("modeldeployment-minimal"), "spec.accelerator", ACCELERATOR)
    resources = {"limits": {"nvidia.com/gpu": count}, "requests": {"cpu": "1"}}
    assert not problems_of(change(obj, "spec.template.spec.containers.0.resources", resources))


@pytest.mark.parametrize(
    "template",
    [
        {"spec": None},
        {"spec": {"containers": None}},
        {"spec": {"containers": "model"}},
        {"spec": {"containers": [CONTAINER | {"resources": "many", "ports": [None, {"containerPort": 1}]}]}},
        {"spec": {"containers": [CONTAINER], "nodeSelector": []}, "metadata": None},
    ],
    ids=str,
)
def test_a_template_of_any_form_is_checked_without_an_exception(template: dict[str, Any]) -> None:
    obj = change(load_example("modeldeployment-minimal"), "spec.accelerator", ACCELERATOR)
    problems_of(change(obj, "spec.template", template))


@pytest.mark.parametrize("raw", [{}, {"template": 1, "route": []}, {"template": {}, "route": None}], ids=str)
def test_a_spec_of_any_form_is_refused_without_an_exception(raw: dict[str, Any]) -> None:
    assert isinstance(check_model_deployment("fraud", raw), tuple)


def test_a_problem_reads_as_a_sentence_with_field_value_and_cure() -> None:
    assert str(Problem("spec.port", "grpc", "must be http")) == 'spec.port "grpc" must be http'
    assert str(Problem("spec.template", None, "is required")) == "spec.template is required"
    assert len(str(Problem("spec.template", "x" * 1000, "is too long"))) < 100


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("spec.address", "prometheus:9090", "spec.address"),
        ("spec.address", "http://user:secret@prometheus:9090", "spec.address"),
        ("spec.address", "file:///etc/passwd", "spec.address"),
        ("spec.address", "http://prometheus:9090/?x=1", "spec.address"),
        ("spec.address", REMOVE, "spec.address"),
        ("spec.scrapeInterval", "500ms", "spec.scrapeInterval"),
        ("spec.timeout", "0s", "spec.timeout"),
        ("spec.timeout", "3", "spec.timeout"),
        ("spec.gatewayLabels", {"__name__": "x"}, "spec.gatewayLabels"),
        ("spec.gatewayLabels", {'job="x",y': "x"}, "spec.gatewayLabels"),
        ("spec.gatewayLabels", {"job": ""}, "spec.gatewayLabels.job"),
        ("spec.credentials", {"secretRef": {"name": "x"}}, "spec.credentials.secretRef.key"),
    ],
)
def test_a_faulty_provider_is_told_by_field(path: str, value: Any, field: str) -> None:
    outcome = check_metrics_provider(change(load_example("metricsprovider"), path, value)["spec"])
    assert isinstance(outcome, tuple)
    assert [problem.field for problem in outcome] == [field]


@pytest.mark.parametrize(
    "address",
    ["http://prometheus:9090", "https://mimir.example.com/prometheus", "http://10.0.0.7", "http://[fd00::7]:9090/"],
)
def test_usual_addresses_of_a_provider_are_accepted(address: str) -> None:
    obj = change(load_example("metricsprovider"), "spec.address", address)
    assert isinstance(check_metrics_provider(obj["spec"]), MetricsProviderSpec)
