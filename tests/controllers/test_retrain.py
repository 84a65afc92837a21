"""The controllers of the retraining loop: what an operator that dies, and a world that does not keep still, must not
change."""

from typing import Any

import pytest

from serinus.api import retrainreasons as words
from serinus.controllers.inquiry import Later
from serinus.controllers.retrain.desk import Order
from serinus.controllers.retrain.policygather import PolicyGathered, gather_policy
from serinus.controllers.retrain.runs import LOOK
from serinus.controllers.retrain.wakeup import RUN
from serinus.core.retrain.policyview import PolicySnapshot
from serinus.core.retrain.runview import Handed
from serinus.engine.store import Key
from serinus.kube.errors import Conflict, Invalid, KubeError, Unavailable
from serinus.kube.resources import JOBS, Resource, watch_with
from serinus.registries.outcome import Pinned
from tests.controllers.retrain_stage import POLICY_KEY, Quiet, RetrainStage, policy
from tests.fakes.kube import Write
from tests.support.loop import digest

QUEUE = {"concurrencyPolicy": "Queue"}


async def a_stage(**spec: Any) -> RetrainStage:
    stage = RetrainStage()
    stage.serve()
    stage.put(policy(**spec))
    await stage.settle()
    return stage


async def test_an_idle_policy_costs_no_write_and_no_second_turn() -> None:
    stage = await a_stage()
    writes, turns = len(stage.kube.writes), stage.turns["RetrainPolicy"]
    stage.wake(POLICY_KEY)
    await stage.settle()
    assert len(stage.kube.writes) == writes
    assert stage.turns["RetrainPolicy"] == turns + 1
    assert stage.waits[POLICY_KEY] is None


@pytest.mark.parametrize("concurrency", ["Forbid", "Queue", "Replace"])
@pytest.mark.parametrize("at", range(14))
async def test_an_operator_that_dies_at_any_write_trains_once(at: int, concurrency: str) -> None:
    stage = await a_stage(concurrencyPolicy=concurrency)
    first = len(stage.kube.writes)

    class DiedError(Exception):
        pass

    def die(write: Write) -> KubeError | None:
        if len(stage.kube.writes) - first == at + 1:
            raise DiedError
        return None

    stage.kube.fault = die
    try:
        run = await stage.start_run()
        stage.finish_training(run)
        await stage.settle()
    except DiedError:
        stage.kube.fault = lambda write: None
        stage.start()
        await stage.settle()
        run = stage.objects(RUN)[0]["metadata"]["name"]
        stage.finish_training(run)
        await stage.settle()
    assert len(stage.objects(RUN)) == 1
    assert [one["metadata"]["name"] for one in stage.objects("Job")] == [run]
    assert stage.status(RUN, run)["phase"] == "Promoting"
    assert stage.status()["lastCommand"]["outcome"] == "Accepted"
    assert "pendingRun" not in stage.status()
    assert stage.status()["candidate"]["digest"] == digest("a")


async def test_somebody_who_writes_in_between_starts_no_second_run() -> None:
    stage = await a_stage(**QUEUE)
    conflicts = [True]

    def conflict(write: Write) -> KubeError | None:
        if write.verb == "status" and write.kind == "RetrainPolicy" and conflicts and stage.objects(RUN):
            conflicts.pop()
            return Conflict("somebody was faster", status=409)
        return None

    stage.kube.fault = conflict
    await stage.start_run()
    assert len(stage.objects(RUN)) == 1
    assert "pendingRun" not in stage.status()


async def test_a_run_that_is_known_to_the_cluster_and_not_to_us_is_looked_at_before_anything_is_said() -> None:
    stage = await a_stage(**QUEUE)
    run = await stage.start_run()
    made = stage.kube.objects[RUN, "ml", run]
    before = stage.kube.objects["RetrainPolicy", "ml", "fraud"]
    stage.put({**before, "status": {"observedGeneration": 1, "champion": stage.status()["champion"]}})
    stage.store.pop(RUN, {**made, "metadata": {**made["metadata"], "resourceVersion": "0"}})
    stage.start()
    await stage.settle()
    assert len(stage.objects(RUN)) == 1
    assert stage.status()["activeRun"] == run


