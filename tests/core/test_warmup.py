"""No traffic for pods that are not warm, and nothing is held against a candidate while it may still be cold."""

from dataclasses import replace

from serinus.core.observe import observe_workload
from serinus.core.snapshot import Waiting, Warmth
from tests.core.test_approval import serving
from tests.core.test_validation import rollout
from tests.core.world import START, World

WARMING = Waiting("WarmingUp", "the first request to pod-1/: no answer yet", stops_clock=False)
FAILED = Waiting("WarmupFailed", "the first request to pod-1/: HTTP 500", stops_clock=False, hopeless=True)
PODS = [{"metadata": {"name": f"p{i}"}} for i in range(3)]
SETTLED = {f"p{i}": START for i in range(3)}
DEPLOYMENT = {"spec": {"replicas": 3}, "status": {"replicas": 3, "readyReplicas": 3}}


def cool(world: World, revision: str, warming: Waiting | None) -> None:
    work = world.workloads[revision]
    world.workloads[revision] = replace(work, ready=work.wanted, settled=0, warming=warming)


def release() -> tuple[World, str]:
    world = serving()
    new = world.apply("m:2", rollout=rollout())
    world.pass_once()
    world.pods_come = lambda: None  # type: ignore[method-assign]
    return world, new


def test_a_cold_candidate_gets_no_traffic_and_a_warm_one_does() -> None:
    world, new = release()
    cool(world, new, WARMING)
    world.settle()
    assert world.ready() == ("False", "WarmingUp")
    assert world.route.weights.get(new, 0) == 0
    world.workloads[new] = replace(world.workloads[new], settled=2, ready=2, warming=None)
    world.settle()
    assert world.route.weights[new] == 50


def test_one_that_answers_with_errors_is_rejected() -> None:
    world, new = release()
    cool(world, new, FAILED)
    world.settle()
    assert world.status.rejected is not None
    assert world.status.rejected.reason == "WarmupFailed"
    assert "HTTP 500" in world.status.rejected.message


def test_a_first_revision_that_answers_with_errors_stays_without_traffic() -> None:
    world = World(serving().spec)
    world.pass_once()
    world.pods_come = lambda: None  # type: ignore[method-assign]
    cool(world, world.wanted, FAILED)
    world.settle()
    assert world.ready() == ("False", "WarmupFailed")
    assert world.status.stable is None


def test_only_warm_pods_are_settled() -> None:
    warmths = {"p0": Warmth("Warm"), "p1": Warmth("Cold", "not yet"), "p2": Warmth("Failed", "HTTP 500")}
    work = observe_workload(DEPLOYMENT, PODS, SETTLED, wanted=None, now=START, warmths=warmths)
    assert (work.ready, work.settled) == (3, 1)
    assert work.warming is not None
    assert (work.warming.reason, work.warming.message, work.warming.hopeless) == ("WarmupFailed", "HTTP 500", True)
    unasked = observe_workload(DEPLOYMENT, PODS, SETTLED, wanted=None, now=START)
    assert (unasked.settled, unasked.warming) == (3, None)


def test_one_that_serves_is_not_rejected_for_pods_that_join_or_are_warmed_anew() -> None:
    world, new = release()
    world.workloads[new] = replace(world.workloads[new], settled=2, ready=2, wanted=2, warming=None)
    world.settle()
    assert world.route.weights[new] == 50
    cool(world, new, FAILED)
    world.run(10)
    assert world.status.rejected is None
    assert world.route.weights[new] == 50
    assert world.ready() == ("False", "WarmupFailed"), "it gets no more traffic, and says why"
