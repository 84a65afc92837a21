"""The retraining loop on a real API server: trainings and gateway are simulated, everything else is not."""

import json

import pytest

from tests.apiserver.conftest import Surroundings
from tests.cluster.errors import ClusterError
from tests.cluster.serinus import restart_operator
from tests.kstatus import assess_kstatus
from tests.support.loop import FIRST, Loop, build_results, digest
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver


@pytest.fixture
def loop(model: Model) -> Loop:
    return Loop(model)


def served_digest(loop: Loop) -> str:
    """Digest of the model that the stable revision has."""
    record = loop.model.get("modelrevision", loop.model.stable())
    return str(record["spec"]["content"]["model"]["digest"])


def test_a_better_model_goes_the_whole_way_and_nobody_writes_a_spec(loop: Loop) -> None:
    first = loop.serve_first()
    assert served_digest(loop) == FIRST
    before = loop.model.get()
    run = loop.train(1, build_results("a"))
    job = loop.cluster.get("job", run, "-n", loop.namespace)
    env = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["SERINUS_RUN"] == run
    assert env["SERINUS_CHAMPION_DIGEST"] == FIRST
    assert env["SERINUS_CHAMPION_REVISION"] == first
    status = loop.await_phase(run, "Succeeded", 90)
    assert status["gates"][0]["verdict"] == "Passed"
    assert served_digest(loop) == digest("a")
    assert loop.model.stable() != first
    after = loop.model.get()
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]
    assert assess_kstatus(loop.run(run)) == "Current"
    told = loop.await_policy("champion", lambda s: (s.get("champion") or {}).get("digest") == digest("a"))
    assert told["champion"]["run"] == run
    assert "candidate" not in told
    assert {one["stage"] for one in status["stages"]} >= {"decide", "queue", "train", "validate", "canary"}


def test_a_model_that_the_canary_rolls_back_is_held_until_somebody_releases_it(
    loop: Loop, surroundings: Surroundings
) -> None:
    first = loop.serve_first()
    loop.model.spec["rollout"]["steps"] = [{"weight": 50, "hold": "1m"}]
    loop.model.apply("v1")
    run = loop.train(1, build_results("b"))
    new = loop.model.await_weight(50)
    loop.cluster.kubectl(
        "annotate", "deployment", new, "example.com/fault-ratio=0.5", "--overwrite", "-n", loop.namespace
    )
    status = loop.await_phase(run, "RolledBack")
    assert "errors" in status["message"]
    assert loop.model.weights() == {first: 100}
    told = loop.await_policy("quarantine", lambda s: s.get("quarantined"))
    assert told["quarantined"][0]["digest"] == digest("b")
    assert told["champion"]["digest"] == FIRST
    loop.model.await_reason("Serving")
    assert loop.model.stable() == first

    again = loop.train(2, build_results("b"))
    assert loop.await_phase(again, "Rejected")["reason"] == "Quarantined"
    loop.command(f"release {digest('b')} a bad node it was")
    loop.await_policy("release", lambda s: not s.get("quarantined"))
    assert loop.status()["lastCommand"]["outcome"] == "Accepted"


def test_a_gate_stops_a_worse_model_before_any_traffic(loop: Loop) -> None:
    first = loop.serve_first()
    run = loop.train(1, build_results("c", f1=0.7))
    status = loop.await_phase(run, "Rejected")
    assert status["reason"] == "GatesFailed"
    assert "0.7" in status["message"]
    assert loop.model.stable() == first
    assert loop.model.candidate() is None
    assert len(loop.cluster.get("modelrevisions", "-n", loop.namespace)["items"]) == 1
    assert assess_kstatus(loop.run(run)) == "Failed"


def test_a_quality_that_falls_starts_one_run_and_its_return_arms_the_trigger(
    loop: Loop, surroundings: Surroundings
) -> None:
    surroundings.set_quality(loop.namespace, 0.95)
    metric = {"query": 'model_quality{metric="f1"}', "fireBelow": "0.90", "window": "1s", "consecutiveWindows": 2}
    loop.spec |= {"triggers": [{"name": "accuracy", "metric": metric}], "warmupAfterPromotion": "0s"}
    loop.spec["observation"] = {"bake": "10s"}
    loop.serve_first()
    loop.await_policy("a clear signal", lambda s: (s.get("signal") or {}).get("state") == "Clear")
    surroundings.set_quality(loop.namespace, None)
    loop.await_policy("no data", lambda s: s["triggers"][0].get("reason") == "NoData")
    assert not loop.runs(), "no data never trains"
    surroundings.set_quality(loop.namespace, 0.80)
    run = loop.await_run(1)
    reason = loop.run(run)["spec"]["reasons"][0]
    assert (reason["trigger"], reason["threshold"], reason["value"]) == ("accuracy", "0.9", "0.8")
    assert reason["firstBadAt"]
    loop.await_policy("the trigger is answered", lambda status: status["triggers"][0]["state"] == "Latched")
    loop.tell_results(run, build_results("d"))
    loop.await_phase(run, "Observing")
    surroundings.set_quality(loop.namespace, 0.96)
    loop.await_policy("armed again", lambda s: s["triggers"][0]["state"] == "Clear")
    loop.await_phase(run, "Succeeded")
    assert len(loop.runs()) == 1


