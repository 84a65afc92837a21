"""Rights that are taken away in the middle of a release, by a real API server; a cluster that lacks the Gateway API."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import Surroundings
from tests.apiserver.test_retraining_kinds import build_crd
from tests.cluster import Cluster
from tests.cluster.features import FEATURES
from tests.cluster.serinus import NAMESPACE, restart_operator, start_operator, stop_operator
from tests.rights.release import NAME, render_roles
from tests.rights.rules import Right
from tests.support.loop import Loop, build_results
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

Raw = dict[str, Any]
OTHER = "bound-hands"
"""The account of the operator here: what it is refused is no fault of the chart's roles."""


class Roles:
    """The chart's roles, given to another account, of which rights can be taken away."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.roles = [self._rename(one) for one in render_roles(FEATURES) if "aggregate" not in str(one["metadata"])]

    def give(self) -> None:
        self.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": self.roles}))

    @contextmanager
    def without(self, *rights: Right) -> Iterator[None]:
        """Take rights away for as long as the context is open."""
        without = [self._strip(one, frozenset(rights)) for one in self.roles if one["kind"] == "ClusterRole"]
        self.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": without}))
        try:
            yield
        finally:
            self.give()

    def _strip(self, role: Raw, rights: frozenset[Right]) -> Raw:
        rules = []
        for rule in role["rules"]:
            (group,), (resource,) = rule["apiGroups"], rule["resources"]
            verbs = [verb for verb in rule["verbs"] if Right(group, resource, verb) not in rights]
            rules += [{**rule, "verbs": verbs}] if verbs else []
        return {**role, "rules": rules}

    def _rename(self, one: Raw) -> Raw:
        metadata = {**one["metadata"], "name": one["metadata"]["name"].replace(NAME, OTHER, 1)}
        if "roleRef" not in one:
            return {**one, "metadata": metadata}
        reference = {**one["roleRef"], "name": one["roleRef"]["name"].replace(NAME, OTHER, 1)}
        subjects = [{**subject, "name": OTHER} for subject in one["subjects"]]
        return {**one, "metadata": metadata, "roleRef": reference, "subjects": subjects}


@pytest.fixture
def roles(model: Model) -> Iterator[Roles]:
    """An operator of another account in place of the usual one, with the chart's roles."""
    cluster = model.cluster
    stop_operator(cluster)
    cluster.kubectl("create", "serviceaccount", OTHER, "-n", NAMESPACE)
    roles = Roles(cluster)
    try:
        roles.give()
        access = str(cluster.kubeconfig_for(OTHER, NAMESPACE))
        start_operator(cluster, OTHER, port=8081, kubeconfig=access, resync_interval="2s")
        yield roles
    finally:
        stop_operator(cluster, OTHER)
        for one in roles.roles:
            place = ["-n", one["metadata"]["namespace"]] if "namespace" in one["metadata"] else []
            cluster.kubectl("delete", one["kind"], one["metadata"]["name"], *place, "--ignore-not-found")
        cluster.kubectl("delete", "serviceaccount", OTHER, "-n", NAMESPACE)
        start_operator(cluster)


PATCH_ROUTES = Right("gateway.networking.k8s.io", "httproutes", "patch")
UPDATE_STATUS = Right("serinus.dev", "modeldeployments/status", "update")
READ_PODS = (Right("", "pods", "list"), Right("", "pods", "watch"))


def find_selector(model: Model, service: str) -> Raw:
    return dict(model.get("service", service)["spec"]["selector"])


def await_denied(model: Model, words: str) -> None:
    def told() -> bool:
        condition = model.condition("Stalled")
        return condition.get("reason") == "AccessDenied" and words in condition["message"]

    wait_for(f"Stalled says {words}", told, model.explain)


def test_rights_that_are_taken_away_hold_a_release_no_rollback_and_nobody_else(
    model: Model, roles: Roles, tmp_path: Path
) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "6s"}, {"weight": 50, "hold": "2s"}]
    model.apply("v1")
    model.await_reason("Serving")
    old = model.stable()

    # Pods may not be read any more: the release is held, and says why.
    model.apply("v2")
    second = model.await_weight(20)
    with roles.without(*READ_PODS):
        await_denied(model, "the operator may not list pods")
        held = model.weights()[second]
        time.sleep(7)
        assert model.weights()[second] == held
    model.await_reason("Serving")
    good = model.stable()
    assert good == second != old

    # The route may not be written: the Service of the bad candidate is turned to stable's pods.
    model.apply("v3")
    bad = model.await_weight(20)
    with roles.without(PATCH_ROUTES):
        fault = "example.com/fault-ratio=0.5"
        model.cluster.kubectl("annotate", "deployment", bad, fault, "--overwrite", "-n", model.namespace)
        await_denied(model, "the operator may not patch httproutes.gateway.networking.k8s.io")
        # What was refused first may have been the next step, before anybody knew how bad it is.
        away = {"serinus.dev/revision": good}
        wait_for("its Service leads to stable", lambda: find_selector(model, bad) == away, model.explain)
        assert model.weights()[bad] > 0
        other = Model(model.cluster, model.namespace, tmp_path, model.gateway)
        other.name = "churn"
        other.spec["route"] = {"mode": "Replicas"}
        other.apply("v1")
        other.await_reason("Serving")
    model.await_reason("RolledBack")
    assert model.weights() == {good: 100}

    # The status may not be written: an Event says it, and the way back is taken all the same.
    model.apply("v4")
    bad = model.await_weight(20)
    with roles.without(UPDATE_STATUS):
        fault = "example.com/fault-ratio=0.5"
        model.cluster.kubectl("annotate", "deployment", bad, fault, "--overwrite", "-n", model.namespace)
        wait_for("stable has all traffic", lambda: model.weights().get(bad, 0) == 0, model.explain)
        model.await_events("AccessDenied")
    model.await_reason("RolledBack")
    assert model.stable() == good


