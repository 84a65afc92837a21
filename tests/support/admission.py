"""The chart's admission policies in a test cluster, and people with rights of their own."""

import itertools
import json
from collections.abc import Iterable
from typing import Any, Protocol

from tests.cluster.release import NAMESPACE
from tests.support.model import wait_for

Raw = dict[str, Any]

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:serinus"
"""Whom the chart's policies take for the operator."""
_probes = itertools.count(1)


class Outcome(Protocol):
    returncode: int
    stdout: str
    stderr: str


class ControlPlane(Protocol):
    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> Outcome: ...  # noqa: A002


def await_policies(cluster: ControlPlane) -> None:
    """Wait until the API server has read the policies and asks them: it takes a moment after the chart is installed."""
    wait_for("the policies to be asked", lambda: _is_in_force(cluster), lambda: "")


def _is_in_force(cluster: ControlPlane) -> bool:
    """Each policy refuses, in a namespace that needs nothing: the right to try comes from the group of masters."""
    common = {"namespace": "default", "name": f"probe-{next(_probes)}"}
    template = {"spec": {"hostNetwork": True, "containers": [{"name": "m", "image": "m", "ports": [_PORT]}]}}
    probes: dict[str, tuple[str, Raw]] = {
        "ModelDeployment": ("hostNetwork", {"template": template, "route": {"mode": "Replicas"}}),
        "RetrainPolicy": ("hostNetwork", {"modelDeploymentRef": {"name": "m"}, "template": _train(template)}),
        "ModelApproval": ("must be who makes", {"run": "r", "digest": f"sha256:{'0' * 64}", "approver": "nobody"}),
    }
    for kind, (words, spec) in probes.items():
        body = {"apiVersion": "serinus.dev/v1alpha1", "kind": kind, "metadata": common, "spec": spec}
        if words not in try_as(cluster, "probe", body, "--as-group=system:masters"):
            return False
    commands = {"annotations": {"serinus.dev/command-by": "nobody"}}
    plain = {"spec": {"containers": template["spec"]["containers"]}}
    body = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {**common, **commands},
        "spec": {"template": plain, "route": {"mode": "Replicas"}},
    }
    return "must be who gives" in try_as(cluster, "probe", body, "--as-group=system:masters")


_PORT = {"containerPort": 8080}


def _train(template: Raw) -> Raw:
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}}


def try_as(cluster: ControlPlane, user: str, body: Raw, *options: str, verb: str = "create", dry: bool = True) -> str:
    """What the API server says against a write of somebody, empty where it takes it; by default nothing is stored."""
    also = ("--dry-run=server",) if dry else ()
    done = cluster.kubectl(verb, f"--as={user}", *options, *also, "-f", "-", input=json.dumps(body), check=False)
    return done.stderr.strip() if done.returncode else ""


def build_role(name: str, namespace: str, users: Iterable[str], rules: Iterable[tuple[str, str, str]]) -> list[Raw]:
    """A Role with rules (group, resources, verbs), each with commas between, and its binding to the users."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": namespace}
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [
            {"apiGroups": [api], "resources": resources.split(","), "verbs": verbs.split(",")}
            for api, resources, verbs in rules
        ],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user} for user in users],
    }
    return [role, binding]
