"""Who asks, who approves and who may not: by the shipped admission policies, and by what the run says of it."""

import itertools
import json

import pytest

from tests.support.admission import ACCOUNT, await_policies
from tests.support.auditlog import OperatorLog
from tests.support.loop import Loop, build_results, digest
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

numbers = itertools.count(1)


@pytest.fixture
def loop(model: Model) -> Loop:
    """ada, bob and eve may approve, bob may ask for a run; a first model serves."""
    cluster, namespace = model.cluster, model.namespace
    loop = Loop(model)
    loop.spec["approval"] = {"required": "Always", "minApprovals": 2}
    loop.serve_first()
    kinds = {"policies": "retrainpolicies.serinus.dev", "approvals": "modelapprovals.serinus.dev"}
    verbs = {"policies": "get,patch,retrain", "approvals": "get,create,patch"}
    for role, kind in kinds.items():
        cluster.kubectl("create", "role", role, f"--verb={verbs[role]}", f"--resource={kind}", "-n", namespace)
    for user, role in (("bob", "policies"), ("bob", "approvals"), ("ada", "approvals"), ("eve", "approvals")):
        bound = f"--role={role}", f"--user={user}"
        cluster.kubectl("create", "rolebinding", f"{user}-{role}", *bound, "-n", namespace)
    await_policies(cluster)
    wait_for("one role", lambda: "bob may not cancel" in order(loop, "bob", f"cancel x {next(numbers)}"), str)
    wait_for("the other", lambda: "must be who makes" in approve(loop, "ada", "x", "a", approver="eve"), str)
    return loop


def order(loop: Loop, user: str, command: str, by: str | None = None) -> str:
    """Give a command as somebody; what the API server says against it."""
    annotations = {"serinus.dev/command": command, "serinus.dev/command-by": by}
    patch = json.dumps({"metadata": {"annotations": annotations}})
    place = ("patch", "retrainpolicy", loop.name, "-n", loop.namespace, "--type=merge", f"--as={user}")
    return loop.cluster.kubectl(*place, "-p", patch, check=False).stderr


def approve(loop: Loop, user: str, run: str, letter: str, *, approver: str | None = None, **spec: str) -> str:
    """Say something of a candidate as somebody; what the API server says against it."""
    body = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelApproval",
        "metadata": {"name": f"{user}-{next(numbers):04}", "namespace": loop.namespace},
        "spec": {"run": run, "digest": digest(letter), "approver": approver or user, **spec},
    }
    return loop.cluster.kubectl("create", f"--as={user}", "-f", "-", input=json.dumps(body), check=False).stderr


def ask(loop: Loop, letter: str) -> str:
    """A run that bob asks for, up to where it waits for people."""
    number = len(loop.runs()) + 1
    assert order(loop, "bob", f"retrain {letter}", by="bob") == ""
    run = loop.await_run(number)
    loop.tell_results(run, build_results(letter))
    loop.await_phase(run, "AwaitingApproval")
    return run


def votes(loop: Loop, run: str) -> list[tuple[str, bool, str]]:
    told = loop.run(run)["status"]["approvals"]
    return sorted((one["approver"], one["counted"], one["message"]) for one in told)


