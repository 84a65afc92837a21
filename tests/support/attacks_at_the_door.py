"""Attacks that the API server refuses: by the chart's admission policies, by the schema, or by RBAC."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.cluster.release import NAMESPACE
from tests.support.attack import AUTHOR, CARELESS, OWN, TENANT, VICTIM, Attack, Stage
from tests.support.authors import (
    HOST,
    JOB,
    RAY_POD,
    SERVICE,
    build,
    build_model,
    build_policy,
    list_pod_fields,
    with_pod,
)

Raw = dict[str, Any]
Attempt = Callable[[Stage], str]

MODEL: Final = build_model(route=SERVICE)
POLICY: Final = build_policy()
MODEL_CONTAINERS: Final = MODEL["spec"]["template"]["spec"]["containers"]
DIGEST: Final = f"sha256:{'d' * 64}"
HIDDEN: Final = "hidden"
"""Name of a Secret and of a ConfigMap."""
ADMISSION: Final = "ValidatingAdmissionPolicy"
RBAC: Final = "cannot "
OPERATOR: Final = f"system:serviceaccount:{NAMESPACE}:serinus"


def list_attacks() -> Iterator[Attack]:
    yield from _list_pods()
    yield from _list_authors()
    yield from _list_elsewhere()
    yield from _list_records()
    yield from _list_commands()
    yield from _list_shapes()
    yield from _list_operator()


def refused(user: str, body: Raw, *words: str, namespace: str = OWN) -> Attempt:
    """The creation must be refused with these words, which tell who refuses it."""

    def attempt(stage: Stage) -> str:
        return expect(stage.create(user, body, namespace), *words)

    return attempt


def denied(user: str, *arguments: str, words: tuple[str, ...]) -> Attempt:
    """The same of any call of kubectl."""
    return lambda stage: expect(stage.say(user, *arguments), *words)


def expect(said: str, *words: str) -> str:
    assert said, "nobody refused it"
    for word in words:
        assert word in said, said
    return " ".join(said.split())


def _refusal(name: str, actor: str, tried: str, attempt: Attempt) -> Attack:
    return Attack(name, actor, tried, "refused", attempt)


def _list_pods() -> Iterator[Attack]:
    """Fields and service accounts that pods must not have, through every door that leads to a pod."""
    for body in (MODEL, POLICY):
        kind = body["kind"]
        for name, (changed, words) in list_pod_fields(body).items():
            told = f"pods with {name} by the template of a {kind}"
            yield _refusal(f"pod/{kind}/{name}", TENANT, told, refused(TENANT, changed, ADMISSION, words))
    account = {"template": {"spec": {"serviceAccountName": "admin", "containers": RAY_POD["spec"]["containers"]}}}
    for what, job in (("a privileged container", {"template": RAY_POD}), ("another service account", account)):
        words = "privileged: true" if what.startswith("a p") else "serviceAccountName: admin is not allowed"
        doors = {
            "validation": build_model(route=SERVICE, rollout={"validation": [{"name": "v", "job": job}]}),
            "scoring": build_model(rollout={"strategy": "Shadow", "shadow": {"scoring": [{"name": "s", "job": job}]}}),
            "gate": build_policy(gates=[{"name": "g", "kind": "Metric", "min": "0", "job": job}]),
        }
        for door, body in doors.items():
            told = f"{what} by a Job for {door}"
            # Of two reasons only the first is told; each alone is in the table of the templates.
            said = (ADMISSION,) if what.startswith("ano") else (ADMISSION, words)
            yield _refusal(f"pod/{door}/{what.split()[1]}", TENANT, told, refused(TENANT, body, *said))
    flow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"podSpecPatch": "hostNetwork: true"}}
    yield _refusal(
        "pod/patch", TENANT, "a patch of pods as text", refused(TENANT, build_policy(template=flow), ADMISSION)
    )


def _list_authors() -> Iterator[Attack]:
    """What the author could not make or read himself."""
    routed = build_model()
    validated = build_model(route=SERVICE, rollout={"validation": [{"name": "v", "job": JOB}]})
    promotion = {"target": "PullRequest", "pullRequest": {"secret": HIDDEN, "edits": [{"file": "a", "path": "b"}]}}
    snapshot = {"snapshotFrom": {"configMap": {"configMap": "hidden", "key": "k"}}}
    pool = {"parentRefs": [{"name": "p"}], "backend": {"kind": "InferencePool", "endpointPicker": {"name": "e"}}}
    tries = {
        "deployments": (MODEL, "may not create deployments.apps"),
        "route": (routed, "may not create"),
        "pool": (build_model(route=pool), "may not create"),
        "validation": (validated, "may not create"),
        "training": (POLICY, "may not create jobs.batch"),
        "gate": (build_policy(gates=[{"name": "g", "kind": "Metric", "min": "0", "job": JOB}]), "may not create"),
        "pod": (build_policy(template={"apiVersion": "v1", "kind": "Pod", "spec": {}}), "must be a kind that"),
        "secret": (build_policy(promotion=promotion), "may not"),
        "config map": (build_policy(data=snapshot), "may not"),
    }
    for name, (body, words) in tries.items():
        told = f"have made or read what he may not: {name}"
        yield _refusal(f"author/{name}", AUTHOR, told, refused(AUTHOR, body, ADMISSION, words))


def _list_elsewhere() -> Iterator[Attack]:
    """Other namespaces, the operator's own things, and what belongs to the platform."""
    for body in (MODEL, POLICY):
        told = f"a {body['kind']} in the victim's namespace"
        yield _refusal(
            f"elsewhere/{body['kind']}", TENANT, told, refused(TENANT, body, RBAC, f'"{VICTIM}"', namespace=VICTIM)
        )
    reference = build_policy(modelDeploymentRef={"name": "fraud", "namespace": VICTIM})
    schema = {
        "model": {"from": {"uri": "https://m.example/m"}, "schema": {"configMap": "h", "key": "k", "namespace": VICTIM}}
    }
    child = {**POLICY["spec"]["template"], "metadata": {"namespace": VICTIM}}
    for name, body, words in (
        ("reference", reference, "unknown field"),
        ("config map", build_model(route=SERVICE, **schema), "unknown field"),
        ("child", build_policy(template=child), "name, namespace and owner are given by the operator"),
    ):
        yield _refusal(f"elsewhere/{name}", TENANT, f"name another namespace: {name}", refused(TENANT, body, words))
    provider = build("MetricsProvider", "mine", {"address": "http://169.254.169.254"})
    yield _refusal("elsewhere/provider", TENANT, "a MetricsProvider of his own", refused(TENANT, provider, RBAC))
    calls: dict[str, tuple[str, ...]] = {
        "turn the provider": ("patch", "metricsprovider", "default", "--type=merge", "-p", '{"spec":{}}'),
        "switch a policy off": ("delete", "validatingadmissionpolicybinding", "serinus-records"),
        "read the operator's Secrets": ("get", "secrets", "-n", NAMESPACE),
        "take the operator's Lease": ("delete", "lease", "serinus", "-n", NAMESPACE),
        "a token of the operator": ("create", "token", "serinus", "-n", NAMESPACE),
        "open his namespace": ("annotate", "namespace", OWN, "serinus.dev/allowed-service-accounts=*"),
        "read the victim's Secrets": ("get", "secret", "hidden", "-n", VICTIM),
        "change the victim's model": ("patch", "mdep", "fraud", "-n", VICTIM, "--type=merge", "-p", '{"spec":{}}'),
        "abort the victim's release": ("annotate", "mdep", "fraud", "-n", VICTIM, "serinus.dev/command=abort x"),
    }
    for told, arguments in calls.items():
        name = told.replace("'s", "").replace(" ", "-")
        yield _refusal(f"elsewhere/{name}", TENANT, told, denied(TENANT, *arguments, words=(RBAC,)))


