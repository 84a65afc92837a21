"""The admission policies of the retraining loop on a real API server: who approves is whom it knows, and nobody has
things made that he could not make himself."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.cases import ROOT, change, load_example
from tests.api.onserver import Cluster, RefusedError
from tests.api.policycases import EXAMPLE

pytestmark = pytest.mark.apiserver

APPROVAL: dict[str, Any] = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "ModelApproval",
    "metadata": {"name": "fraud-ada", "namespace": "ml"},
    "spec": {"run": "fraud-1a2b3c4d", "digest": f"sha256:{'d' * 64}", "approver": "ada"},
}
RAY = {"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {}}


@pytest.fixture(scope="module")
def guarded(cluster: Cluster) -> Iterator[Cluster]:
    """ada may approve; tara may write policies and create Jobs; paul may write policies only."""
    policies = [str(ROOT / "examples" / "policies" / f"{name}.yaml") for name in ("approvals", "retraining")]
    for policy in policies:
        cluster.run("apply", "-f", policy)
    roles = {
        "approver": ("create,get,update,patch", "modelapprovals.serinus.dev", ("ada", "bob")),
        "author": ("create,get,update,patch", "retrainpolicies.serinus.dev", ("tara", "paul")),
        "runner": ("create", "jobs.batch", ("tara",)),
    }
    for role, (verbs, resource, users) in roles.items():
        cluster.run("create", "role", role, f"--verb={verbs}", f"--resource={resource}", "-n", "ml")
        names = [f"--user={user}" for user in users]
        cluster.run("create", "rolebinding", role, f"--role={role}", *names, "-n", "ml")
    tries = itertools.count()
    _await_refusal(lambda: _say(cluster, change(APPROVAL, "metadata.name", f"a-{next(tries)}"), "bob"), "must be who")
    _await_refusal(lambda: _say(cluster, _policy(f"p-{next(tries)}"), "paul"), "may not create jobs.batch")
    yield cluster
    for policy in policies:
        cluster.run("delete", "-f", policy)


def test_an_approval_names_whom_the_api_server_knows(guarded: Cluster) -> None:
    assert "spec.approver must be who makes the ModelApproval, bob, not ada" in _say(guarded, APPROVAL, "bob")
    assert _say(guarded, APPROVAL, "ada") == ""


def test_an_approval_cannot_be_changed_by_anybody(guarded: Cluster) -> None:
    own = change(APPROVAL, "metadata.name", "fraud-ada-2")
    assert _say(guarded, own, "ada") == ""
    for user in ("ada", "bob"):
        assert "cannot be changed" in _say(guarded, change(own, "spec.decision", "Reject"), user, "replace")
        assert "cannot be changed" in _say(guarded, change(own, "spec.approver", "bob"), user, "replace")
        assert "cannot be changed" in _say(guarded, change(own, "metadata.labels", {"a": "b"}), user, "replace")


def test_only_who_may_create_approvals_approves(guarded: Cluster) -> None:
    mine = change(change(APPROVAL, "metadata.name", "fraud-eve"), "spec.approver", "eve")
    assert "cannot create resource" in _say(guarded, mine, "eve")


def test_nobody_has_things_made_that_he_could_not_make(guarded: Cluster) -> None:
    assert _say(guarded, _policy("jobs"), "tara") == ""
    refusal = "spec.template: paul may not create jobs.batch here, and so may not have them created"
    assert refusal in _say(guarded, _policy("mine"), "paul")
    ray = change(_policy("rays"), "spec.template", RAY)
    assert "spec.template: tara may not create rayjobs.ray.io here" in _say(guarded, ray, "tara")
    assert "spec.template: tara may not create pods here" in _say(
        guarded, change(ray, "spec.template", {"apiVersion": "v1", "kind": "Pod"}), "tara"
    )


def test_a_job_of_a_gate_needs_the_right_to_make_one(guarded: Cluster) -> None:
    # kubectl makes no role for kinds that are not there.
    rules = [{"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create"]}]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "ray", "namespace": "ml"},
    }
    guarded.apply({**role, "rules": rules})
    guarded.run("create", "rolebinding", "ray", "--role=ray", "--user=paul", "-n", "ml")
    ray = change(_policy("gated"), "spec.template", RAY)
    _await_refusal(lambda: _say(guarded, ray, "paul"), "spec.gates: paul may not create jobs.batch here")
    assert _say(guarded, change(ray, "spec.gates", []), "paul") == ""


def test_who_may_not_make_them_may_still_stop_them(guarded: Cluster) -> None:
    policy = _policy("stopped")
    assert _say(guarded, policy, "tara") == ""
    assert _say(guarded, change(policy, "spec.suspend", True), "paul", "replace") == ""
    other = change(policy, "spec.template.spec.template.spec.serviceAccountName", "admin")
    assert "may not create jobs.batch" in _say(guarded, other, "paul", "replace")


def _policy(name: str) -> dict[str, Any]:
    return change(load_example(EXAMPLE), "metadata.name", name)


def _say(cluster: Cluster, obj: dict[str, Any], user: str, verb: str = "create") -> str:
    """What the API server says against it, empty where it takes it."""
    try:
        cluster.run(verb, f"--as={user}", "-f", "-", obj=obj)
    except RefusedError as refusal:
        return str(refusal)
    return ""


def _await_refusal(attempt: Callable[[], str], words: str) -> None:
    """A policy and a role take a moment to get to the API server."""
    deadline = time.monotonic() + 30
    while words not in (said := attempt()):
        assert time.monotonic() < deadline, said
        time.sleep(0.3)
