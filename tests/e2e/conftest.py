"""One model for each test, in a namespace of its own, so that no test sees what another one left."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.e2e.support import Model, model_image


@pytest.fixture(scope="session")
def stocked_cluster(node_cluster: Cluster) -> Cluster:
    """The real node with the image of the tests' model server."""
    node_cluster.load_image(model_image())
    return node_cluster


@pytest.fixture
def model(stocked_cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A model that is not applied yet."""
    words = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))
    namespace = words[:40].strip("-")
    stocked_cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    yield Model(stocked_cluster, namespace, tmp_path)
    stocked_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
