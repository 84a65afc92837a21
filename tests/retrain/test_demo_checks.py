"""The demo's own judgement: each way in which the loop can go wrong is noticed, and named."""

import copy
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.retrain.demo.checks import (
    Attempt,
    Quality,
    check_promoted,
    check_reference,
    check_rejected,
    check_rolled_back,
    check_tracked,
)
from examples.retrain.demo.loop import read_policy
from examples.retrain.demo.quality import Outcome, measure_f1, read_outcomes
from examples.retrain.demo.stage import build_first_job
from examples.retrain.demo.timeline import build_line, build_table
from tests.traffic.route import RouteChange

Raw = dict[str, Any]

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
DATA = "sha256:" + "c" * 64
WEIGHTS = (10, 50, 100)


def make_gates(**verdicts: str) -> list[Raw]:
    gates = []
    for gate in read_policy()["spec"]["gates"]:
        found = {"name": gate["name"], "kind": gate["kind"], "verdict": verdicts.get(gate["name"], "Passed")}
        gates.append(found | {"champion": "0.5", "message": "region=south 0.2 against 0.9"})
    return gates


def make_run(phase: str, gates: list[Raw] | None = None) -> Raw:
    reason = {"value": "0.4", "samples": 800, "at": "2026-01-01T00:00:20Z"}
    model = {
        "uri": "models:/fraud/2",
        "digest": NEW,
        "snapshot": "fraud-1",
        "snapshotDigest": DATA,
        "source": "sha256:dd",
        "registryRun": "r1",
    }
    return {
        "metadata": {"name": "fraud-1"},
        "spec": {"number": 1, "reasons": [{**reason, "trigger": "drift"}, {**reason, "trigger": "quality"}]},
        "status": {
            "phase": phase,
            "message": "because",
            "recoverySeconds": 60,
            "model": model,
            "child": {"kind": "Job", "name": "fraud-1", "uid": "u"},
            "gates": make_gates() if gates is None else gates,
            "transitions": [
                {"phase": "Pending", "at": "2026-01-01T00:00:21Z"},
                {"phase": "Queued", "at": "2026-01-01T00:00:22Z"},
                {"phase": "Training", "at": "2026-01-01T00:00:22Z"},
                {"phase": "Validating", "at": "2026-01-01T00:00:31Z"},
                {"phase": "Promoting", "at": "2026-01-01T00:00:31Z"},
                {"phase": "Observing", "at": "2026-01-01T00:00:50Z"},
                {"phase": phase, "at": "2026-01-01T00:00:55Z"},
            ],
        },
    }


def make_policy(champion: str, *held: str) -> Raw:
    quarantined = [{"digest": digest, "evidence": "latency 100%"} for digest in held]
    return {**read_policy(), "status": {"champion": {"digest": champion}, "quarantined": quarantined}}


def make_deployment(stable: str) -> Raw:
    return {"status": {"stable": {"revision": stable}}}


def make_record(message: str, phase: str = "Rejected") -> Raw:
    return {"status": {"phase": phase, "message": message}}


def climb(*weights: int) -> tuple[RouteChange, ...]:
    return tuple(RouteChange(float(n), {"r-old": 100 - w, "r-new": w}) for n, w in enumerate(weights))


PROMOTED = Attempt(
    make_run("Succeeded"),
    make_policy(NEW),
    make_deployment("r-new"),
    OLD,
    "r-old",
    climb(*WEIGHTS),
    ["r-new"],
    quality=Quality(0.93, 0.45, 0.92),
    clear={"drift": "Clear", "quality": "Clear"},
)
REJECTED = replace(
    PROMOTED,
    run=make_run("Rejected", make_gates(slices="Failed")),
    policy=make_policy(OLD),
    deployment=make_deployment("r-old"),
    changes=(),
    revisions=(),
)
SLOW = "latency 100.0% slower than 0.025s on r-new (111 of 111)"
ROLLED_BACK = replace(
    PROMOTED,
    run=make_run("RolledBack"),
    policy=make_policy(OLD, NEW),
    deployment=make_deployment("r-old"),
    changes=climb(10, 0),
    record=make_record(SLOW),
)


