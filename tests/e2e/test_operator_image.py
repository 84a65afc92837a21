"""The image that runs: nobody special, nothing to write to, nothing to start, and all that the operator imports."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, operatorpods
from tests.cluster.lock import LOCK
from tests.cluster.operator_image import SBOM, operator_image, read_version
from tests.cluster.paths import REPOSITORY
from tests.cluster.release import NAMESPACE

pytestmark = pytest.mark.cluster

LOOK = f"""
import importlib, json, os, pkgutil, ssl, sys, urllib.parse
import serinus
names = [m.name for m in pkgutil.walk_packages(serinus.__path__, "serinus.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
import cloudevents, dulwich
def write(path):
    try:
        open(path, "w").close()
        return "written"
    except OSError as error:
        return type(error).__name__ + " " + os.strerror(error.errno)
tree = [os.path.join(folder, file) for folder, _, files in os.walk("/") for file in files
        if not folder.startswith(("/proc", "/sys", "/dev", "/var/run", "/run"))]
print(json.dumps({{
    "uid": os.getuid(), "gid": os.getgid(), "modules": len(names), "app": write("/app/x"), "tmp": write("/tmp/x"),
    "programs": sorted(p for p in tree if os.path.dirname(p) in ("/bin", "/sbin", "/usr/bin", "/usr/sbin")),
    "tests": [p for p in tree if p.startswith("/app/") and ("/tests/" in p or "test_" in p)],
    "authorities": len(ssl.create_default_context().get_ca_certs()),
    "bom": json.load(open("/{SBOM}")),
}}))
"""


@pytest.fixture(scope="module")
def inside(node_cluster: Cluster) -> dict[str, Any]:
    """What a process in the operator's container sees."""
    pod = operatorpods.name_of(operatorpods.list_pods(node_cluster)[0])
    done = node_cluster.kubectl("exec", pod, "-n", NAMESPACE, "--", "/usr/bin/python3", "-c", LOOK)
    return dict(json.loads(done.stdout))


def test_it_is_nobody_special_and_can_change_nothing(inside: dict[str, Any]) -> None:
    assert (inside["uid"], inside["gid"]) == (65532, 65532)
    assert inside["app"] == "OSError Read-only file system"
    assert inside["tmp"] == "written"


def test_it_has_all_that_the_operator_imports_and_nothing_to_start(inside: dict[str, Any]) -> None:
    assert inside["modules"] > 200
    assert inside["programs"] == ["/usr/bin/python3", "/usr/bin/python3.11"]
    assert inside["tests"] == []
    assert inside["authorities"] > 100


def test_its_list_of_contents_is_complete(inside: dict[str, Any]) -> None:
    listed = {component["purl"].partition("?")[0] for component in inside["bom"]["components"]}
    locked = {line.split()[0].replace("==", "@") for line in LOCK.read_text().splitlines() if line[:1].isalnum()}
    assert {purl.removeprefix("pkg:pypi/") for purl in listed if purl.startswith("pkg:pypi/")} == locked
    assert {"libc6", "libssl3", "python3.11-minimal"} <= {purl.split("/")[-1].split("@")[0] for purl in listed}


def test_its_labels_tell_what_it_is() -> None:
    config = read_config(operator_image())
    assert config["User"] == "65532:65532"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == read_version(REPOSITORY)
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.source"].startswith("https://")
    assert labels["dev.serinus.sbom"] == f"/{SBOM}"


def read_config(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as tar:

        def load(name: str) -> Any:
            file = tar.extractfile(name)
            assert file is not None
            return json.load(file)

        if "index.json" not in tar.getnames():
            pytest.skip("Docker's own archives are of another form")
        manifest = load("blobs/" + load("index.json")["manifests"][0]["digest"].replace(":", "/"))
        return dict(load("blobs/" + manifest["config"]["digest"].replace(":", "/"))["config"])