def _list_records() -> Iterator[Attack]:
    """Statuses, ModelRevisions and RetrainRuns, by one who holds every right that RBAC knows in his namespace."""

    def patch(kind: str, name: str, status: Raw) -> Attempt:
        arguments = ("patch", kind, name, "-n", OWN, "--subresource=status", "--type=merge")
        text = json.dumps({"status": status})
        return denied(CARELESS, *arguments, "-p", text, words=(ADMISSION, "written by the operator only"))

    for kind, name, status in (
        ("mdep", "standing", {"phase": "Stable", "stable": {"revision": "standing-00000000"}}),
        ("rtp", "standing", {"phase": "Idle", "quarantined": []}),
    ):
        yield _refusal(f"forge/status/{kind}", CARELESS, f"write the status of a {kind}", patch(kind, name, status))

    def copy_record(stage: Stage) -> str:
        (record, *_) = stage.cluster.get("modelrevisions", "-n", VICTIM)["items"]
        forged = {**record, "metadata": {"name": "standing-00000000"}}
        return expect(stage.create(CARELESS, forged), ADMISSION, "written by the operator only")

    def change_record(stage: Stage) -> str:
        (record, *_) = stage.cluster.get("modelrevisions", "-n", OWN)["items"]
        label = ("label", "mrev", record["metadata"]["name"], "-n", OWN, "serinus.dev/deployment=other", "--overwrite")
        return expect(stage.say(CARELESS, *label), ADMISSION, "written by the operator only")

    yield _refusal("forge/record", CARELESS, "a ModelRevision of his own making", copy_record)
    yield _refusal("forge/record/change", CARELESS, "change a ModelRevision", change_record)
    approval = {"run": "fraud-1a2b3c4d", "digest": DIGEST, "approver": "ada"}
    yield _refusal(
        "forge/approval",
        TENANT,
        "an approval in another's name",
        refused(TENANT, build("ModelApproval", "ada", approval), ADMISSION, "must be who makes the ModelApproval"),
    )

    def own_approval(stage: Stage) -> str:
        """Given an owner that does not exist, the record of who agreed would be collected as garbage."""
        body = build("ModelApproval", "mine", {**approval, "approver": TENANT})
        assert stage.create(TENANT, body) == ""
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "no-such-uid"}
        change = json.dumps({"metadata": {"ownerReferences": [owner]}})
        said = stage.say(TENANT, "patch", "modelapproval", "mine", "-n", OWN, "--type=merge", "-p", change)
        stage.remove("modelapproval", "mine")
        return expect(said, ADMISSION, "its ownerReferences and finalizers cannot be changed")

    yield _refusal("forge/approval/owner", TENANT, "have the record of an approval collected as garbage", own_approval)