def test_what_went_well_has_no_problems() -> None:
    assert check_promoted(PROMOTED, WEIGHTS) == []
    assert check_rejected(REJECTED) == []
    assert check_rolled_back(ROLLED_BACK) == []


def without(run: Raw, *path: str) -> Raw:
    changed = copy.deepcopy(run)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


def only_reason(run: Raw, name: str) -> Raw:
    changed = copy.deepcopy(run)
    changed["spec"]["reasons"] = [one for one in changed["spec"]["reasons"] if one["trigger"] == name]
    return changed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"run": make_run("RolledBack")}, "the run is RolledBack, not Succeeded: because"),
        ({"run": only_reason(PROMOTED.run, "quality")}, "which drift asked for it"),
        ({"run": without(make_run("Succeeded"), "status", "model", "snapshotDigest")}, "no snapshotDigest"),
        ({"run": without(make_run("Succeeded"), "status", "child")}, "does not name what trained"),
        ({"run": without(make_run("Succeeded"), "status", "recoverySeconds")}, "how long it took"),
        ({"run": make_run("Succeeded", make_gates(f1="Missing"))}, "gate f1 is Missing, not Passed"),
        ({"run": make_run("Succeeded", make_gates()[1:])}, "gate nulls is missing, not Passed"),
        ({"run": make_run("Succeeded", [{**g, "champion": None} for g in make_gates()])}, "f1 was not compared"),
        ({"changes": climb(10, 100)}, "the weights 10, 100, not 10, 50, 100"),
        ({"policy": make_policy(OLD)}, f"the champion is {OLD}"),
        ({"quality": Quality(None, 0.4, 0.9)}, "F1 was unknown before"),
        ({"quality": Quality(0.9, 0.8, 0.9)}, "0.80 after the shift, which is not bad"),
        ({"quality": Quality(0.9, 0.4, 0.6)}, "F1 is 0.60 in the end"),
        ({"clear": {"drift": "Clear", "quality": "Latched"}}, "trigger quality is Latched, not Clear"),
    ],
)
def test_what_is_wrong_with_a_promotion_is_named(change: Raw, problem: str) -> None:
    problems = check_promoted(replace(PROMOTED, **change), WEIGHTS)
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"run": make_run("Succeeded", make_gates(slices="Failed"))}, "not Rejected"),
        ({"run": make_run("Rejected")}, "gate slices is Passed, not Failed"),
        ({"run": make_run("Rejected", make_gates(slices="Failed", f1="Failed"))}, "gate f1 is Failed, not Passed"),
        ({"changes": climb(10)}, "the route changed"),
        ({"deployment": make_deployment("r-new")}, "r-new serves, not r-old"),
        ({"policy": make_policy(NEW)}, "the champion is"),
        ({"revisions": ["r-new"]}, "r-new was made of it"),
    ],
)
def test_what_is_wrong_with_a_rejection_is_named(change: Raw, problem: str) -> None:
    problems = check_rejected(replace(REJECTED, **change))
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_gate_that_does_not_name_the_slice_is_noticed() -> None:
    gates = [{**gate, "message": "worse"} for gate in make_gates(slices="Failed")]
    assert "does not name region=south" in check_rejected(replace(REJECTED, run=make_run("Rejected", gates)))[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"run": make_run("Succeeded")}, "not RolledBack"),
        ({"run": make_run("RolledBack", make_gates(batch="Failed"))}, "gate batch is Failed, not Passed"),
        ({"revisions": []}, "0 revisions were made of it"),
        ({"changes": climb(10)}, "not at 100 % for r-old"),
        ({"changes": climb(0)}, "never had any traffic"),
        ({"policy": make_policy(NEW, NEW)}, "the champion is"),
        ({"policy": make_policy(OLD)}, "is not in quarantine"),
        ({"record": make_record("errors 4.1% on r-new (52 of 1,268)")}, "no latency"),
        ({"record": make_record("latency is bad")}, "no latency with numbers"),
        ({"record": make_record(SLOW, "Candidate")}, "says Candidate, not Rejected"),
        ({"deployment": make_deployment("r-new")}, "r-new serves, not r-old"),
    ],
)
def test_what_is_wrong_with_a_rollback_is_named(change: Raw, problem: str) -> None:
    problems = check_rolled_back(replace(ROLLED_BACK, **change))
    assert problem in " ".join(problems)
    assert len(problems) <= 2


