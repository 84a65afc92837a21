"""Container images without Docker: from scratch, by buildah, into OCI archives kept under a hash of their sources."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster import bootstrap, docker
from tests.cluster.build import build
from tests.cluster.errors import ClusterError
from tests.cluster.ground import find_ground
from tests.cluster.node import PAUSE_IMAGE
from tests.cluster.paths import cache, hold_lock

DEBIAN = [
    "python3-minimal",
    "python3.11-minimal",
    "libpython3.11-stdlib",
    "libpython3.11-minimal",
    "ca-certificates",
    "libffi8",
    "libssl3",
    "libsqlite3-0",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libexpat1",
    "libuuid1",
    "libstdc++6",
    "libgomp1",
    "libgcc-s1",
    "media-types",
]
"""A Python without package manager or shell scripts to run: 100 MiB, in which nothing runs but the program."""

PASSWD = "root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\napp:x:65532:65532:app:/app:/usr/sbin/nologin\n"  # noqa: E501
GROUP = "root:x:0:\nnogroup:x:65534:\napp:x:65532:\n"


def pause_image() -> Path:
    """The image that holds a pod's namespaces."""
    program = build("pause")
    with hold_lock("images"):
        archive = _archive("pause", hash_path(program))
        if not archive.exists():
            context = _context(archive)
            shutil.copy(program, context / "pause")
            (context / "Containerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
            _build(context, PAUSE_IMAGE, archive)
    return archive


def python_image(
    name: str,
    tag: str,
    *,
    requirements: Sequence[str],
    files: Mapping[str, Path],
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    run: str | None = None,
) -> Path:
    """An image `localhost/<name>:<tag>` with Python 3.11, some packages and some files, run by uid 65532.

    `files` maps a path in the image to a file or folder here; `run` is a Python file of the image, run once while it is
    built; without a `command` there is no entry point. Files and environment are a thin layer above a base that all
    tags with the same requirements share."""
    with hold_lock("images"):
        return _python_image(name, tag, requirements, files, command, environment or {}, run)


def _python_image(
    name: str,
    tag: str,
    requirements: Sequence[str],
    files: Mapping[str, Path],
    command: Sequence[str],
    environment: Mapping[str, str],
    run: str | None,
) -> Path:
    base = _python_base(requirements)
    digest = hashlib.sha256(repr((base, sorted(environment.items()), list(command), run)).encode())
    for target, source in sorted(files.items()):
        digest.update(target.encode() + hash_path(source).encode())
    archive = _archive(f"{name}-{tag}", digest.hexdigest()[:16])
    if archive.exists():
        return archive
    print(f"building image {name}:{tag}", flush=True)
    context = _context(archive)
    lines = [f"FROM {base}"]
    for number, (target, source) in enumerate(sorted(files.items())):
        _copy(source, context / str(number))
        lines.append(f"COPY {number} {target}")
    lines += [f"ENV {key}={value}" for key, value in environment.items()]
    if run:
        lines.append(f'RUN ["/usr/bin/python3", "{run}"]')
    lines += ["USER 65532:65532", "WORKDIR /app"]
    if command:
        lines.append(f"ENTRYPOINT {json.dumps(list(command))}")
    (context / "Containerfile").write_text("\n".join(lines) + "\n")
    _build(context, f"localhost/{name}:{tag}", archive)
    return archive


def _python_base(requirements: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((DEBIAN, sorted(requirements), PASSWD, "compiled")).encode()).hexdigest()[:12]
    reference = f"localhost/serinus-python:{digest}"
    if _has_image(reference):
        return reference
    context = cache() / "images" / f"base-{digest}"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    if find_ground() == "own":
        _build_base(context, reference, requirements)
    else:
        docker.build_base(context, reference, requirements)
    shutil.rmtree(context)
    return reference


def _has_image(reference: str) -> bool:
    if find_ground() != "own":
        return docker.has_image(reference)
    bootstrap.install_packages()
    inspect = _buildah("inspect", "--type", "image", reference)
    return subprocess.run(inspect, capture_output=True, check=False).returncode == 0


def _build_base(context: Path, reference: str, requirements: Sequence[str]) -> None:
    print("making a Python root file system", flush=True)
    root = _root_file_system()
    packages = context / "packages"
    packages.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--only-binary=:all:", "--python-version", "3.11", "--target", str(packages)]
    if requirements:
        _run([*pip, *requirements])
    shutil.copy(root, context / "root.tar")
    containerfile = "FROM scratch\nADD root.tar /\nCOPY packages /opt/packages\n"
    containerfile += "ENV PYTHONPATH=/opt/packages:/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1\n"
    (context / "Containerfile").write_text(containerfile)
    _run(_buildah("bud", "--isolation", "chroot", "-q", "-t", reference, str(context)))


def _root_file_system() -> Path:
    """Debian's Python, unpacked and packed again without what a container does not need."""
    tar = cache() / "images" / f"debian-{hashlib.sha256(repr((DEBIAN, PASSWD, GROUP)).encode()).hexdigest()[:12]}.tar"
    if tar.exists():
        return tar
    tar.parent.mkdir(parents=True, exist_ok=True)
    folder = tar.with_suffix(".d")
    shutil.rmtree(folder, ignore_errors=True)
    _run(["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(DEBIAN)}", "bookworm", str(folder)])
    for needless in (
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/perl5",
        "var/cache/apt",
        "var/lib/apt",
    ):
        shutil.rmtree(folder / needless, ignore_errors=True)
    # The variant runs no maintainer script, so what those would write has to be written here.
    (folder / "etc/passwd").write_text(PASSWD)
    (folder / "etc/group").write_text(GROUP)
    for empty in ("tmp", "app", "proc", "sys", "dev"):
        (folder / empty).mkdir(exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    if not (folder / "usr/bin/python3").exists():
        (folder / "usr/bin/python3").symlink_to("python3.11")
    _run(["tar", "-C", str(folder), "-cf", str(tar), "."])
    shutil.rmtree(folder)
    return tar


def _archive(name: str, digest: str) -> Path:
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{digest}.tar"


def _context(archive: Path) -> Path:
    context = archive.with_suffix(".context")
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    return context


def build_in_steps(
    containerfile: Path,
    context: Path,
    stages: Mapping[str, Path],
    arguments: Mapping[str, str],
    reference: str,
    archive: Path,
) -> None:
    """Build the last stage of a Containerfile. The stages it copies from were run already: their files are given."""
    bud = _buildah("bud", "--isolation", "chroot", "-q", "-t", reference, "-f", str(containerfile))
    for name, folder in stages.items():
        bud += ["--build-context", f"{name}={folder}"]
    for name, value in arguments.items():
        bud += ["--build-arg", f"{name}={value}"]
    _run([*bud, str(context)])
    _push(reference, archive)


def _build(context: Path, reference: str, archive: Path) -> None:
    if find_ground() == "own":
        _run(_buildah("bud", "--isolation", "chroot", "-q", "-t", reference, str(context)))
        _push(reference, archive)
    else:
        docker.build(context, reference)
        docker.save(reference, archive)
    shutil.rmtree(context)


def _push(reference: str, archive: Path) -> None:
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    _run(_buildah("push", "-q", reference, f"oci-archive:{part}:{reference}"))
    part.rename(archive)


def _buildah(*arguments: str) -> list[str]:
    return ["buildah", "--storage-driver", "vfs", "--root", str(cache() / "images" / "store"), *arguments]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": "/tmp"})
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command[:6])} … failed:\n{(done.stderr or done.stdout)[-1500:]}")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def hash_path(path: Path) -> str:
    """A short hash over a file, or over what is in a folder but Python's caches."""
    digest = hashlib.sha256()
    files = (
        sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts) if path.is_dir() else [path]
    )
    for file in files:
        digest.update(str(file.relative_to(path)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]
