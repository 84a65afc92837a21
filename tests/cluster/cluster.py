"""One cluster: start, use, stop. Safe to run twice; nothing is left behind after `stop`."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.cluster import (
    addons,
    bootstrap,
    controlplane,
    envoy,
    images,
    kwok,
    metrics_server,
    netns,
    node,
    paths,
    sandbox,
)
from tests.cluster.build import build, kubernetes_binaries, module_folder
from tests.cluster.errors import ClusterError
from tests.cluster.ground import find_ground
from tests.cluster.pki import NODE_ADDRESS, make_keys, write_kubeconfig
from tests.cluster.process import Processes

Flavour = Literal["control-plane", "node"]


@dataclass(frozen=True)
class Cluster:
    """A running cluster. All addresses are valid inside its network namespace only; see `run`."""

    name: str
    flavour: Flavour

    gateway_url = f"http://{NODE_ADDRESS}:{addons.GATEWAY_PORT}"
    prometheus_url = f"http://{NODE_ADDRESS}:{addons.PROMETHEUS_PORT}"
    prometheus_url_for_pods = prometheus_url

    @property
    def folder(self) -> Path:
        return paths.state(self.name)

    @property
    def netns(self) -> str:
        return f"serinus-{self.name}"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.keys / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """One JSON object a line: every request but those of Kubernetes' own components."""
        return self.folder / "audit.log"

    @property
    def log_dir(self) -> Path:
        return self.folder / "logs"

    @property
    def processes(self) -> Processes:
        return Processes(self.folder, self.netns)

    @classmethod
    def start(cls, flavour: Flavour = "node", name: str = "default", *, scrape_interval: str = "1s") -> "Cluster":
        """Build what is missing, start everything, and wait until it is healthy. One of that name is replaced.

        Raises ClusterError where this machine can have no cluster, or the cluster does not become healthy."""
        ground = find_ground()
        cluster = _class_for(ground)(name, flavour)
        with paths.hold_lock(f"cluster-{name}"):
            cluster._remove()
            cluster.folder.mkdir(parents=True)
            (cluster.folder / "flavour").write_text(flavour)
            (cluster.folder / "ground").write_text(ground)
            try:
                cluster._bring_up(ground, scrape_interval)
            except BaseException:
                cluster._remove(keep_logs=True)
                raise
        return cluster

    @classmethod
    def attach(cls, name: str) -> "Cluster":
        """The cluster of that name, which must be running."""
        cluster = cls.find(name)
        if cluster is None or not cluster.is_running():
            raise ClusterError(
                f"no cluster {name!r} is running; start it with: python -m tests.cluster up --name {name}"
            )
        return cluster

    @classmethod
    def find(cls, name: str) -> "Cluster | None":
        """The cluster of that name, running or only left over; None where there is nothing of it."""
        folder = paths.state(name)
        if not (folder / "ground").exists():
            return cls(name, "node") if folder.exists() else None
        flavour: Flavour = "node" if (folder / "flavour").read_text() == "node" else "control-plane"
        return _class_for((folder / "ground").read_text())(name, flavour)

    def is_running(self) -> bool:
        """Whether every process of it runs."""
        names = self.processes.names()
        return "kube-apiserver" in names and all(self.processes.pid(name) is not None for name in names)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _bring_up(self, ground: str, scrape_interval: str) -> None:
        bootstrap.install_packages()
        prepared = prepare(self.flavour)
        processes = self.processes
        netns.create(self.netns)
        make_keys(self.keys)
        if self.flavour == "node":
            with ThreadPoolExecutor() as pool:
                # The node and Prometheus need the API server only once they run.
                plane = pool.submit(controlplane.start, processes, prepared.binaries, self.keys)
                addons.prometheus(processes, self.keys, scrape_interval)
                plane.result()
            node.start(processes, prepared.binaries, self.keys)
            node.import_image(self.folder, images.pause_image())
            addons.gateway_api(self.kubectl)
            addons.dns(processes, self.kubectl, self.keys)
            addons.traefik(processes, self.kubectl, self.keys, prepared.traefik)
            processes.wait_for("node ready", self._nodes_ready, "kubelet", "containerd")
            processes.wait_for("gateway programmed", lambda: addons.is_gateway_ready(self.kubectl), "traefik")
            processes.wait_for("prometheus", lambda: addons.is_prometheus_ready(processes), "prometheus")
        else:
            # Off by default in this version, and on the node there is no runtime that has them.
            controlplane.start(processes, prepared.binaries, self.keys, "ImageVolume=true")
            addons.gateway_api(self.kubectl)
            kwok.start(processes, self.kubectl, self.keys)
            processes.wait_for("nodes ready", self._nodes_ready, "kwok")
        processes.wait_for("default service account", self._has_default_account, "kube-controller-manager")

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002  (as in subprocess)
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as administrator. Raises ClusterError with its words where it fails, unless `check` is False."""
        command = [str(self.kubectl_path), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = self.run(command, input=input, capture_output=True, text=True, check=False, timeout=timeout)
        if check and done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    @property
    def kubectl_path(self) -> Path:
        return kubernetes_binaries() / "kubectl"

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def apply(self, manifest: str) -> str:
        """`kubectl apply` of YAML or JSON; what kubectl says."""
        return self.kubectl("apply", "-f", "-", input=manifest).stdout

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """subprocess.run inside the cluster's network namespace."""
        return subprocess.run([*netns.enter(self.netns), *command], **options)  # noqa: PLW1510  (the caller decides)

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """subprocess.Popen inside the cluster's network namespace; the caller stops it."""
        return subprocess.Popen([*netns.enter(self.netns), *command], **options)

    def load_image(self, archive: Path) -> None:
        """Make an image known to the node. Simulated nodes pull nothing and need none."""
        if self.flavour == "node":
            node.import_image(self.folder, archive)

    def set_capacity(self, name: str = node.NODE, **resources: str) -> None:
        """Say that a node has so much of an extended resource; `nvidia_com__gpu="2"` sets nvidia.com/gpu."""
        names = {key.replace("__", "~1").replace("_", "."): value for key, value in resources.items()}
        # The kubelet would carry the capacity over to what is allocatable, but only at its next report.
        places = ("/status/capacity/", "/status/allocatable/")
        patch = [{"op": "add", "path": place + key, "value": names[key]} for place in places for key in names]
        self.kubectl("patch", "node", name, "--subresource=status", "--type=json", "-p", json.dumps(patch))

    def kubeconfig_for(self, account: str, namespace: str) -> Path:
        """A kubeconfig that acts as a service account."""
        token = self.kubectl("create", "token", account, "-n", namespace, "--duration=24h").stdout.strip()
        return write_kubeconfig(self.keys, f"{namespace}-{account}", {"token": token})

    def add_envoy_gateway(self) -> None:
        """Install Envoy Gateway beside Traefik, with a Gateway `envoy`; see `envoy_url`. Safe to call twice."""
        self.load_image(envoy.fetch_image())
        envoy.install(self.kubectl)
        self.processes.wait_for(
            "envoy gateway programmed", lambda: addons.is_gateway_ready(self.kubectl, envoy.GATEWAY), "kubelet"
        )

    @property
    def envoy_url(self) -> str:
        """Where the Gateway `envoy` answers."""
        return f"http://{envoy.find_address(self.kubectl)}:{addons.GATEWAY_PORT}"

    def add_metrics_server(self) -> None:
        """Serve what simulated pods say that they use. Safe to call twice."""
        metrics_server.start(self.processes, self.kubectl, self.keys)
        self.processes.wait_for("metrics", lambda: metrics_server.is_ready(self.kubectl), metrics_server.NAME)

    def remove_metrics_server(self) -> None:
        metrics_server.stop(self.processes, self.kubectl)

    def stop_prometheus(self) -> None:
        self.processes.kill("prometheus")

    def start_prometheus(self) -> None:
        addons.start_prometheus(self.processes)
        self.processes.wait_for("prometheus", lambda: addons.is_prometheus_ready(self.processes), "prometheus")

    def collect_logs(self, target: Path) -> None:
        """Copy the logs of all processes, and of the operator's pods."""
        if self.log_dir.exists():
            shutil.copytree(self.log_dir, target, dirs_exist_ok=True)
        for pod in (self.folder / "pod-logs").glob("serinus-system_*"):
            shutil.copytree(pod, target / "pods" / pod.name, dirs_exist_ok=True)

    def stop(self, *, keep_logs: bool = False) -> None:
        """Stop every process of the cluster and remove what it kept."""
        with paths.hold_lock(f"cluster-{self.name}"):
            self._remove(keep_logs=keep_logs)

    def _remove(self, *, keep_logs: bool = False) -> None:
        if self.folder.exists():
            self._take_down()
        if self.netns:
            netns.delete(self.netns)
        if keep_logs:
            kept = paths.cache() / "logs" / self.name
            shutil.rmtree(kept, ignore_errors=True)
            self.collect_logs(kept)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take_down(self) -> None:
        processes = self.processes
        ground = (*node.PROGRAMS, sandbox.HOLDER, *controlplane.STORE)
        processes.stop(*(name for name in processes.names() if name not in ground), patience=5)
        node.stop(processes)
        processes.stop(*controlplane.STORE, patience=3)

    def _nodes_ready(self) -> bool:
        answer = self.kubectl("get", "nodes", "-o", "json", check=False)
        nodes = json.loads(answer.stdout)["items"] if answer.returncode == 0 else []
        return bool(nodes) and all(
            any(c["type"] == "Ready" and c["status"] == "True" for c in n["status"].get("conditions", []))
            for n in nodes
        )

    def _has_default_account(self) -> bool:
        return self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0


def _class_for(ground: str) -> type[Cluster]:
    if ground == "own":
        return Cluster
    from tests.cluster.kind import KindCluster  # it is made of this class

    return KindCluster


@dataclass(frozen=True)
class _Prepared:
    binaries: Path
    traefik: Path


def prepare(flavour: Flavour) -> _Prepared:
    """Everything that needs the outside world, before anything is started."""
    binaries = kubernetes_binaries()
    module_folder("sigs.k8s.io/gateway-api", addons.GATEWAY_API)
    if flavour == "control-plane":
        build("kwok")
        module_folder("sigs.k8s.io/kwok", kwok.KWOK)
        addons.fetch_inference_pools()
        return _Prepared(binaries, Path())
    build("coredns")
    images.pause_image()
    return _Prepared(binaries, addons.fetch_traefik())
