"""Files on their way into the model's folder: never outside it, and hashed as they are written."""

import hashlib
import tarfile
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from .errors import AlteredError, ConfigError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
CHUNK = 1024 * 1024
_GONE = ".wh."
TIMEOUT = (10.0, 60.0)
"""Seconds: to connect, and between two pieces of an answer."""


def place(target: Path, name: str) -> Path:
    """Where a file of that name goes; its folder is made. ConfigError for one that would lie outside `target`."""
    path = (target / name).resolve()
    if not name or not path.is_relative_to(target.resolve()) or path == target.resolve():
        raise ConfigError(f"{name!r} would lie outside the model's folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, chunks: Iterable[bytes]) -> str:
    """Write a file; the SHA-256 (hex) of what was written."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def expect(what: str, found: str, wanted: str) -> None:
    """AlteredError where a digest is not the one that was asked for."""
    if found != wanted:
        raise AlteredError(f"{what} has the SHA-256 {found} and should have {wanted}")


def unpack(archive: Path, target: Path, name: str) -> None:
    """Unpack an archive, known by its `name`, into the model's folder."""
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                # Leaves out what would lie outside.
                packed.extractall(target)  # noqa: S202  # nosec B202 - of a zip, which leaves out what would lie outside
        else:
            with tarfile.open(archive) as packed_tar:
                _apply_layer(packed_tar, target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ConfigError(f"{name} cannot be unpacked: {error}") from error


def _apply_layer(packed: tarfile.TarFile, target: Path) -> None:
    """Unpack, and take away what a layer of an image says is gone (`.wh.NAME`). Debian's Python 3.11 has no filters for
    this yet."""
    for member in packed:
        name = member.name.lstrip("/")
        if name.rstrip("/") in ("", "."):
            continue
        path = place(target, name)
        if path.name.startswith(_GONE):
            path.with_name(path.name.removeprefix(_GONE) or "_").unlink(missing_ok=True)
        elif member.isdir():
            path.mkdir(exist_ok=True)
        elif member.isfile():
            content = packed.extractfile(member)
            assert content is not None  # noqa: S101  (it is a file)
            write(path, iter(partial(content.read, CHUNK), b""))
        elif member.issym():
            _link(target, path, member.linkname)
        else:
            raise ConfigError(f"{member.name} is neither a file nor a folder")


def _link(target: Path, path: Path, to: str) -> None:
    if not (path.parent / to).resolve().is_relative_to(target.resolve()):
        raise ConfigError(f"{path.name} would lead to {to!r}, outside the model's folder")
    path.symlink_to(to)
