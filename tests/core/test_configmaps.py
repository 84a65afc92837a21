"""What counts as content of a revision: the data of the ConfigMaps that its pod template refers to."""

from typing import Any

from serinus.core.children import Owner, build_deployment
from serinus.core.configmaps import Reference, build_copy, digest_of, list_references, name_copy, rename, slim
from serinus.core.revision import build_revision
from tests.core.world import spec

Raw = dict[str, Any]
TEMPLATE: Raw = {
    "spec": {
        "initContainers": [{"name": "get", "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "s"}}]}],
        "containers": [
            {
                "name": "model",
                "image": "m:1",
                "env": [
                    {"name": "X", "value": "1"},
                    {"name": "Y", "valueFrom": {"configMapKeyRef": {"name": "b", "key": "y", "optional": True}}},
                    {"name": "Z", "valueFrom": {"secretKeyRef": {"name": "s", "key": "z"}}},
                ],
            }
        ],
        "volumes": [
            {"name": "one", "configMap": {"name": "c"}},
            {"name": "two", "projected": {"sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "d"}}]}},
        ],
    }
}


def test_every_way_to_refer_to_a_config_map_is_found_and_no_secret() -> None:
    assert list_references(TEMPLATE) == (
        Reference("a", "initContainers[0].envFrom[0].configMapRef.name", optional=False),
        Reference("b", "containers[0].env[1].valueFrom.configMapKeyRef.name", optional=True),
        Reference("c", "volumes[0].configMap.name", optional=False),
        Reference("d", "volumes[1].projected.sources[1].configMap.name", optional=False),
    )


def test_a_template_of_another_form_refers_to_nothing() -> None:
    for broken in ({}, {"spec": 1}, {"spec": {"containers": "x", "volumes": [1, {"configMap": []}]}}):
        assert list_references(broken) == ()


def test_renaming_leaves_everything_else_and_the_original_alone() -> None:
    names = {name: f"new-{name}" for name in "abcd"}
    renamed = rename(TEMPLATE, names)
    assert [one.name for one in list_references(renamed)] == list(names.values())
    assert [one.name for one in list_references(TEMPLATE)] == list(names)
    assert rename(renamed, {new: old for old, new in names.items()}) == TEMPLATE


def test_data_makes_the_digest_and_nothing_else_does() -> None:
    plain = {"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}}
    assert digest_of(plain) == digest_of(
        {"metadata": {"name": "b", "labels": {"l": "1"}}, "data": {"y": "2", "x": "1"}}
    )
    assert digest_of(plain) != digest_of({"metadata": {"name": "a"}, "data": {"x": "1"}})
    assert digest_of(plain) != digest_of({"metadata": {"name": "a"}, "binaryData": plain["data"]})


def test_what_is_remembered_holds_no_data() -> None:
    whole = {"metadata": {"name": "a", "managedFields": [1]}, "data": {"x": "1"}}
    assert digest_of(slim(whole)) == digest_of(whole)
    assert "x" not in slim(whole)
    assert "data" not in slim(whole)
    assert slim(slim(whole)) == slim(whole)


def test_changed_data_is_another_revision_and_no_config_maps_change_no_hash() -> None:
    one = spec("m:1")
    assert build_revision("m", one, {}).digest == build_revision("m", one).digest
    digests = {build_revision("m", one, {"a": digest}).digest for digest in ("", "1", "2")}
    assert len(digests) == 3


def test_pods_read_the_copies_of_their_own_revision() -> None:
    content = {"template": TEMPLATE, "configMaps": {"a": "1", "b": "", "c": "2", "d": "3"}}
    built = build_deployment(Owner("m", "ns", "uid"), "m-1", content, 1)
    names = [one.name for one in list_references(built["spec"]["template"])]
    assert names == ["m-1-a", "m-1-b", "m-1-c", "m-1-d"]


def test_a_copy_is_immutable_and_has_the_data() -> None:
    made = build_copy({"name": "m-1-a"}, {"metadata": {"name": "a"}, "binaryData": {"x": "MQ=="}})
    assert made["immutable"] is True
    assert digest_of(made) == digest_of({"binaryData": {"x": "MQ=="}})


def test_names_that_are_too_long_stay_apart() -> None:
    long = "x" * 252
    names = {name_copy("fraud-12345678", f"{long}{i}") for i in range(3)}
    assert len(names) == 3
    assert all(len(name) <= 253 for name in names)
