"""The fleet is accepted by the contract, and settled means: of the newest spec."""

from typing import Any

from serinus.api.validate import check_model_deployment
from tests.bench.fleet import build_fleet, find_unsettled


def seen(name: str, generation: int, observed: int, ready: str) -> dict[str, Any]:
    conditions = [{"type": "Available", "status": "True"}, {"type": "Ready", "status": ready}]
    status = {"observedGeneration": observed, "conditions": conditions}
    return {"metadata": {"name": name, "generation": generation}, "status": status}


def test_every_object_of_the_fleet_is_valid_and_has_a_host_of_its_own() -> None:
    namespace, *objects = build_fleet(50, "localhost/pause:1")
    assert namespace["kind"] == "Namespace"
    for obj in objects:
        checked = check_model_deployment(obj["metadata"]["name"], obj["spec"])
        assert not isinstance(checked, tuple), checked
    assert len({obj["spec"]["route"]["hostnames"][0] for obj in objects}) == 50


def test_an_object_is_settled_when_its_newest_spec_is_what_serves() -> None:
    objects = [seen("a", 1, 1, "True"), seen("b", 2, 1, "True"), seen("c", 1, 1, "False")]
    bare = {"metadata": {"name": "d", "generation": 1}}
    assert find_unsettled([*objects, bare]) == ["b", "c", "d"]
