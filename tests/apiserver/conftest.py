"""One API server with simulated nodes, gateway and Prometheus for the tier; one namespace for each test."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.support.model import Model, wait_for

PORT = 9099
numbers = itertools.count(1)


class Surroundings:
    """Says how Prometheus answers from now on, and how often it was asked."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.script = folder / "script"
        self.address = f"http://127.0.0.1:{PORT}"

    def answer(self, word: str) -> None:
        """One of: well, down, slow, empty, nan, html, scalar, vector, partial, broken, stale."""
        fresh = self.script.with_suffix(".new")
        fresh.write_text(word)
        fresh.rename(self.script)

    def set_quality(self, namespace: str, value: float | None) -> None:
        """What a query for model_quality gives in a namespace from now on; None: no series."""
        file = self.script.with_suffix(".gauges")
        known = json.loads(file.read_text()) if file.exists() else {}
        fresh = file.with_suffix(".fresh")
        fresh.write_text(json.dumps(known | {namespace: value}))
        fresh.rename(file)

    def count_queries(self) -> int:
        return int(self._ask("queries"))

    def count_failures(self, revision: str) -> int:
        """Requests to a revision that have failed at the gateway so far, whoever could see it."""
        return int(self._ask(f"failures/{revision}"))

    def list_queries(self) -> list[str]:
        """The last queries, as they came: path and parameters, readable."""
        return list(json.loads(self._ask("asked")))

    def is_up(self) -> bool:
        """Whether it answers; waits for nothing."""
        try:
            return self._ask("queries") != ""
        except subprocess.CalledProcessError:
            return False

    def _ask(self, path: str) -> str:
        ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=30).read().decode())"
        command = [sys.executable, "-c", ask, f"{self.address}/{path}"]
        return self.cluster.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def open_surroundings(cluster: Cluster, folder: Path) -> Iterator[Surroundings]:
    """Serve them to a cluster that has Serinus."""
    told = Surroundings(cluster, folder)
    told.answer("well")
    program = Path(__file__).parent / "surroundings.py"
    process = cluster.popen([sys.executable, str(program), str(PORT), str(cluster.keys), str(told.script)])
    try:
        gateway = Path("tests/cluster/manifests/gateway.yaml")
        cluster.kubectl("apply", "-f", str(gateway.absolute()))
        change = json.dumps({"spec": {"address": told.address}})
        cluster.kubectl("patch", "metricsprovider", "default", "--type=merge", "-p", change)
        wait_for("an answer", lambda: process.poll() is None and told.is_up(), lambda: "")
        yield told
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="session")
def surroundings(served_control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with open_surroundings(served_control_plane, tmp_path_factory.mktemp("surroundings")) as told:
        yield told


@pytest.fixture
def model(surroundings: Surroundings, tmp_path: Path) -> Iterator[Model]:
    """A model that is not applied yet."""
    surroundings.answer("well")
    namespace = f"tier-{next(numbers)}"
    cluster = surroundings.cluster
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    yield Model(cluster, namespace, tmp_path)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
