"""Where benchmarks run: a node cluster of their own with the operator in it, the sample model, and the eyes to count
with."""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from examples.demo.house import House, HouseError, build_images, open_house
from examples.demo.scene import observe_condition
from examples.demo.world import DemoError, World
from tests.bench.audit import Writes, read_log
from tests.bench.figures import FOLDER, Figure, publish
from tests.bench.fleet import NotSettledError
from tests.cluster.node import PAUSE_IMAGE

IMAGE = "v1"
"""Every revision has the same image; what differs is its environment."""
AGENT = "serinus/"
INSTALL_SECONDS = 60.0
FETCH = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1], timeout=5).read())"


@dataclass(frozen=True)
class Stand:
    """`folder` gets logs and answers; `idle_image` is one that does nothing and needs next to nothing."""

    house: House
    folder: Path
    idle_image: str = PAUSE_IMAGE

    def open_world(self, rate: float, seconds: float) -> World:
        return World(self.house, rate, seconds, self.folder / "answers.jsonl")

    def read_writes(self, began: float, ended: float) -> Writes:
        """The operator's writes between two times (seconds since the epoch)."""
        return read_log(self.house.cluster.audit_log, AGENT, began, ended)

    def count_queries(self) -> int:
        """How many queries Prometheus has answered since it was started, whoever asked."""
        cluster = self.house.cluster
        command = [sys.executable, "-c", FETCH, f"{cluster.prometheus_url}/metrics"]
        return sum_queries(cluster.run(command, capture_output=True, text=True, check=True).stdout)


def sum_queries(exposition: str) -> int:
    """Requests to the query API in what Prometheus says of itself."""
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == "prometheus_http_requests_total"
        and sample.labels.get("handler", "").startswith("/api/v1/query")
    )


def set_env(manifest: dict[str, Any], **values: str) -> None:
    """Set the model's environment in a ModelDeployment; each new content is a new revision."""
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": value} for name, value in values.items()]


def wait_for_stable(world: World) -> None:
    """Until what was applied first serves."""

    def serves() -> bool:
        return bool(observe_condition(world.deployment, "Ready").get("status") == "True")

    world.wait("the first install", serves, INSTALL_SECONDS, lambda: None)


def run_bench(
    name: str,
    title: str,
    measure: Callable[[Stand, Console], Sequence[Figure]],
    images: Sequence[str] = (IMAGE,),
) -> int:
    """Start a cluster in which these images of the sample model are known, measure, publish, stop. The exit status is 0
    if everything could be measured, whatever the numbers say."""
    signal.signal(signal.SIGTERM, _interrupt)
    console, folder = Console(highlight=False), FOLDER / name
    try:
        with open_house(
            f"bench-{name}",
            folder,
            lambda text: console.print(text, soft_wrap=True),
            build=lambda: build_images(images),
        ) as house:
            figures = measure(Stand(house, folder), console)
    except (DemoError, HouseError, NotSettledError) as error:
        console.print(f"bench: failed: {error}; logs are in {folder}", soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("bench: failed: interrupted")
        return 130
    publish(name, title, figures, console)
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
