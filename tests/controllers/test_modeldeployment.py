"""Whole reconciles: gathered, judged, decided and carried out, with faults in between."""

from typing import get_args

import pytest

from serinus.engine.store import Key
from serinus.kube.errors import Invalid, Unavailable
from serinus.metrics.source import Failure, FailureReason
from tests.controllers.stage import KEY, Stage, model_deployment
from tests.fakes.kube import Write


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.analyst.close()


async def serving(stage: Stage) -> str:
    stage.apply(model_deployment())
    await stage.settle()
    assert stage.condition("Ready") == ("True", "Serving")
    return str(stage.object()["status"]["stable"]["revision"])


async def in_canary(stage: Stage) -> tuple[str, str]:
    old = await serving(stage)
    stage.apply(model_deployment("m:2"))
    await stage.settle()
    stage.meter.serve(old, 1000)
    await stage.run(3)
    new = str(stage.object()["status"]["candidate"]["revision"])
    assert stage.weights() == {old: 80, new: 20}
    return old, new


async def test_the_first_revision_gets_all_its_objects(stage: Stage) -> None:
    name = await serving(stage)
    assert stage.weights() == {name: 100}
    service = stage.object("Service")
    assert service["spec"]["selector"] == {"serinus.dev/revision": name}
    pod = stage.object("Deployment", name)["spec"]["template"]
    assert pod["metadata"]["labels"]["serinus.dev/revision"] == name
    for kind, name_ in (("Deployment", name), ("Service", name), ("HTTPRoute", "fraud"), ("ModelRevision", name)):
        owner = stage.object(kind, name_)["metadata"]["ownerReferences"][0]
        assert owner["uid"] == stage.object()["metadata"]["uid"], kind


async def test_a_settled_object_costs_no_write_and_no_query(stage: Stage) -> None:
    await serving(stage)
    stage.kube.writes.clear()
    await stage.run(120)
    assert stage.kube.writes == []
    assert stage.meter.queries == []


async def test_a_candidate_gets_no_traffic_before_its_service_leads_to_its_pods(stage: Stage) -> None:
    old = await serving(stage)
    stage.slices_late = True
    stage.apply(model_deployment("m:2"))
    stage.meter.serve(old, 1000)
    await stage.run(3)
    new = str(stage.object()["status"]["candidate"]["revision"])
    deployment = stage.object("Deployment", new)
    assert deployment["status"]["readyReplicas"] == 1
    assert stage.weights().get(new, 0) == 0
    stage.lead_to_pods(deployment["metadata"], 1)
    stage.meter.serve(old, 1000)
    await stage.run(1)
    assert stage.weights().get(new, 0) == 0, "the gateway may not have heard of the pods yet"
    await stage.run(3)
    assert stage.weights() == {old: 80, new: 20}


async def test_a_good_candidate_is_promoted_on_evidence(stage: Stage) -> None:
    old, new = await in_canary(stage)
    for _ in range(10):
        stage.meter.serve(old, 80)
        stage.meter.serve(new, 20)
        await stage.run(1)
    assert stage.weights() == {new: 100}
    stage.meter.serve(new, 100)
    await stage.run(10)
    assert stage.condition("Ready") == ("True", "Serving")
    assert stage.object("ModelRevision", new)["status"]["phase"] == "Stable"
    assert stage.object("Deployment", old)["spec"]["replicas"] == 0


async def test_only_what_the_scraper_says_is_the_gateways_is_read_as_such(stage: Stage) -> None:
    await in_canary(stage)
    assert 'job="' not in "".join(stage.meter.queries)
    provider = stage.kube.objects["MetricsProvider", "", "default"]
    labels = {"job": "traefik", "namespace": 'g"w'}
    stage.kube.put({**provider, "spec": provider["spec"] | {"gatewayLabels": labels}})
    await stage.analyst.close()  # its own beat is in real time
    stage.meter.queries.clear()
    await stage.run(3)
    confined = [query for query in stage.meter.queries if "traefik_service_requests_total" in query]
    assert confined
    assert all(',job="traefik",namespace="g\\"w"}' in query for query in confined[1:])
    assert not any('job="' in query for query in stage.meter.queries if "pod=~" in query)


async def test_a_bad_candidate_is_rejected_with_its_evidence(stage: Stage) -> None:
    old, new = await in_canary(stage)
    stage.meter.serve(old, 80)
    stage.meter.serve(new, 12, bad=8)
    await stage.run(1)
    assert stage.weights() == {old: 100}
    assert stage.condition("Ready") == ("False", "RolledBack")
    assert stage.object("Service", new)["spec"]["selector"] == {"serinus.dev/revision": old}
    record = stage.object("ModelRevision", new)["status"]
    assert record["phase"] == "Rejected"
    assert record["verdict"] == "Bad"
    assert record["evidence"][0]["lanes"][0]["candidateBad"] == 8
    assert "(8 of 20)" in record["message"]
    assert [reason for _, reason, _ in stage.events].count("AnalysisFailed") == 1


