"""What the demo applies is what the API takes, and what a person would write."""

from pathlib import Path
from typing import Any

import yaml

from examples.retrain import demo
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.retrainpolicy import RetrainPolicySpec

FOLDER = Path(demo.__file__).parent


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return document


def test_the_policy_is_a_policy() -> None:
    spec = RetrainPolicySpec.model_validate(read("policy.yaml")["spec"])
    assert spec.mode == "Automatic"
    assert {trigger.name for trigger in spec.triggers} == {"drift", "quality"}


def test_the_deployment_follows_the_policy_and_nothing_else() -> None:
    document = read("fraud.yaml")
    spec = ModelDeploymentSpec.model_validate(document["spec"])
    assert spec.model is not None
    assert spec.model.from_.retrain_policy == read("policy.yaml")["metadata"]["name"]
    assert document["metadata"] == read("policy.yaml")["metadata"]
    assert document["metadata"]["name"] == read("policy.yaml")["spec"]["modelDeploymentRef"]["name"]


def test_every_container_is_unprivileged() -> None:
    documents = list(yaml.safe_load_all((FOLDER / "surroundings.yaml").read_text()))
    templates = [one["spec"]["template"]["spec"] for one in documents if one["kind"] == "Deployment"]
    templates.append(read("fraud.yaml")["spec"]["template"]["spec"])
    templates.append(read("policy.yaml")["spec"]["template"]["spec"]["template"]["spec"])
    assert len(templates) == 4
    for template in templates:
        for container in template["containers"]:
            context = container["securityContext"]
            assert context["runAsNonRoot"]
            assert context["readOnlyRootFilesystem"]
            assert context["capabilities"] == {"drop": ["ALL"]}
