"""Who may approve is decided by the API server; who did is recorded. Nothing serves before."""

import itertools
import json

import pytest

from tests.support.admission import await_policies
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver


@pytest.fixture
def guarded(model: Model) -> Model:
    """A namespace in which ada may approve and bob may only edit."""
    cluster, namespace = model.cluster, model.namespace
    await_policies(cluster)
    edit, kind = "--verb=get,list,patch,update,create", "--resource=modeldeployments.serinus.dev"
    for role, verbs in (("editor", edit), ("approver", "--verb=approve")):
        cluster.kubectl("create", "role", role, verbs, kind, "-n", namespace)
    for user, role in (("bob", "editor"), ("ada", "editor"), ("ada", "approver")):
        name = f"{user}-{role}"
        cluster.kubectl("create", "rolebinding", name, f"--role={role}", f"--user={user}", "-n", namespace)
    tries = itertools.count()
    wait_for("the roles", lambda: "may not" in order(model, "bob", f"approve m-1 {next(tries)}"), lambda: "")
    return model


def order(model: Model, user: str, command: str, by: str | None = None) -> str:
    """Give a command as somebody; what the API server says against it, empty where it takes it."""
    annotations = {"serinus.dev/command": command, **({"serinus.dev/command-by": by} if by else {})}
    done = model.cluster.kubectl(
        *("patch", "modeldeployment", "fraud", "-n", model.namespace, "--type=merge", f"--as={user}"),
        *("-p", json.dumps({"metadata": {"annotations": annotations}})),
        check=False,
    )
    return done.stderr


def test_only_who_may_approve_lets_a_candidate_serve_and_is_named(model: Model, request: pytest.FixtureRequest) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    request.getfixturevalue("guarded")
    model.spec["rollout"]["approval"] = {"required": "BeforeTraffic"}
    model.apply("v2")
    model.await_reason("AwaitingApproval")
    new = wait_for("a candidate", model.candidate, model.explain)
    stable = model.stable()
    assert "bob may not approve here" in order(model, "bob", f"approve {new}", by="bob")
    assert "command-by must be given with an approval and be ada" in order(model, "ada", f"approve {new}")
    assert "bob may not abort here" in order(model, "bob", f"abort {new}")
    assert model.weights() == {stable: 100}
    assert order(model, "ada", f"approve {new}", by="ada") == ""
    model.await_reason("Serving")
    assert model.stable() == new
    assert model.status()["lastCommand"]["by"] == "ada"
    assert "approved by ada" in model.get("modelrevision", new)["status"]["message"]
    assert f"Approved: {new} is approved by ada" in model.await_events("Approved", "Promoted")
