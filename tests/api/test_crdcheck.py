"""An older CRD is known by what it lacks."""

import copy
from typing import Any

import pytest

from serinus.api.crd import RESOURCES, build_crd
from serinus.api.crdcheck import find_missing, find_outdated
from serinus.api.meta import GROUP, VERSION

Json = dict[str, Any]


def publish() -> Json:
    """What an API server publishes that has exactly our CRDs."""
    schemas = {}
    for resource in RESOURCES:
        schema = copy.deepcopy(build_crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        mark = {"group": GROUP, "version": VERSION, "kind": resource.kind}
        schemas[f"dev.serinus.v1alpha1.{resource.kind}"] = {**schema, "x-kubernetes-group-version-kind": [mark]}
    schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"] = {"type": "object"}
    return {"components": {"schemas": schemas}}


def test_crds_of_the_same_version_lack_nothing() -> None:
    assert find_outdated(publish()) == {}


def test_a_field_of_a_status_that_is_missing_is_named() -> None:
    document = publish()
    schema = document["components"]["schemas"]["dev.serinus.v1alpha1.ModelDeployment"]
    del schema["properties"]["status"]["properties"]["candidate"]["properties"]["startedAt"]
    assert find_outdated(document) == {
        "ModelDeployment": "the CRD modeldeployments.serinus.dev does not know status.candidate.startedAt: it is older"
        " than the operator; upgrade the CRDs to the operator's version"
    }


def test_a_newer_crd_lacks_nothing() -> None:
    document = publish()
    schema = document["components"]["schemas"]["dev.serinus.v1alpha1.RetrainPolicy"]
    schema["properties"]["spec"]["properties"]["tomorrow"] = {"type": "string"}
    assert find_outdated(document) == {}


@pytest.mark.parametrize("document", [{}, {"components": None}, {"components": {"schemas": {}}}])
def test_what_is_not_published_is_not_called_outdated(document: Json) -> None:
    assert find_outdated(document) == {}


@pytest.mark.parametrize(
    ("served", "found"),
    [
        ({}, "spec.list"),
        ({"properties": {"list": {"items": {}}, "map": {}}}, "spec.list[].a"),
        ({"properties": {"list": {"items": {"properties": {"a": {}}}}, "map": {}}}, "spec.map.*.b"),
        ({"x-kubernetes-preserve-unknown-fields": True}, None),
    ],
)
def test_lists_and_maps_are_looked_into(served: Json, found: str | None) -> None:
    wanted = {
        "properties": {
            "list": {"items": {"properties": {"a": {"type": "string"}}}},
            "map": {"additionalProperties": {"properties": {"b": {"type": "string"}}}},
        }
    }
    assert find_missing(wanted, served, "spec") == found
