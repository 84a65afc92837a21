"""The generated CRDs: structural, described, bounded, small, and the same as in crds/."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from serinus.api.crd import RESOURCES, build_crd, find_drift, main, render_all, render_crd
from serinus.api.meta import UNSEEN, Model
from serinus.api.resource import Resource
from serinus.api.schema import build_schema
from tests.api.cases import ROOT

FORBIDDEN = {
    "$ref",
    "$defs",
    "title",
    "const",
    "oneOf",
    "anyOf",
    "allOf",
    "prefixItems",
    "uniqueItems",
    "discriminator",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "nullable",
}


def root_of(resource: Resource) -> dict[str, Any]:
    root: dict[str, Any] = build_crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


every_kind = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)


@every_kind
def test_no_keyword_stands_there_that_a_crd_may_not_contain(resource: Resource) -> None:
    for path, node in nodes(root_of(resource)):
        assert not FORBIDDEN & node.keys(), path
        assert "type" in node or "x-kubernetes-int-or-string" in node, path


@every_kind
def test_every_field_is_described(resource: Resource) -> None:
    undescribed = [
        path
        for path, node in nodes(root_of(resource))
        if not path.endswith("[]") and not path.startswith(".metadata") and len(node.get("description", "")) < 8
    ]
    assert undescribed == []


@every_kind
def test_no_field_is_a_float(resource: Resource) -> None:
    assert all(node.get("type") != "number" for _, node in nodes(root_of(resource)))


@every_kind
def test_every_list_has_a_kind_and_a_bound(resource: Resource) -> None:
    for path, node in nodes(root_of(resource)):
        if node.get("type") == "array" and "containers" not in path:
            assert node["x-kubernetes-list-type"] in ("map", "atomic"), path
            assert node["maxItems"] <= 64, path


@every_kind
def test_the_key_of_a_list_map_is_required(resource: Resource) -> None:
    for path, node in nodes(root_of(resource)):
        for key in node.get("x-kubernetes-list-map-keys", ()):
            assert key in node["items"]["required"], path


@every_kind
def test_the_api_server_adds_to_a_status_only_that_nobody_has_seen_the_object(resource: Resource) -> None:
    status = root_of(resource)["properties"]["status"]
    seen = "observedGeneration" in status["properties"]
    assert status.get("default") == ({"observedGeneration": UNSEEN} if seen else None)
    assert all("default" not in node for path, node in nodes(status) if path)


@every_kind
def test_a_rule_has_a_message_for_people(resource: Resource) -> None:
    rules = [rule for _, node in nodes(root_of(resource)) for rule in node.get("x-kubernetes-validations", ())]
    assert all(len(rule["message"]) > 15 for rule in rules)


@every_kind
def test_at_most_seven_columns_are_shown_without_asking(resource: Resource) -> None:
    assert sum(column.priority == 0 for column in resource.columns) <= 7


@every_kind
def test_a_file_is_small_enough_for_client_side_apply(resource: Resource) -> None:
    assert len(render_crd(resource).encode()) < 256 * 1024


@every_kind
def test_the_file_says_the_same_as_the_object_without_anchors(resource: Resource) -> None:
    text = render_crd(resource)
    assert yaml.safe_load(text) == build_crd(resource)
    assert "&id" not in text


def test_defaults_that_a_preset_fills_in_are_not_in_the_schema() -> None:
    spec = root_of(RESOURCES[0])["properties"]["spec"]
    rollout = spec["properties"]["rollout"]["properties"]
    assert {name for name, field in rollout.items() if "default" in field} == {"preset", "strategy"}
    assert not any("default" in field for field in rollout["analysis"]["properties"].values())
    assert {name: field["default"] for name, field in spec["properties"].items() if "default" in field} == {
        "replicas": 1,
        "paused": False,
        "runtime": "HTTP",
        "revisionHistoryLimit": 5,
    }


def test_autoscalers_find_the_scale_of_a_model_deployment() -> None:
    subresources = {resource.kind: build_crd(resource)["spec"]["versions"][0]["subresources"] for resource in RESOURCES}
    assert subresources["ModelDeployment"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    assert all("status" in each for each in subresources.values())


def test_the_files_in_crds_are_up_to_date() -> None:
    assert find_drift(ROOT / "crds") == ()


def test_writing_twice_gives_the_same_files_and_no_drift(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([str(tmp_path)]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert first.keys() == render_all().keys()
    assert main([str(tmp_path), "--check"]) == 0


@pytest.mark.parametrize("damage", ["changed", "missing", "left over"])
def test_a_file_that_differs_is_found(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path)])
    victim = tmp_path / "modelrevisions.serinus.dev.yaml"
    match damage:
        case "changed":
            victim.write_text(victim.read_text() + "# edited\n")
        case "missing":
            victim.unlink()
        case _:
            victim = tmp_path / "old.serinus.dev.yaml"
            victim.write_text("{}")
    assert main([str(tmp_path), "--check"]) == 1
    assert str(victim) in capsys.readouterr().err


def test_what_has_no_structural_form_is_an_error_and_not_dropped() -> None:
    class Choice(Model):
        either: int | str

    class Exclusive(Model):
        number: int = Field(gt=0)

    for model in (Choice, Exclusive):
        with pytest.raises(ValueError, match="structural"):
            build_schema(model)


def test_what_stands_beside_a_reference_wins_over_the_referred_model() -> None:
    class Inner(Model):
        """General words."""

    class Outer(Model):
        inner: Inner | None = None
        """Words for
        this place."""

    assert build_schema(Outer)["properties"]["inner"]["description"] == "Words for this place."


def find_defaults_in_lists(schema: Any, path: str = "", *, inside: bool = False) -> list[str]:
    found = [path] if inside and "default" in schema else []
    for name, part in (schema.get("properties") or {}).items():
        found += find_defaults_in_lists(part, f"{path}.{name}", inside=inside)
    if "items" in schema:
        found += find_defaults_in_lists(schema["items"], f"{path}[]", inside=True)
    return found


def test_no_default_stands_inside_a_list() -> None:
    """A merge patch replaces whole lists: a default inside one would be a difference at every apply and sync."""
    for path in sorted((Path(__file__).parents[2] / "crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text())
        assert find_defaults_in_lists(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]) == []
