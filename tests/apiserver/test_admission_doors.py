"""Doors round the admission policies, on a real API server: an approval that is edited away, commands of others,
records that get an owner, and what the operator's own account may write."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support.admission import ACCOUNT, await_policies, build_role, try_as
from tests.support.authors import SERVICE, build, build_model, list_pod_fields
from tests.support.model import Model, wait_for

Raw = dict[str, Any]
pytestmark = pytest.mark.apiserver

SPACE = "doors"
OPEN = "doors-opened"
"""A namespace in which the platform team allows more."""
WRITE = "get,list,create,update,patch,delete"
MASTERS = "--as-group=system:masters"
HELD: Raw = {"approval": {"required": "BeforePromotion"}}
FROM_MAP: dict[str, Raw] = {
    "body": {"rollout": {"warmup": {"bodyFrom": {"configMap": "hidden", "key": "k"}}}},
    "key": {
        "model": {
            "from": {"uri": f"oci://registry.example/m@sha256:{'d' * 64}"},
            "delivery": "InitContainer",
            "verify": {"publicKey": {"configMap": "hidden", "key": "k"}},
        }
    },
}
numbers = itertools.count(1)


def there(body: Raw, namespace: str = SPACE) -> Raw:
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


@pytest.fixture(scope="module")
def guarded(served_control_plane: Cluster) -> Iterator[Cluster]:
    """tara is an author, alice approves and promotes, bob aborts, ada makes approvals; rosa reads ConfigMaps."""
    cluster = served_control_plane
    opened = {"serinus.dev/allowed-pod-fields": "hostPath"}
    parts = [("apps", "deployments", "create"), ("", "services", "create"), ("batch", "jobs", "create")]
    ours = ("serinus.dev", "modeldeployments,retrainpolicies", WRITE)
    pieces = [
        ("apps", "deployments", WRITE),
        ("", "services,configmaps", WRITE),
        ("batch", "jobs", WRITE),
    ]
    items: list[Raw] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPEN, "annotations": opened}},
        *build_role("author", SPACE, ["tara", "alice", "bob", "rosa"], [ours, *parts]),
        *build_role("reader", SPACE, ["rosa"], [("", "configmaps", "get")]),
        *build_role("releaser", SPACE, ["alice"], [("serinus.dev", "modeldeployments", "approve,promote")]),
        *build_role("stopper", SPACE, ["bob"], [("serinus.dev", "modeldeployments", "abort")]),
        *build_role("steward", SPACE, ["ada"], [("serinus.dev", "modelapprovals", "create,get,update,patch")]),
    ]
    # kubectl's ways to write read first, which the operator's own role does not let it.
    for namespace in (SPACE, OPEN, "kube-system"):
        items += build_role("hands", namespace, [ACCOUNT], pieces)
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    await_policies(cluster)
    wait_for("the roles", lambda: try_as(cluster, "tara", there(build_model(route=SERVICE))) == "", lambda: "")
    yield cluster
    cluster.kubectl("delete", "rolebinding", "hands", "-n", "kube-system")
    cluster.kubectl("delete", "role", "hands", "-n", "kube-system")
    cluster.kubectl("delete", "namespace", SPACE, OPEN, "--wait=false")


def patch(cluster: Cluster, user: str, change: Raw, name: str, *options: str, kind: str = "mdep") -> str:
    """What the API server says against a merge patch of somebody; empty where it takes it."""
    arguments = ("patch", kind, name, "-n", SPACE, "--type=merge", "-p", json.dumps(change), f"--as={user}")
    done = cluster.kubectl(*arguments, *options, check=False)
    return done.stderr.strip() if done.returncode else ""


# 1. An approval that is asked for


def test_an_approval_is_not_edited_away_by_whom_it_is_to_stop(guarded: Cluster) -> None:
    assert try_as(guarded, "tara", there(build_model("asked", route=SERVICE, rollout=HELD)), dry=False) == ""
    for other, said in ((None, "Never"), ("Never", "Never"), ("BeforeTraffic", "BeforeTraffic")):
        approval = None if other is None else {"required": other}
        refused = patch(guarded, "tara", {"spec": {"rollout": {"approval": approval}}}, "asked")
        words = f"tara may not approve here, and so may not change BeforePromotion to {said}"
        assert f"spec.rollout.approval.required: {words}" in refused
    for change in ({"rollout": None}, {"rollout": {"approval": {"required": None}}}):
        assert "tara may not approve here" in patch(guarded, "tara", {"spec": change}, "asked")
    assert patch(guarded, "alice", {"spec": {"rollout": {"approval": None}}}, "asked", "--dry-run=server") == ""
    freer = {"rollout": {"strategy": "Direct"}, "paused": True}
    assert patch(guarded, "tara", {"spec": freer}, "asked", "--dry-run=server") == ""
    assert try_as(guarded, "tara", there(build_model("free", route=SERVICE)), dry=False) == ""
    assert patch(guarded, "tara", {"spec": {"rollout": HELD}}, "free", "--dry-run=server") == ""


def test_a_candidate_that_waits_for_an_approval_goes_on_waiting(model: Model, request: pytest.FixtureRequest) -> None:
    """The operator at work, under the chart's account: it releases, and is not told that nobody has to agree."""
    model.apply("v1")
    model.await_reason("Serving")
    cluster: Cluster = request.getfixturevalue("guarded")
    parts = [("apps", "deployments", "create"), ("", "services", "create")]
    routes = ("gateway.networking.k8s.io", "httproutes", "create")
    roles = build_role(
        "author", model.namespace, ["tara"], [("serinus.dev", "modeldeployments", WRITE), *parts, routes]
    )
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": roles}))
    model.spec["rollout"]["approval"] = {"required": "BeforeTraffic"}
    model.apply("v2")
    model.await_reason("AwaitingApproval")
    stable, new = model.stable(), wait_for("a candidate", model.candidate, model.explain)
    change = ("-n", model.namespace, "--type=merge", "-p", json.dumps({"spec": {"rollout": {"approval": None}}}))

    def refused() -> bool:
        said = cluster.kubectl("patch", "mdep", "fraud", *change, "--as=tara", check=False).stderr
        assert said, "the approval is gone"
        return "tara may not approve here" in said

    wait_for("the role", refused, lambda: "")
    assert model.weights() == {stable: 100}
    cluster.kubectl("patch", "mdep", "fraud", *change)
    model.await_reason("Serving")
    assert model.stable() == new