def test_two_others_must_agree_to_this_very_digest_and_are_named(loop: Loop) -> None:
    first, log = loop.model.stable(), OperatorLog(loop.cluster)
    assert "command-by must be given with retrain and be bob" in order(loop, "bob", "retrain a")
    assert "command-by must be given with retrain and be bob" in order(loop, "bob", "retrain a", by="ada")
    run = ask(loop, "a")
    assert loop.run(run)["spec"]["requester"] == "bob"
    loop.await_policy("its phase", lambda status: status["phase"] == "AwaitingApproval")
    assert "must be who makes the ModelApproval, bob, not ada" in approve(loop, "bob", run, "a", approver="ada")
    assert approve(loop, "bob", run, "a") == ""
    assert approve(loop, "ada", run, "b", reason="the wrong one") == ""
    assert approve(loop, "ada", run, "a", reason="slices looked at") == ""
    assert approve(loop, "ada", run, "a", reason="once more") == ""
    wait_for("four votes", lambda: len(votes(loop, run)) == 4, loop.explain)
    assert [(who, counted) for who, counted, _ in votes(loop, run)] == [
        ("ada", False),
        ("ada", False),
        ("ada", True),
        ("bob", False),
    ]
    assert "asked for the run and may not approve it" in votes(loop, run)[-1][2]
    assert "1 of 2 approvals (ada)" in loop.run(run)["status"]["message"]
    assert loop.model.stable() == first
    assert loop.model.candidate() is None
    assert approve(loop, "eve", run, "a", reason="fine") == ""
    status = loop.await_phase(run, "Succeeded", 60)
    assert {one["approver"]: one["message"] for one in status["approvals"] if one["counted"]} == {
        "ada": "slices looked at",
        "eve": "fine",
    }
    assert loop.model.stable() != first
    lines = [one for one in log.await_action(loop.namespace, "retrain.ended") if one["run"] == run]
    people = [(one["action"], one["by"], one["by_source"], one["digest"]) for one in lines if one["by"]]
    assert sorted(people[1:-1]) == [
        *[("retrain.approval-ignored", who, "approval", digest("a")) for who in ("ada", "ada", "bob")],
        ("retrain.approved", "ada", "approval", digest("a")),
    ]
    assert people[0] == ("retrain.started", "bob", "command-by", None)
    assert people[-1] == ("retrain.approved", "eve", "approval", digest("a"))
    waits = next(one for one in lines if one["reason"] == "AwaitingDecision")
    assert waits["evidence"][0] | {"metric": "f1", "verdict": "Passed", "limit": ">= 0.90"} == waits["evidence"][0]
    assert lines[-1]["action"] == "retrain.ended"


def test_one_no_is_enough_and_silence_is_no_yes(loop: Loop) -> None:
    first = loop.model.stable()
    run = ask(loop, "c")
    assert approve(loop, "ada", run, "c") == ""
    assert approve(loop, "eve", run, "c", decision="Reject", reason="too slow on mobiles") == ""
    status = loop.await_phase(run, "Rejected")
    assert (status["reason"], status["message"]) == ("ApprovalRejected", "rejected by eve: too slow on mobiles")
    loop.apply(approval={"required": "Always", "expiresAfter": "10s"})
    again = ask(loop, "d")
    status = loop.await_phase(again, "Rejected")
    assert status["reason"] == "ApprovalExpired"
    assert "0 of 1 approvals" in status["message"]
    assert approve(loop, "ada", again, "d") == ""
    assert loop.model.stable() == first
    assert loop.phase(again) == "Rejected"


def test_the_operator_may_order_a_return_in_the_name_of_its_policy_and_nobody_else(loop: Loop) -> None:
    role = ("create", "role", "deployments", "--verb=get,patch,undo", "--resource=modeldeployments.serinus.dev")
    loop.cluster.kubectl(*role, "-n", loop.namespace)
    bound = ("create", "rolebinding", "bob-deployments", "--role=deployments", "--user=bob")
    loop.cluster.kubectl(*bound, "-n", loop.namespace)
    annotations = {"serinus.dev/command": "undo x", "serinus.dev/command-by": f"retrainpolicy/{loop.name}"}
    place = ("patch", "modeldeployment", loop.model.name, "-n", loop.namespace, "--type=merge", "--dry-run=server")
    patch = ("-p", json.dumps({"metadata": {"annotations": annotations}}))
    assert "must be who gives the command, bob" in loop.cluster.kubectl(*place, *patch, "--as=bob", check=False).stderr
    metadata = {"name": loop.model.name, "namespace": loop.namespace, "annotations": annotations}
    told = json.dumps({"apiVersion": "serinus.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata})
    # By server-side apply: kubectl's other ways read the object first, which the operator has no right to.
    apply = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", f"--as={ACCOUNT}", "-f", "-")
    assert loop.cluster.kubectl(*apply, input=told, check=False).returncode == 0
