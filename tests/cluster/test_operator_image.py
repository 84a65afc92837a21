"""What gets into the operator's image, as far as it can be seen without building it."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.cluster.lock import LOCK, digest_dependencies, is_current
from tests.cluster.paths import REPOSITORY

PROJECT = REPOSITORY / "pyproject.toml"
CONTROL = "Package: libc6\nVersion: 2.36-9+deb12u14\nArchitecture: amd64\n"


@pytest.fixture(scope="module")
def image() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_steps", REPOSITORY / "operator" / "image.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_is_of_the_dependencies_of_now_and_tells_when_it_is_not(tmp_path: Path) -> None:
    assert is_current(LOCK, PROJECT)
    changed = tmp_path / "pyproject.toml"
    changed.write_text(PROJECT.read_text().replace('"cronsim>=2.8"', '"cronsim>=2.7"'))
    assert digest_dependencies(changed) != digest_dependencies(PROJECT)
    assert not is_current(LOCK, changed)


def test_everything_is_locked_to_one_version_by_hash_and_from_nowhere_in_particular() -> None:
    entries = [entry for entry in re.split(r"\n(?=\S)", LOCK.read_text().strip()) if not entry.startswith("#")]
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"^-|://", LOCK.read_text(), re.MULTILINE)


def test_the_list_of_what_is_inside_is_valid_and_has_both_kinds_of_packages(image: ModuleType, tmp_path: Path) -> None:
    known = tmp_path / "root" / "var/lib/dpkg/status.d"
    known.mkdir(parents=True)
    (known / "libc6").write_text(CONTROL)
    for name, field in (("One.Two", "License-Expression: MIT"), ("three", "License: BSD\n  and more\n  of it")):
        found = tmp_path / "packages" / f"{name}-1.0.dist-info"
        found.mkdir(parents=True)
        (found / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{field}\n")
    file = tmp_path / "sbom.json"
    image.write_sbom(file, tmp_path / "root", tmp_path / "packages", "1.2.3")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text()) is None
    listed = json.loads(file.read_text())
    assert [component["purl"] for component in listed["components"]] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12",
        "pkg:pypi/one-two@1.0",
        "pkg:pypi/three@1.0",
    ]
    assert listed["metadata"]["component"]["version"] == "1.2.3"


def test_only_the_package_gets_in_and_it_is_compiled(image: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "serinus"
    (source / "__pycache__").mkdir(parents=True)
    (source / "__pycache__" / "old.cpython-311.pyc").write_bytes(b"")
    (source / "__init__.py").write_text("")
    image.copy_code(tmp_path / "out", source)
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert "serinus/__init__.py" in names
    compiled = importlib.util.cache_from_source("serinus/__init__.py")
    assert [name for name in names if name.endswith(".pyc")] == [compiled]
