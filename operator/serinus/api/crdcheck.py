"""Whether the CRDs in a cluster know all that this operator writes and reads. An API server drops without a word what a
CRD does not know, so that an older one would make the operator forget. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from serinus.api.crd import RESOURCES, build_crd
from serinus.api.meta import GROUP, VERSION

Json = Mapping[str, Any]

_PARTS: Final = ("status", "spec")
"""What is lost in a status is lost by us, so that it is looked for first."""


def find_outdated(document: Json) -> dict[str, str]:
    """Kind -> what is said of its CRD, for those that lack a field of the contract.

    `document` is what the API server publishes at /openapi/v3/apis/serinus.dev/v1alpha1. A kind that is not in it is
    passed over: whether it is served at all is noticed by listing it."""
    schemas = (document.get("components") or {}).get("schemas") or {}
    served = {kind: schema for schema in schemas.values() for kind in _kinds_of(schema)}
    found: dict[str, str] = {}
    for resource in RESOURCES:
        schema = served.get(resource.kind)
        path = None if schema is None else _find_missing_part(_WANTED[resource.kind], schema)
        if path is not None:
            found[resource.kind] = (
                f"the CRD {resource.crd_name} does not know {path}: it is older than the operator; upgrade the CRDs to"
                " the operator's version"
            )
    return found


def _kinds_of(schema: Json) -> list[str]:
    marks = schema.get("x-kubernetes-group-version-kind") or ()
    return [one["kind"] for one in marks if one.get("group") == GROUP and one.get("version") == VERSION]


def _find_missing_part(wanted: Json, served: Json) -> str | None:
    parts = served.get("properties") or {}
    for part in _PARTS:
        found = find_missing(wanted["properties"][part], parts.get(part) or {}, part)
        if found is not None:
            return found
    return None


def find_missing(wanted: Json, served: Json, path: str) -> str | None:
    """The path of the first field that schema `wanted` has and `served` has not; None where there is none."""
    if "properties" in wanted and served.get("x-kubernetes-preserve-unknown-fields"):
        return None
    known = served.get("properties") or {}
    for name, schema in (wanted.get("properties") or {}).items():
        if name not in known:
            return f"{path}.{name}"
        found = find_missing(schema, known[name], f"{path}.{name}")
        if found is not None:
            return found
    for inner, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(wanted.get(inner), Mapping):
            other = served.get(inner)
            found = find_missing(wanted[inner], other if isinstance(other, Mapping) else {}, path + mark)
            if found is not None:
                return found
    return None


_WANTED: Final = {
    resource.kind: build_crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for resource in RESOURCES
}
