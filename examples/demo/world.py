"""The demo's hands and eyes: kubectl, the watches, the traffic. It waits and applies, and judges nothing."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import yaml

from examples.demo.scene import LABEL_REVISION, Scene, is_leaving, is_ready, observe_scene, observe_version
from tests.traffic.answers import Tally, count
from tests.traffic.route import RouteWatch
from tests.traffic.runner import Traffic
from tests.traffic.watch import Watch

Raw = dict[str, Any]

HERE = Path(__file__).parent
MANIFEST = HERE / "digits.yaml"
SAMPLES = HERE.parent / "digits" / "samples.jsonl"
PATIENCE_SECONDS = 0.1


class DemoError(Exception):
    """A reason to end with exit status 1, as a sentence."""


class Cluster(Protocol):
    """What the demo needs of a cluster."""

    @property
    def gateway_url(self) -> str:
        """Address of the gateway, as seen from where `start` runs commands."""

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str: ...
    def start_kubectl(self, arguments: Sequence[str]) -> "subprocess.Popen[str]": ...
    def start(self, command: Sequence[str]) -> "subprocess.Popen[str]": ...


class World:
    """Everything that is followed while the context lasts."""

    def __init__(self, cluster: Cluster, rate: float, seconds: float, book: Path, manifest: Path = MANIFEST) -> None:
        self.cluster = cluster
        self.manifest: Raw = yaml.safe_load(manifest.read_text())
        self.name = str(self.manifest["metadata"]["name"])
        self.namespace = str(self.manifest["metadata"]["namespace"])
        start, inside = cluster.start_kubectl, ("--namespace", self.namespace)
        self.route = RouteWatch(start, self.namespace, self.name)
        self._deployments = Watch(start, "modeldeployments", *inside, name=self.name)
        self._records = Watch(start, "modelrevisions", *inside)
        self._pods = Watch(start, "pods", *inside, f"--selector=serinus.dev/deployment={self.name}")
        self.watches: list[Watch | RouteWatch] = [self.route, self._deployments, self._records, self._pods]
        self.traffic = self.build_traffic(rate, seconds, book)
        self.tally = Tally()
        self._traffic_wanted = False
        self._stack = contextlib.ExitStack()

    def build_traffic(self, rate: float, seconds: float, book: Path) -> Traffic:
        """What is sent; it does not begin yet."""
        return Traffic(
            self.cluster.start,
            book,
            url=f"{self.cluster.gateway_url}/predict",
            host=self.host,
            rate=rate,
            seconds=seconds,
            max_requests=int(rate * seconds),
            bodies=SAMPLES,
        )

    @property
    def host(self) -> str:
        """The name by which the gateway knows the model."""
        return str(self.manifest["spec"]["route"]["hostnames"][0])

    def __enter__(self) -> Self:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(namespace))
        with contextlib.ExitStack() as stack:
            for watch in self.watches:
                stack.enter_context(watch)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_traffic(self) -> None:
        self._stack.enter_context(self.traffic)
        self._traffic_wanted = True

    def stop_traffic(self) -> None:
        """End the traffic and read the answers to all requests that were under way."""
        self._traffic_wanted = False
        self.tally.add(self.traffic.stop())

    def apply(self, version: str) -> str:
        """Apply the manifest with the image of that version; returns what kubectl says."""
        container = self.manifest["spec"]["template"]["spec"]["containers"][0]
        container["image"] = f"localhost/digits:{version}"
        return self.cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(self.manifest)).strip()

    @property
    def deployment(self) -> Raw:
        return self._deployments.objects.get(self.name, {})

    @property
    def status(self) -> Raw:
        return self.deployment.get("status") or {}

    @property
    def pods(self) -> list[Raw]:
        return list(self._pods.objects.values())

    @property
    def records(self) -> dict[str, Raw]:
        """The ModelRevisions by name."""
        return self._records.objects

    def record(self, revision: str) -> Raw:
        return self.records.get(revision, {})

    def pods_of(self, revision: str, *, ready: bool = True) -> frozenset[str]:
        """UIDs of a revision's pods that are not going away; with `ready` only those that are ready."""
        return frozenset(
            pod["metadata"]["uid"]
            for pod in self.pods
            if pod["metadata"].get("labels", {}).get(LABEL_REVISION) == revision
            and not is_leaving(pod)
            and (is_ready(pod) or not ready)
        )

    def scene(self) -> Scene:
        return observe_scene(self.deployment, self.pods, self.route.weights, self.tally, self.observe_version)

    def observe_version(self, pod: Mapping[str, Any]) -> str:
        """What the answers of a pod call themselves."""
        return observe_version(pod)

    def tally_between(self, began: float, ended: float) -> Tally:
        return count(answer for answer in self.traffic.answers if began <= answer.sent < ended)

    def look(self) -> None:
        """Read what the client wrote since the last look. DemoError if the client has ended on its own."""
        if self._traffic_wanted and not self.traffic.running:
            raise DemoError("the traffic has ended before the demo did")
        self.tally.add(self.traffic.read())

    def wait(self, what: str, happened: Callable[[], object], seconds: float, meanwhile: Callable[[], None]) -> None:
        """Until `happened` says so; `meanwhile` runs at every look. DemoError, with the state of things, when it takes
        too long."""
        deadline = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > deadline:
                scene = self.scene()
                state = f"stage: {scene.stage}; weights: {scene.weights or 'none'}; Ready says: {scene.message or '-'}"
                raise DemoError(f"{what} did not happen within {seconds:g} s ({state})")
            time.sleep(PATIENCE_SECONDS)
            self.look()
            meanwhile()