JOB_GATE = {
    "name": "attack",
    "kind": "Robustness",
    "job": {"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}},
}


async def test_a_gate_is_waited_for_without_a_turn_and_knows_the_data() -> None:
    stage = await a_stage(gates=[JOB_GATE])
    run = await stage.start_run()
    stage.finish_training(run)
    await stage.settle()
    assert stage.status(RUN, run)["phase"] == "Validating"
    turns, writes = dict(stage.turns), len(stage.kube.writes)
    for seconds in (60, 700, 3600):
        stage.clock.advance(seconds)
        stage.wake(Key(RUN, "ml", run))
        await stage.settle()
    assert stage.turns[RUN] == turns[RUN] + 3
    assert len(stage.kube.writes) == writes
    job = stage.kube.objects["Job", "ml", f"{run}-attack"]
    env = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["SERINUS_DATA_SNAPSHOT"] == digest("a")


async def test_a_gate_whose_job_is_refused_has_no_evidence() -> None:
    stage = await a_stage(gates=[JOB_GATE])
    run = await stage.start_run()
    stage.kube.fault = lambda write: (
        Invalid("spec.template: no", status=422) if (write.verb, write.kind) == ("create", "Job") else None
    )
    stage.finish_training(run)
    await stage.settle()
    status = stage.status(RUN, run)
    assert (status["phase"], status["reason"]) == ("Rejected", words.GATES_FAILED)
    assert "spec.template: no" in status["gates"][0]["message"]


async def test_a_gate_whose_job_is_somebody_elses_has_no_evidence() -> None:
    stage = await a_stage(gates=[JOB_GATE])
    run = await stage.start_run()
    metadata = {"name": f"{run}-attack", "namespace": "ml"}
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    stage.put({"kind": "Job", "metadata": metadata, "spec": {}, "status": done})
    stage.finish_training(run)
    await stage.settle()
    assert stage.status(RUN, run)["phase"] == "Rejected"
    assert stage.status(RUN, run)["gates"][0]["verdict"] == "Missing"


async def test_results_that_were_there_before_the_run_are_none() -> None:
    stage = await a_stage()
    run = await stage.start_run()
    stage.finish_training(run)
    made = stage.kube.objects["ConfigMap", "ml", f"{run}-results"]
    made["metadata"]["creationTimestamp"] = "2026-11-23T09:59:00Z"
    await stage.settle()
    assert stage.status(RUN, run)["phase"] == "Collecting"
    stage.clock.advance(400)
    stage.wake(Key(RUN, "ml", run))
    await stage.settle()
    assert stage.status(RUN, run)["reason"] == words.RESULTS_MISSING
    assert "older than the run" in stage.status(RUN, run)["message"]


async def test_a_registry_with_another_digest_stops_the_candidate() -> None:
    async def resolve(reference: Any) -> Pinned:
        return Pinned(reference.uri, digest("f"))

    stage = RetrainStage(resolve=resolve)
    stage.serve()
    stage.put(policy())
    await stage.settle()
    run = await stage.start_run()
    uri = "oci://registry.example/fraud:7"
    stage.finish_training(run, model={"uri": uri, "digest": digest("a")})
    await stage.settle()
    assert stage.status(RUN, run)["reason"] == words.DIGEST_MISMATCH


async def test_a_policy_that_goes_and_leaves_its_runs_ends_them() -> None:
    stage = await a_stage()
    run = await stage.start_run()
    stage.remove("RetrainPolicy", "fraud")
    await stage.settle()
    assert stage.status(RUN, run)["phase"] == "Cancelled"
    assert stage.objects("Job") == []


async def test_a_run_of_another_version_is_left_alone_and_nothing_is_started_beside_it() -> None:
    stage = await a_stage(**QUEUE)
    run = await stage.start_run()
    stage.change(RUN, run, status={"phase": "Levitating"})
    stage.remove("Job", run)
    await stage.settle()
    assert stage.objects("Job") == [], "it is not begun anew"
    await stage.start_run("retrain two")
    assert len(stage.objects(RUN)) == 1
    ready = next(one for one in stage.status()["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == words.RUN_UNREADABLE


async def test_a_status_of_another_version_loses_what_cannot_be_read_and_nothing_else() -> None:
    stage = await a_stage(triggers=[{"name": "push", "event": {"type": "push"}}])
    held = {"digest": digest("9"), "reason": "RolledBack", "at": "2026-11-23T10:00:00Z"}
    old = stage.status()
    triggers = [{"name": "push", "state": "Levitating"}]
    stage.change("RetrainPolicy", "fraud", status=old | {"triggers": triggers, "quarantined": [held]})
    await stage.settle()
    assert stage.status()["champion"] == old["champion"]
    assert [one["digest"] for one in stage.status()["quarantined"]] == [digest("9")]
    assert stage.status()["triggers"][0]["state"] == "Clear"


async def test_a_model_deployment_that_goes_and_comes_again_keeps_the_champion() -> None:
    stage = await a_stage()
    champion = stage.status()["champion"]
    stage.remove("ModelDeployment", "fraud")
    await stage.settle()
    assert stage.status()["champion"] == champion
    stage.put(policy(triggers=[{"name": "x", "metric": {"query": "((", "fireAbove": "1", "window": "1h"}}]))
    stage.serve()
    await stage.settle()
    assert stage.status()["champion"] == champion


async def test_an_api_server_that_is_away_for_a_while_costs_nothing() -> None:
    stage = await a_stage()
    stage.kube.fault = lambda write: Unavailable("away", status=503) if write.kind == "Job" else None
    with pytest.raises(Unavailable):
        await stage.start_run()
    stage.kube.fault = lambda write: None
    run = stage.objects(RUN)[0]["metadata"]["name"]
    stage.wake(Key(RUN, "ml", run))
    await stage.settle()
    assert len(stage.objects("Job")) == 1


async def test_a_workload_of_kueue_wakes_its_run_and_says_what_it_waits_for() -> None:
    stage = await a_stage()
    run = await stage.start_run()
    owner = {"kind": "Job", "name": run, "uid": stage.kube.objects["Job", "ml", run]["metadata"]["uid"]}
    told = {"type": "QuotaReserved", "status": "False", "reason": "WaitingForQuota", "message": "no GPU left"}
    workload = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "Workload",
        "metadata": {"name": "job-x", "namespace": "ml", "ownerReferences": [owner], "resourceVersion": "1000"},
        "status": {"conditions": [told]},
    }
    stage.store.put("Workload.kueue.x-k8s.io", workload)
    stage.wakeup.notify("Workload.kueue.x-k8s.io", workload)
    stage.wakeup.notify("Workload.kueue.x-k8s.io", {**workload, "metadata": {"name": "other", "namespace": "ml"}})
    assert list(stage.queue) == [Key(RUN, "ml", run)]
    await stage.settle()
    assert stage.status(RUN, run)["phase"] == "Queued"
    assert stage.status(RUN, run)["queuedReason"] == "WaitingForQuota"


def test_workloads_of_kueue_are_watched_whole_and_only_where_it_is_asked_for() -> None:
    names = [one.kind for one in watch_with(())]
    assert "Workload.kueue.x-k8s.io" not in names
    added = watch_with((), kueue=True)[-1]
    assert (added.kind, added.label_selector) == ("Workload.kueue.x-k8s.io", None)


BUSINESS = {"name": "quality", "metric": {"query": "q", "fireBelow": "0.9", "window": "1h", "consecutiveWindows": 1}}
UNDO = {"verb": "undo", "revision": "fraud-2", "text": "undo fraud-2 bad", "at": "2026-11-23T10:00:00Z"}


def seen(stage: RetrainStage) -> PolicySnapshot:
    """What the policy's controller sees."""
    raw = stage.kube.objects["RetrainPolicy", "ml", "fraud"]
    gathered = gather_policy(
        stage.store,
        POLICY_KEY,
        raw,
        now=stage.clock.now(),
        looks=Quiet(),
        snapshots=stage.policies.snapshots,
        kinds=(JOBS,),
    )
    return gathered.snapshot


def promoted(stage: RetrainStage, **deployment: Any) -> None:
    """A second revision is stable, for half an hour."""
    model = {"uri": "https://models.example/fraud/2.bin", "digest": digest("2")}
    stage.put_revision("fraud-2", 2, model, phase="Stable", promotedAt="2026-11-23T09:30:00Z")
    first = stage.kube.objects["ModelRevision", "ml", "fraud-1"]
    retired = {"phase": "Retired", "promotedAt": "2026-11-23T09:00:00Z", "retiredAt": "2026-11-23T09:30:00Z"}
    stage.put({**first, "status": retired})
    stable = {"revision": "fraud-2", "since": "2026-11-23T09:30:00Z", "weight": 100}
    stage.change("ModelDeployment", "fraud", status={"stable": stable, **deployment})


@pytest.mark.parametrize(
    ("deployment", "failed"),
    [
        ({"lastCommand": UNDO | {"outcome": "Refused", "message": "no earlier revision"}}, "no earlier revision"),
        ({"lastCommand": {"text": "pause fraud-2", "verb": "pause"}}, "another command took the place"),
        ({"lastCommand": UNDO, "candidate": {"revision": "fraud-1", "phase": "Progressing"}}, None),
    ],
)
async def test_a_rollback_that_will_not_come_is_known(deployment: Any, failed: str | None) -> None:
    stage = await a_stage(triggers=[BUSINESS])
    stage.change("RetrainPolicy", "fraud", status=stage.status() | {"rolledBack": "fraud-2"})
    promoted(stage, **deployment)
    assert failed is None if seen(stage).undo_failed is None else failed in str(seen(stage).undo_failed)


async def test_a_command_that_is_not_carried_out_yet_keeps_a_rollback_waiting_and_is_not_written_over() -> None:
    stage = await a_stage(triggers=[BUSINESS])
    promoted(stage)
    deployment = stage.kube.objects["ModelDeployment", "ml", "fraud"]
    annotations = {"serinus.dev/command": "pause fraud-2"}
    stage.put({**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}})
    assert seen(stage).deployment_busy
    gathered = PolicyGathered(seen(stage), {}, "uid", deployment)
    with pytest.raises(Conflict):
        await stage.policies._order_rollback(POLICY_KEY, gathered, "fraud-2", "bad")
    kept = stage.kube.objects["ModelDeployment", "ml", "fraud"]["metadata"]["annotations"]
    assert kept == annotations


async def test_the_revision_that_a_rollback_brought_back_is_a_return() -> None:
    stage = await a_stage(triggers=[BUSINESS])
    promoted(stage)
    served = seen(stage).served
    assert served is not None
    assert (served.previous, served.returned) == ("fraud-1", False)
    second = stage.kube.objects["ModelRevision", "ml", "fraud-2"]
    stage.put({**second, "status": {"phase": "Rejected", "promotedAt": "2026-11-23T09:30:00Z"}})
    stage.serve()
    served = seen(stage).served
    assert served is not None
    assert served.returned


class Handing:
    """Takes candidates over and back, and remembers."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def hand_over(self, order: Order) -> Handed | Later:
        self.done.append("over")
        return Handed("models:/fraud@champion", "6")

    async def watch(self, order: Order, reference: str) -> Handed | Later:
        return Handed(reference)

    async def restore(self, order: Order) -> bool | Later:
        self.done.append("back")
        return True


@pytest.mark.parametrize("end", ["cancel", "hold", "expire"])
async def test_what_was_handed_over_and_is_not_to_be_served_is_taken_back(end: str) -> None:
    carrier = Handing()
    stage = RetrainStage(carriers={"Alias": carrier})
    stage.serve()
    stage.change("ModelDeployment", "fraud", spec={"model": {"from": {"uri": "models:/fraud@champion"}}})
    stage.put(policy(promotion={"target": "Alias", "alias": {"name": "fraud"}}))
    await stage.settle()
    run = await stage.start_run()
    stage.finish_training(run)
    await stage.settle()
    assert (stage.status(RUN, run)["phase"], carrier.done) == ("Promoting", ["over"])
    if end == "cancel":
        stage.command(f"cancel {run}")
    elif end == "hold":
        held = {"digest": digest("a"), "reason": "RolledBack", "at": "2026-11-23T10:00:00Z"}
        stage.change("RetrainPolicy", "fraud", status=stage.status() | {"quarantined": [held]})
    else:
        stage.clock.advance(169 * 3600)
    stage.wake(Key(RUN, "ml", run))
    await stage.settle()
    assert stage.status(RUN, run)["phase"] in ("Cancelled", "Rejected")
    assert carrier.done == ["over", "back"]
    assert stage.status(RUN, run)["promotion"]["restoredAt"]


async def test_a_child_whose_kind_is_not_watched_yet_is_looked_at_all_the_same() -> None:
    ray = Resource("ray.io", "v1", "rayjobs", "RayJob")
    stage = RetrainStage(kinds=(JOBS, ray))
    stage.serve()
    pod = {"containers": [{"name": "train", "image": "train:1"}]}
    spec = {"submitterPodTemplate": {"spec": pod}, "rayClusterSpec": {"headGroupSpec": {"template": {"spec": pod}}}}
    stage.put(policy(template={"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": spec}))
    run = await stage.start_run()
    assert stage.status(RUN, run)["phase"] == "Queued"
    assert stage.waits[Key(RUN, "ml", run)] == LOOK
    stage.change("RayJob", run, status={"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"})
    await stage.settle()
    assert stage.status(RUN, run)["phase"] == "Queued", "no event says so"
    stage.clock.advance(LOOK)
    stage.wake(Key(RUN, "ml", run))
    await stage.settle()
    assert stage.status(RUN, run)["phase"] == "Training"
