"""Every fault of a RetrainPolicy is found, named by its field, and told with its cure."""

from typing import Any

import pytest

from serinus.api.problems import Problem
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.statuspath import find_all, find_first, parse_path, to_text
from serinus.api.validate import check_retrain_policy
from tests.api.cases import BadInput, change, load_example
from tests.api.policycases import BAD_POLICIES, EXAMPLE, GOOD_POLICIES


def problems_of(obj: dict[str, Any]) -> tuple[Problem, ...]:
    outcome = check_retrain_policy(obj["spec"], obj["metadata"]["name"])
    return outcome if isinstance(outcome, tuple) else ()


def test_the_worked_example_has_no_problem() -> None:
    obj = load_example(EXAMPLE)
    assert isinstance(check_retrain_policy(obj["spec"], obj["metadata"]["name"]), RetrainPolicySpec)


@pytest.mark.parametrize("case", BAD_POLICIES, ids=lambda case: case.sentence)
def test_a_fault_is_named_with_field_and_cure(case: BadInput) -> None:
    found = [problem for problem in problems_of(case.build()) if problem.field == case.field]
    assert found, f"no problem names {case.field}: {problems_of(case.build())}"
    assert case.cure in str(found[0])


@pytest.mark.parametrize("case", BAD_POLICIES, ids=lambda case: case.sentence)
def test_a_single_fault_is_told_once_for_each_field(case: BadInput) -> None:
    fields = [problem.field for problem in problems_of(case.build())]
    assert len(fields) == len(set(fields))


@pytest.mark.parametrize(("path", "value"), GOOD_POLICIES, ids=str)
def test_what_is_right_has_no_problem(path: str, value: Any) -> None:
    assert problems_of(change(change(load_example(EXAMPLE), "spec.triggerPolicy", None), path, value)) == ()


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"template": 1},
        {"template": {"apiVersion": 1, "kind": None, "metadata": [], "spec": "x"}, "modelDeploymentRef": {"name": "m"}},
        {
            "template": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": []}},
            "modelDeploymentRef": {"name": "m"},
        },
    ],
    ids=str,
)
def test_a_spec_of_any_form_is_refused_without_an_exception(raw: dict[str, Any]) -> None:
    assert isinstance(check_retrain_policy(raw, "fraud"), tuple)


CHILD = {
    "metadata": {"annotations": {"example.com/done": "yes"}},
    "status": {
        "phase": "Done",
        "count": 3,
        "ready": True,
        "empty": None,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Stuck", "status": "False"}, "junk"],
        "nodes": {"a": {"type": "Pod", "phase": "Running"}, "b": {"type": "Suspend", "phase": "Running"}},
    },
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("status.phase", ("Done",)),
        (".status.phase", ("Done",)),
        ("status.none.phase", ()),
        ("status.phase.none", ()),
        ("status.empty", ()),
        ("status.conditions[type=Ready].status", ("True",)),
        ('status.conditions[?(@.type=="Ready")].status', ("True",)),
        ("status.conditions[type=Ready,status=False].status", ()),
        ("status.conditions[0].type", ("Ready",)),
        ("status.conditions[-2].type", ("Stuck",)),
        ("status.conditions[9].type", ()),
        ("status.conditions[*].status", ("True", "False")),
        ("status.nodes[type=Suspend].phase", ("Running",)),
        ("status.nodes.*.type", ("Pod", "Suspend")),
        ("metadata.annotations['example.com/done']", ("yes",)),
    ],
)
def test_a_path_leads_to_what_is_there(path: str, values: tuple[Any, ...]) -> None:
    steps = parse_path(path)
    assert not isinstance(steps, str), steps
    assert find_all(CHILD, steps) == values
    assert find_first(CHILD, steps) == (values[0] if values else None)


@pytest.mark.parametrize("path", ["", ".", "a..b", "a.", "a]b", "a[", "a[0]b", "a[b]", "a[type=]", "a['b", "a" * 300])
def test_what_is_no_path_says_so(path: str) -> None:
    assert isinstance(parse_path(path), str)


def test_values_are_compared_as_people_write_them() -> None:
    told = [to_text(value) for value in (True, False, 3, 0.5, "x", None, [], {})]
    assert told == ["true", "false", "3", "0.5", "x", None, None, None]