async def test_when_the_route_cannot_be_written_the_second_lever_is_pulled_all_the_same(stage: Stage) -> None:
    old, new = await in_canary(stage)

    def broken(write: Write) -> Unavailable | None:
        return Unavailable("no") if write.kind == "HTTPRoute" else None

    stage.kube.fault = broken
    stage.meter.serve(old, 80)
    stage.meter.serve(new, 12, bad=8)
    stage.clock.advance(1.0)
    await stage.read_metrics()
    result = await stage.controller.reconcile(KEY)
    assert result.retry
    assert result.urgent
    assert stage.object("Service", new)["spec"]["selector"] == {"serinus.dev/revision": old}
    stage.kube.fault = lambda write: None
    await stage.settle()
    assert stage.weights() == {old: 100}
    assert stage.condition("Ready") == ("False", "RolledBack")


async def test_a_transition_is_told_once_though_a_write_after_the_status_fails(stage: Stage) -> None:
    old = await serving(stage)
    stage.apply(model_deployment("m:2"))
    await stage.settle()
    stage.meter.serve(old, 1000)
    stage.kube.fault = lambda write: Unavailable("no") if write.kind == "HTTPRoute" else None
    with pytest.raises(Unavailable):
        await stage.run(3)
    assert stage.object()["status"]["candidate"]["weight"] == 20
    stage.kube.fault = lambda write: None
    await stage.settle()
    assert sorted(stage.weights().values()) == [20, 80]
    assert [reason for _, reason, _ in stage.events].count("WeightRaised") == 1


@pytest.mark.parametrize("reason", get_args(FailureReason))
async def test_a_provider_that_fails_holds(stage: Stage, reason: str) -> None:
    old, new = await in_canary(stage)
    stage.meter.failure = Failure(reason, "it did")  # type: ignore[arg-type]
    await stage.run(60)
    assert stage.weights() == {old: 80, new: 20}
    assert stage.condition("Ready") == ("False", "Holding")
    assert stage.condition("MetricsHealthy")[0] == "False"  # type: ignore[index]


async def test_one_query_serves_all_trials_of_a_provider(stage: Stage) -> None:
    await in_canary(stage)
    await stage.analyst.close()  # its own beat is in real time
    stage.meter.queries.clear()
    await stage.read_metrics()
    assert len(stage.meter.queries) == 2, "one of the gateway, one of the pods"
    assert "[4s]" in stage.meter.queries[0]


async def test_an_invalid_spec_is_said_and_what_serves_stays(stage: Stage) -> None:
    name = await serving(stage)
    stage.kube.writes.clear()
    broken = model_deployment("m:2")
    broken["spec"]["port"] = "grpc"
    stage.apply(broken)
    await stage.settle()
    assert stage.condition("Stalled") == ("True", "InvalidSpec")
    assert {w.kind for w in stage.kube.writes} == {"ModelDeployment"}
    assert stage.weights() == {name: 100}
    stage.apply(model_deployment())
    await stage.settle()
    assert stage.condition("Ready") == ("True", "Serving")


async def test_a_rollback_does_not_need_a_valid_spec(stage: Stage) -> None:
    old, new = await in_canary(stage)
    broken = model_deployment("m:3")
    broken["spec"]["route"]["parentRefs"] = "nonsense"
    stage.apply(broken)
    await stage.settle()
    assert stage.weights() == {old: 80, new: 20}
    stage.meter.serve(old, 80)
    stage.meter.serve(new, 12, bad=8)
    await stage.run(1)
    assert stage.weights() == {old: 100}


async def test_what_the_api_server_refuses_is_said_and_heals(stage: Stage) -> None:
    old = await serving(stage)

    def refused(write: Write) -> Invalid | None:
        return Invalid("bad quantity") if write.kind == "Deployment" else None

    stage.kube.fault = refused
    stage.apply(model_deployment("m:2"))
    for _ in range(6):
        await stage.turn()
    assert stage.condition("Stalled") == ("True", "InvalidSpec")
    assert stage.weights() == {old: 100}
    writes = len([w for w in stage.kube.writes if w.verb == "status"])
    await stage.turn()
    await stage.turn()
    assert len([w for w in stage.kube.writes if w.verb == "status"]) == writes, "said once, not at every attempt"
    stage.kube.fault = lambda write: None
    await stage.settle()
    assert stage.condition("Stalled") is None


async def test_a_name_that_belongs_to_somebody_else_is_left_alone(stage: Stage) -> None:
    foreign = {"kind": "Service", "metadata": {"name": "fraud", "namespace": "ml"}, "spec": {"selector": {"app": "x"}}}
    stage.kube.put(foreign)
    stage.apply(model_deployment())
    for _ in range(8):
        await stage.turn()
        stage.world_follows()
    assert stage.condition("Stalled") == ("True", "NameConflict")
    assert stage.object("Service")["spec"]["selector"] == {"app": "x"}
    stage.kube.remove("Service", "ml", "fraud")
    await stage.settle()
    assert stage.condition("Ready") == ("True", "Serving")


