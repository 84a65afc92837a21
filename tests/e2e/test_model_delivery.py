"""A model is in the pods before their containers start, and nobody is shown one that is not what was asked for."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.cluster.paths import REPOSITORY
from tests.cluster.pki import NODE_ADDRESS
from tests.cluster.serinus import restart_operator
from tests.loader.sign import Keys
from tests.support.artifacts import Artifacts
from tests.support.loader import LOADER, loader_image
from tests.support.model import Model, wait_for
from tests.support.sources import ACCESS_KEY, COMMIT
from tests.traffic.answers import count

PORT, SOURCES_PORT = 9097, 9095
KEY = {"configMap": "model-keys", "key": "release.pem"}


@pytest.fixture(scope="module")
def loading_cluster(stocked_cluster: Cluster) -> Iterator[Cluster]:
    """The node with the sample loader image, and an operator that uses it."""
    stocked_cluster.load_image(loader_image())
    hub = f"http://{NODE_ADDRESS}:{SOURCES_PORT}"
    hosts = f"http://{NODE_ADDRESS}:{PORT}"
    restart_operator(stocked_cluster, model_hosts=hosts, huggingface_url=hub, loader_image=LOADER)
    yield stocked_cluster
    restart_operator(stocked_cluster)


@pytest.fixture
def registry(loading_cluster: Cluster, tmp_path: Path) -> Iterator[Artifacts]:
    registry = Artifacts(loading_cluster, tmp_path / "registry", NODE_ADDRESS, PORT)
    registry.start()
    yield registry
    registry.stop()


def refer(registry: Artifacts, tag: str, **more: Any) -> dict[str, Any]:
    return {"from": {"uri": f"oci://{registry.host}/fraud:{tag}"}, "delivery": "InitContainer", **more}


def read_model(model: Model, path: str) -> str:
    """A file of the model as the stable revision's container sees it."""
    program = f"print(open('/mnt/models/{path}').read(), end='')"
    container = ["exec", "-n", model.namespace, f"deployment/{model.stable()}", "-c", "model", "--"]
    return str(model.cluster.kubectl(*container, "python3", "-c", program).stdout)


def await_rejection(model: Model, reason: str, said: str) -> float:
    """Seconds until the candidate was rejected for that."""
    began = time.monotonic()
    model.await_reason("RolledBack", patience=180)
    assert model.reason("Stalled") == reason
    assert said in model.condition("Ready")["message"]
    return time.monotonic() - began


def put_key(model: Model, keys: Keys) -> None:
    metadata = {"name": KEY["configMap"], "namespace": model.namespace}
    data = {KEY["key"]: keys.public.read_text()}
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}))


@pytest.mark.cluster
def test_a_model_is_loaded_by_digest_and_altered_bytes_are_shown_to_nobody(model: Model, registry: Artifacts) -> None:
    registry.push("7", {"weights.txt": b"seven"})
    model.apply("v1", model=refer(registry, "7"))
    model.await_reason("Serving", patience=90)
    assert read_model(model, "weights.txt") == "seven"
    with model.traffic() as traffic:
        registry.push("8", {"weights.txt": b"eight"})
        model.apply("v2", model=refer(registry, "8"))
        model.await_reason("CanaryProgressing")
        # A tag that moves in mid-run changes nothing: a pod that comes later loads what was meant.
        registry.push("8", {"weights.txt": b"moved"})
        model.await_reason("Serving", patience=120)
        assert read_model(model, "weights.txt") == "eight"
        digest = registry.push("9", {"weights.txt": b"nine"})
        registry.alter(digest, {"weights.txt": b"none"})
        model.apply("v3", model=refer(registry, "9"))
        assert await_rejection(model, "VerificationFailed", "should have sha256:") < 150
    counted = count(traffic.answers)
    assert counted.of("v2").requests > 0
    assert counted.of("v3").requests == 0
    assert not counted.lost, counted.explain_lost()


@pytest.mark.cluster
def test_only_a_model_that_is_signed_by_the_key_gets_traffic(model: Model, registry: Artifacts, tmp_path: Path) -> None:
    keys, others = Keys(tmp_path / "keys"), Keys(tmp_path / "others")
    put_key(model, keys)
    registry.push("signed", sign(tmp_path / "signed", keys, b"good"))
    model.apply("v1", model=refer(registry, "signed", verify={"publicKey": KEY}))
    model.await_reason("Serving", patience=90)
    first = model.stable()
    assert read_model(model, "weights.txt") == "good"
    unsigned = {"weights.txt": b"unsigned"}
    altered = {**sign(tmp_path / "altered", keys, b"altered"), "weights.txt": b"after signing"}
    cases = {
        "unsigned": (unsigned, "the model has no signature model.sig"),
        "altered": (altered, "Hash mismatch for 'weights.txt'"),
        "foreign": (sign(tmp_path / "foreign", others, b"foreign"), "Key mismatch"),
    }
    with model.traffic() as traffic:
        for tag, (files, said) in cases.items():
            registry.push(tag, files)
            model.apply(f"v-{tag}", model=refer(registry, tag, verify={"publicKey": KEY}))
            assert await_rejection(model, "VerificationFailed", said) < 150
            assert model.weights() == {first: 100}
        # Another key is another revision: what was signed with the old one is not good any more, and stable keeps its
        # own copy of the old key.
        put_key(model, others)
        model.apply("v1", model=refer(registry, "signed", verify={"publicKey": KEY}))
        assert await_rejection(model, "VerificationFailed", "Key mismatch") < 150
        model.cluster.kubectl("delete", "pod", "-n", model.namespace, "-l", f"serinus.dev/revision={first}", "--wait")
        wait_for("its pods again", lambda: count_ready(model, first) == 2, model.explain)
    assert {answer.version for answer in traffic.answers if answer.version} == {"v1"}


