"""The loader puts a model where it belongs, and nothing that is not what was asked for."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.loader.serinus_loader.run import run
from tests.loader.registry import INDEX, LAYER, Server, make_certificate, pack, serve
from tests.loader.sign import Keys

TITLE = "org.opencontainers.image.title"
ALTERED, CONFIG, MISSING, AWAY = 65, 64, 66, 75


class Bench:
    """A folder to load into, and what the loader said last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model"
        self.model.mkdir()
        self.word = folder / "word"
        self.log: list[str] = []

    def run(self, task: str, uri: str, keys: Keys | None = None, **more: str) -> int:
        env = {"SERINUS_MODEL_URI": uri, "SERINUS_MODEL_PATH": str(self.model), "SERINUS_PLAIN_HTTP": "true"}
        env |= {"SERINUS_TERMINATION_LOG": str(self.word), **more}
        if keys is not None:
            env |= {"SERINUS_VERIFY_KEY": str(keys.public)}
        return run([task], env, self.log.append)

    @property
    def said(self) -> str:
        return self.word.read_text()

    @property
    def files(self) -> dict[str, bytes]:
        found = (path for path in self.model.rglob("*") if path.is_file())
        return {str(path.relative_to(self.model)): path.read_bytes() for path in found}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, os.environ.get(name, "/tmp"))
    yield Bench(tmp_path)
    tempfile.tempdir = None


