"""An API server that knows our kinds, and no operator."""

from collections.abc import Iterator

import pytest

from serinus.api.crd import RESOURCES
from tests.api.cases import ROOT
from tests.api.onserver import Cluster, ControlPlane


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    cluster = Cluster(control_plane)
    cluster.run("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    for resource in RESOURCES:
        cluster.run("wait", "--for=condition=Established", "--timeout=30s", f"crd/{resource.crd_name}")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}})
    yield cluster
    for kind in ("mdep", "mrev", "mprov", "rtp", "rtr", "mappr"):
        cluster.run("delete", kind, "--all", "-n", "ml")