def _list_commands() -> Iterator[Attack]:
    """Commands of one who may edit, which is no right to give any."""
    verbs = {
        "mdep": ("promote", "approve", "abort", "retry", "pause", "resume", "skip-step", "undo"),
        "rtp": ("retrain", "cancel", "release", "event"),
    }
    disguised = ("PROMOTE x", "  promote x", "promote\tx", "promote\nx", "promote\u00a0x", "\u200bpromote x")

    def give(kind: str, text: str, by: str | None = None) -> Attempt:
        annotations = {"serinus.dev/command": text, "serinus.dev/command-by": by}
        body = json.dumps({"metadata": {"annotations": annotations}})
        arguments = ("patch", kind, "standing", "-n", OWN, "--type=merge", "-p", body)
        return denied(TENANT, *arguments, words=(ADMISSION,))

    for kind, words in verbs.items():
        for verb in words:
            yield _refusal(
                f"command/{kind}/{verb}", TENANT, f"{verb} without the verb", give(kind, f"{verb} standing-0")
            )
    for number, text in enumerate(disguised):
        yield _refusal(f"command/disguised/{number}", TENANT, f"promote, written as {text!a}", give("mdep", text))
    by = {"metadata": {"annotations": {"serinus.dev/command-by": "ada"}}}
    yield _refusal(
        "command/by",
        TENANT,
        "a command in another's name",
        denied(
            TENANT,
            "patch",
            "mdep",
            "standing",
            "-n",
            OWN,
            "--type=merge",
            "-p",
            json.dumps(by),
            words=(ADMISSION, "must be who"),
        ),
    )

    def edit_away(to: str | None) -> Attempt:
        def attempt(stage: Stage) -> str:
            asked = build_model("asked", route=SERVICE, rollout={"approval": {"required": "BeforePromotion"}})
            assert stage.create(TENANT, asked) == ""
            change = json.dumps({"spec": {"rollout": {"approval": None if to is None else {"required": to}}}})
            said = stage.say(TENANT, "patch", "mdep", "asked", "-n", OWN, "--type=merge", "-p", change)
            stage.remove("mdep", "asked")
            return expect(said, ADMISSION, "may not approve here, and so may not change")

        return attempt

    for to in (None, "Never", "BeforeTraffic"):
        told = f"an approval that is asked for, edited to {to or 'nothing'}"
        yield _refusal(f"command/approval/{to or 'none'}", TENANT, told, edit_away(to))
    born = {**MODEL, "metadata": {"name": "born", "annotations": {"serinus.dev/command": "promote born-0"}}}
    yield _refusal(
        "command/birth", TENANT, "a command on a new object", refused(TENANT, born, ADMISSION, "may not promote")
    )


