"""The CustomResourceDefinitions, generated from the models by `python -m serinus.api.crd crds/`.

The files are never edited by hand. Building is pure; only `main` touches the disk.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from serinus.api.meta import API_VERSION, GROUP, UNSEEN, VERSION
from serinus.api.metricsprovider import METRICS_PROVIDER
from serinus.api.modelapproval import MODEL_APPROVAL
from serinus.api.modeldeployment import MODEL_DEPLOYMENT
from serinus.api.modelrevision import MODEL_REVISION
from serinus.api.resource import Column, Resource
from serinus.api.retrainpolicy import RETRAIN_POLICY
from serinus.api.retrainrun import RETRAIN_RUN
from serinus.api.schema import build_schema

RESOURCES: Final = (
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    METRICS_PROVIDER,
    RETRAIN_POLICY,
    RETRAIN_RUN,
    MODEL_APPROVAL,
)
HEADER: Final = "# Generated from the models in serinus.api by: python -m serinus.api.crd crds/\n# Do not edit.\n"


def build_crd(resource: Resource) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind as plain JSON."""
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_build_column(column) for column in resource.columns],
        "schema": {"openAPIV3Schema": _build_root_schema(resource)},
        "subresources": _build_subresources(resource),
    }
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.crd_name, "labels": {"app.kubernetes.io/part-of": "serinus"}},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short_name],
                "categories": ["serinus"],
            },
            "scope": resource.scope,
            "versions": [version],
        },
    }
    copied: dict[str, Any] = json.loads(json.dumps(crd))  # shared parts would become YAML anchors
    return copied


def render_crd(resource: Resource) -> str:
    """Return the file of a kind's CustomResourceDefinition: YAML with a header, the same text every time."""
    body = yaml.safe_dump(build_crd(resource), sort_keys=False, width=120, allow_unicode=True)
    return HEADER + body


def render_all() -> dict[str, str]:
    """Return file name -> text for every kind."""
    return {f"{resource.crd_name}.yaml": render_crd(resource) for resource in RESOURCES}


def find_drift(folder: Path) -> tuple[str, ...]:
    """Return the names of files in `folder` that differ from what the models say: changed, missing or left over."""
    wanted = render_all()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    return tuple(sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)))


def _build_root_schema(resource: Resource) -> dict[str, Any]:
    root: dict[str, Any] = {
        "description": resource.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Version of the API: {API_VERSION}."},
            "kind": {"type": "string", "description": f"Kind of the object: {resource.kind}."},
            "metadata": _build_metadata_schema(resource),
            "spec": build_schema(resource.spec),
            "status": _build_status_schema(resource),
        },
    }
    if resource.rules:
        root["x-kubernetes-validations"] = [rule.render() for rule in resource.rules]
    return root


def _build_status_schema(resource: Resource) -> dict[str, Any]:
    schema = build_schema(resource.status, defaults=False)
    seen = "observedGeneration" in schema["properties"]
    return schema | ({"default": {"observedGeneration": UNSEEN}} if seen else {})


def _build_metadata_schema(resource: Resource) -> dict[str, Any]:
    limit = {"properties": {"name": {"type": "string", "maxLength": resource.name_max_length}}}
    return {"type": "object"} | (limit if resource.name_max_length else {})


def _build_subresources(resource: Resource) -> dict[str, Any]:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    return {"status": {}} | ({"scale": scale} if resource.scalable else {})


def _build_column(column: Column) -> dict[str, Any]:
    built: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        built["priority"] = column.priority
    if column.description:
        built["description"] = column.description
    return built


def main(arguments: list[str] | None = None) -> int:
    """Write or compare the files; exit status 1 where `--check` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m serinus.api.crd", description="Write the CRDs of the contract.")
    parser.add_argument("folder", type=Path, help="where the files are, usually crds/")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the files are out of date")
    options = parser.parse_args(arguments)
    drift = find_drift(options.folder)
    if options.check:
        for name in drift:
            print(
                f"{options.folder / name} is out of date: run python -m serinus.api.crd {options.folder}",
                file=sys.stderr,
            )
        return 1 if drift else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, text in render_all().items():
        (options.folder / name).write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
