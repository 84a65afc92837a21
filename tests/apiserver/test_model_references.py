"""A reference to a model is asked once what it means; only digests are served, and a tag that moves changes nothing."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.serinus import restart_operator
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

PORT = 9098
HOST = f"127.0.0.1:{PORT}"


class Registry:
    """Static files are all that a registry of public manifests needs."""

    def __init__(self, model: Model, folder: Path) -> None:
        self.model = model
        self.folder = folder / "v2" / "fraud" / "manifests"
        self.root = folder
        self.process: Any = None
        self.folder.mkdir(parents=True)

    def push(self, tag: str, content: str) -> str:
        """Let a tag mean something; its digest."""
        body = f'{{"config": "{content}"}}'.encode()
        (self.folder / tag).write_bytes(body)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def start(self) -> None:
        serve = [sys.executable, "-m", "http.server", str(PORT), "--bind", "127.0.0.1", "--directory", str(self.root)]
        self.process = self.model.cluster.popen(serve, stdout=-3, stderr=-3)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


@pytest.fixture
def registry(model: Model, tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(model, tmp_path / "registry")
    registry.start()
    restart_operator(model.cluster, model_hosts=f"http://{HOST}")
    yield registry
    registry.stop()
    restart_operator(model.cluster)


def refer(tag: str, host: str = HOST) -> dict[str, Any]:
    return {"from": {"uri": f"oci://{host}/fraud:{tag}"}}


def served(model: Model) -> dict[str, str]:
    """What the stable revision's containers are told."""
    found = model.get("deployment", model.stable())
    environment = found["spec"]["template"]["spec"]["containers"][0]["env"]
    return {one["name"]: one["value"] for one in environment if one["name"].startswith("SERINUS_")}


def test_a_tag_is_served_by_digest_and_may_move_without_harm(model: Model, registry: Registry) -> None:
    digest = registry.push("7", "first")
    model.apply("v1", model=refer("7"))
    model.await_reason("Serving")
    first = model.stable()
    pinned = {"SERINUS_MODEL_URI": f"oci://{HOST}/fraud@{digest}", "SERINUS_MODEL_DIGEST": digest}
    assert served(model) == pinned
    assert model.status()["model"]["digest"] == digest
    assert model.get("modelrevision", first)["spec"]["content"]["model"]["digest"] == digest
    registry.push("7", "moved")
    restart_operator(model.cluster, model_hosts=f"http://{HOST}")
    model.apply("v1", model=refer("7"), replicas=3)
    wait_for("three pods", lambda: model.status()["stable"]["readyReplicas"] == 3, model.explain)
    assert model.stable() == first
    assert served(model) == pinned
    # Another tag of the same content is the same model; another content is another revision.
    registry.push("7.0", "first")
    model.apply("v1", model=refer("7.0"))
    wait_for("the new tag", lambda: model.status()["model"]["uri"].endswith(":7.0"), model.explain)
    assert model.stable() == first
    assert model.candidate() is None
    newer = registry.push("8", "second")
    model.apply("v1", model=refer("8"))
    wait_for("a candidate", model.candidate, model.explain)
    model.await_reason("Serving", patience=90)
    assert model.stable() != first
    assert served(model)["SERINUS_MODEL_DIGEST"] == newer


def test_a_registry_that_is_away_holds_the_release_and_nothing_else(model: Model, registry: Registry) -> None:
    registry.push("7", "first")
    registry.push("8", "second")
    model.apply("v1", model=refer("7"))
    model.await_reason("Serving")
    first = model.stable()
    registry.stop()
    model.apply("v1", model=refer("8"))
    model.await_reason("RegistryAway")
    assert HOST in model.condition("Ready")["message"]
    assert model.weights() == {first: 100}
    assert model.condition("Available")["status"] == "True"
    registry.start()
    wait_for("another one", lambda: model.stable() != first, model.explain, 90)
    model.await_reason("Serving")


@pytest.mark.parametrize(
    ("reference", "reason", "said"),
    [
        (refer("no-such-tag"), "ModelNotFound", f"there is no {HOST}/fraud:no-such-tag"),
        (refer("7", "registry.example"), "RegistryRefused", "SERINUS_MODEL_HOSTS"),
        ({"from": {"uri": "oci://registry.example/Fraud"}}, "InvalidSpec", "must have the form oci://HOST/REPOSITORY"),
        ({"from": {"uri": "ftp://host/x"}}, "InvalidSpec", "must begin with one of oci://"),
    ],
)
def test_what_cannot_be_had_is_said_and_what_serves_stays(
    model: Model, registry: Registry, reference: dict[str, Any], reason: str, said: str
) -> None:
    registry.push("7", "first")
    model.apply("v1", model=refer("7"))
    model.await_reason("Serving")
    first = model.stable()
    model.apply("v1", model=reference)
    model.await_reason(reason)
    assert said in model.condition("Ready")["message"]
    assert model.weights() == {first: 100}
    model.apply("v1", model=refer("7"))
    model.await_reason("Serving")
    assert model.stable() == first


def test_what_nobody_can_pin_is_served_and_marked(model: Model, registry: Registry) -> None:
    model.apply("v1", model={"from": {"uri": "s3://bucket/fraud"}})
    model.await_reason("Serving")
    known = model.status()["model"]
    assert "digest" not in known
    assert "may change" in known["message"]
    assert served(model) == {"SERINUS_MODEL_URI": "s3://bucket/fraud"}
