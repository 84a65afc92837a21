"""metrics-server: what pods use, for a HorizontalPodAutoscaler. As a process of the node, behind an aggregated API."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster.build import build
from tests.cluster.pki import NODE_ADDRESS
from tests.cluster.process import Processes

PORT = 4443
NAME = "metrics-server"
NAMESPACE = "kube-system"
API = "v1beta1.metrics.k8s.io"

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def start(processes: Processes, kubectl: Kubectl, keys: Path) -> None:
    """Start it and register its API. 10 s is the shortest interval that it accepts."""
    program = build(NAME)
    access = keys / "admin.kubeconfig"
    command: list[str | Path] = [program, "--secure-port", str(PORT), "--cert-dir", processes.folder / NAME]
    for flag in ("--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"):
        command += [flag, access]
    command += ["--kubelet-insecure-tls", "--kubelet-use-node-status-port", "--metric-resolution=10s"]
    command += ["--kubelet-request-timeout=5s"]
    processes.start(NAME, [*command, "--kubelet-preferred-address-types=InternalIP"])
    kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects()}))


def stop(processes: Processes, kubectl: Kubectl) -> None:
    """Take its API out of service and stop it; an API that nobody serves would keep namespaces from being deleted."""
    kubectl("delete", "apiservice", API, "--ignore-not-found")
    processes.stop(NAME)


def is_ready(kubectl: Kubectl) -> bool:
    """Whether its API is in service. It has figures of a pod once it has seen it twice."""
    return kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/pods", check=False).returncode == 0


def _objects() -> list[dict[str, Any]]:
    place = {"name": NAME, "namespace": NAMESPACE}
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": place,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": PORT}]},
    }
    endpoints: dict[str, Any] = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**place, "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS]}],
        "ports": [{"name": "https", "port": PORT}],
    }
    api: dict[str, Any] = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": API},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "service": place,
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    return [service, endpoints, api]