def test_a_hold_without_evidence_is_noticed() -> None:
    policy = make_policy(OLD, NEW)
    policy["status"]["quarantined"][0]["evidence"] = ""
    assert "without evidence" in check_rolled_back(replace(ROLLED_BACK, policy=policy))[0]


def make_tracked() -> tuple[Raw, Raw]:
    dataset = {"dataset": {"digest": DATA.removeprefix("sha256:")[:36]}}
    data = {"tags": [{"key": "serinus.run", "value": "fraud-1"}], "metrics": [{"key": "f1"}, {"key": "champion.f1"}]}
    version = {"model_version": {"version": "2", "run_id": "r1"}}
    return {"run": {"data": data, "inputs": {"dataset_inputs": [dataset]}}}, version


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda run, version: run["data"]["tags"].clear(), "belongs to None"),
        (lambda run, version: run["inputs"]["dataset_inputs"].clear(), "data sets are none"),
        (lambda run, version: run["inputs"]["dataset_inputs"][0]["dataset"].update(digest="c"), "data sets are c"),
        (lambda run, version: run["data"]["metrics"].pop(), "no F1 of both"),
        (lambda run, version: version.update(run_id="r2"), "is of run r2"),
    ],
)
def test_mlflow_must_tell_the_same_story(spoil: Callable[[Raw, Raw], object], problem: str) -> None:
    tracked, version = make_tracked()
    assert check_tracked(PROMOTED.run, tracked, version) == []
    spoil(tracked["run"], version["model_version"])
    (said,) = check_tracked(PROMOTED.run, tracked, version)
    assert problem in said


def test_the_reference_must_be_the_new_models_alone() -> None:
    assert check_reference([NEW], PROMOTED.run) == []
    assert check_reference([NEW.replace(":", "-")], PROMOTED.run) == []
    assert check_reference([OLD], PROMOTED.run) != []
    assert check_reference([OLD, NEW], PROMOTED.run) != []
    assert check_reference([], PROMOTED.run) != []


def test_the_seconds_of_a_run_are_told_by_stage() -> None:
    shifted = 1767225600.0  # 2026-01-01T00:00:00Z
    line = build_line(PROMOTED.run, shifted, shifted + 80)
    assert line.seconds == {
        "detect": 20.0,
        "decide": 1.0,
        "queue": 1.0,
        "train": 9.0,
        "validate": 0.0,
        "canary": 19.0,
        "clear": 30.0,
    }
    assert line.total == 80.0
    console = Console(width=80, file=io.StringIO())
    console.print(build_table([line, line, line]))
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert told.count("19.0") == 3
    assert "…" not in told
    assert "detect" not in build_line(PROMOTED.run, None).seconds


def test_quality_is_counted_from_the_clients_book(tmp_path: Path) -> None:
    book = tmp_path / "truth"
    assert read_outcomes(book) == []
    lines = [[1.0, "fraud/1", True, True], [2.0, "fraud/1", True, False], [3.0, "fraud/1", False, True]]
    book.write_text("".join(json.dumps(line) + "\n" for line in lines) + '[4.0, "fra')
    outcomes = read_outcomes(book)
    assert outcomes == [Outcome(1.0, "fraud/1", True, True), *outcomes[1:]]
    assert len(outcomes) == 3
    assert measure_f1(outcomes, 0, 10) == pytest.approx(0.5)
    assert measure_f1(outcomes, 0, 1.5) == 1.0
    assert measure_f1(outcomes, 2, 2.5) is None


def test_the_first_model_is_trained_by_the_policys_own_template() -> None:
    policy = read_policy()
    job = build_first_job(policy)
    container = job["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["WINDOW_SECONDS"] == "3600"
    assert environment["SERINUS_RUN"] == job["metadata"]["name"] == "fraud-first"
    assert container["image"] == policy["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert policy == read_policy()