@pytest.fixture
def registry() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Files over TLS, with an authority that the loader trusts."""
    certificate = make_certificate(tmp_path / "site.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serve(certificate) as server:
        yield server


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys")


def test_layers_are_unpacked_and_named_files_kept(bench: Bench, registry: Server) -> None:
    digest = registry.push(
        {"mediaType": LAYER, "content": pack({"config.json": b"{}", "weights/old.bin": b"x"})},
        {"mediaType": LAYER, "content": pack({"weights/new.bin": b"y", "weights/.wh.old.bin": b""})},
        {"mediaType": "application/octet-stream", "content": b"z", "annotations": {TITLE: "notes/readme.txt"}},
        {
            "mediaType": "application/vnd.cncf.model.weight.v1.raw",
            "content": b"w",
            "annotations": {"org.cncf.model.filepath": "model.onnx"},
        },
    )
    (bench.model / "left-behind").write_text("by an earlier try")
    assert bench.run("load", f"oci://{registry.address}/fraud@{digest}") == 0
    wanted = {"config.json": b"{}", "weights/new.bin": b"y", "notes/readme.txt": b"z", "model.onnx": b"w"}
    assert bench.files == wanted
    assert not list(bench.model.glob(".serinus*"))


def test_an_index_leads_to_the_manifest_for_this_machine(bench: Bench, registry: Server) -> None:
    mine = registry.push({"mediaType": LAYER, "content": pack({"mine": b"1"})})
    index = registry.push_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": mine}]})
    assert bench.run("load", f"oci://{registry.address}/fraud@{index}") == 0
    assert bench.files == {"mine": b"1"}


def test_bytes_that_do_not_fit_their_digest_are_refused(bench: Bench, registry: Server) -> None:
    digest = registry.push({"mediaType": LAYER, "content": pack({"a": b"1"})})
    (blob,) = [path for path in registry.answers if "/blobs/" in path]
    registry.answers[blob] = pack({"a": b"2"})
    assert bench.run("load", f"oci://{registry.address}/fraud@{digest}") == ALTERED
    assert "a layer of" in bench.said
    assert bench.files == {}
    registry.answers[f"/v2/fraud/manifests/{digest}"] = b'{"layers": []}'
    assert bench.run("load", f"oci://{registry.address}/fraud@{digest}") == ALTERED
    assert "the manifest of" in bench.said


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_nothing_is_written_outside_the_folder(bench: Bench, registry: Server, name: str) -> None:
    titled = {"mediaType": "application/octet-stream", "content": b"x", "annotations": {TITLE: name}}
    assert bench.run("load", f"oci://{registry.address}/fraud@{registry.push(titled)}") == CONFIG
    packed = {"mediaType": LAYER, "content": pack({name: b"x"})}
    code = bench.run("load", f"oci://{registry.address}/fraud@{registry.push(packed)}")
    # A leading slash is taken off, as tar does it; the others are refused.
    assert code == (0 if name.startswith("/") else CONFIG)
    assert not (bench.folder / "outside").exists()


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [(404, MISSING, "there is no sha256:"), (503, AWAY, "HTTP 503"), (403, AWAY, "authentication")],
)
def test_what_the_registry_says_is_told_apart(
    bench: Bench, registry: Server, answer: int, code: int, said: str
) -> None:
    digest = registry.push({"mediaType": LAYER, "content": pack({"a": b"1"})})
    registry.answers[f"/v2/fraud/manifests/{digest}"] = answer
    assert bench.run("load", f"oci://{registry.address}/fraud@{digest}") == code
    assert said in bench.said


def test_links_stay_within_the_folder_too(bench: Bench, registry: Server) -> None:
    digest = registry.push({"mediaType": LAYER, "content": pack({"a.bin": b"x"}, links={"current": "a.bin"})})
    assert bench.run("load", f"oci://{registry.address}/fraud@{digest}") == 0
    assert bench.files == {"a.bin": b"x", "current": b"x"}
    for link in ("/etc", ".."):
        digest = registry.push({"mediaType": LAYER, "content": pack({"out/passwd": b"x"}, links={"out": link})})
        assert bench.run("load", f"oci://{registry.address}/fraud@{digest}") == CONFIG
        assert "outside the model's folder" in bench.said


def test_a_type_of_layer_that_is_not_understood_is_named(bench: Bench, registry: Server) -> None:
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "content": b"x"}
    assert bench.run("load", f"oci://{registry.address}/fraud@{registry.push(layer)}") == CONFIG
    assert "tar+zstd are not understood" in bench.said


def test_a_file_is_kept_and_an_archive_unpacked_where_the_digest_fits(bench: Bench, site: Server) -> None:
    site.answers |= {"/m/model.onnx": b"weights", "/m/model.tar.gz": pack({"model.onnx": b"packed"})}
    digest = hashlib.sha256(b"weights").hexdigest()
    assert bench.run("load", f"https://{site.address}/m/model.onnx#sha256={digest}") == 0
    assert bench.files == {"model.onnx": b"weights"}
    assert bench.run("load", f"https://{site.address}/m/model.tar.gz") == 0
    assert bench.files == {"model.onnx": b"packed"}
    site.answers["/m/model.onnx"] = b"altered"
    assert bench.run("load", f"https://{site.address}/m/model.onnx#sha256={digest}") == ALTERED
    assert f"should have {digest}" in bench.said


@pytest.mark.parametrize(("answer", "code"), [(404, MISSING), (500, AWAY)])
def test_what_the_site_says_is_told_apart(bench: Bench, site: Server, answer: int, code: int) -> None:
    site.answers["/model.onnx"] = answer
    assert bench.run("load", f"https://{site.address}/model.onnx") == code
    assert f"HTTP {answer}" in bench.said


def test_a_site_that_is_away_or_not_trusted_may_be_back_later(
    bench: Bench, site: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.run("load", "https://127.0.0.1:1/model.onnx") == AWAY
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    site.answers["/model.onnx"] = b"x"
    assert bench.run("load", f"https://{site.address}/model.onnx") == AWAY
    assert "certificate" in bench.said


@pytest.mark.parametrize("uri", ["ftp://host/x", "pvc://claim/x", "oci://host/x:tag"])
def test_what_it_cannot_do_is_said(bench: Bench, uri: str) -> None:
    assert bench.run("load", uri) == CONFIG
    assert uri in bench.said


def test_a_task_and_a_place_are_needed(bench: Bench) -> None:
    assert bench.run("serve", "oci://host/x") == CONFIG
    assert bench.run("load", "") == CONFIG
    assert bench.said == "SERINUS_MODEL_URI is not set"


@pytest.mark.parametrize("algorithm", ["sha256", "blake3"])
def test_a_signed_artifact_is_loaded_and_one_by_another_key_is_not(
    bench: Bench, registry: Server, keys: Keys, algorithm: str
) -> None:
    files = sign_folder(bench, keys, algorithm)
    digest = registry.push({"mediaType": LAYER, "content": pack(files)})
    uri = f"oci://{registry.address}/fraud@{digest}"
    assert bench.run("load", uri, keys) == 0
    assert bench.files == files
    other = Keys(bench.folder / "other")
    assert bench.run("load", uri, other) == ALTERED
    assert "the signature model.sig does not fit the model: ValueError: Key mismatch" in bench.said


def sign_folder(bench: Bench, keys: Keys, algorithm: str = "sha256") -> dict[str, bytes]:
    source = bench.folder / "source"
    (source / "weights").mkdir(parents=True)
    (source / "config.json").write_bytes(b"{}")
    (source / "weights" / "a.bin").write_bytes(b"weights")
    keys.sign(source, source / "model.sig", algorithm)
    return {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights/a.bin": b"altered"}, "Hash mismatch for 'weights/a.bin'"),
        ({"weights/b.bin": b"more"}, "Extra files found"),
        ({"weights/a.bin": None}, "Missing files"),
        ({"model.sig": None}, "the model has no signature model.sig"),
        ({"model.sig": b"{}"}, "does not fit the model"),
        ({"model.sig": b"garbage"}, "does not fit the model"),
    ],
)
def test_whatever_is_not_as_it_was_signed_fails_closed(
    bench: Bench, keys: Keys, change: dict[str, bytes | None], said: str
) -> None:
    for name, content in {**sign_folder(bench, keys), **change}.items():
        path = bench.model / name
        path.parent.mkdir(exist_ok=True)
        if content is not None:
            path.write_bytes(content)
    assert bench.run("verify", "pvc://claim/x", keys) == ALTERED
    assert said in bench.said


def test_a_mounted_model_is_verified_without_being_written_to(bench: Bench, keys: Keys) -> None:
    for name, content in sign_folder(bench, keys).items():
        (bench.model / name).parent.mkdir(exist_ok=True)
        (bench.model / name).write_bytes(content)
    before = bench.files
    assert bench.run("verify", "pvc://claim/x", keys) == 0
    assert bench.files == before
    no_key = Keys(bench.folder / "none")
    no_key.public.write_text("no key")
    assert bench.run("verify", "pvc://claim/x", no_key) == ALTERED


def test_the_signature_of_a_single_file_lies_beside_it(bench: Bench, site: Server, keys: Keys) -> None:
    source = bench.folder / "model.onnx"
    source.write_bytes(b"weights")
    keys.sign(source, bench.folder / "model.sig")
    site.answers |= {"/m/model.onnx": b"weights", "/m/model.sig": (bench.folder / "model.sig").read_bytes()}
    uri = f"https://{site.address}/m/model.onnx"
    assert bench.run("load", uri, keys) == 0
    site.answers["/m/model.onnx"] = b"altered"
    assert bench.run("load", uri, keys) == ALTERED
    site.answers["/m/model.sig"] = 404
    assert bench.run("load", uri, keys) == MISSING
