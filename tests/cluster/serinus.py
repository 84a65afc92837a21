"""Serinus in a cluster: CRDs, a MetricsProvider, and the operator as a process in the cluster's network namespace."""

import json
import sys
from collections.abc import Mapping, Sequence

from tests.cluster.cluster import Cluster
from tests.cluster.paths import REPOSITORY

OPERATOR = "operator"
NAMESPACE = "serinus-system"
PORT = 8080
TRAINING_KINDS = ("batch/v1/Job", "argoproj.io/v1alpha1/Workflow", "ray.io/v1/RayJob")
"""What may train in test clusters; kinds that are not installed are waited for."""


def install_serinus(cluster: Cluster, *, scrape_interval: str = "1s", operator: bool = True) -> None:
    """Install the CRDs and the provider `default`, start the operator and wait until it is ready."""
    cluster.kubectl("apply", "--server-side", "-f", str(REPOSITORY / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "modeldeployments.serinus.dev", "--timeout=30s")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    provider = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "MetricsProvider",
        "metadata": {"name": "default"},
        "spec": {"address": cluster.prometheus_url, "scrapeInterval": scrape_interval, "timeout": "1s"},
    }
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [namespace, provider]}))
    if operator:
        start_operator(cluster)


def start_operator(cluster: Cluster, name: str = OPERATOR, port: int = PORT, **settings: str) -> None:
    """Start one replica and wait until it is ready; `settings` are further SERINUS_ variables, in lower case."""
    launch_operator(cluster, name, port, settings=settings)
    cluster.processes.wait_for(f"{name} ready", lambda: is_ready(cluster, port), name)


def launch_operator(
    cluster: Cluster,
    name: str = OPERATOR,
    port: int = PORT,
    *,
    program: Sequence[str] = ("-m", "serinus"),
    environment: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> None:
    """Start one replica, or what is to run in its place, and wait for nothing."""
    given = {"training_kinds": ",".join(TRAINING_KINDS), **(settings or {})}
    variables = {f"SERINUS_{key.upper()}": value for key, value in given.items()}
    variables |= {
        "KUBECONFIG": str(cluster.kubeconfig),
        "SERINUS_NAMESPACE": NAMESPACE,
        "SERINUS_HTTP_PORT": str(port),
        "PYTHONPATH": f"{REPOSITORY / 'operator'}:{REPOSITORY}",
        **(environment or {}),
    }
    cluster.processes.start(name, [sys.executable, *program], env=variables, cwd=cluster.folder)


def stop_operator(cluster: Cluster, name: str = OPERATOR) -> None:
    """Stop a replica as Kubernetes would."""
    cluster.processes.stop(name)


def kill_operator(cluster: Cluster, name: str = OPERATOR) -> None:
    """End a replica without warning."""
    cluster.processes.kill(name)


def restart_operator(cluster: Cluster, name: str = OPERATOR, port: int = PORT, **settings: str) -> None:
    """Stop a replica as Kubernetes would, and start it again."""
    stop_operator(cluster, name)
    start_operator(cluster, name, port, **settings)


def uninstall_serinus(cluster: Cluster) -> None:
    """Stop the operator, then remove the CRDs with every object of theirs."""
    stop_operator(cluster)
    cluster.kubectl("delete", "--ignore-not-found", "-f", str(REPOSITORY / "crds"), timeout=120)


def is_ready(cluster: Cluster, port: int = PORT) -> bool:
    ask = "import sys,urllib.request as u; u.urlopen(sys.argv[1], timeout=1)"
    url = f"http://127.0.0.1:{port}/readyz"
    return cluster.run([sys.executable, "-c", ask, url], capture_output=True, check=False).returncode == 0
