"""The operator's pods on a node: started and stopped by the values of the release, ended from outside."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.cluster import release
from tests.cluster.cluster import Cluster
from tests.cluster.release import NAMESPACE, RELEASE

SELECTOR = f"app.kubernetes.io/instance={RELEASE}"
LEASE = "serinus"
PATIENCE = 180.0


def start(cluster: Cluster, settings: Mapping[str, str], replicas: int = 1) -> None:
    """Run so many replicas with these settings and no others; wait until they are ready, one of them leads, and those
    before them are gone."""
    release.upgrade(cluster, release.with_settings(release.load_values(cluster), settings, replicas=replicas))
    wait_until_settled(cluster, replicas)


def wait_until_settled(cluster: Cluster, replicas: int = 1) -> None:
    """Wait until there are so many pods, all ready, and one of them leads."""

    def settled() -> bool:
        found = list_pods(cluster)
        ready = [name_of(pod) for pod in found if is_ready(pod)]
        return len(found) == len(ready) == replicas and is_rolled_out(cluster) and find_leader(cluster) in ready

    cluster.processes.wait_for("the operator's pods are ready", settled, "kubelet", patience=PATIENCE)


def stop(cluster: Cluster) -> None:
    """Stop all replicas as Kubernetes would."""
    save_logs(cluster)
    release.upgrade(cluster, {**release.load_values(cluster), "replicas": 0})
    _wait_until_gone(cluster)


def kill(cluster: Cluster) -> None:
    """End all replicas without warning, and let none come back.

    They are stopped first, so that they do not hear of being asked to end. With kind their processes cannot be reached
    from here, and they may hear of it for a moment."""
    victims = [pid for pod in list_pods(cluster) for pid in find_processes(cluster, pod)]
    for pid in victims:
        _signal(pid, signal.SIGSTOP)
    save_logs(cluster)
    release.upgrade(cluster, {**release.load_values(cluster), "replicas": 0})
    cluster.kubectl("delete", "pods", "-n", NAMESPACE, "-l", SELECTOR, "--force", "--grace-period=0", "--wait=false")
    for pid in victims:
        _signal(pid, signal.SIGKILL)
    _wait_until_gone(cluster)


def list_pods(cluster: Cluster) -> list[dict[str, Any]]:
    return list(cluster.get("pods", "-n", NAMESPACE, "-l", SELECTOR)["items"])


def name_of(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def is_rolled_out(cluster: Cluster) -> bool:
    """Whether the Deployment's controller has seen what was asked for last, and made it so."""
    raw = cluster.get("deployment", RELEASE, "-n", NAMESPACE)
    status, wanted = raw.get("status", {}), raw["spec"]["replicas"]
    seen = status.get("observedGeneration") == raw["metadata"]["generation"]
    return bool(seen and status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == wanted)


def find_leader(cluster: Cluster) -> str:
    """The pod that holds the Lease; empty where nobody does."""
    answer = cluster.kubectl("get", "lease", LEASE, "-n", NAMESPACE, "-o", "json", check=False)
    spec = json.loads(answer.stdout)["spec"] if answer.returncode == 0 else {}
    # The name of the pod, and what tells its starts apart.
    return str(spec.get("holderIdentity") or "").partition("_")[0]


def save_logs(cluster: Cluster) -> None:
    """Append what the pods have said to logs/operator.log: with a pod its own log goes."""
    cluster.log_dir.mkdir(exist_ok=True)
    for pod in list_pods(cluster):
        said = cluster.kubectl("logs", name_of(pod), "-n", NAMESPACE, check=False).stdout
        with (cluster.log_dir / "operator.log").open("a") as file:
            file.write(said)


def _wait_until_gone(cluster: Cluster) -> None:
    cluster.processes.wait_for("the operator's pods end", lambda: not list_pods(cluster), "kubelet", patience=PATIENCE)


def find_processes(cluster: Cluster, pod: dict[str, Any]) -> Iterator[int]:
    """The processes of a pod's containers on this machine, known by the container ids in their cgroups."""
    if not cluster.netns:
        return
    ids = [str(c.get("containerID", "")).rpartition("/")[2] for c in pod["status"].get("containerStatuses", [])]
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                cgroups = (path / "cgroup").read_text()
                if any(one and one in cgroups for one in ids):
                    yield int(path.name)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