def count_ready(model: Model, revision: str) -> int:
    return int(model.get("deployment", revision)["status"].get("readyReplicas", 0))


def sign(folder: Path, keys: Keys, weights: bytes) -> Mapping[str, bytes]:
    """A signed model, by name of file."""
    folder.mkdir()
    (folder / "weights.txt").write_bytes(weights)
    keys.sign(folder, folder / "model.sig")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.cluster
def test_a_claim_is_looked_at_before_it_serves(model: Model, loading_cluster: Cluster, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    put_key(model, keys)
    for version in ("1", "2"):
        sign(tmp_path / version, keys, version.encode())
        (tmp_path / version).chmod(0o755)
        put_claim(model, f"model-{version}", tmp_path / version)
    (tmp_path / "2" / "weights.txt").write_text("after signing")
    claim = {"delivery": "Claim", "verify": {"publicKey": KEY}}
    model.apply("v1", model={"from": {"uri": "pvc://model-1"}, **claim})
    model.await_reason("Serving", patience=90)
    first = model.stable()
    assert read_model(model, "weights.txt") == "1"
    model.apply("v2", model={"from": {"uri": "pvc://model-2"}, **claim})
    assert await_rejection(model, "VerificationFailed", "Hash mismatch for 'weights.txt'") < 150
    assert model.weights() == {first: 100}
    for version in ("1", "2"):
        model.cluster.kubectl("delete", "pv", f"{model.namespace}-model-{version}", "--wait=false")


def put_claim(model: Model, name: str, folder: Path) -> None:
    """A claim that is bound to a folder of this machine."""
    volume = f"{model.namespace}-{name}"
    shared = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    capacity = {"storage": "1Gi"}
    bound = {"name": name, "namespace": model.namespace}
    source = {"hostPath": {"path": str(folder)}, "claimRef": bound, "capacity": capacity}
    claim = {**shared, "volumeName": volume, "resources": {"requests": capacity}}
    persistent = {"kind": "PersistentVolume", "metadata": {"name": volume}, "spec": {**shared, **source}}
    wanted = {"kind": "PersistentVolumeClaim", "metadata": bound, "spec": claim}
    items = [{"apiVersion": "v1", **one} for one in (persistent, wanted)]
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


@pytest.mark.cluster
def test_a_source_that_is_away_is_waited_for(model: Model, registry: Artifacts) -> None:
    registry.push("7", {"weights.txt": b"seven"})
    digest = registry.push("8", {"weights.txt": b"eight"})
    model.apply("v1", model=refer(registry, "7"))
    model.await_reason("Serving", patience=90)
    first = model.stable()
    registry.stop()
    model.apply("v2", model={**refer(registry, "8"), "from": {"uri": f"oci://{registry.host}/fraud@{digest}"}})
    model.await_reason("ModelNotLoaded")
    assert "the loader ended with exit code 75" in model.condition("Ready")["message"]
    assert model.weights() == {first: 100}
    registry.start()
    with model.traffic():
        wait_for("the other one", lambda: model.stable() != first, model.explain, 150)
    assert read_model(model, "weights.txt") == "eight"


@pytest.fixture
def sources(loading_cluster: Cluster) -> Iterator[str]:
    """The address of a bucket and a hub."""
    program = REPOSITORY / "tests" / "support" / "sources.py"
    process = loading_cluster.popen([sys.executable, str(program), NODE_ADDRESS, str(SOURCES_PORT)])
    yield f"http://{NODE_ADDRESS}:{SOURCES_PORT}"
    process.terminate()
    process.wait(timeout=10)


def put_secret(model: Model, address: str, key: str) -> None:
    metadata = {"name": "bucket", "namespace": model.namespace}
    data = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "none", "AWS_ENDPOINT_URL": address}
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}))


@pytest.mark.cluster
def test_a_bucket_is_opened_by_a_secret_and_a_hub_by_its_address(model: Model, sources: str) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    first = model.stable()
    bucket = {"from": {"uri": "s3://models/fraud/7"}, "delivery": "InitContainer", "loader": {"secret": "bucket"}}
    put_secret(model, sources, "another key")
    with model.traffic():
        model.apply("v2", model=bucket)
        model.await_reason("ModelNotLoaded")
        assert "s3://models/fraud/7: Access Denied" in model.condition("Ready")["message"]
        assert model.weights() == {first: 100}
        put_secret(model, sources, ACCESS_KEY)
        wait_for("the model of the bucket", lambda: model.stable() != first, model.explain, 120)
        assert read_model(model, "weights.txt") == "from the bucket"
        second = model.stable()
        hub = {"from": {"uri": f"hf://org/fraud@{COMMIT}"}, "delivery": "InitContainer"}
        model.apply("v2", model=hub)
        wait_for("the model of the hub", lambda: model.stable() != second, model.explain, 120)
    assert read_model(model, "sub/config.json") == "{}"
    assert read_model(model, "weights.txt") == "from the hub"


@pytest.mark.cluster
def test_image_volumes_that_the_api_server_would_drop_are_refused(model: Model, registry: Artifacts) -> None:
    registry.push("7", {"weights.txt": b"seven"})
    model.apply("v1")
    model.await_reason("Serving")
    first = model.stable()
    model.apply("v1", model={**refer(registry, "7"), "delivery": "ImageVolume"})
    model.await_reason("ImageVolumeUnsupported")
    assert "the API server drops image volumes" in model.condition("Ready")["message"]
    assert model.weights() == {first: 100}
