"""An operator that is killed right after a write, and has not heard that it was done, starts nothing twice."""

import time
from pathlib import Path

import pytest

from tests.bench.audit import read_log
from tests.support.loop import Loop, build_results, digest
from tests.support.model import Model
from tests.support.mortal import mortal_operator

pytestmark = pytest.mark.apiserver

GATE_JOB = {"template": {"spec": {"containers": [{"name": "check", "image": "check:1"}]}}}


@pytest.fixture
def loop(model: Model) -> Loop:
    loop = Loop(model)
    loop.spec["gates"].append({"name": "attack", "kind": "Robustness", "job": GATE_JOB})
    return loop


def test_a_loop_that_dies_after_its_writes_trains_once_and_succeeds(loop: Loop, tmp_path: Path) -> None:
    first = loop.serve_first()
    ours = f"/namespaces/{loop.namespace}/"
    points = [
        f"POST .*{ours}retrainruns",
        f"PUT .*{ours}retrainpolicies/.*/status",
        f"POST .*{ours}jobs",
        f"PUT .*{ours}retrainruns/.*/status",
        f"POST .*{ours}jobs",
        f"PUT .*{ours}retrainruns/.*/status",
        f"POST .*{ours}modelrevisions",
        f"PATCH .*{ours}httproutes",
        f"PUT .*{ours}retrainruns/.*/status",
    ]
    began = time.time()
    with mortal_operator(loop.cluster, tmp_path, points) as mortal:
        run = loop.train(1, build_results("a"))
        status = loop.await_phase(run, "Succeeded", 90)
        told = loop.await_policy("the end", lambda s: (s.get("lastRun") or {}).get("name") == run)
        print(loop.explain(), mortal.orders.deaths(), loop.cluster.kubectl('get','jobs','-A').stdout)
        import shutil; shutil.copy(loop.cluster.log_dir/'operator.log', '/tmp/op.log'); shutil.copy(loop.cluster.audit_log,'/tmp/audit.log')
        assert mortal.orders.left() == []
        assert len(mortal.orders.deaths()) == len(points)
    print(mortal.orders.deaths())
    writes = read_log(loop.cluster.audit_log, "serinus/", began, time.time()).objects
    made = sorted((w.resource, w.name) for w in writes if (w.verb, w.code, w.namespace) == ("create", 201, loop.namespace))
    print(made)
    assert loop.model.stable() != first
    assert [one["metadata"]["name"] for one in loop.runs()] == [run]
    assert told["champion"]["digest"] == digest("a")
    assert [gate["verdict"] for gate in status["gates"]] == ["Passed", "Passed"]
