"""An operator that is killed right after a write, and has not heard that it was done, starts nothing twice."""

import time
from pathlib import Path

import pytest

from tests.bench.audit import read_log
from tests.support.loop import GATE_JOB, Loop, build_results, digest
from tests.support.model import Model
from tests.support.mortal import mortal_operator

POINTS = (
    "POST .*/retrainruns",
    "POST .*/jobs [^ ]*[0-9a-f]{8}$",
    "PUT .*/retrainruns/.*/status",
    "POST .*/jobs .*-attack$",
    "POST .*/modelrevisions",
    "PATCH .*/httproutes",
    "PATCH .*/modelrevisions/.*/status",
)
"""A run is recorded, its child made, that told, a gate's Job made, the candidate taken up, given traffic, promoted."""


@pytest.mark.apiserver
def test_a_loop_whose_operator_dies_again_and_again_trains_once_and_succeeds(model: Model, tmp_path: Path) -> None:
    loop = Loop(model)
    loop.spec["gates"].append({"name": "attack", "kind": "Robustness", "job": GATE_JOB})
    first = loop.serve_first()
    began = time.time()
    ours = [point.replace(".*/", f".*/namespaces/{loop.namespace}/", 1) for point in POINTS]
    with mortal_operator(loop.cluster, tmp_path, ours) as mortal:
        run = loop.train(1, build_results("a"))
        status = loop.await_phase(run, "Succeeded", 240)
        told = loop.await_policy("the end", lambda s: (s.get("lastRun") or {}).get("name") == run)
        died_of = mortal.orders.deaths()
    assert len(died_of) == len(POINTS), died_of
    assert mortal.orders.left() == []
    assert [one["metadata"]["name"] for one in loop.runs()] == [run]
    writes = read_log(loop.cluster.audit_log, "serinus/", began, time.time()).objects
    made = sorted(one.name for one in writes if one.resource in ("retrainruns", "jobs") and one.code == 201)
    assert made == [run, run, f"{run}-attack"]
    loop.model.await_reason("Serving")
    assert loop.model.stable() != first
    assert told["champion"]["digest"] == digest("a")
    assert told["lastCommand"]["outcome"] == "Accepted"
    assert [gate["verdict"] for gate in status["gates"]] == ["Passed", "Passed"]
