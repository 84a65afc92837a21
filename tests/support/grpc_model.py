"""The same model on gRPC, behind a GRPCRoute."""

from pathlib import Path
from typing import Any

from tests.cluster import Cluster
from tests.cluster.images import python_image
from tests.support.model import Model

Raw = dict[str, Any]

IMAGE = "localhost/e2e-grpc-model:1"
SERVER = Path(__file__).parent / "grpc_model_server.py"


def grpc_model_image() -> Path:
    return python_image(
        "e2e-grpc-model",
        "1",
        requirements=["grpcio>=1.85"],
        files={"/app/server.py": SERVER},
        command=["/usr/bin/python3", "/app/server.py"],
    )


def both_model_image() -> Path:
    return python_image(
        "e2e-both-model",
        "1",
        requirements=["hypercorn>=0.18"],
        files={"/app/server.py": Path(__file__).parent / "http_both_server.py"},
        command=["/usr/bin/python3", "-m", "hypercorn", "--bind", "0.0.0.0:8080", "server:app"],
    )


class BothModel(Model):
    """One ModelDeployment `fraud` that can be asked by HTTP/1.1 and HTTP/2, and so behind any kind of route."""

    container: Raw = {  # noqa: RUF012  (nobody changes it)
        "image": "localhost/e2e-both-model:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
    }


class GrpcModel(Model):
    """One ModelDeployment `fraud` with a route of kind GRPCRoute."""

    metrics_port = "8081"
    container: Raw = {  # noqa: RUF012  (nobody changes it)
        "image": IMAGE,
        "ports": [{"name": "grpc", "containerPort": 8080}, {"name": "metrics", "containerPort": 8081}],
        "readinessProbe": {"grpc": {"port": 8080}, "periodSeconds": 1},
    }

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, gateway: str = "public") -> None:
        super().__init__(cluster, namespace, folder, gateway)
        self.spec["route"]["kind"] = "GRPCRoute"
