"""Container images where Docker is. Like everything for kind: not run yet on a machine with Docker."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError


def has_image(reference: str) -> bool:
    """Whether Docker knows the image."""
    return subprocess.run(["docker", "image", "inspect", reference], capture_output=True, check=False).returncode == 0


def build_base(context: Path, reference: str, requirements: Sequence[str]) -> None:
    """Python 3.11 with packages in /opt/packages, like the base that is made from Debian elsewhere."""
    (context / "requirements.txt").write_text("\n".join(requirements) + "\n")
    (context / "Containerfile").write_text(
        "FROM python:3.11-slim-bookworm\n"
        "COPY requirements.txt /requirements.txt\n"
        "RUN pip install --no-cache-dir --target /opt/packages -r /requirements.txt\n"
        "RUN ln -sf /usr/local/bin/python3 /usr/bin/python3 && mkdir -p /app\n"
        "ENV PYTHONPATH=/opt/packages:/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1\n"
    )
    build(context, reference)


def build(context: Path, reference: str) -> None:
    """Build the Containerfile of a folder."""
    _run("build", "--quiet", "--file", str(context / "Containerfile"), "--tag", reference, str(context))


def build_file(context: Path, containerfile: Path, reference: str, arguments: Mapping[str, str]) -> None:
    """Build a Containerfile that stands anywhere in its context."""
    given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    _run("build", "--quiet", "--file", str(containerfile), *given, "--tag", reference, str(context))


def save(reference: str, archive: Path) -> None:
    """Write an image to an archive that `kind load image-archive` reads."""
    part = archive.with_suffix(".part")
    _run("save", "--output", str(part), reference)
    part.rename(archive)


def _run(*arguments: str) -> None:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"docker {' '.join(arguments[:4])} … failed:\n{(done.stderr or done.stdout)[-1500:]}")
