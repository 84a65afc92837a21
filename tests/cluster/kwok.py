"""Simulated nodes: pods on them become ready without containers, or crash, or find no GPU."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cluster.build import build, module_folder
from tests.cluster.paths import HERE
from tests.cluster.pki import NODE_ADDRESS
from tests.cluster.process import Processes

KWOK = "v0.8.0"
STAGES = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
)
USAGE = ("metrics/resource/metrics-resource", "metrics/usage/usage-from-annotation")
"""A kubelet's resource metrics, with what each pod's annotations say that it uses."""
ANNOTATION = "kwok.x-k8s.io/node"
PORT = 10247

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def start(processes: Processes, kubectl: Kubectl, keys: Path, nodes: int = 5, gpus: int = 8) -> None:
    """Start the simulator and give it nodes with `gpus` GPUs each."""
    program = build("kwok")
    folder = processes.folder / "kwok"
    folder.mkdir(exist_ok=True)
    source = module_folder("sigs.k8s.io/kwok", KWOK) / "kustomize"
    parts = [(source / f"{part}.yaml").read_text() for part in (*(f"stage/{stage}" for stage in STAGES), *USAGE)]
    parts.append((HERE / "manifests" / "crash-loop.yaml").read_text())
    (folder / "stages.yaml").write_text("\n---\n".join(parts))
    command: list[str | Path] = [program, "-c", folder / "stages.yaml", "--kubeconfig", keys / "admin.kubeconfig"]
    command += ["--manage-nodes-with-annotation-selector", f"{ANNOTATION}=fake", "--cidr", "10.97.0.0/16"]
    command += ["--node-ip", NODE_ADDRESS, "--node-lease-duration-seconds", "40"]
    command += ["--server-address", f"{NODE_ADDRESS}:{PORT}", "--node-port", str(PORT)]
    command += ["--tls-cert-file", keys / "node.crt", "--tls-private-key-file", keys / "node.key"]
    processes.start("kwok", command)
    items = [_node(f"fake{number}", gpus) for number in range(nodes)]
    kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def _node(name: str, gpus: int) -> dict[str, object]:
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "250", "nvidia.com/gpu": str(gpus)}
    annotations = {
        ANNOTATION: "fake",
        "metrics.k8s.io/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": annotations, "labels": {"type": "kwok"}},
        "status": {"capacity": capacity, "allocatable": capacity},
    }
