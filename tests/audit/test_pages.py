"""The pages about security name tests, files and anchors that are there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = (
    "docs/threat-model.md",
    "docs/security.md",
    "docs/self-assessment.md",
    "docs/audit.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
)


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / PAGES[0]).read_text())
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).exists() or (name and f"def {name}(" not in (ROOT / file).read_text())
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    here = ROOT / page
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", here.read_text()):
        file = (here.parent / target) if target else here
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{target}#{anchor}"


@pytest.mark.parametrize("kind", ["modeldeployments", "retrainpolicies", "modelapprovals"])
def test_no_reference_of_a_namespaced_kind_leads_out_of_its_namespace_but_that_to_a_gateway(kind: str) -> None:
    definition = yaml.safe_load((ROOT / "crds" / f"{kind}.serinus.dev.yaml").read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    # That of a template is there to be refused, by a rule of the schema.
    allowed = {
        "modeldeployments": ["spec.route.parentRefs[].namespace"],
        "retrainpolicies": ["spec.template.metadata.namespace"],
    }
    assert list(find_properties(spec, "spec")) == allowed.get(kind, [])


def find_properties(node: Any, path: str) -> Iterator[str]:
    """Paths of what may name a namespace."""
    for name, child in (node.get("properties") or {}).items():
        if "namespace" in name.lower():
            yield f"{path}.{name}"
        yield from find_properties(child, f"{path}.{name}")
    for inner in (node.get("items"), node.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from find_properties(inner, f"{path}[]")
