"""A real MLflow server: how it is started, and one as a process of the node, which pods reach by the node's address."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from tests.cluster import paths
from tests.cluster.bootstrap import python_tools
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.pki import NODE_ADDRESS

MLFLOW: Final = "mlflow==3.17.2"
NAME: Final = "mlflow"
PORT: Final = 5000
URL: Final = f"http://{NODE_ADDRESS}:{PORT}"
ENVIRONMENT: Final = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
START_SECONDS: Final = 180.0

_GROUP: Final = 'trap "trap - TERM; kill -TERM 0" TERM; "$@" & wait'
"""MLflow's command starts the server as a child, which would outlive it."""


def start(cluster: Cluster) -> None:
    """Start it; it ends with the cluster. See `wait`. ClusterError for a cluster made by kind: its pods could not reach
    a process of this machine."""
    if not cluster.netns:
        raise ClusterError("MLflow runs as a process of the node, which a cluster made by kind does not have")
    folder = cluster.folder / NAME
    folder.mkdir(exist_ok=True)
    command = ["sh", "-c", _GROUP, "sh", *build_command(folder, NODE_ADDRESS, PORT)]
    lend_database(folder)
    cluster.processes.start(NAME, command, env=ENVIRONMENT, cwd=folder)


def wait(cluster: Cluster) -> None:
    """Until it answers."""
    cluster.processes.wait_for("MLflow", lambda: is_up(cluster, URL), NAME, patience=START_SECONDS)
    keep_database(cluster.folder / NAME)


def is_up(cluster: Cluster, url: str) -> bool:
    """Whether it answers at that address."""
    ask = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=2)"
    return cluster.run([sys.executable, "-c", ask, f"{url}/health"], capture_output=True, check=False).returncode == 0


def build_command(folder: Path, host: str, port: int) -> list[str]:
    """A server with all that it keeps in a folder."""
    program = str(python_tools(MLFLOW) / "mlflow")
    command = [program, "server", "--host", host, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{_database(folder)}"]
    return [*command, "--artifacts-destination", str(folder / "artifacts")]


def lend_database(folder: Path) -> None:
    """An empty database takes it most of a minute, so one is kept."""
    if _kept().exists():
        shutil.copy(_kept(), _database(folder))


def keep_database(folder: Path) -> None:
    """Keep the database of a server that has just been started on an empty one."""
    if not _kept().exists():
        _kept().parent.mkdir(parents=True, exist_ok=True)
        part = _kept().with_suffix(f".{os.getpid()}")
        shutil.copy(_database(folder), part)
        part.rename(_kept())


def _kept() -> Path:
    return paths.cache() / "mlflow" / f"{MLFLOW}.db"


def _database(folder: Path) -> Path:
    return folder / "mlflow.db"
