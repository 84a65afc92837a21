"""What each kind tells of its end, held against statuses as its controller writes them."""

from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.api.meta import format_time
from serinus.api.runplan import OutcomeRules
from serinus.core.retrain.kinds import find_kind
from serinus.core.retrain.kindtable import KINDS
from serinus.core.retrain.outcome import ENDED, ChildView, find_workload, observe_child

Raw = dict[str, Any]
SHAPES = Path(__file__).parent / "shapes"


def load_cases() -> list[Any]:
    """Every case of every file, once for each kind that the file is about."""
    found = []
    for path in sorted(SHAPES.glob("*.yaml")):
        shape = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in shape["cases"]:
            template = case.get("template", shape["template"])
            for kind in shape.get("kinds", [template["kind"]]):
                name = f"{kind}: {case['name']}"
                found.append(pytest.param({**case, "template": {**template, "kind": kind}}, id=name))
    return found


def observe(case: Raw) -> ChildView:
    outcome = OutcomeRules.model_validate(case["outcome"]) if "outcome" in case else None
    return observe_child(
        case["child"],
        case["template"],
        outcome,
        case.get("workload"),
        pods=case.get("pods"),
        uid=case.get("uid"),
        begun=case.get("begun", False),
    )


@pytest.mark.parametrize("case", load_cases())
def test_a_status_is_read_for_what_it_says(case: Raw) -> None:
    view = observe(case)
    seen = {name: getattr(view, name) for name in case["expect"]}
    plain = {name: _plain(value) for name, value in seen.items()}
    assert plain == case["expect"], view


def test_every_kind_that_is_known_has_a_case_for_each_way_to_end() -> None:
    ends: dict[str, set[str]] = {}
    for param in load_cases():
        case: Any = param.values[0]
        kind = find_kind(case["template"])
        if kind is not None and "outcome" not in case:
            ends.setdefault(kind.key, set()).add(case["expect"]["state"])
    assert set(ends) == set(KINDS)
    for key, states in ends.items():
        wanted = {"Queued", "Running", "Succeeded", "Failed"} | ({"Errored"} if KINDS[key].error else set())
        assert wanted <= states, key


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["True", "Complete", "Failed"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["conditions", "phase", "state", "type", "status"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(KINDS)), JUNK, JUNK, JUNK)
@settings(deadline=None, max_examples=300)
def test_no_status_breaks_it_and_junk_is_no_success(key: str, status: Any, workload: Any, metadata: Any) -> None:
    group, _, kind = key.partition("/")
    template = {"apiVersion": f"{group}/v1", "kind": kind}
    child = {"metadata": metadata, "status": status, "spec": status}
    view = observe_child(child, template, None, {"status": workload, "metadata": metadata}, pods=[])
    assert view.state in {"Queued", "Running", *ENDED}
    if not isinstance(status, dict):
        assert not view.ended or view.reason == "AdmissionChecksRejected"


def test_the_workload_of_a_child_is_the_newest_that_is_not_over() -> None:
    def workload(name: str, owner: str, created: str, *, over: bool = False) -> Raw:
        return {
            "metadata": {"name": name, "creationTimestamp": created, "ownerReferences": [{"uid": owner}]},
            "status": {"conditions": [{"type": "Finished", "status": "True"}] if over else []},
        }

    old = workload("old", "c1", "2026-11-23T10:00:00Z")
    new = workload("new", "c1", "2026-11-23T10:01:00Z")
    stale = workload("stale", "c1", "2026-11-23T10:02:00Z", over=True)
    other = workload("other", "c2", "2026-11-23T10:03:00Z")
    assert find_workload([old, stale, other, new], {"metadata": {"uid": "c1"}}) == new
    assert find_workload([other], {"metadata": {"uid": "c1"}}) is None
    assert find_workload([{"metadata": {}}], {"metadata": {}}) is None


def test_a_status_that_is_behind_is_told_while_nothing_has_ended() -> None:
    child = {"metadata": {"generation": 2}, "status": {"jobDeploymentStatus": "Running", "observedGeneration": 1}}
    view = observe_child(child, {"apiVersion": "ray.io/v1", "kind": "RayJob"})
    assert (view.state, view.generation_observed) == ("Running", False)


def _plain(value: Any) -> Any:
    return format_time(value).replace(".000", "") if isinstance(value, datetime) else value


def test_a_case_names_fields_of_the_view() -> None:
    known = {one.name for one in fields(ChildView)}
    for param in load_cases():
        case: Any = param.values[0]
        assert set(case["expect"]) <= known
