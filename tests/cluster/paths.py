"""Where things are kept: builds in the user's cache folder, the state of each cluster beside them."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
GO = HERE / "go"


def cache() -> Path:
    """The cache folder; everything in it can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "serinus"
    path.mkdir(parents=True, exist_ok=True)
    return path


def state(name: str) -> Path:
    """Keys, data and logs of one cluster."""
    return cache() / "clusters" / name
