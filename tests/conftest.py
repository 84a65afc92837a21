"""Clusters for the tests that need one; started on first use, stopped at the end.

A tier that cannot run here is skipped with the reason, except in CI (environment variable CI set): there it fails.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.cluster import Cluster, bootstrap, paths
from tests.cluster.cluster import Flavour
from tests.cluster.errors import ClusterError
from tests.cluster.serinus import install_serinus
from tests.rights.keep import keep_summary

# A machine that is busy stops any example for longer than hypothesis would allow one.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LOGS = Path("build") / "logs"
RIGHTS = Path("build") / "rights"
"""What the operator asked for in each cluster: `python -m tests.rights check build/rights` looks at all of them."""


def _start(flavour: Flavour, name: str = "") -> Cluster:
    """A cluster of this run only, so that two runs on one machine leave each other alone."""
    _remove_orphans()
    try:
        return Cluster.start(flavour, f"test-{name or flavour}-{os.getpid()}")
    except ClusterError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def _remove_orphans() -> None:
    """Stop what a run that was killed could not stop: its process id is in the name."""
    for folder in paths.clusters().glob("test-*-[0-9]*"):
        owner = folder.name.rpartition("-")[2]
        cluster = Cluster.find(folder.name)
        if cluster is not None and not Path("/proc", owner).exists():
            cluster.stop()


def _stop(cluster: Cluster) -> None:
    target = LOGS / cluster.name.rpartition("-")[0]
    shutil.rmtree(target, ignore_errors=True)
    cluster.collect_logs(target)
    keep_summary(cluster, RIGHTS)
    cluster.stop()


@pytest.fixture(scope="session")
def promtool() -> str:
    """It comes with Debian's Prometheus, like that of the clusters."""
    if os.environ.get("CI"):
        bootstrap.install_packages()
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    return found


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """An API server with simulated nodes; no CRDs of ours, no operator."""
    cluster = _start("control-plane")
    yield cluster
    _stop(cluster)


@pytest.fixture
def bare_control_plane() -> Iterator[Cluster]:
    """An API server for one test only: no other test has brought CRDs or an operator into it."""
    cluster = _start("control-plane", "bare")
    yield cluster
    _stop(cluster)


@pytest.fixture(scope="session")
def served_control_plane(control_plane: Cluster) -> Cluster:
    """The same with CRDs, a provider that answers nobody, a Gateway that nobody serves, and the operator."""
    install_serinus(control_plane)
    return control_plane


@pytest.fixture(scope="session")
def node_cluster() -> Iterator[Cluster]:
    """A real node with gateway, Prometheus (1 s scrapes), CRDs and the operator."""
    cluster = _start("node")
    install_serinus(cluster)
    yield cluster
    _stop(cluster)
