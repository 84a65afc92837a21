"""A cluster made by kind, for machines with Docker: the same surface as `Cluster`, as far as kind has it.

Developed on machines without Docker: nothing here has been run against kind yet. What differs from one of our own:
there is no network namespace (commands run on this machine and reach gateway and Prometheus through the node ports
of kind-config.yaml), no audit log, and no simulated nodes; both flavours are the same.
"""

import json
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import addons
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.paths import HERE, REPOSITORY

CONFIG = REPOSITORY / "kind-config.yaml"
MANIFEST = HERE / "manifests" / "kind.yaml"
NAMESPACE = "serinus-ground"
MADE = "made-by-us"
"""Name of the file that says that this cluster is ours to delete; its content is the name that kind knows."""


@dataclass(frozen=True)
class KindCluster(Cluster):
    """The kind cluster that is the current kube context, or a new one. All addresses are those of this machine."""

    gateway_url = "http://127.0.0.1:8080"
    prometheus_url = "http://127.0.0.1:9090"
    prometheus_url_for_pods = f"http://prometheus.{NAMESPACE}.svc:9090"

    @property
    def netns(self) -> str:
        return ""

    @property
    def audit_log(self) -> Path:
        raise ClusterError("a cluster made by kind has no audit log; what counts writes needs a cluster of our own")

    @property
    def kubectl_path(self) -> Path:
        return Path(shutil.which("kubectl") or "kubectl")

    def is_running(self) -> bool:
        return self.kubeconfig.exists() and self.kubectl("get", "--raw", "/readyz", check=False).returncode == 0

    def load_image(self, archive: Path) -> None:
        name = self._kind_name()
        _run("kind", "load", "image-archive", str(archive), "--name", name)

    def set_capacity(self, name: str = "", **resources: str) -> None:
        super().set_capacity(name or self.get("nodes")["items"][0]["metadata"]["name"], **resources)

    def kubeconfig_for(self, account: str, namespace: str) -> Path:
        token = self.kubectl("create", "token", account, "-n", namespace, "--duration=24h").stdout.strip()
        config = yaml.safe_load(self.kubeconfig.read_text())
        for user in config["users"]:
            user["user"] = {"token": token}
        return self._write(f"{namespace}-{account}", config)

    def stop_prometheus(self) -> None:
        self._scale_prometheus(0)
        selection = ("pods", "-n", NAMESPACE, "-l", "app=prometheus")
        self.processes.wait_for("Prometheus gone", lambda: not self.get(*selection)["items"])

    def start_prometheus(self) -> None:
        self._scale_prometheus(1)
        self.processes.wait_for("Prometheus", lambda: _answers(f"{self.prometheus_url}/-/ready"))

    def _scale_prometheus(self, replicas: int) -> None:
        self.kubectl("scale", "deployment/prometheus", "-n", NAMESPACE, f"--replicas={replicas}")

    def _bring_up(self, ground: str, scrape_interval: str) -> None:
        self.keys.mkdir()
        if ground == "current-context":
            self._take_current_context()
        else:
            self._make()
        addons.gateway_api(self.kubectl)
        self.apply(MANIFEST.read_text().replace("SCRAPE_INTERVAL", scrape_interval))
        self.apply((HERE / "manifests" / "gateway.yaml").read_text())
        for name in ("traefik", "prometheus"):
            self.kubectl("rollout", "status", f"deployment/{name}", "-n", NAMESPACE, "--timeout=180s", timeout=200)
        self.processes.wait_for("gateway programmed", lambda: addons.is_gateway_ready(self.kubectl))
        if not _answers(f"{self.prometheus_url}/-/ready"):
            raise ClusterError(
                f"{self.prometheus_url} does not answer: the cluster was not made with {CONFIG.name}, which maps node"
                f" ports to this machine. Make one that was: kind create cluster --config {CONFIG}"
            )

    def _take_current_context(self) -> None:
        flat = _run("kubectl", "config", "view", "--minify", "--flatten", "--raw", "-o", "json")
        self._write("admin", json.loads(flat))

    def _make(self) -> None:
        name = str(yaml.safe_load(CONFIG.read_text())["name"])
        if name in _run("kind", "get", "clusters").split():
            _run("kind", "export", "kubeconfig", "--name", name, "--kubeconfig", str(self.kubeconfig))
            return
        print("making a cluster with kind", flush=True)
        (self.folder / MADE).write_text(name)
        _run("kind", "create", "cluster", "--config", str(CONFIG), "--kubeconfig", str(self.kubeconfig), "--wait=120s")

    def _take_down(self) -> None:
        self.processes.stop(*self.processes.names(), patience=5)
        made = self.folder / MADE
        if made.exists():
            _run("kind", "delete", "cluster", "--name", made.read_text())
        elif self.is_running():
            for manifest in (HERE / "manifests" / "gateway.yaml", MANIFEST):
                self.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", str(manifest), check=False)

    def _write(self, name: str, config: dict[str, Any]) -> Path:
        path = self.keys / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return path

    def _kind_name(self) -> str:
        context: str = yaml.safe_load(self.kubeconfig.read_text())["current-context"]
        return context.removeprefix("kind-")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
