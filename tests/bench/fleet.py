"""Many small ModelDeployments that have nothing to do once they are settled."""

import json
import time
from typing import Any, Protocol

import yaml
from rich.console import Console

Raw = dict[str, Any]

NAMESPACE = "idle"
SETTLED_WITHIN_SECONDS = 300.0
LOOK_SECONDS = 2.0


class Kubectl(Protocol):
    def kubectl(self, *arguments: str, stdin: str | None = None) -> str: ...


class NotSettledError(Exception):
    """A reason to give up, as a sentence."""


def build_fleet(count: int, image: str) -> list[Raw]:
    """A namespace and `count` objects of one pod each, every one with a host name of its own."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [namespace, *(_build_one(f"idle-{number:03}", image) for number in range(count))]


def find_unsettled(objects: list[Raw]) -> list[str]:
    """Names of the objects that do not yet say, of their newest spec, that it is what serves."""
    return [obj["metadata"]["name"] for obj in objects if not _is_settled(obj)]


def apply_fleet(cluster: Kubectl, count: int, image: str, console: Console) -> None:
    """Apply the objects and wait until all are settled. NotSettledError after five minutes."""
    cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(build_fleet(count, image)))
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    told = -1
    while waiting := _fetch_unsettled(cluster, count):
        if time.monotonic() > deadline:
            raise NotSettledError(f"{len(waiting)} of {count} objects are not settled, for example {waiting[0]}")
        if len(waiting) != told:
            told = len(waiting)
            console.print(f"  {count - told} of {count} objects are settled", highlight=False)
        time.sleep(LOOK_SECONDS)


def _fetch_unsettled(cluster: Kubectl, count: int) -> list[str]:
    found = json.loads(cluster.kubectl("get", "modeldeployments", f"--namespace={NAMESPACE}", "--output=json"))["items"]
    return find_unsettled(found) if len(found) == count else ["one that cannot be seen yet"]


def _is_settled(obj: Raw) -> bool:
    status = obj.get("status") or {}
    ready: Raw = next((c for c in status.get("conditions") or [] if c["type"] == "Ready"), {})
    return ready.get("status") == "True" and status.get("observedGeneration") == obj["metadata"]["generation"]


def _build_one(name: str, image: str) -> Raw:
    container = {
        "name": "model",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "1m", "memory": "2Mi"}},
    }
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "template": {"spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}},
            "route": {
                "parentRefs": [{"name": "public", "namespace": "gateways"}],
                "hostnames": [f"{name}.example.com"],
            },
        },
    }
