"""The chart as it is published: packaged, pushed to a registry and installed from there; and the plain forms."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from serinus.settings import PREFIX
from tests.cluster import Cluster
from tests.cluster.helm import CHART, find_helm
from tests.cluster.paths import REPOSITORY
from tests.cluster.serinus import start_operator, stop_operator
from tests.support.model import wait_for

REGISTRY = "127.0.0.1:5000"
NAMESPACE = "serinus-system"
PLAIN = REPOSITORY / "charts" / "serinus-install"
VALUES = {
    "image": {"repository": "registry.example/never-pulled"},
    "tolerations": [{"operator": "Exists"}],
    "metricsProviders": [{"name": "default", "spec": {"address": "http://127.0.0.1:9"}}],
}
"""Simulated nodes are tainted, and pull nothing."""

pytestmark = pytest.mark.apiserver


class Helm:
    """Helm with a home of its own, inside the cluster's network."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder

    def __call__(self, *arguments: str, values: object = None) -> str:
        homes = {f"HELM_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        command = [str(find_helm()), "--kubeconfig", str(self.cluster.kubeconfig), *arguments]
        given = {"input": json.dumps(values), "env": os.environ | homes, "cwd": self.folder, "timeout": 120}
        done = self.cluster.run(command, capture_output=True, text=True, check=False, **given)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)


@contextmanager
def serve_registry(cluster: Cluster, folder: Path) -> Iterator[None]:
    """A real registry at REGISTRY, as a process in the cluster's network."""
    settings = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": REGISTRY},
    }
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump(settings))
    cluster.processes.start("docker-registry", ["docker-registry", "serve", file])
    ask = ["python3", "-c", f"import urllib.request as u; u.urlopen('http://{REGISTRY}/v2/', timeout=1)"]
    try:
        cluster.processes.wait_for(
            "registry", lambda: cluster.run(ask, capture_output=True, check=False).returncode == 0, "docker-registry"
        )
        yield
    finally:
        cluster.processes.stop("docker-registry")


def publish(helm: Helm) -> str:
    """Package the chart, push it, pull it back; its address. What comes back is what was packed."""
    helm("package", str(CHART), "--destination", str(helm.folder))
    packed = next(helm.folder.glob("serinus-*.tgz"))
    helm("push", str(packed), f"oci://{REGISTRY}/charts", "--plain-http")
    pulled = helm.folder / "pulled"
    pulled.mkdir()
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    address = f"oci://{REGISTRY}/charts/serinus"
    helm("pull", address, "--version", version, "--plain-http", "--destination", str(pulled))
    sums = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (packed, pulled / packed.name)}
    assert len(sums) == 1
    return address


def list_crds(cluster: Cluster) -> list[str]:
    return sorted(
        crd["metadata"]["name"] for crd in cluster.get("crd")["items"] if crd["spec"]["group"] == "serinus.dev"
    )


def see_providers_come_and_go(helm: Helm, place: list[str]) -> None:
    """The first revision made its provider as a hook, the ones after it have theirs among their objects."""

    def listed() -> dict[str, str]:
        found = helm.cluster.get("mprov")["items"]
        return {one["metadata"]["name"]: one["spec"]["address"] for one in found}

    first = listed()
    own = {"address": "http://127.0.0.1:10"}
    more = [{"name": name, "spec": own} for name in (*first, "other")]
    helm("upgrade", *place, values={**VALUES, "metricsProviders": more})
    assert listed() == {one["name"]: own["address"] for one in more}
    helm("rollback", "serinus", "1", "-n", NAMESPACE)
    assert listed() == first
    helm("rollback", "serinus", "3", "-n", NAMESPACE)
    assert listed() == {one["name"]: own["address"] for one in more}
    helm("rollback", "serinus", "1", "-n", NAMESPACE)
    helm("upgrade", *place, values=VALUES)
    assert listed() == first
    helm("upgrade", *place, values={**VALUES, "metricsProviders": []})
    assert listed() == {}


