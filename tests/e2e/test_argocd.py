"""GitOps for real: what Git says is synced by an Argo CD with prune and self-heal on, by server-side apply with forced
conflicts, and everything that it shows, Flux's view included, is what the docs promise."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.argocd.customizations import EXAMPLES
from tests.cluster import Cluster
from tests.cluster.argocd import ArgoCD, RefusedError, add_argocd, remove_argocd
from tests.kstatus import assess_health, assess_kstatus
from tests.support.gitops import Application, Repository, find_health
from tests.support.model import Model, Raw, wait_for
from tests.traffic.answers import count

pytestmark = pytest.mark.cluster

STEPS = [{"weight": 20, "hold": "2s"}, {"pause": {}}, {"weight": 50, "hold": "2s"}]
POLICY = """\
p, role:releaser, applications, get, */*, allow
p, role:releaser, applications, action/serinus.dev/ModelDeployment/*, */*, allow
p, role:releaser, applications, action/serinus.dev/ModelDeployment/approve, */*, deny
p, role:approver, applications, get, */*, allow
p, role:approver, applications, action/serinus.dev/ModelDeployment/approve, */*, allow
p, role:trainer, applications, get, */*, allow
p, role:trainer, applications, action/serinus.dev/RetrainPolicy/*, */*, allow
g, rita, role:releaser
g, anna, role:approver
g, tom, role:trainer
"""
RBAC = "rbac.authorization.k8s.io"
ACCOUNT = "system:serviceaccount:argocd:argocd-server"
numbers = itertools.count(1)
VERBS = {
    "modeldeployments": ["promote", "skip-step", "pause", "resume", "abort", "approve", "retry", "undo"],
    "retrainpolicies": ["retrain", "cancel"],
}


@pytest.fixture(scope="module")
def argocd(stocked_cluster: Cluster) -> Iterator[ArgoCD]:
    yield add_argocd(stocked_cluster, users=("rita", "anna", "tom"), policy=POLICY)
    remove_argocd(stocked_cluster)
    stocked_cluster.kubectl("delete", "clusterrole,clusterrolebinding", "argocd-commands", "--ignore-not-found")


@pytest.fixture
def model(argocd: ArgoCD, tmp_path: Path) -> Iterator[Model]:
    namespace = f"gitops-{next(numbers)}"
    cluster = argocd.cluster
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    yield Model(cluster, namespace, tmp_path)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def app(model: Model, tmp_path: Path) -> Iterator[Application]:
    app = Application(model.cluster, model.namespace, model.namespace, Repository(tmp_path / "git"))
    yield app
    app.delete()


def push(app: Application, *manifests: Raw) -> str:
    """Commit, and have it seen."""
    revision = app.repository.commit(*manifests)
    app.refresh()
    return revision


def take_back(app: Application) -> str:
    """`git revert`, and have it seen."""
    revision = app.repository.revert()
    app.refresh()
    return revision


def let_command(argocd: ArgoCD) -> None:
    """Give the server of Argo CD the verbs of commands, as the docs say; by itself it may only patch."""
    rules = [{"apiGroups": ["serinus.dev"], "resources": [kind], "verbs": verbs} for kind, verbs in VERBS.items()]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "argocd-commands"}, "rules": rules}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "argocd-commands"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "argocd-commands"},
        "subjects": [{"kind": "ServiceAccount", "name": "argocd-server", "namespace": "argocd"}],
    }
    argocd.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))


def list_children(model: Model) -> dict[str, str]:
    """The uid of everything that the operator has made and keeps, by kind and name."""
    kinds = "deployments,services,httproutes,modelrevisions"
    listed = model.cluster.get(kinds, "-n", model.namespace)["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"] for one in listed}


def tell(model: Model) -> tuple[str, str]:
    """How kstatus and our own reading of the health see it."""
    raw = model.get()
    return assess_kstatus(raw), assess_health(raw)


def test_a_release_by_git_is_shown_as_it_is_and_is_never_disturbed(
    argocd: ArgoCD, model: Model, app: Application, tmp_path: Path
) -> None:
    first = app.repository.commit(model.build("v1"))
    app.create("ServerSideApply=true")
    app.await_sight(first, "Healthy")
    stable = model.stable()
    children = list_children(model)
    with app.watch(tmp_path) as watch, model.traffic() as traffic:
        wait_for("a sight", watch.sights, app.explain)

        # A canary, a pause step and an approval; in the middle the same commit is forced upon it again.
        model.spec["rollout"] |= {"steps": STEPS, "approval": {"required": "BeforePromotion"}}
        second = push(app, model.build("v2"))
        app.await_sight(second, "Suspended")
        assert model.reason() == "Paused"
        assert tell(model) == ("InProgress", "Suspended")
        assert find_health(app.get(), "ModelDeployment", model.name)["status"] == "Suspended"
        candidate = str(model.candidate())
        before = model.status()["candidate"]
        app.sync_again()
        after = model.status()["candidate"]
        assert {name: after[name] for name in ("revision", "step", "startedAt", "weight")} == {
            name: before[name] for name in ("revision", "step", "startedAt", "weight")
        }
        assert model.weights() == {stable: 80, candidate: 20}
        assert argocd.tree("anna", app.name)["ModelRevision", candidate] == "Progressing"
        assert argocd.list_actions("rita", app.name, model.get()) == {
            "promote",
            "skip-step",
            "resume",
            "abort",
            "approve",
        }
        with pytest.raises(RefusedError, match="permission denied"):
            argocd.run_action("anna", app.name, model.get(), "resume")
        with pytest.raises(RefusedError, match=f"{ACCOUNT} may not resume here"):
            argocd.run_action("rita", app.name, model.get(), "resume")
        let_command(argocd)
        argocd.run_action("rita", app.name, model.get(), "resume")
        model.await_reason("AwaitingApproval")
        app.await_sight(second, "Suspended")
        with pytest.raises(RefusedError, match="permission denied"):
            argocd.run_action("rita", app.name, model.get(), "approve")
        with pytest.raises(RefusedError, match=f"must be given with an approval and be {ACCOUNT}"):
            argocd.run_action("anna", app.name, model.get(), "approve", by="anna")
        argocd.run_action("anna", app.name, model.get(), "approve", by=ACCOUNT)
        app.await_sight(second, "Healthy")
        assert model.stable() == candidate
        assert model.status()["lastCommand"]["by"] == ACCOUNT
        assert tell(model) == ("Current", "Healthy")
        healths = watch.healths(second)
        assert healths[-1] == "Healthy"
        assert {"Progressing", "Suspended"} <= set(healths)
        stable = candidate

        # A bad one is rolled back; Git goes on asking for it, and nothing comes of that.
        model.spec["rollout"] = {"steps": [{"weight": 20, "hold": "5s"}], "bake": "5s", "drain": "3s"}
        third = push(app, model.build("v3", faults=0.5))
        app.await_sight(third, "Degraded")
        assert model.reason() == "RolledBack"
        assert tell(model) == ("Failed", "Degraded")
        assert "Progressing" in watch.healths(third)
        rejected = model.status()["rejected"]["revision"]
        assert rejected in find_health(app.get(), "ModelDeployment", model.name)["message"]
        wait_for("the end of the drain", lambda: not model.status().get("draining"), model.explain)
        quiet, version = list_children(model), model.get()["metadata"]["resourceVersion"]
        for _ in range(5):
            app.sync_again()
        time.sleep(3)
        assert model.candidate() is None
        assert model.weights() == {stable: 100}
        assert list_children(model) == quiet
        assert model.get()["metadata"]["resourceVersion"] == version
        fourth = take_back(app)
        app.await_sight(fourth, "Healthy")
        assert model.stable() == stable

        # Reverted in the middle of its canary: that is an abort.
        model.spec["rollout"] = {"steps": [{"weight": 20, "hold": "120s"}], "bake": "5s", "drain": "3s"}
        push(app, model.build("v4"))
        candidate = model.await_weight(20)
        fifth = take_back(app)
        app.await_sight(fifth, "Healthy")
        assert model.weights() == {stable: 100}
        assert model.get("modelrevision", candidate)["status"]["phase"] == "Rejected"
        assert model.get("modelrevision", candidate)["status"]["reason"] == "Aborted"
        assert watch.drifts() == []

        # That nothing was seen counts only if a real drift is: one is made, seen, and put right.
        model.cluster.kubectl("scale", "modeldeployment", model.name, "-n", model.namespace, "--replicas=3")
        wait_for("a drift", watch.drifts, app.explain)
        wait_for("self-heal", lambda: model.get()["spec"]["replicas"] == 2, app.explain)
        app.await_sight(fifth, "Healthy")
    assert count(traffic.answers).explain_lost() == ""
    kept = list_children(model)
    assert {name: kept.get(name) for name in children} == children


def test_a_policy_comes_after_what_it_needs_and_trains_on_demand(
    argocd: ArgoCD, model: Model, app: Application
) -> None:
    provider = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "MetricsProvider",
        "metadata": {"name": model.namespace, "annotations": {"argocd.argoproj.io/sync-wave": "-1"}},
        "spec": {"address": model.cluster.prometheus_url, "scrapeInterval": "1s"},
    }
    container = {
        "name": "train",
        "image": "localhost/e2e-model:1",
        "imagePullPolicy": "Never",
        "command": ["sleep", "60"],
    }
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    policy = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "RetrainPolicy",
        "metadata": {
            "name": model.name,
            "namespace": model.namespace,
            "annotations": {"argocd.argoproj.io/sync-wave": "1"},
        },
        "spec": {
            "modelDeploymentRef": {"name": model.name},
            "template": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod}}},
        },
    }
    revision = app.repository.commit(provider, model.build("v1"), policy)
    app.create()
    app.await_sight(revision, "Healthy")
    objects = [model.get("metricsprovider", model.namespace), model.get(), model.get("retrainpolicy")]
    times = [one["metadata"]["creationTimestamp"] for one in objects]
    assert times == sorted(times)
    # A wave waits for the health of the one before it.
    ready = next(one for one in objects[1]["status"]["conditions"] if one["type"] == "Ready")
    assert ready["lastTransitionTime"][:19] <= times[2][:19]
    assert [assess_kstatus(one) for one in objects] == ["Current"] * 3
    with pytest.raises(RefusedError, match="permission denied"):
        argocd.run_action("rita", app.name, objects[2], "retrain-now")
    let_command(argocd)
    with pytest.raises(RefusedError, match=f"command-by must be who gives the command, {ACCOUNT}"):
        argocd.run_action("tom", app.name, objects[2], "retrain-now", by="tom")
    argocd.run_action("tom", app.name, model.get("retrainpolicy"), "retrain-now")

    def find_run() -> str:
        return str((model.get("retrainpolicy").get("status") or {}).get("activeRun") or "")

    run = wait_for("a run", find_run, lambda: json.dumps(model.get("retrainpolicy")["status"]))
    wait_for("its health", lambda: argocd.tree("tom", app.name).get(("RetrainRun", run)) == "Progressing", app.explain)
    assert assess_kstatus(model.get("retrainrun", run)) == "InProgress"
    argocd.run_action("tom", app.name, model.get("retrainpolicy"), "cancel")
    wait_for("its end", lambda: argocd.tree("tom", app.name).get(("RetrainRun", run)) == "Degraded", app.explain)
    assert assess_kstatus(model.get("retrainrun", run)) == "Failed"
    app.await_sight(revision, "Healthy")


def test_the_examples_are_what_argo_cd_takes(argocd: ArgoCD) -> None:
    argocd.cluster.kubectl("create", "namespace", "ml")
    files = sorted(EXAMPLES.rglob("*.yaml"))
    assert files
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    for file in files:
        argocd.cluster.kubectl("apply", *options, "-f", str(file))
    argocd.cluster.kubectl("delete", "namespace", "ml", "--wait=false")