async def test_what_was_orphaned_on_purpose_is_taken_up_again(stage: Stage) -> None:
    name = await serving(stage)
    children = [("Deployment", name), ("Service", name), ("Service", "fraud"), ("HTTPRoute", "fraud")]
    children.append(("ModelRevision", name))
    stage.kube.remove("ModelDeployment", KEY.namespace, KEY.name)
    for kind, child in children:
        stage.object(kind, child)["metadata"]["ownerReferences"] = []
    assert await serving(stage) == name
    for kind, child in children:
        (owner,) = stage.object(kind, child)["metadata"]["ownerReferences"]
        assert owner["uid"] == stage.object()["metadata"]["uid"], kind


async def test_a_record_left_behind_with_another_content_is_not_taken_up(stage: Stage) -> None:
    name = await serving(stage)
    stage.kube.remove("ModelDeployment", KEY.namespace, KEY.name)
    record = stage.object("ModelRevision", name)
    record["metadata"]["ownerReferences"] = []
    record["spec"]["digest"] = "forged"
    stage.kube.remove("Service", KEY.namespace, name)
    stage.kube.remove("Deployment", KEY.namespace, name)
    stage.apply(model_deployment())
    for _ in range(8):
        await stage.turn()
    assert stage.condition("Stalled") == ("True", "NameConflict")


async def test_a_conflict_is_looked_at_again_and_nothing_is_overwritten(stage: Stage) -> None:
    await serving(stage)
    stale = stage.object()
    changed = stage.apply(model_deployment("m:2"))
    stage.store._objects["ModelDeployment"][KEY] = {**stale, "spec": model_deployment("m:3")["spec"]}
    result = await stage.controller.reconcile(KEY)
    assert result.retry
    await stage.settle()
    assert stage.object()["spec"] == changed["spec"]


async def test_the_younger_of_two_on_one_host_waits_for_the_older(stage: Stage) -> None:
    older = model_deployment()
    older["metadata"]["name"] = "elder"
    obj = stage.apply(older)
    stage.claims.put(type(KEY)("ModelDeployment", "ml", "elder"), _claims(obj), _long_ago())
    stage.apply(model_deployment())
    await stage.settle()
    assert stage.condition("Stalled") == ("True", "RouteConflict")
    stage.kube.remove("ModelDeployment", "ml", "elder")
    stage.wakeup.notify("ModelDeployment", obj)
    await stage.settle()
    assert stage.condition("Ready") == ("True", "Serving")


async def test_deletion_in_mid_run_puts_the_route_on_stable_and_waits_for_nothing(stage: Stage) -> None:
    old, _ = await in_canary(stage)
    raw = stage.object()
    raw["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    stage.kube.put(raw)
    assert await stage.turn() is None
    assert stage.weights() == {old: 100}


@pytest.mark.parametrize("told", [True, False])
async def test_a_route_that_is_left_behind_on_purpose_is_not_taken_back(stage: Stage, *, told: bool) -> None:
    """Whether or not the watch has told already that the garbage collector took our name off it."""
    old, _ = await in_canary(stage)
    raw = stage.object()
    raw["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    stage.kube.put(raw)
    before = stage.object("HTTPRoute")
    metadata = {name: value for name, value in before["metadata"].items() if name != "ownerReferences"}
    stage.kube.put({**before, "metadata": metadata})
    if not told:
        stage.store._objects["HTTPRoute"][Key("HTTPRoute", KEY.namespace, KEY.name)] = before
    assert await stage.turn() is None
    assert stage.weights() == {old: 100}
    assert "ownerReferences" not in stage.object("HTTPRoute")["metadata"]


def _claims(raw: object) -> frozenset[tuple[str, str, str]]:
    from serinus.controllers.wakeup import claims_of

    return claims_of(raw)  # type: ignore[arg-type]


def _long_ago() -> object:
    from datetime import UTC, datetime

    return datetime(2020, 1, 1, tzinfo=UTC)


async def test_a_policy_that_is_made_anew_sends_nobody_back_to_its_first_model() -> None:
    stage = Stage()
    champion = {"uri": "https://models.example/9.bin", "digest": "sha256:" + "9" * 64}
    spec = {"modelDeploymentRef": {"name": "fraud"}, "initialModel": {"uri": "https://models.example/1.bin"}}
    policy = {"kind": "RetrainPolicy", "metadata": {"name": "fraud", "namespace": "ml"}, "spec": spec}
    stage.kube.put({**policy, "status": {"observedGeneration": 1, "champion": champion}})
    stage.apply(model_deployment(model={"from": {"retrainPolicy": "fraud"}}))
    await stage.settle()
    stable = stage.object()["status"]["stable"]["revision"]
    stage.kube.remove("RetrainPolicy", "ml", "fraud")
    stage.kube.put(policy)
    await stage.settle()
    assert stage.object()["status"]["stable"]["revision"] == stable
    assert "candidate" not in stage.object()["status"]
