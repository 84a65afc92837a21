"""A right that is taken away in the middle of a release: every one that a release writes with, one after the other."""

from collections.abc import AsyncIterator

import pytest

from serinus.api.meta import UNSEEN
from serinus.controllers.denied import DeniedTeller
from serinus.engine.store import Refusal
from serinus.kube.errors import Denied
from serinus.kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    HTTPROUTES,
    JOBS,
    MODELDEPLOYMENTS,
    MODELREVISIONS,
    SERVICES,
    Resource,
)
from tests.controllers.stage import KEY, Stage, model_deployment
from tests.fakes.kube import Raw, Write
from tests.kstatus import assess_kstatus
from tests.rights.page import load_rights
from tests.rights.rules import Right

WRITTEN = {one.plural: one for one in (CONFIGMAPS, DEPLOYMENTS, HTTPROUTES, JOBS, MODELREVISIONS, SERVICES)}
RIGHTS = sorted(
    Right(one["group"], one["resource"], verb)
    for one in load_rights()
    for verb in one["verbs"]
    if "feature" not in one
    and verb not in ("get", "list", "watch")
    and one["resource"].split("/")[0] in (*WRITTEN, MODELDEPLOYMENTS.plural)
)
"""All of the default install that a release writes with. Events, Leases, providers and policies are not its own."""

ELSEWHERE = {
    Right(HTTPROUTES.group, HTTPROUTES.plural, "create"),
    Right(HTTPROUTES.group, HTTPROUTES.plural, "delete"),
    Right(MODELREVISIONS.group, MODELREVISIONS.plural, "patch"),
}
"""Not asked for in a release of a model that serves, but in the first one, at the end of a route, and by a model that
takes up what another of its name has left."""

CHECK = {"name": "smoke", "job": {"template": {"spec": {"containers": [{"name": "c", "image": "check:1"}]}}}}