def test_a_feature_that_is_off_is_said_and_asks_for_nothing(model: Model) -> None:
    cluster = model.cluster
    loop = Loop(model)
    restart_operator(cluster, retraining="false", grpc_routes="false", inference_pools="false")
    try:
        loop.apply()
        del model.spec["model"]
        model.spec["route"]["kind"] = "GRPCRoute"
        model.apply("v1")
        model.await_reason("NotEnabled")
        assert "set features.grpcRoutes=true" in model.condition("Ready")["message"]
        loop.await_policy("switched off", lambda status: "set features.retraining=true" in str(status))
        # What serves is no worse for it.
        del model.spec["route"]["kind"]
        model.apply("v1")
        model.await_reason("Serving")
    finally:
        restart_operator(cluster)


def test_what_kueue_says_of_a_training_is_read(model: Model) -> None:
    cluster, loop = model.cluster, Loop(model)
    cluster.apply(json.dumps(build_crd("kueue.x-k8s.io", "v1beta1", "Workload", status=False)))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "workloads.kueue.x-k8s.io", "--timeout=30s")
    restart_operator(cluster, kueue="true")
    loop.spec["template"]["spec"]["suspend"] = True
    try:
        loop.serve_first()
        loop.command("retrain 1")
        run = loop.await_run()
        uid = cluster.get("job", run, "-n", loop.namespace)["metadata"]["uid"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": run, "uid": uid}
        told = {"type": "QuotaReserved", "status": "False", "reason": "WaitingForQuota", "message": "no GPU left"}
        workload = {
            "apiVersion": "kueue.x-k8s.io/v1beta1",
            "kind": "Workload",
            "metadata": {"name": f"job-{run}", "namespace": loop.namespace, "ownerReferences": [owner]},
            "status": {"conditions": [told]},
        }
        cluster.apply(json.dumps(workload))
        wait_for(
            "what it waits for",
            lambda: loop.run(run)["status"].get("queuedReason") == "WaitingForQuota",
            loop.explain,
        )
        assert loop.phase(run) == "Queued"
    finally:
        restart_operator(cluster)
        cluster.kubectl("delete", "crd", "workloads.kueue.x-k8s.io")


def test_what_history_no_longer_keeps_goes_and_an_orphaned_record_is_taken_up(model: Model) -> None:
    cluster, space = model.cluster, ["-n", model.namespace]
    cluster.kubectl("create", "configmap", "settings", "--from-literal=threshold=1", *space)

    def refer(template: Raw) -> None:
        template["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]

    def listed() -> set[str]:
        kinds = "deployments,services,configmaps,modelrevisions.serinus.dev"
        found = cluster.get(kinds, *space, "-l", "app.kubernetes.io/managed-by=serinus")["items"]
        return {f"{one['kind']}/{one['metadata']['name']}" for one in found}

    model.spec |= {"revisionHistoryLimit": 1}
    model.spec["rollout"] = {"strategy": "Direct", "drain": "1s"}
    model.apply("v1", change=refer)
    model.await_reason("Serving")
    first = model.stable()
    assert len([one for one in listed() if first in one]) == 4
    for version in ("v2", "v3"):
        before = model.stable()
        model.apply(version, change=refer)
        wait_for("the next one", lambda before=before: model.stable() != before, model.explain)
    wait_for("the first one is gone", lambda: not [one for one in listed() if first in one], model.explain)

    third = model.stable()
    cluster.kubectl("delete", "modeldeployment", model.name, "--cascade=orphan", *space, timeout=60)
    wait_for("an orphan", lambda: "ownerReferences" not in model.get("modelrevision", third)["metadata"], str)
    model.apply("v3", change=refer)
    model.await_reason("Serving")
    (owner,) = model.get("modelrevision", third)["metadata"]["ownerReferences"]
    assert owner["uid"] == model.get()["metadata"]["uid"]


def test_records_of_runs_beyond_the_limit_go(model: Model) -> None:
    loop = Loop(model)
    loop.spec["historyLimits"] = {"failed": 1}
    loop.serve_first()
    for number, letter in enumerate("abc", 1):
        loop.await_phase(loop.train(number, build_results(letter, f1=0.5)), "Rejected")
    wait_for("one record", lambda: len(loop.runs()) <= 2, loop.explain)


def test_a_degradation_after_a_promotion_is_undone(model: Model, surroundings: Surroundings) -> None:
    surroundings.set_quality(model.namespace, 0.95)
    loop = Loop(model)
    metric = {"query": 'model_quality{metric="f1"}', "fireBelow": "0.90", "window": "1s", "consecutiveWindows": 2}
    loop.spec |= {"triggers": [{"name": "accuracy", "metric": metric}], "warmupAfterPromotion": "0s"}
    first = loop.serve_first()
    loop.await_phase(loop.train(1, build_results("a")), "Succeeded")
    second = model.stable()
    assert second != first
    loop.await_policy("a clear signal", lambda s: (s.get("signal") or {}).get("state") == "Clear")
    surroundings.set_quality(model.namespace, 0.80)
    wait_for("the first one is back", lambda: model.stable() == first, loop.explain)
    annotations = model.get()["metadata"]["annotations"]
    assert annotations["serinus.dev/command"].startswith(f"undo {second} retrainpolicy/fraud: ")
    assert "serinus.dev/command-by" not in annotations
