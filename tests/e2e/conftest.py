"""One model for each test, in a namespace of its own, so that no test sees what another one left."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.support.grpc_model import BothModel, GrpcModel, both_model_image, grpc_model_image
from tests.support.model import Model, model_image

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def stocked_cluster(node_cluster: Cluster) -> Cluster:
    """The real node with the image of the tests' model server."""
    node_cluster.load_image(model_image())
    return node_cluster


@pytest.fixture(scope="session")
def envoy_cluster(stocked_cluster: Cluster) -> Cluster:
    """The same node with Envoy Gateway as a second gateway."""
    stocked_cluster.add_envoy_gateway()
    return stocked_cluster


@pytest.fixture
def model(stocked_cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A model behind Traefik that is not applied yet."""
    yield from make_model(stocked_cluster, tmp_path, request, "public")


@pytest.fixture
def envoy_model(envoy_cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A model behind Envoy Gateway that is not applied yet."""
    yield from make_model(envoy_cluster, tmp_path, request, "envoy")


@pytest.fixture(params=["public", "envoy"], ids=["traefik", "envoy"])
def grpc_model(envoy_cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A model that speaks gRPC, behind each of the gateways, that is not applied yet."""
    envoy_cluster.load_image(grpc_model_image())
    yield from make_model(envoy_cluster, tmp_path, request, request.param, GrpcModel)


@pytest.fixture(params=["public", "envoy"], ids=["traefik", "envoy"])
def both_model(envoy_cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A model for any kind of route, behind each of the gateways, that is not applied yet."""
    envoy_cluster.load_image(both_model_image())
    yield from make_model(envoy_cluster, tmp_path, request, request.param, BothModel)


def make_model(
    cluster: Cluster, folder: Path, request: pytest.FixtureRequest, gateway: str, kind: type[Model] = Model
) -> Iterator[Model]:
    """A model in a namespace of its own, which is removed in the end."""
    words = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))
    # Two dashes in a row are a good name, and a gateway may fold them in its metrics.
    namespace = f"{words[:36].strip('-')}--{next(numbers)}"
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    yield kind(cluster, namespace, folder, gateway)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
