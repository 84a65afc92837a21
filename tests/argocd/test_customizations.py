"""The customizations of the chart, tried as Argo CD's own tests try theirs, case by case."""

from pathlib import Path
from typing import Any

import pytest

from tests.argocd.customizations import (
    FOLDER,
    KINDS,
    list_objects,
    read_actions,
    read_discovery,
    read_health,
    read_yaml,
)
from tests.argocd.lua import Action, LuaError, build_patch, run_action, run_discovery, run_health
from tests.kstatus import assess_health

Raw = dict[str, Any]
COMMANDS = ("serinus.dev/command", "serinus.dev/command-by")


def list_cases(file: str, part: str) -> list[Any]:
    """(folder, kind, case) of every case of a file of upstream's format."""
    found = []
    for path in sorted(FOLDER.glob(f"*/{file}")):
        kind = path.relative_to(FOLDER).parts[0]
        for case in read_yaml(path)[part]:
            name = f"{kind}-{case.get('action', part)}-{Path(case['inputPath']).stem}"
            found.append(pytest.param(path.parent, kind, case, id=name))
    return found


@pytest.mark.parametrize(("folder", "kind", "case"), list_cases("health_test.yaml", "tests"))
def test_health(folder: Path, kind: str, case: Raw) -> None:
    assert run_health(read_health(kind), read_yaml(folder / case["inputPath"])) == case["healthStatus"]


@pytest.mark.parametrize(("folder", "kind", "case"), list_cases("actions/action_test.yaml", "discoveryTests"))
def test_discovery(folder: Path, kind: str, case: Raw) -> None:
    script = read_discovery(kind)
    assert script is not None
    wanted = {
        Action(one["name"], one.get("disabled", False), tuple(p["name"] for p in one.get("params", ())))
        for one in case["result"]
    }
    assert run_discovery(script, read_yaml(folder / case["inputPath"])) == wanted


@pytest.mark.parametrize(("folder", "kind", "case"), list_cases("actions/action_test.yaml", "actionTests"))
def test_action(folder: Path, kind: str, case: Raw) -> None:
    before = read_yaml(folder / case["inputPath"])
    script = read_actions(kind)[case["action"]]
    if "expectedErrorMessage" in case:
        with pytest.raises(LuaError) as refused:
            run_action(script, before, case.get("parameters"))
        assert str(refused.value) == case["expectedErrorMessage"]
        return
    after = run_action(script, before, case.get("parameters"))
    assert after == read_yaml(folder / case["expectedOutputPath"])
    # The one door: an action writes the command and nothing else.
    patch = build_patch(before, after)
    assert set(patch) == {"metadata"}
    assert set(patch["metadata"]) == {"annotations"}
    assert set(patch["metadata"]["annotations"]) <= set(COMMANDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_health_and_a_case_for_each_object(kind: str) -> None:
    cases = {case["inputPath"] for case in read_yaml(FOLDER / kind / "health_test.yaml")["tests"]}
    assert cases == {f"testdata/{path.name}" for path in list_objects(kind)}


@pytest.mark.parametrize("kind", KINDS)
def test_the_script_and_the_oracle_agree_on_every_object(kind: str) -> None:
    for path in list_objects(kind):
        obj = read_yaml(path)
        assert run_health(read_health(kind), obj)["status"] == assess_health(obj), path.name


@pytest.mark.parametrize("kind", ["ModelDeployment", "RetrainPolicy"])
def test_every_action_is_offered_and_has_cases(kind: str) -> None:
    discovery = read_discovery(kind)
    assert discovery is not None
    cases = read_yaml(FOLDER / kind / "actions" / "action_test.yaml")
    scripts = set(read_actions(kind))
    for path in list_objects(kind):
        assert {one.name for one in run_discovery(discovery, read_yaml(path))} == scripts
    assert {case["action"] for case in cases["actionTests"] if "expectedOutputPath" in case} == scripts
    enabled = {one["name"] for case in cases["discoveryTests"] for one in case["result"] if not one["disabled"]}
    assert enabled == scripts


@pytest.mark.parametrize("kind", ["ModelDeployment", "RetrainPolicy"])
def test_what_is_offered_can_be_run_and_is_a_command_that_the_operator_reads(kind: str) -> None:
    from serinus.core.commands import VERBS, parse_command
    from serinus.core.retrain.commands import Wrong
    from serinus.core.retrain.commands import parse_command as parse_policy_command

    discovery, scripts = read_discovery(kind), read_actions(kind)
    assert discovery is not None
    for path in list_objects(kind):
        obj = read_yaml(path)
        for action in run_discovery(discovery, obj):
            if action.disabled:
                continue
            text = run_action(scripts[action.name], obj)["metadata"]["annotations"]["serinus.dev/command"]
            if kind == "ModelDeployment":
                verb, revision = parse_command(text)
                assert verb == action.name
                assert verb in VERBS
                assert revision.startswith(obj["metadata"]["name"])
            else:
                assert not isinstance(parse_policy_command(text), Wrong), text


@pytest.mark.parametrize(("action", "by"), [("pause", None), ("approve", None), ("approve", ""), ("approve", "ada")])
def test_a_name_that_somebody_else_left_is_not_taken_over(action: str, by: str | None) -> None:
    obj = read_yaml(FOLDER / "ModelDeployment" / "testdata" / "suspended_awaitingApproval.yaml")
    obj["metadata"]["annotations"] = {"serinus.dev/command": "pause x", "serinus.dev/command-by": "eve", "own": "kept"}
    after = run_action(read_actions("ModelDeployment")[action], obj, {} if by is None else {"by": by})
    assert after["metadata"]["annotations"].get("serinus.dev/command-by") == (by or None)
    assert after["metadata"]["annotations"]["own"] == "kept"


def test_a_degradation_of_what_serves_is_told_and_changes_no_colour() -> None:
    obj = read_yaml(FOLDER / "ModelDeployment" / "testdata" / "healthy_serving.yaml")
    said = {"type": "Degrading", "status": "True", "reason": "SlowDegradation", "message": "errors 2% against 1%"}
    obj["status"]["conditions"].append(said)
    assert run_health(read_health("ModelDeployment"), obj) == {
        "status": "Healthy",
        "message": "SlowDegradation: errors 2% against 1%",
    }


@pytest.mark.parametrize("reason", ["Frozen", "Paused", "AwaitingApproval"])
@pytest.mark.parametrize(("state", "health"), [("Reconciling", "Suspended"), ("Stalled", "Degraded")])
def test_what_waits_is_suspended_unless_it_waits_for_ever(reason: str, state: str, health: str) -> None:
    obj = read_yaml(FOLDER / "ModelDeployment" / "testdata" / "healthy_serving.yaml")
    obj["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "reason": reason, "message": "it waits"},
        {"type": state, "status": "True", "reason": reason, "message": "it waits"},
    ]
    assert run_health(read_health("ModelDeployment"), obj)["status"] == health == assess_health(obj)