# 4 and 14. Names and commands of others


def give(cluster: Cluster, user: str, name: str, *annotations: str) -> str:
    """By the command that README shows."""
    arguments = ("annotate", "mdep", name, "-n", SPACE, "--overwrite", *annotations, f"--as={user}")
    done = cluster.kubectl(*arguments, check=False)
    return done.stderr.strip() if done.returncode else ""


def test_a_name_that_is_left_stops_no_emergency(guarded: Cluster) -> None:
    name = "named"
    assert try_as(guarded, "tara", there(build_model(name, route=SERVICE)), dry=False) == ""
    without, order = "serinus.dev/command-by-", f"serinus.dev/command=abort {name}-00000000"
    assert give(guarded, "bob", name, f"{order} 1", without) == "", "no name is there to be taken away"
    approve = f"serinus.dev/command=approve {name}-00000000"
    assert give(guarded, "alice", name, approve, "serinus.dev/command-by=alice") == ""
    said = give(guarded, "bob", name, f"{order} 2")
    assert "must be who gives the command, bob, or be left out; it is there from a command before, of alice" in said
    assert "serinus.dev/command-by-" in said
    assert give(guarded, "bob", name, f"{order} 2", without) == ""

    def answered() -> Raw | None:
        last = (guarded.get("mdep", name, "-n", SPACE).get("status") or {}).get("lastCommand") or {}
        return last if last.get("text", "").endswith(" 2") else None

    last = wait_for("an answer", answered, lambda: json.dumps(guarded.get("mdep", name, "-n", SPACE)))
    assert last["verb"] == "abort"
    assert "by" not in last
    assert patch(guarded, "tara", {"metadata": {"annotations": None}}, name) == "", "what is answered is anybody's"


@pytest.fixture
def unread(guarded: Cluster) -> Iterator[str]:
    """Name of a model whose commands are not read: it is on its way out, and something holds it."""
    name = f"unread-{next(numbers)}"
    body = there(build_model(name, route=SERVICE))
    body["metadata"] = {**body["metadata"], "finalizers": ["example.com/held"]}
    guarded.apply(json.dumps(body))
    guarded.kubectl("delete", "mdep", name, "-n", SPACE, "--wait=false")
    yield name
    free = ("--type=merge", "-p", json.dumps({"metadata": {"finalizers": None}}))
    guarded.kubectl("patch", "mdep", name, "-n", SPACE, *free)


