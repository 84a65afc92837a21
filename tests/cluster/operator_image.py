"""The operator's image: `python -m tests.cluster.operator_image` makes that of the last commit, tests that of the files
that are here. Both take the steps of operator/Containerfile, of which root and packages are kept between builds."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import bootstrap, docker
from tests.cluster.errors import ClusterError
from tests.cluster.ground import find_ground
from tests.cluster.images import build_in_steps, hash_path
from tests.cluster.paths import REPOSITORY, cache, hold_lock

NAME = "serinus"
OUTPUT = REPOSITORY / "build" / "image"
SBOM = "usr/share/serinus/sbom.cdx.json"


@dataclass(frozen=True)
class Source:
    """A tree of the repository to build from."""

    folder: Path
    version: str
    revision: str

    @property
    def operator(self) -> Path:
        return self.folder / "operator"


def operator_image(tag: str = "test", version: str = "") -> Path:
    """An archive with the image `localhost/serinus:<tag>` of the files that are here. `version` is what its labels say,
    by default that of the project."""
    return build_image(Source(REPOSITORY, version or read_version(REPOSITORY), "unknown"), f"localhost/{NAME}:{tag}")


def read_version(folder: Path) -> str:
    """The version of the project whose tree this is."""
    return str(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"])


def build_image(source: Source, reference: str) -> Path:
    """An OCI archive (with Docker: one of its own kind) that holds one image, kept under a hash of what is in it."""
    operator = source.operator
    parts = [reference, source.version, source.revision, *(hash_path(path) for path in sorted(_inputs(operator)))]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    archive = cache() / "images" / f"{reference.rpartition('/')[2].replace(':', '-')}-{digest}.tar"
    with hold_lock("images"):
        if not archive.exists():
            print(f"building image {reference}", flush=True)
            _build(source, reference, archive)
    return archive


def _inputs(operator: Path) -> list[Path]:
    return [operator / name for name in ("Containerfile", "image.py", "requirements.txt", "serinus")]


def _build(source: Source, reference: str, archive: Path) -> None:
    arguments = {"VERSION": source.version, "REVISION": source.revision}
    containerfile = source.operator / "Containerfile"
    if find_ground() != "own":
        docker.build_file(source.folder, containerfile, reference, arguments)
        docker.save(reference, archive)
        return
    bootstrap.install_packages()
    operator = source.operator
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        root = _keep("root", operator, "root", "out")
        packages = _keep("packages", operator, "packages", "out/opt/packages", operator / "requirements.txt")
        _run_step(operator, "code", work / "code/out/app", operator / "serinus")
        places = (root / "out", packages / "out/opt/packages")
        _run_step(operator, "sbom", work / "sbom/out" / SBOM, *places, source.version)
        stages = {"root": root, "packages": packages, "code": work / "code", "sbom": work / "sbom"}
        (work / "empty").mkdir()
        build_in_steps(containerfile, work / "empty", stages, arguments, reference, archive)


def _keep(name: str, operator: Path, step: str, target: str, *inputs: Path) -> Path:
    """What a step makes that seldom changes."""
    digest = hashlib.sha256("".join(hash_path(path) for path in (operator / "image.py", *inputs)).encode())
    folder = cache() / "images" / f"operator-{name}-{digest.hexdigest()[:12]}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _run_step(operator, step, part / target, *inputs)
        part.rename(folder)
    return folder


def _run_step(operator: Path, step: str, target: Path, *arguments: Path | str) -> None:
    bootstrap.run_command(["/usr/bin/python3", str(operator / "image.py"), step, str(target), *map(str, arguments)])


def export_commit(folder: Path) -> Source:
    """The last commit, unpacked: nothing that is not committed gets into a published image."""
    revision = _git("rev-parse", "HEAD").decode().strip()
    archive = folder / "source.tar"
    archive.write_bytes(_git("archive", "--format=tar", "HEAD", "operator", "pyproject.toml"))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return Source(folder, read_version(folder), revision)


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def _copy_sbom(archive: Path) -> None:
    """Put the list of what is in an image beside its archive."""
    with tarfile.open(archive) as outer:
        for name in outer.getnames():
            blob = outer.extractfile(name) if name.startswith("blobs/") else None
            if blob is None or blob.read(2) != b"\x1f\x8b":
                continue
            blob.seek(0)
            with tarfile.open(fileobj=blob, mode="r|gz") as layer:
                found = next((layer.extractfile(member) for member in layer if member.name == SBOM), None)
                if found is not None:
                    archive.with_suffix(".cdx.json").write_bytes(found.read())
                    return
    raise ClusterError(f"{archive.name}: there is no {SBOM} in it")


def main() -> int:
    """Build the image of the last commit into build/image, with its SBOM beside it."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            source = export_commit(Path(folder))
            archive = build_image(source, f"localhost/{NAME}:{source.version}")
    except ClusterError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    OUTPUT.mkdir(parents=True, exist_ok=True)
    target = OUTPUT / f"{NAME}-{source.version}.tar"
    shutil.copyfile(archive, target)
    _copy_sbom(target)
    print(f"{target.relative_to(REPOSITORY)}: localhost/{NAME}:{source.version}, commit {source.revision[:12]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
