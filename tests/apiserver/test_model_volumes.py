"""What is written into the pods for each delivery, and what is said where the admin or the cluster lacks something."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.apiserver.conftest import Surroundings
from tests.cluster import Cluster
from tests.cluster.serinus import restart_operator
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

DIGEST = "sha256:" + "a" * 64
URI = f"oci://registry.example/fraud@{DIGEST}"


@pytest.fixture
def loading(surroundings: Surroundings) -> Iterator[Cluster]:
    """The cluster, with an operator that may be given a loader image."""
    yield surroundings.cluster
    restart_operator(surroundings.cluster)


def pod_of(model: Model, revision: str) -> dict[str, Any]:
    return dict(model.get("deployment", revision)["spec"]["template"]["spec"])


def await_pods(model: Model, revision: str, number: int) -> None:
    wait_for(f"{number} pods", lambda: len(model.pods(revision)) == number, model.explain)


def test_an_image_volume_is_kept_by_an_api_server_that_has_them(model: Model) -> None:
    model.apply("v1", model={"from": {"uri": URI}, "delivery": "ImageVolume"})
    model.await_reason("Serving")
    pod = pod_of(model, model.stable())
    image = {"reference": f"registry.example/fraud@{DIGEST}", "pullPolicy": "IfNotPresent"}
    assert pod["volumes"] == [{"name": "serinus-model", "image": image}]
    mount = {"name": "serinus-model", "mountPath": "/mnt/models", "readOnly": True}
    assert pod["containers"][0]["volumeMounts"] == [mount]


def test_a_loader_that_is_not_configured_is_named_and_a_newer_one_moves_nobody(model: Model, loading: Cluster) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    first = model.stable()
    source = {"from": {"uri": URI}, "delivery": "InitContainer"}
    model.apply("v1", model=source)
    model.await_reason("LoaderNotConfigured")
    assert "SERINUS_LOADER_IMAGE" in model.condition("Ready")["message"]
    assert model.weights() == {first: 100}
    restart_operator(loading, loader_image="registry.example/loader:1")
    wait_for("another revision", lambda: model.stable() != first, model.explain, 90)
    loaded = model.stable()
    assert pod_of(model, loaded)["initContainers"][0]["image"] == "registry.example/loader:1"
    before = model.pods(loaded)
    # What the admin changes concerns the revisions to come; this one goes on as it is, even without any loader.
    for image, replicas in (("registry.example/loader:2", 3), ("", 4)):
        restart_operator(loading, loader_image=image)
        model.apply("v1", model=source, replicas=replicas)
        await_pods(model, loaded, replicas)
        model.await_reason("Serving")
        assert pod_of(model, loaded)["initContainers"][0]["image"] == "registry.example/loader:1"
    assert model.stable() == loaded
    assert before <= model.pods(loaded)