def test_a_policy_that_goes_in_mid_run_takes_its_training_along_and_stable_stays(loop: Loop) -> None:
    first = loop.serve_first()
    loop.command("retrain one")
    run = loop.await_run(1)
    loop.cluster.kubectl("delete", "retrainpolicy", loop.name, "-n", loop.namespace)
    wait_for("the job is gone", lambda: not _exists(loop, "job", run), loop.model.explain)
    loop.model.await_reason("ModelNotFound")
    assert loop.model.stable() == first
    assert loop.model.weights() == {first: 100}


def test_a_kind_that_the_admin_does_not_list_trains_nothing(loop: Loop) -> None:
    with pytest.raises(ClusterError, match="v1/Secret must be a kind that the admin allows: batch/v1/Job"):
        loop.apply(template={"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}})
    # Admission can be switched off; the operator's own list cannot.
    restart_operator(loop.cluster, training_kinds="batch/v1/Job")
    try:
        loop.apply(template={"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {"entrypoint": "train"}})
        loop.model.apply("v1")
        loop.model.await_reason("Serving")
        loop.command("retrain one")
        loop.await_policy("an answer", lambda s: s.get("lastCommand"))
        assert loop.condition("TemplateValid")["status"] == "False"
        assert "RayJob" in loop.condition("TemplateValid")["message"]
        assert not loop.runs()
        assert assess_kstatus(loop.policy()) == "Failed"
    finally:
        restart_operator(loop.cluster)


def test_events_are_taken_in_once_however_often_they_are_told(loop: Loop) -> None:
    loop.spec |= {"triggers": [{"name": "registry", "event": {"type": "model_version.created", "source": "mlflow"}}]}
    loop.serve_first()
    for note in range(5):
        loop.command(f"event model_version.created v7 mlflow {'x' * note}".rstrip())
    loop.command("event model_version.created v7 mlflow")
    run = loop.await_run(1)
    loop.tell_results(run, build_results("e"))
    loop.await_phase(run, "Succeeded", 90)
    loop.command("event model_version.created v8 elsewhere")
    loop.await_policy("the answer", lambda s: "v8" in s["lastCommand"]["text"])
    assert loop.status()["lastCommand"]["outcome"] == "Ignored"
    assert len(loop.runs()) == 1


def test_what_a_person_cancels_ends_and_is_removed(loop: Loop) -> None:
    loop.serve_first()
    loop.spec["template"]["spec"]["suspend"] = True
    loop.apply()
    loop.command("retrain one")
    run = loop.await_run(1)
    assert loop.phase(run) == "Queued", "suspended is not running"
    loop.command(f"cancel {run} changed my mind")
    assert "changed my mind" in loop.await_phase(run, "Cancelled")["message"]
    wait_for("the job is gone", lambda: not _exists(loop, "job", run), loop.explain)


def test_a_child_that_is_removed_before_its_results_is_no_success(loop: Loop) -> None:
    loop.serve_first()
    loop.spec["template"]["spec"]["suspend"] = True
    loop.apply()
    loop.command("retrain one")
    run = loop.await_run(1)
    loop.cluster.kubectl("delete", "job", run, "-n", loop.namespace)
    assert loop.await_phase(run, "Lost")["reason"] == "ChildLost"
    assert not _exists(loop, "job", run), "no second training"


def _exists(loop: Loop, kind: str, name: str) -> bool:
    found = loop.cluster.kubectl("get", kind, name, "-n", loop.namespace, "--ignore-not-found", "-o", "name")
    return bool(found.stdout.strip())


def test_the_columns_tell_state_value_and_samples(loop: Loop, surroundings: Surroundings) -> None:
    surroundings.set_quality(loop.namespace, 0.95)
    metric = {
        "query": 'model_quality{metric="f1"}',
        "minSamples": {"query": 'model_quality{metric="samples"}', "value": 1},
        "fireBelow": "0.90",
        "window": "2s",
    }
    loop.spec |= {"triggers": [{"name": "accuracy", "metric": metric}]}
    loop.apply()
    loop.await_policy("no rows", lambda s: s.get("triggers") and s["triggers"][0].get("reason") == "InsufficientData")
    shown = loop.cluster.kubectl("get", "rtp", "-n", loop.namespace).stdout.splitlines()
    assert shown[0].split() == ["NAME", "MODEL", "PHASE", "STATE", "VALUE", "SAMPLES", "NEXT", "AGE"]
    assert json.dumps(loop.status()).count("InsufficientData") >= 1
