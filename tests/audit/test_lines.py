"""The audit record says who did what, on what evidence, in words that stay: the page shows real lines."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from serinus.api.audit import ACTIONS, AUDIT_LOGGER, KEYS, AuditLine
from serinus.controllers.auditing import write_audit
from serinus.core import audit as releases
from serinus.core.audit import find_manager, flatten, read_subject
from serinus.core.retrain import audit as retraining
from serinus.kube.errors import Conflict
from tests.audit.story import audit_lines, history, logged, order, tell_releases, tell_runs
from tests.controllers.stage import Stage, model_deployment
from tests.fakes.kube import Write

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
Line = dict[str, Any]


@pytest.fixture(scope="module")
def told() -> tuple[list[Line], Stage]:
    return asyncio.run(tell_releases())


@pytest.fixture(scope="module")
def told_of_runs() -> list[Line]:
    return asyncio.run(tell_runs())


def of(lines: list[Line], action: str) -> Line:
    return next(line for line in lines if line["action"] == action)


def test_every_line_has_every_key_and_only_known_actions(told: tuple[list[Line], Stage], told_of_runs: Any) -> None:
    for line in [*told[0], *told_of_runs]:
        assert set(line) == {*KEYS, "event", "logger", "level"}
        assert line["action"] in ACTIONS
        assert (line["event"], line["logger"], line["level"]) == ("audit", AUDIT_LOGGER, "info")
        assert line["message"]
        assert "\n" not in line["message"]


def test_every_action_of_the_vocabulary_is_told_somewhere() -> None:
    source = "".join(Path(str(module.__file__)).read_text() for module in (releases, retraining))
    used = set(re.findall(r'"((?:release|retrain)\.[a-z-]+)"', source))
    assert used | {"command.accepted", "command.refused", "command.ignored"} == set(ACTIONS)


def test_who_approved_retried_aborted_and_undid_is_told(told: tuple[list[Line], Stage]) -> None:
    lines, _ = told
    who = {line["reason"]: line["by"] for line in lines if line["action"].startswith("command.")}
    assert who == {
        "approve": "ada@example.com",
        "retry": "ada@example.com",
        "abort": "bob@example.com",
        "undo": None,
        "promote": None,
        "destroy": None,
    }
    approved, aborted = of(lines, "release.approved"), of(lines, "release.aborted")
    assert (approved["by"], approved["by_source"]) == ("ada@example.com", "command-by")
    assert (aborted["by"], aborted["manager"]) == ("bob@example.com", "kubectl-annotate")


def test_where_the_operator_cannot_know_who_it_says_so(told: tuple[list[Line], Stage]) -> None:
    lines, _ = told
    started = of(lines, "release.started")
    assert (started["by"], started["by_source"], started["manager"]) == (None, "spec", "argocd-controller")
    undone = of(lines, "release.undone")
    assert (undone["by"], undone["by_source"]) == (None, "command-by")
    rejected = of(lines, "release.rejected")
    assert (rejected["by"], rejected["by_source"], rejected["manager"]) == (None, "operator", None)


async def test_a_model_that_a_policy_found_is_released_by_nobody_and_a_changed_spec_by_somebody() -> None:
    stage = Stage()

    def find(number: int) -> None:
        model = {"uri": f"https://models.example/{number}.bin", "digest": f"sha256:{str(number) * 64}"}
        spec = {"modelDeploymentRef": {"name": "fraud"}, "initialModel": {"uri": "https://models.example/0.bin"}}
        policy = {"kind": "RetrainPolicy", "metadata": {"name": "fraud", "namespace": "ml"}, "spec": spec}
        stage.kube.put({**policy, "status": {"observedGeneration": 1, "champion": model}})

    with logged() as stream:
        find(1)
        followed: Line = {"model": {"from": {"retrainPolicy": "fraud"}}, "rollout": {"strategy": "Direct"}}
        stage.apply(model_deployment(**followed))
        await stage.run(3)
        find(2)
        await stage.run(3)
        stage.apply(model_deployment("m:2", **followed))
        await stage.run(3)
        lines = audit_lines(stream)
    await stage.analyst.close()
    sources = [one["by_source"] for one in lines if one["action"] == "release.started"]
    assert sources == ["spec", "operator", "spec"]


def test_the_evidence_stands_in_the_line(told: tuple[list[Line], Stage], told_of_runs: list[Line]) -> None:
    rejected = of(told[0], "release.rejected")
    assert rejected["verdict"] == "Bad"
    (errors,) = (one for one in rejected["evidence"] if one["metric"] == "errors")
    assert (errors["verdict"], errors["candidate"], errors["stable"]) == ("Bad", "40.0% of 20", "0.0% of 80")
    assert rejected["record"] == f"ModelRevision/{rejected['revision']}"
    waits = next(line for line in told_of_runs if line["reason"] == "AwaitingDecision")
    assert waits["evidence"][0] | {"limit": ">= 0.90", "verdict": "Passed"} == waits["evidence"][0]
    assert waits["digest"].startswith("sha256:")


def test_an_approval_of_a_candidate_is_told_with_its_digest_and_one_of_another_is_not_counted(
    told_of_runs: list[Line],
) -> None:
    ignored, approved = of(told_of_runs, "retrain.approval-ignored"), of(told_of_runs, "retrain.approved")
    assert (ignored["reason"], ignored["record"]) == ("NotCounted", "ModelApproval/fraud-1-ada-1")
    assert (approved["by"], approved["by_source"]) == ("ada@example.com", "approval")
    assert approved["digest"] == ignored["digest"]
    started = of(told_of_runs, "retrain.started")
    assert (started["by"], started["by_source"]) == (None, "command-by")


def test_a_revision_keeps_what_was_done_to_it(told: tuple[list[Line], Stage]) -> None:
    lines, stage = told
    bad, undone = of(lines, "release.rejected")["revision"], of(lines, "release.undone")["revision"]
    kept = [(one["action"], one.get("by"), one["bySource"]) for one in history(stage, bad)]
    assert kept == [
        ("release.rejected", None, "operator"),
        ("release.started", "ada@example.com", "command-by"),
        ("release.aborted", "bob@example.com", "command-by"),
    ]
    kept = [(one["action"], one.get("by")) for one in history(stage, undone)]
    assert kept == [("release.approved", "ada@example.com"), ("release.promoted", None), ("release.undone", None)]
    spec = stage.kube.objects["ModelRevision", "ml", undone]["spec"]
    assert spec["cause"] == {"generation": 2, "manager": "argocd-controller"}


async def test_a_pass_that_is_repeated_adds_nothing_twice_and_an_order_that_is_not_recorded_is_not_carried_out() -> (
    None
):
    stage = Stage()
    rollout = {"steps": [{"weight": 20, "hold": "60s"}], "analysis": {"minRequests": 20}}
    stage.apply(model_deployment(rollout=rollout))
    await stage.settle()
    old = stage.object()["status"]["stable"]["revision"]
    stage.apply(model_deployment("m:2", rollout=rollout))
    await stage.settle()
    new = str(stage.object()["status"]["candidate"]["revision"])

    def no_status(write: Write) -> Conflict | None:
        return Conflict("changed") if "status" in write.verb and write.kind == "ModelDeployment" else None

    def no_record(write: Write) -> Conflict | None:
        return Conflict("changed") if write.kind == "ModelRevision" else None

    order(stage, f"pause {new}", "ada@example.com", rollout=rollout)
    stage.kube.fault = no_record
    await stage.turn()
    assert "pauseReason" not in stage.object()["status"]["candidate"]
    stage.kube.fault = no_status
    await stage.turn()
    await stage.turn()
    stage.kube.fault = lambda write: None
    await stage.settle()
    assert stage.object()["status"]["candidate"]["paused"] is True
    assert [one["action"] for one in history(stage, new)] == ["command.accepted"]
    assert history(stage, new)[0]["by"] == "ada@example.com"
    assert old
    await stage.analyst.close()


@pytest.mark.parametrize(
    "fields",
    [None, [], [None], ["x"], [{"manager": "kubectl"}], [{"fieldsV1": {"f:spec": {}}, "subresource": "status"}]],
)
def test_an_object_without_managers_has_none(fields: Any) -> None:
    raw = {"metadata": {"name": "fraud", "managedFields": fields}}
    assert find_manager(raw, "f:spec") is None
    assert read_subject(raw, "ModelDeployment").spec_manager is None


def test_the_last_manager_of_a_field_counts() -> None:
    fields = [
        {"manager": "kubectl-edit", "time": "2026-11-23T11:00:00Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "argocd", "time": "2026-11-23T10:00:00Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "serinus", "time": "2026-11-23T12:00:00Z", "fieldsV1": {"f:metadata": {}}},
    ]
    assert find_manager({"metadata": {"managedFields": fields}}, "f:spec") == "kubectl-edit"


def test_a_message_is_one_line_of_bounded_length() -> None:
    forged = 'fine\n{"event":"audit","action":"release.approved"}\r\x85\u2028end'
    assert flatten(forged) == 'fine {"event":"audit","action":"release.approved"} end'
    assert len(flatten("x" * 5000)) == 2048


def test_the_level_of_the_log_does_not_switch_the_record_off() -> None:
    subject = read_subject({"metadata": {"name": "fraud", "namespace": "ml", "uid": "u"}}, "ModelDeployment")
    with logged("error") as stream:
        write_audit([subject.line("release.started", "Deploying", "x", "spec")])
    assert len(audit_lines(stream)) == 1


def test_the_page_names_every_key_and_every_action() -> None:
    page = PAGE.read_text()
    rows = [f"| `{name}` | {sentence} |" for name, sentence in (KEYS | ACTIONS).items()]
    assert [row for row in rows if row not in page] == []
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)) == set(KEYS)
    assert set(re.findall(r"^\| `([a-z]+\.[a-z-]+)` \|", page, re.MULTILINE)) == set(ACTIONS)
    assert set(AuditLine.model_fields) == set(KEYS)


def test_the_lines_on_the_page_are_real(told: tuple[list[Line], Stage], told_of_runs: list[Line]) -> None:
    shown = [json.loads(line) for line in PAGE.read_text().splitlines() if line.startswith('{"audit"')]
    assert len(shown) >= 4
    for line in shown:
        assert line.pop("timestamp").endswith("Z")
        assert line in [*told[0], *told_of_runs], f"no such line: {line['action']}"
