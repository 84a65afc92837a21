"""The operator's image: how large it is, how soon it works after `helm install`, and what it takes in memory."""

import argparse
import gzip
import json
import sys
import tarfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.figures import Figure, summarise
from tests.bench.stand import Stand, run_bench
from tests.cluster import Cluster, operatorpods, release
from tests.cluster.operator_image import operator_image
from tests.cluster.paths import REPOSITORY
from tests.support.model import wait_for

MIB = 2**20


def measure_size(archive: Path) -> list[Figure]:
    """Of the image as a registry keeps it, and of its files."""
    with tarfile.open(archive) as outer:

        def load(name: str) -> Any:
            file = outer.extractfile(name)
            assert file is not None
            return json.load(file)

        def blob(digest: str) -> str:
            return f"blobs/{digest.replace(':', '/')}"

        layers = load(blob(load("index.json")["manifests"][0]["digest"]))["layers"]
        packed = sum(layer["size"] for layer in layers)
        unpacked = 0
        for layer in layers:
            with tarfile.open(fileobj=gzip.GzipFile(fileobj=outer.extractfile(blob(layer["digest"])))) as inner:
                unpacked += sum(member.size for member in inner)
    return [Figure("image, compressed", packed / MIB, "MiB"), Figure("image, files", unpacked / MIB, "MiB")]


def measure_installs(cluster: Cluster, rounds: int) -> list[Figure]:
    """A first install, CRDs and all, until both replicas are ready; and from a container's start to ready."""
    values = {**release.load_values(cluster), "replicas": 2}
    ready: list[float] = []
    starts: list[float] = []
    memory: list[float] = []
    for _ in range(rounds):
        release.uninstall(cluster, "--wait", "--timeout", "60s")
        cluster.kubectl("delete", "--ignore-not-found", "--wait", "-f", str(REPOSITORY / "crds"), timeout=120)
        began = time.monotonic()
        release.upgrade(cluster, values)
        wait_for("both ready", lambda: operatorpods.is_rolled_out(cluster), lambda: "", 60)
        ready.append(time.monotonic() - began)
        operatorpods.wait_until_settled(cluster, 2)
        pods = operatorpods.list_pods(cluster)
        starts += [_start_of(pod) for pod in pods]
        memory += [_memory_of(cluster, pod) / MIB for pod in pods]
    return [
        *summarise("helm install to 2 of 2 ready", ready, "s"),
        *summarise("container started to ready", starts, "s"),
        *summarise("resident memory, idle", memory, "MiB"),
    ]


def _start_of(pod: dict[str, Any]) -> float:
    """Whole seconds: that is as exact as Kubernetes tells it."""
    started = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    became = next(c["lastTransitionTime"] for c in pod["status"]["conditions"] if c["type"] == "Ready")
    return (_read_time(became) - _read_time(started)).total_seconds()


def _read_time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _memory_of(cluster: Cluster, pod: dict[str, Any]) -> int:
    sizes = []
    for pid in operatorpods.find_processes(cluster, pod):
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        sizes.append(int(fields["VmRSS"].split()[0]) * 1024)
    return sum(sizes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds

    def measure(stand: Stand, _console: Console) -> Sequence[Figure]:
        return [*measure_size(operator_image()), *measure_installs(stand.house.cluster, rounds)]

    return run_bench("image", "the operator's image", measure, images=[])


if __name__ == "__main__":
    sys.exit(main())
