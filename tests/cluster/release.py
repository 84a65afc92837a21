"""The release `serinus` of the chart in a cluster: its values, and Helm."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.features import FEATURES
from tests.cluster.helm import CHART, find_helm
from tests.cluster.operator_image import NAME as IMAGE_NAME
from tests.cluster.operator_image import operator_image

RELEASE = "serinus"
NAMESPACE = "serinus-system"
ACCOUNT = "serinus"
TAG = "test"
TRAINING_KINDS = FEATURES["training"]["kinds"]

Values = dict[str, Any]


def load_operator_image(cluster: Cluster, tag: str = TAG, version: str = "") -> None:
    """Make `localhost/serinus:<tag>` of the files that are here known to the node."""
    cluster.load_image(operator_image(tag, version))


def build_values(cluster: Cluster, scrape_interval: str) -> Values:
    """What a test cluster differs in from the chart's own values, with no replica yet."""
    values: Values = {"image": {"repository": f"localhost/{IMAGE_NAME}", "tag": TAG, "pullPolicy": "Never"}}
    values |= {**FEATURES, "replicas": 0}
    if cluster.flavour == "node":
        provider = build_provider(cluster.prometheus_url_for_pods, scrape_interval)
        # Here nobody sends events, and no Workloads of Kueue are there to be looked at.
        values["features"] = {**FEATURES["features"], "events": False, "kueue": False}
        values["metricsProviders"] = [provider]
    return values


def build_provider(address: str, scrape_interval: str) -> Values:
    """Name and spec of the provider of a test cluster."""
    return {"name": "default", "spec": {"address": address, "scrapeInterval": scrape_interval, "timeout": "1s"}}


def with_settings(values: Values, settings: Mapping[str, str], **more: Any) -> Values:
    """The same values with SERINUS_ variables (in lower case, without the prefix) and other top-level values."""
    variables = [{"name": f"SERINUS_{name.upper()}", "value": value} for name, value in settings.items()]
    return {**values, **more, "extraEnv": variables}


def save_values(cluster: Cluster, values: Values) -> Path:
    """Keep them for whoever attaches to the cluster later."""
    path = _values_file(cluster)
    path.write_text(json.dumps(values, indent=1))
    return path


def load_values(cluster: Cluster) -> Values:
    """What the release was installed with first. Raises ClusterError where there is no release."""
    path = _values_file(cluster)
    if not path.exists():
        raise ClusterError(f"Serinus is not installed in the cluster {cluster.name}")
    return dict(json.loads(path.read_text()))


def _values_file(cluster: Cluster) -> Path:
    return cluster.folder / "serinus-values.json"


def upgrade(cluster: Cluster, values: Values, *arguments: str, chart: Path = CHART, timeout: float = 150) -> str:
    """Install the release, or upgrade it to these values and no others; what Helm says.

    CRDs of an earlier release, or of `kubectl apply -f crds/`, are taken over."""
    command = ["upgrade", "--install", RELEASE, str(chart), "-n", NAMESPACE, "--create-namespace", "--values", "-"]
    return helm(
        cluster,
        *command,
        "--take-ownership",
        "--force-conflicts",
        *arguments,
        stdin=json.dumps(values),
        timeout=timeout,
    )


def uninstall(cluster: Cluster, *arguments: str) -> str:
    """Remove the release; what Helm says."""
    return helm(cluster, "uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found", *arguments)


def helm(cluster: Cluster, *arguments: str, stdin: str = "", timeout: float = 150) -> str:
    """What Helm says. Raises ClusterError with its words where it fails."""
    done = run_helm(cluster, arguments, stdin, timeout)
    if done.returncode != 0:
        raise ClusterError(f"helm {' '.join(arguments[:3])} …: {done.stderr.strip()[-2000:]}")
    return done.stdout


def run_helm(
    cluster: Cluster, arguments: Sequence[str], stdin: str = "", timeout: float = 150
) -> subprocess.CompletedProcess[str]:
    """Run Helm as administrator, whatever its exit status."""
    command = [str(find_helm()), "--kubeconfig", str(cluster.kubeconfig), *arguments]
    return cluster.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