def _list_shapes() -> Iterator[Attack]:
    """What is larger, deeper or stranger than any schema allows."""
    steps = [{"weight": 1 + n % 100} for n in range(2000)]
    trigger = {"name": "t", "schedule": {"cron": "0 3 * * *"}}
    bodies: dict[str, tuple[Raw, str]] = {
        "2000 steps": (build_model(route=SERVICE, rollout={"steps": steps}), "must have at most"),
        "2^31 replicas": (build_model(route=SERVICE, replicas=2**31), "spec.replicas"),
        "1000 triggers": (
            build_policy(triggers=[{**trigger, "name": f"t{n}"} for n in range(1000)]),
            "must have at most",
        ),
        "a name of 253 characters": (build_model("a" * 253, route=SERVICE), "Too long"),
        "a query of 100 KB": (
            build_policy(
                triggers=[{"name": "t", "metric": {"query": "a" * 100_000, "fireAbove": "1", "window": "1h"}}]
            ),
            "Too long",
        ),
        "a line break in a name": (build_policy(triggers=[{**trigger, "name": 'a\n{"level":"info"}'}]), "should match"),
        "an escape in a host": (
            build_model(route={"parentRefs": [{"name": "p"}], "hostnames": ["\u001b[31mred"]}),
            "should match",
        ),
        "a URL for metrics": (
            build_model(route=SERVICE, rollout={"analysis": {"address": "http://169.254.169.254/"}}),
            "unknown field",
        ),
        "a file outside": (
            build_policy(
                promotion={
                    "target": "PullRequest",
                    "pullRequest": {"secret": HIDDEN, "edits": [{"file": "../../etc/passwd", "path": "a"}]},
                }
            ),
            "should match",
        ),
        "more than fits": (with_pod(MODEL, nodeSelector={f"k{n}": "v" * 1000 for n in range(2000)}), ""),
    }
    for name, (body, words) in bodies.items():
        yield _refusal(f"shape/{name.replace(' ', '-')}", TENANT, name, refused(TENANT, body, words))


def _list_operator() -> Iterator[Attack]:
    """Whoever has the operator's token: what its roles would let it make, change and remove."""
    owner = {"apiVersion": "serinus.dev/v1alpha1", "kind": "ModelDeployment", "name": "standing", "uid": "forged"}
    labels = {"app": "taken"}

    def deployment(namespace: str, pod: Raw, **metadata: Any) -> Attempt:
        template = {"metadata": {"labels": labels}, "spec": {"containers": MODEL_CONTAINERS, **pod}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        named = {"name": "taken", "ownerReferences": [owner], **metadata}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": spec}
        return refused(OPERATOR, body, ADMISSION, "serinus-operator", namespace=namespace)

    tries = {
        "kube-system": ("pods in kube-system", deployment("kube-system", {})),
        "account": ("pods with another service account", deployment(VICTIM, {"serviceAccountName": "admin"})),
        "host": ("pods with the node's files", deployment(VICTIM, {"volumes": [HOST]})),
        "stray": ("pods that belong to no model", deployment(VICTIM, {}, ownerReferences=[])),
    }
    for name, (told, attempt) in tries.items():
        yield _refusal(f"operator/{name}", OPERATOR, told, attempt)
    remove = ("delete", "configmap", "kube-root-ca.crt", "-n", VICTIM)
    words = (ADMISSION, "does not belong to an object of serinus.dev")
    yield _refusal("operator/remove", OPERATOR, "remove what is not its own", denied(OPERATOR, *remove, words=words))
