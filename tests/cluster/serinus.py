"""Serinus in a cluster, installed by its chart: as pods on a node; where nodes are simulated and run nothing, as
processes that act as the chart's service account."""

import json
import sys
from collections.abc import Mapping, Sequence

from tests.cluster import operatorpods, release
from tests.cluster.cluster import Cluster
from tests.cluster.paths import REPOSITORY
from tests.cluster.release import ACCOUNT, NAMESPACE, TRAINING_KINDS

OPERATOR = "operator"
PORT = 8080


def install_serinus(cluster: Cluster, *, scrape_interval: str = "1s", operator: bool = True) -> None:
    """Install the chart with the provider `default`, start one operator and wait until it is ready."""
    values = release.build_values(cluster, scrape_interval)
    release.save_values(cluster, values)
    if cluster.flavour == "node":
        release.load_operator_image(cluster)
    release.upgrade(cluster, values)
    if cluster.flavour != "node":
        # Tests turn it to servers of their own, and no upgrade of the release is to turn it back.
        provider = release.build_provider(cluster.prometheus_url, scrape_interval)
        head = {"apiVersion": "serinus.dev/v1alpha1", "kind": "MetricsProvider", "metadata": {"name": provider["name"]}}
        cluster.apply(json.dumps({**head, "spec": provider["spec"]}))
    if operator:
        start_operator(cluster)


def start_operator(cluster: Cluster, name: str = OPERATOR, port: int = PORT, **settings: str) -> None:
    """Start one replica and wait until it is ready; `settings` are further SERINUS_ variables, in lower case. Names
    and ports are for processes: pods of one release are all the same."""
    if cluster.flavour == "node":
        operatorpods.start(cluster, settings)
        return
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
    """Start one replica as a process, or what is to run in its place, and wait for nothing."""
    given = {"training_kinds": ",".join(TRAINING_KINDS), **(settings or {})}
    variables = {f"SERINUS_{key.upper()}": value for key, value in given.items()}
    if "KUBECONFIG" not in (environment or {}):
        variables["KUBECONFIG"] = str(cluster.kubeconfig_for(ACCOUNT, NAMESPACE))
    variables |= {
        "SERINUS_NAMESPACE": NAMESPACE,
        "SERINUS_HTTP_PORT": str(port),
        "PYTHONPATH": f"{REPOSITORY / 'operator'}:{REPOSITORY}",
        **(environment or {}),
    }
    cluster.processes.start(name, [sys.executable, *program], env=variables, cwd=cluster.folder)


def stop_operator(cluster: Cluster, name: str = OPERATOR) -> None:
    """Stop a replica as Kubernetes would; on a node, all of them."""
    if cluster.flavour == "node":
        operatorpods.stop(cluster)
    else:
        cluster.processes.stop(name)


def kill_operator(cluster: Cluster, name: str = OPERATOR) -> None:
    """End a replica without warning; on a node, all of them."""
    if cluster.flavour == "node":
        operatorpods.kill(cluster)
    else:
        cluster.processes.kill(name)


def restart_operator(cluster: Cluster, name: str = OPERATOR, port: int = PORT, **settings: str) -> None:
    """Replace a replica as Kubernetes would, by one with these settings and no others."""
    if cluster.flavour != "node":
        stop_operator(cluster, name)
    start_operator(cluster, name, port, **settings)


def uninstall_serinus(cluster: Cluster) -> None:
    """Uninstall the release, then remove the CRDs with every object of theirs."""
    if cluster.flavour == "node":
        operatorpods.stop(cluster)
    else:
        stop_operator(cluster)
    release.uninstall(cluster)
    cluster.kubectl("delete", "--ignore-not-found", "-f", str(REPOSITORY / "crds"), timeout=120)


def is_ready(cluster: Cluster, port: int = PORT) -> bool:
    """Whether the process on that port says so."""
    ask = "import sys,urllib.request as u; u.urlopen(sys.argv[1], timeout=1)"
    url = f"http://127.0.0.1:{port}/readyz"
    return cluster.run([sys.executable, "-c", ask, url], capture_output=True, check=False).returncode == 0