COMMAND, BY = "serinus.dev/command", "serinus.dev/command-by"


def annotate(**annotations: Any) -> Raw:
    return {"metadata": {"annotations": {{"command": COMMAND, "by": BY}[key]: one for key, one in annotations.items()}}}


def test_a_command_that_is_open_is_taken_away_by_who_could_give_it(guarded: Cluster, unread: str) -> None:
    dry = "--dry-run=server"
    assert patch(guarded, "bob", annotate(command=f"abort {unread}-0", by="bob"), unread) == ""
    for change in (annotate(command=None), annotate(command=None, by=None), annotate(command=""), annotate(by=None)):
        said = patch(guarded, "tara", change, unread)
        assert "tara may not abort here, and so may not take away a command, or the name with it" in said
        assert patch(guarded, "bob", change, unread, dry) == ""
    assert "tara may not abort" in patch(guarded, "tara", annotate(by="tara"), unread)
    own = annotate(command=f"promote {unread}-0", by=None)
    assert patch(guarded, "alice", own, unread, dry) == "", "an order of one's own takes its place"
    assert patch(guarded, "alice", annotate(command=f"approve {unread}-0", by="alice"), unread) == ""
    assert "must be given with an approval and be alice" in patch(guarded, "alice", annotate(by=None), unread)


# 10. ConfigMaps that were named before


@pytest.mark.parametrize("case", FROM_MAP)
def test_who_may_not_read_a_config_map_may_still_pause(guarded: Cluster, case: str) -> None:
    name = f"read-{case}"
    body = there(build_model(name, route=SERVICE, **FROM_MAP[case]))
    assert "tara may not get ConfigMap hidden" in try_as(guarded, "tara", body)
    assert try_as(guarded, "rosa", body, dry=False) == ""
    assert patch(guarded, "tara", {"spec": {"paused": True}}, name) == ""
    other = copy.deepcopy(body["spec"])
    if case == "body":
        other["rollout"]["warmup"]["bodyFrom"]["configMap"] = "secret"
    else:
        other["model"]["verify"]["publicKey"]["configMap"] = "secret"
    assert "tara may not get ConfigMap secret" in patch(guarded, "tara", {"spec": other}, name)


# 11. Approvals stay


def test_an_approval_gets_no_owner_that_would_take_it_away(guarded: Cluster) -> None:
    spec = {"run": "fraud-1a2b3c4d", "digest": f"sha256:{'d' * 64}", "approver": "ada"}
    assert try_as(guarded, "ada", there(build("ModelApproval", "kept", spec)), dry=False) == ""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    for change in ({"ownerReferences": [owner]}, {"finalizers": ["example.com/kept"]}):
        said = patch(guarded, "ada", {"metadata": change}, "kept", kind="modelapproval")
        assert "its ownerReferences and finalizers cannot be changed either" in said


# 2. Whoever has the operator's token

OWNER = {"apiVersion": "serinus.dev/v1alpha1", "kind": "ModelDeployment", "name": "fraud", "uid": "uid-of-nobody"}
POD: Raw = {"containers": [{"name": "model", "image": "m:1", "ports": [{"containerPort": 8080}]}]}


def build_deployment(spec: Raw, *, owned: bool = True, namespace: str = SPACE) -> Raw:
    labels = {"app": "taken"}
    metadata: Raw = {"name": f"taken-{next(numbers)}", "namespace": namespace}
    if owned:
        metadata["ownerReferences"] = [OWNER]
    template = {"metadata": {"labels": labels}, "spec": spec}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def make(cluster: Cluster, body: Raw, *, user: str = ACCOUNT) -> str:
    """A real write: dry runs are let through. What is taken is removed again by an admin."""
    metadata = body["metadata"]
    said = try_as(cluster, user, body, *((MASTERS,) if user != ACCOUNT else ()), dry=False)
    if not said:
        # The garbage collector may be first: it has found that there is no such owner.
        place = ("-n", metadata["namespace"], "--wait=false", "--ignore-not-found")
        cluster.kubectl("delete", body["kind"], metadata["name"], *place)
    return said


