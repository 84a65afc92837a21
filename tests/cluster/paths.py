"""Where things are kept: builds in the user's cache folder, the state of each cluster beside them."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.errors import ClusterError

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
GO = HERE / "go"

LONGEST = 72
"""Of a cluster's folder: the kubelet makes sockets below it, and the path of a socket has 107 bytes at most."""


def cache() -> Path:
    """The cache folder; everything in it can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "serinus"
    path.mkdir(parents=True, exist_ok=True)
    return path


def state(name: str) -> Path:
    """Keys, data and logs of one cluster. Raises ClusterError for a name that is none: the folder will be removed."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", name):
        raise ClusterError(f"{name!r} is no name for a cluster: use at most 40 small letters, digits and hyphens")
    folder = clusters() / name
    if len(str(folder)) > LONGEST:
        raise ClusterError(f"{folder} is too long a path: choose a shorter name, or a shorter XDG_CACHE_HOME")
    return folder


def clusters() -> Path:
    """The folder that holds one folder for each cluster."""
    return cache() / "clusters"


@contextlib.contextmanager
def hold_lock(name: str) -> Iterator[None]:
    """Keep two processes from making the same thing at the same time."""
    folder = cache() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