def nudge_crds(cluster: Cluster) -> list[str]:
    """Our CRDs that are still there, each changed a little: an API server that could not empty one whose storage is
    just being "(re)initialized" tries again later and later, up to minutes, and at once when the CRD changes."""
    left = list_crds(cluster)
    if left:
        time.sleep(2)
        cluster.kubectl("annotate", "crd", *left, "--overwrite", f"nudged={time.monotonic()}", check=False)
    return left


KINDS = "deployment,service,serviceaccount,role,rolebinding,poddisruptionbudget"
CRDS = sorted(path.stem for path in (REPOSITORY / "crds").glob("*.serinus.dev.yaml"))


def test_the_chart_is_published_and_installed_from_a_registry(bare_control_plane: Cluster, tmp_path: Path) -> None:
    cluster, helm = bare_control_plane, Helm(bare_control_plane, tmp_path)
    with serve_registry(cluster, tmp_path):
        address = publish(helm)
        place = ["serinus", address, "--plain-http", "-n", NAMESPACE, "--values", "-"]
        started = time.monotonic()
        said = helm("install", *place, "--create-namespace", "--wait", values=VALUES)
        print(f"helm install --wait: {time.monotonic() - started:.1f} s")
        assert "STATUS: deployed" in said
        assert "WARNING" not in said
        assert list_crds(cluster) == CRDS
        assert cluster.get("deployment", "serinus", "-n", NAMESPACE)["status"]["readyReplicas"] == 2

        # What the chart tells the pods, and the rights that it gives them, are enough to work.
        container = cluster.get("deployment", "serinus", "-n", NAMESPACE)["spec"]["template"]["spec"]["containers"][0]
        told = {one["name"].removeprefix(PREFIX).lower(): one["value"] for one in container["env"] if "value" in one}
        start_operator(cluster, **told)
        try:
            cluster.kubectl("wait", "mprov/default", "--for=condition=Ready=False", "--timeout=30s")
        finally:
            stop_operator(cluster)

        first = cluster.get("mprov", "default")["metadata"]
        helm("upgrade", *place, values=VALUES)
        second = cluster.get("mprov", "default")["metadata"]
        assert second["uid"] == first["uid"], "taken over, not made anew"
        see_providers_come_and_go(helm, place)
    helm("uninstall", "serinus", "-n", NAMESPACE, "--wait")
    assert list_crds(cluster) == CRDS, "kept, and every model with them"
    left = cluster.get(KINDS, "-n", NAMESPACE, "-l", "app.kubernetes.io/name=serinus")
    assert left["items"] == []
    left = cluster.get("clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/name=serinus")
    assert left["items"] == []

    # The plain forms, over CRDs that somebody else has left there, and again over themselves.
    for way in (["-f", str(PLAIN / "install.yaml")], ["-k", str(PLAIN)]):
        cluster.kubectl("apply", "--server-side", "--force-conflicts", *way)
        again = cluster.kubectl("apply", "--server-side", "--force-conflicts", *way).stdout
        assert cluster.get("deployment", "serinus", "-n", NAMESPACE)["spec"]["replicas"] == 2
        assert list_crds(cluster) == CRDS
        assert "serverside-applied" in again
        account = f"system:serviceaccount:{NAMESPACE}:serinus"
        cluster.kubectl("auth", "can-i", "list", "modeldeployments.serinus.dev", "-A", "--as", account)
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", *way)
        wait_for("no CRD is left", lambda: not nudge_crds(cluster), lambda: str(list_crds(cluster)), 120)
        cluster.kubectl("delete", "--ignore-not-found", *way, "--timeout=60s", timeout=90)

    # And as people do who know nothing of server-side apply.
    cluster.kubectl("apply", "-k", str(PLAIN))
    assert list_crds(cluster) == CRDS
