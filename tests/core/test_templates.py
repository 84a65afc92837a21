"""A pod template is free-form: whatever stands in it is refused with a word, or built; nothing of it stops a worker."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.status import ResolvedModel
from serinus.api.validate import check_model_deployment
from serinus.api.validation import ValidationSpec
from serinus.core.checkjobs import build_job
from serinus.core.children import Owner, build_deployment, build_service
from serinus.core.configmaps import list_references
from serinus.core.revision import build_revision
from tests.api.cases import CHECK, CONTAINER, change, load_example

OWNER = Owner("m", "ns", "uid")
MODELS: dict[str, Any] = {
    "Env": {"from": {"uri": "https://host/x"}},
    "InitContainer": {"from": {"uri": "https://host/x"}, "delivery": "InitContainer"},
    "Claim": {"from": {"uri": "pvc://c/x"}, "delivery": "Claim"},
}
ACCELERATOR = {"resource": "nvidia.com/gpu", "nodeSelector": {"gpu": "L4"}, "tolerations": [{"key": "gpu"}]}
_OF_CONTAINER = ("env", "envFrom", "volumeMounts", "ports", "resources", "name", "image")
PLACES = (
    "",
    "metadata",
    "metadata.labels",
    "metadata.annotations",
    "spec",
    *(f"spec.{field}" for field in ("containers", "initContainers", "volumes", "nodeSelector", "tolerations")),
    *(f"spec.{group}.0.{field}" for group in ("containers", "initContainers") for field in _OF_CONTAINER),
    *(f"spec.containers.0.{field}" for field in ("resources.limits", "env.0.name", "envFrom.0.configMapRef")),
    *(
        f"spec.{field}"
        for field in ("containers.0.envFrom.0.configMapRef.name", "volumes.0.name", "volumes.0.projected")
    ),
)
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "m"}, "annotations": {}},
    "spec": {
        "containers": [
            {**CONTAINER, "env": [{"name": "A"}], "envFrom": [{"configMapRef": {"name": "c"}}], "resources": {}},
        ],
        "initContainers": [{"name": "own", "image": "own:1"}],
        "volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}],
    },
}
_WORDS = st.sampled_from(["name", "A=b", "sources", "configMap", "limits", "containerPort", "serinus.dev/check"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | _WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def put(template: Any, place: str, value: Any) -> Any:
    try:
        return change(template, place, value) if place else value
    except (KeyError, IndexError, TypeError, AttributeError):
        return template  # what an earlier change took away


def build(template: Any, delivery: str) -> ModelDeploymentSpec | tuple[Any, ...]:
    """Do all that the operator does with a template."""
    raw = load_example("modeldeployment-minimal")["spec"]
    asked = {"model": MODELS[delivery], "accelerator": ACCELERATOR, "template": template}
    spec = check_model_deployment("m", {**raw, **asked})
    if isinstance(spec, tuple):
        assert all(str(problem) for problem in spec)
        return spec
    sources = dict.fromkeys((reference.name for reference in list_references(spec.template)), "digest")
    uri = MODELS[delivery]["from"]["uri"]
    revision = build_revision("m", spec, sources, ResolvedModel(uri=uri, resolved=uri))
    build_deployment(OWNER, revision.name, revision.content, 1)
    build_service(OWNER, revision.name, revision.name, revision.content)
    return spec


def build_check(template: Any) -> tuple[Any, ...]:
    raw = load_example("modeldeployment-minimal")["spec"]
    spec = check_model_deployment(
        "m", change({"spec": raw}, "spec.rollout.validation", [CHECK | {"job": {"template": template}}])["spec"]
    )
    if isinstance(spec, tuple):
        return spec
    assert spec.rollout is not None
    check: ValidationSpec = spec.rollout.validation[0]
    build_job(OWNER, "m-1", check, "candidate", "m-1", attempt="1", model={})
    return ()


def test_a_plain_one_is_built() -> None:
    assert isinstance(build(TEMPLATE, "InitContainer"), ModelDeploymentSpec)
    assert build_check(TEMPLATE) == ()


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3), st.sampled_from(sorted(MODELS)))
def test_whatever_stands_in_a_template_is_refused_or_built(changes: list[tuple[str, Any]], delivery: str) -> None:
    template: Any = TEMPLATE
    for place, value in changes:
        template = put(template, place, value)
    build(template, delivery)
    build_check(template)


@pytest.mark.parametrize("field", ["env", "envFrom", "volumeMounts", "initContainers", "volumes", "labels"])
def test_null_is_as_good_as_none(field: str) -> None:
    place = {"env": "spec.containers.0.", "envFrom": "spec.containers.0.", "volumeMounts": "spec.containers.0."}
    path = place.get(field, "metadata." if field == "labels" else "spec.") + field
    assert isinstance(build(change(TEMPLATE, path, None), "InitContainer"), ModelDeploymentSpec)
    assert build_check(change(TEMPLATE, path, None)) == ()
