"""Where the demo plays: a node cluster with gateway, Prometheus and operator, in which all images of the model are
known.

Everything that is started here is stopped here, unless it is to be kept.
"""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import Cluster
from tests.cluster.__main__ import describe
from tests.cluster.errors import ClusterError
from tests.cluster.images import python_image
from tests.cluster.serinus import install_serinus

DIGITS = Path(__file__).parents[1] / "digits"
SCRAPE_INTERVAL = "1s"
FAULT_RATIOS = {"v1": "0.005", "v2": "0.005", "v3": "0", "v4": "0.005"}
"""No model is without an error now and then; v3 needs none of its own, one answer in five fails by its label table."""

HouseError = ClusterError

Tell = Callable[[str], None]


@dataclass(frozen=True)
class House:
    """A cluster as the demo and the benchmarks use it. `folder` gets the output of what is started in it."""

    cluster: Cluster
    folder: Path

    @property
    def gateway_url(self) -> str:
        """Valid where `start` runs commands."""
        return self.cluster.gateway_url

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints; HouseError with its words where it fails."""
        return self.cluster.kubectl(*arguments, input=stdin).stdout

    def start_kubectl(self, arguments: Sequence[str]) -> "subprocess.Popen[str]":
        cluster = self.cluster
        command = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), *arguments]
        return self._popen(command, stdout=subprocess.PIPE)

    def start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        """Start a command in the cluster's network; whoever calls stops it."""
        return self._popen(command, stdout=subprocess.DEVNULL)

    def _popen(self, command: Sequence[str], stdout: int) -> "subprocess.Popen[str]":
        # A session of its own: Ctrl-C is for the demo, which then stops everything in order.
        with (self.folder / "started.log").open("a") as errors:
            return self.cluster.popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors, text=True, start_new_session=True
            )


def build_images(versions: Sequence[str]) -> dict[str, Path]:
    """An archive for each version of the model, built unless it exists. It takes a minute or two the first time."""
    requirements = [line for line in (DIGITS / "requirements.txt").read_text().splitlines() if line]
    return {
        version: python_image(
            "digits",
            version,
            requirements=requirements,
            files={"/app/digits": DIGITS},
            command=["python3", "-m", "digits.server"],
            environment={
                "MODEL_VERSION": version,
                "FAULT_RATIO": FAULT_RATIOS[version],
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
            run="/app/digits/bake.py",
        )
        for version in versions
    }


def load_images(cluster: Cluster, images: Mapping[str, Path]) -> None:
    for archive in images.values():
        cluster.load_image(archive)


@contextlib.contextmanager
def open_house(
    name: str,
    folder: Path,
    tell: Tell,
    *,
    keep: bool = False,
    build: Callable[[], Mapping[str, Path]] = lambda: build_images(tuple(FAULT_RATIOS)),
) -> Iterator[House]:
    """Build, start, install; on leaving copy the logs to `folder` and stop everything. HouseError where that fails.

    `build` makes the images that are known on the node. With `keep` a cluster that got as far as running is left, and
    `tell` says how to use it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    tell("building what is missing; the first time takes a while")
    images = build()
    tell("starting a cluster: API server, node, gateway, Prometheus")
    cluster = Cluster.start("node", name, scrape_interval=SCRAPE_INTERVAL)
    try:
        load_images(cluster, images)
        install_serinus(cluster, scrape_interval=SCRAPE_INTERVAL)
        tell(f"the cluster is up with the operator in it, after {time.monotonic() - began:.0f} s")
        yield House(cluster, folder)
    finally:
        # A second Ctrl-C, from impatience, would leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.collect_logs(folder / "logs")
        if keep:
            tell(_describe_kept(cluster))
        else:
            cluster.stop()


def _describe_kept(cluster: Cluster) -> str:
    stop = f"{sys.executable} -m tests.cluster down --name {cluster.name}"
    return f"the cluster is left running, without the traffic:\n{describe(cluster)}\n  stop it      {stop}"