class Roles:
    """What the operator of a stage may not do just now, and how often it tried."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.missing: Right | None = None
        self.refused = 0
        stage.kube.fault = self.check

    def check(self, write: Write) -> Denied | None:
        for right in self._asked(write):
            if right == self.missing:
                self.refused += 1
                return Denied(
                    f'{right.resource} "{write.name}" is forbidden: User "x:y" cannot {right.verb}'
                    f' resource "{right.resource}" in API group "{right.group}" in the namespace "ml"',
                    status=403,
                )
        return None

    def _asked(self, write: Write) -> list[Right]:
        resource = self._resource(write.kind)
        right = Right(resource.group, resource.plural, write.verb)
        if write.verb == "apply":
            there = any((kind, name) == (write.kind, write.name) for kind, _, name in self.stage.kube.objects)
            applied = right._replace(verb="patch")
            return [applied] if there else [applied, right._replace(verb="create")]
        if write.verb == "status":
            return [right._replace(resource=f"{resource.plural}/status", verb="update")]
        if write.verb == "patch" and set(write.body) == {"status"}:
            return [right._replace(resource=f"{resource.plural}/status")]
        return [right]

    def _resource(self, kind: str) -> Resource:
        return next(one for one in (*WRITTEN.values(), MODELDEPLOYMENTS) if one.kind == kind)

    def is_told(self, right: Right) -> bool:
        """Whether a condition, or where that cannot be written an Event, names verb and resource."""
        words = f"may not {right}"
        conditions = self.stage.object().get("status", {}).get("conditions") or ()
        said = [one["message"] for one in conditions if one["reason"] == "AccessDenied"]
        said += [message for _, reason, message in self.stage.events if reason == "AccessDenied"]
        return any(words in one for one in said)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    stage.kube.put({"kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "ml"}, "data": {"a": "1"}})
    yield stage
    await stage.analyst.close()


def release(image: str) -> Raw:
    raw = model_deployment(image)
    raw["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    raw["spec"]["rollout"]["validation"] = [CHECK]
    raw["spec"]["revisionHistoryLimit"] = 1
    return raw


def finish_jobs(stage: Stage) -> None:
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-23T10:00:00Z"}]}
    for (kind, _, _), obj in list(stage.kube.objects.items()):
        if kind == "Job" and not obj.get("status"):
            stage.kube.put({**obj, "status": done})


async def run(stage: Stage, seconds: int, old: str, *, bad: bool = False) -> None:
    """Let time pass with requests to both; a turn that is held comes back as often as it likes."""
    for _ in range(seconds):
        stage.clock.advance(1.0)
        candidate = stage.object()["status"].get("candidate") or {}
        stage.meter.serve(old, 80)
        if (candidate.get("weight") or 0) > 0:
            stage.meter.serve(candidate["revision"], 10 if bad else 20, 10 if bad else 0)
        await stage.read_metrics()
        for _ in range(5):
            wait = await _turn(stage)
            stage.world_follows()
            finish_jobs(stage)
            if wait is None or wait > 0.02:
                break


async def _turn(stage: Stage) -> float | None:
    return await stage.turn()


async def serving(stage: Stage) -> str:
    old = "none"
    for image in ("m:1", "m:2"):
        stage.apply(release(image))
        await run(stage, 16, old)
        assert stage.condition("Ready") == ("True", "Serving")
        old = str(stage.object()["status"]["stable"]["revision"])
    return old


def requests_reach(stage: Stage, revision: str) -> int:
    """Percent of the requests that pods of a revision get: by the route, and by where its Services lead."""
    reached = 0
    for name, weight in stage.weights().items():
        selector = stage.object("Service", name)["spec"]["selector"]
        if selector == {"serinus.dev/revision": revision}:
            reached += weight
    return reached


def _share(stage: Stage) -> int:
    candidate = stage.object()["status"].get("candidate") or {}
    return requests_reach(stage, candidate["revision"]) if candidate else 0


@pytest.mark.parametrize("right", RIGHTS, ids=str)
async def test_a_new_release_is_held_and_goes_on_when_the_right_is_back(stage: Stage, right: Right) -> None:
    old = await serving(stage)
    roles = Roles(stage)
    roles.missing = right
    stage.apply(release("m:9"))
    await run(stage, 16, old)
    serve = {old, str(stage.object()["status"]["stable"]["revision"])}
    assert sum(requests_reach(stage, one) for one in serve) == 100 - _share(stage)
    if right not in ELSEWHERE:
        assert roles.refused
    assert not roles.refused or roles.is_told(right)
    roles.missing = None
    await run(stage, 24, old)
    assert stage.condition("Ready") == ("True", "Serving")
    assert stage.condition("Stalled") is None
    new = str(stage.object()["status"]["stable"]["revision"])
    assert new != old
    assert requests_reach(stage, new) == 100


@pytest.mark.parametrize("right", RIGHTS, ids=str)
async def test_a_bad_candidate_loses_its_requests_whatever_right_is_missing(stage: Stage, right: Right) -> None:
    old = await serving(stage)
    roles = Roles(stage)
    stage.apply(release("m:9"))
    await run(stage, 4, old)
    new = str(stage.object()["status"]["candidate"]["revision"])
    assert requests_reach(stage, new) == 20
    roles.missing = right
    await run(stage, 8, old, bad=True)
    assert requests_reach(stage, new) == 0
    if roles.refused:
        assert roles.is_told(right)
    roles.missing = None
    await run(stage, 12, old)
    assert stage.condition("Ready") == ("False", "RolledBack")
    assert stage.weights() == {old: 100}


async def test_without_the_right_to_make_a_route_the_first_release_says_so(stage: Stage) -> None:
    roles = Roles(stage)
    roles.missing = right = Right(HTTPROUTES.group, HTTPROUTES.plural, "create")
    stage.apply(release("m:1"))
    await run(stage, 5, "none")
    assert roles.is_told(right)
    roles.missing = None
    await run(stage, 10, "none")
    assert stage.condition("Ready") == ("True", "Serving")


async def test_tools_that_wait_for_a_later_spec_are_told_that_a_right_is_missing(stage: Stage) -> None:
    old = await serving(stage)
    stage.apply(release("m:9"))
    await run(stage, 4, old)
    roles = Roles(stage)
    roles.missing = Right(MODELREVISIONS.group, f"{MODELREVISIONS.plural}/status", "patch")
    stage.apply(release("m:10"))
    await run(stage, 3, old)
    assert roles.is_told(roles.missing)
    assert assess_kstatus(stage.object()) == "Failed"


async def test_an_object_that_was_never_looked_at_is_told_as_seen(stage: Stage) -> None:
    stage.kube.put({**release("m:1"), "status": {"observedGeneration": UNSEEN}})
    teller = DeniedTeller(MODELDEPLOYMENTS, stage.kube, stage.store, stage, stage.clock)  # type: ignore[arg-type]
    await teller.tell(KEY, Denied('cannot create resource "jobs" in API group "batch"'))
    assert assess_kstatus(stage.object()) == "Failed"


async def test_without_the_right_to_delete_it_a_route_stays_and_that_is_said(stage: Stage) -> None:
    old = await serving(stage)
    roles = Roles(stage)
    roles.missing = right = Right(HTTPROUTES.group, HTTPROUTES.plural, "delete")
    raw = release("m:2")
    stage.apply({**raw, "spec": {**raw["spec"], "route": {"mode": "Replicas"}}})
    await run(stage, 5, old)
    assert roles.is_told(right)
    roles.missing = None
    await run(stage, 5, old)
    assert stage.condition("Ready") == ("True", "Serving")
    assert ("HTTPRoute", "ml", "fraud") not in stage.kube.objects


async def test_without_the_right_to_take_up_a_record_a_model_waits_for_it(stage: Stage) -> None:
    await serving(stage)
    for place, obj in list(stage.kube.objects.items()):
        if obj["kind"] == "Job":
            stage.kube.remove(*place)
        elif obj["metadata"].get("ownerReferences"):
            metadata = {name: value for name, value in obj["metadata"].items() if name != "ownerReferences"}
            stage.kube.objects[place] = {**obj, "metadata": metadata}
            stage.kube.put(stage.kube.objects[place])
    stage.kube.remove("ModelDeployment", "ml", "fraud")
    await stage.turn()
    roles = Roles(stage)
    roles.missing = right = Right(MODELREVISIONS.group, MODELREVISIONS.plural, "patch")
    stage.apply(release("m:2"))
    await run(stage, 5, "none")
    assert roles.is_told(right)
    roles.missing = None
    await run(stage, 10, "none")
    assert stage.condition("Ready") == ("True", "Serving")


async def test_what_may_not_be_read_any_more_holds_a_release_and_no_rollback(stage: Stage) -> None:
    old = await serving(stage)
    stage.apply(release("m:9"))
    await run(stage, 4, old)
    new = str(stage.object()["status"]["candidate"]["revision"])
    message = "the operator may not list pods"
    stage.store.note_refused("Pod", "list", (Refusal("Pod", "list", "", message),))
    await run(stage, 20, old)
    assert stage.condition("Stalled") == ("True", "AccessDenied")
    assert requests_reach(stage, new) == 20
    await run(stage, 8, old, bad=True)
    assert requests_reach(stage, new) == 0
    stage.store.note_refused("Pod", "list", ())
    await run(stage, 5, old)
    assert stage.condition("Ready") == ("False", "RolledBack")


async def test_without_the_gateway_api_a_model_says_so_and_another_serves_without_it(stage: Stage) -> None:
    for kind, namespace, name in list(stage.kube.objects):
        if kind in ("Gateway", "GatewayClass"):
            stage.kube.remove(kind, namespace, name)
    for kind in ("Gateway", "GatewayClass", "HTTPRoute"):
        stage.store.note_served(kind, False)
    stage.apply(release("m:1"))
    await run(stage, 5, "none")
    assert stage.condition("Stalled") == ("True", "GatewayUnsupported")
    said = next(one["message"] for one in stage.object()["status"]["conditions"] if one["type"] == "Ready")
    assert "the cluster has no Gateway API (gateway.networking.k8s.io/v1): install it" in said
    raw = release("m:1")
    stage.apply({**raw, "spec": {**raw["spec"], "route": {"mode": "Replicas"}}})
    await run(stage, 5, "none")
    assert stage.condition("Ready") == ("True", "Serving")


async def test_what_another_namespace_may_not_be_read_of_is_no_matter(stage: Stage) -> None:
    stage.store.note_refused("Pod", "list", (Refusal("Pod", "list", "other", "no"),))
    stage.store.note_refused("RetrainRun", "list", (Refusal("RetrainRun", "list", "", "no"),))
    await serving(stage)


async def test_gateways_that_may_not_be_read_hold_whoever_is_attached_to_them(stage: Stage) -> None:
    def refuse(namespace: str) -> None:
        stage.store.note_refused("Gateway", "list", (Refusal("Gateway", "list", namespace, f"no: {namespace}"),))

    refuse("elsewhere")
    old = await serving(stage)
    refuse("gateways")
    stage.apply(release("m:9"))
    await run(stage, 20, old)
    assert stage.condition("Stalled") == ("True", "AccessDenied")
    stage.store.note_refused("Gateway", "list", ())
    await run(stage, 60, old)
    assert stage.condition("Ready") == ("True", "Serving")


def test_every_right_of_a_release_is_gone_through() -> None:
    assert len(RIGHTS) == 18, [str(one) for one in RIGHTS]
