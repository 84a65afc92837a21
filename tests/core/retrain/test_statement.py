"""The record of a run says as an in-toto statement what became of which model, and from what it was made."""

import json
from typing import Any

import pytest

from serinus.core.retrain.statement import NoSubjectError, build_statement
from serinus.retrain_record import main
from tests.core.retrain.build import CANDIDATE, CHAMPION, DATA, RUN, build_run

Raw = dict[str, Any]
COMMIT = "4f1c2d3e" * 5


def record(**model: Any) -> Raw:
    """A RetrainRun that has succeeded, as the API server stores it."""
    known = {"uri": "models:/fraud/7", "digest": CANDIDATE, "snapshot": "payments@41", "snapshotDigest": DATA}
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "RetrainRun",
        "metadata": {"name": RUN, "namespace": "ml", "uid": "r1"},
        "spec": build_run(operator="0.1.0").dump(),
        "status": {
            "phase": "Succeeded",
            "reason": "Baked",
            "message": "stable for 24h",
            "startedAt": "2026-11-23T10:01:00.000Z",
            "trainedAt": "2026-11-23T10:11:00.000Z",
            "finishedAt": "2026-11-24T10:30:00.000Z",
            "model": {key: value for key, value in {**known, "source": COMMIT, **model}.items() if value is not None},
            "resultsDigest": f"sha256:{'f' * 64}",
            "gates": [{"name": "f1", "kind": "Metric", "verdict": "Passed", "value": "0.93", "champion": "0.91"}],
            "approvals": [{"name": "a", "approver": "ada", "decision": "Approve", "counted": True}],
            "promotion": {"target": "Direct", "revision": "fraud-7c9d0a13"},
            "child": {"apiVersion": "batch/v1", "kind": "Job", "name": RUN, "uid": "c1"},
        },
    }


def test_a_statement_is_about_the_model_and_has_all_it_was_made_from() -> None:
    statement = build_statement(record())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://serinus.dev/retrain/v1"
    assert statement["subject"] == [{"name": "models:/fraud/7", "digest": {"sha256": "d" * 64}}]
    predicate = statement["predicate"]
    assert predicate["buildDefinition"]["resolvedDependencies"] == [
        {"name": "data", "uri": "payments@41", "digest": {"sha256": "e" * 64}},
        {"name": "source", "uri": COMMIT, "digest": {"gitCommit": COMMIT}},
        {"name": "champion", "uri": "models:/fraud/6", "digest": {"sha256": "c" * 64}},
    ]
    parameters = predicate["buildDefinition"]["externalParameters"]
    assert parameters["template"]["kind"] == "Job"
    assert parameters["policy"]["generation"] == 3
    details = predicate["runDetails"]
    assert details["builder"] == {"id": "https://serinus.dev", "version": {"serinus": "0.1.0"}}
    assert details["metadata"]["invocationId"] == f"ml/{RUN}/r1"
    assert details["byproducts"] == [{"name": "results.json", "digest": {"sha256": "f" * 64}}]
    assert predicate["gates"][0]["verdict"] == "Passed"
    assert predicate["approvals"][0]["approver"] == "ada"
    assert predicate["outcome"] == {"phase": "Succeeded", "reason": "Baked", "message": "stable for 24h"}
    assert "null" not in json.dumps(statement)


def test_a_commit_as_digest_has_the_name_that_it_has_in_in_toto() -> None:
    statement = build_statement(record(digest=f"git:{COMMIT}", source="sha256:" + "9" * 64))
    assert statement["subject"][0]["digest"] == {"gitCommit": COMMIT}
    source = statement["predicate"]["buildDefinition"]["resolvedDependencies"][1]
    assert source["digest"] == {"sha256": "9" * 64}


def test_what_is_not_known_is_left_out() -> None:
    run = record(snapshot=None, snapshotDigest=None, source="main")
    del run["spec"]["champion"], run["spec"]["operator"], run["status"]["resultsDigest"]
    predicate = build_statement(run)["predicate"]
    assert predicate["buildDefinition"]["resolvedDependencies"] == [{"name": "source", "uri": "main"}]
    assert predicate["runDetails"]["builder"] == {"id": "https://serinus.dev"}
    assert predicate["runDetails"]["byproducts"] == []


@pytest.mark.parametrize("model", [{"uri": None}, {"digest": None}, {"digest": "latest"}])
def test_without_a_pinned_model_there_is_nothing_to_state(model: Raw) -> None:
    with pytest.raises(NoSubjectError, match=f"RetrainRun {RUN} has no model with a digest"):
        build_statement(record(**model))
    with pytest.raises(NoSubjectError):
        build_statement({})


def test_the_command_prints_the_statement(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(record()))
    assert main(["-f", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == build_statement(record())


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{", 2, "run.json"),
        ("[]", 2, "must be one RetrainRun, not list"),
        ('{"kind": "RetrainPolicy"}', 2, "must be one RetrainRun, not RetrainPolicy"),
        ('{"kind": "RetrainRun", "metadata": {"name": "r"}}', 1, "RetrainRun r has no model with a digest"),
        (None, 2, "No such file"),
    ],
)
def test_the_command_says_what_is_wrong(
    text: str | None, code: int, said: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    if text is not None:
        file.write_text(text)
    assert main(["-f", str(file)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_times_of_yaml_stay_times(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "kind: RetrainRun\nmetadata: {name: r}\nspec: {decidedAt: 2026-11-23T10:00:00Z}\n"
        f"status: {{model: {{uri: 'models:/fraud/7', digest: '{CHAMPION}'}}}}\n"
    )
    assert main(["-f", str(file)]) == 0
    assert '"decidedOn": "2026-11-23T10:00:00.000Z"' in capsys.readouterr().out