def test_whoever_has_the_operators_token_makes_only_what_belongs_to_ours(guarded: Cluster) -> None:
    plain = build_deployment(POD)
    job = {**plain, "apiVersion": "batch/v1", "kind": "Job"}
    job["spec"] = {"suspend": True, "template": {"spec": {**POD, "restartPolicy": "Never"}}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**plain["metadata"]}, "data": {"k": "v"}}
    service = {**config, "kind": "Service", "spec": {"ports": [{"port": 80}]}}
    del service["data"]
    for body in (plain, job, config, service):
        assert make(guarded, body) == ""
        bare = copy.deepcopy(body)
        del bare["metadata"]["ownerReferences"]
        bare["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "serinus"}
        assert "nothing that does not belong to an object of serinus.dev" in make(guarded, bare)
        closed = there(body, "kube-system")
        assert "namespace kube-system is closed to the operator" in make(guarded, closed)
        assert make(guarded, closed, user="probe") == "", "nobody else is asked"
    assert make(guarded, build_deployment({**POD, "hostNetwork": True}, owned=False), user="probe") == ""


@pytest.mark.parametrize(
    "field", ["hostPath", "privileged", "hostNetwork", "capabilities", "init container", "account"]
)
def test_whoever_has_the_operators_token_gets_no_pods_that_authors_do_not_get(guarded: Cluster, field: str) -> None:
    changed, words = list_pod_fields(build_model())[field]
    spec = changed["spec"]["template"]["spec"]
    assert words in make(guarded, build_deployment(spec))
    opened = make(guarded, build_deployment(spec, namespace=OPEN))
    assert opened == "" if field == "hostPath" else words in opened


def test_whoever_has_the_operators_token_changes_and_removes_nothing_of_others(guarded: Cluster) -> None:
    theirs = build_deployment(POD, owned=False)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": SPACE}}
    guarded.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [theirs, config]}))
    name, words = theirs["metadata"]["name"], "nothing that does not belong to an object of serinus.dev"
    taken = {"metadata": {"ownerReferences": [OWNER], "labels": {"app.kubernetes.io/managed-by": "serinus"}}}
    image = {"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "x:1"}]}}}}
    for change in (taken, image):
        assert words in patch(guarded, ACCOUNT, change, name, kind="deployment")
    for kind, one in (("deployment", name), ("configmap", "theirs")):
        assert words in guarded.kubectl("delete", kind, one, "-n", SPACE, f"--as={ACCOUNT}", check=False).stderr
    guarded.kubectl("label", "deployment", name, "-n", SPACE, "app.kubernetes.io/managed-by=serinus")
    assert patch(guarded, ACCOUNT, taken, name, kind="deployment") == "", "an orphan of its own is taken up again"


def test_models_are_made_where_the_operator_may_write(guarded: Cluster) -> None:
    said = try_as(guarded, "probe", there(build_model(route=SERVICE), "kube-system"), MASTERS)
    assert "metadata.namespace: kube-system is closed to models" in said


def test_what_the_operator_is_refused_stands_in_a_condition(guarded: Cluster) -> None:
    """A field that a namespace opened and closes again: what is to be made anew is not, and why stands on the model."""
    name, annotation = "closing", "serinus.dev/allowed-pod-fields"
    pod = {"containers": POD["containers"], "volumes": [{"name": "host", "hostPath": {"path": "/tmp/none"}}]}
    guarded.apply(json.dumps(there(build_model(name, route=SERVICE, template={"spec": pod}), OPEN)))

    def explain() -> str:
        return json.dumps(guarded.get("mdep,deployments", "-n", OPEN))[-3000:]

    def workloads() -> list[str]:
        return [one["metadata"]["name"] for one in guarded.get("deployments", "-n", OPEN)["items"]]

    def said() -> str | None:
        conditions = (guarded.get("mdep", name, "-n", OPEN).get("status") or {}).get("conditions") or ()
        return next((one["message"] for one in conditions if one["reason"] == "AccessDenied"), None)

    (made,) = wait_for("a Deployment", workloads, explain)
    guarded.kubectl("annotate", "namespace", OPEN, f"{annotation}-")
    guarded.kubectl("delete", "deployment", made, "-n", OPEN)
    message = wait_for("a condition", said, explain)
    assert "the API server refuses it" in message
    assert "serinus-operator" in message
    assert "spec.template.spec.volumes[host].hostPath" in message
    assert workloads() == []
    guarded.kubectl("annotate", "namespace", OPEN, f"{annotation}=hostPath")
    wait_for("the Deployment again", workloads, explain)
    guarded.kubectl("delete", "mdep", name, "-n", OPEN)
