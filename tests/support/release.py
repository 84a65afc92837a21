"""What the life of a release is told with: the chart before this one, and what a candidate must not lose."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.bench.audit import WRITING_VERBS
from tests.cluster import Cluster, operatorpods, release
from tests.cluster.helm import CHART
from tests.support.model import Model, wait_for

Raw = dict[str, Any]

PREVIOUS = "0.0.9"
YOUNGER = ("templates/rbac-users.yaml", "templates/monitoring.yaml", "values.schema.json")
"""What the chart before this one did not have."""
POD = "authentication.kubernetes.io/pod-name"


def build_previous_chart(folder: Path) -> Path:
    """A chart as it may have been one version ago: less in it, and CRDs that show less."""
    chart = folder / "previous"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": PREVIOUS, "appVersion": PREVIOUS}))
    for name in YOUNGER:
        (chart / name).unlink(missing_ok=True)
    for path in (chart / "files" / "crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text())
        for version in crd["spec"]["versions"]:
            version["additionalPrinterColumns"] = version["additionalPrinterColumns"][:1]
        path.write_text(yaml.safe_dump(crd))
    return chart


def package(cluster: Cluster, chart: Path, folder: Path) -> Path:
    """The chart as it is published."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    release.helm(cluster, "package", str(chart), "--destination", str(folder))
    return folder / f"{about['name']}-{about['version']}.tgz"


def read_images(cluster: Cluster) -> dict[str, str]:
    """Image by name of the operator's pods that run."""
    running = [pod for pod in operatorpods.list_pods(cluster) if pod["status"].get("phase") == "Running"]
    return {operatorpods.name_of(pod): str(pod["spec"]["containers"][0]["image"]) for pod in running}


def wait_for_roll(cluster: Cluster, image: str, replicas: int) -> list[set[str]]:
    """Wait until all pods have an image and one of them leads; the images that ran at the same time on the way."""
    seen: list[set[str]] = []

    def rolled() -> bool:
        images = read_images(cluster)
        seen.append(set(images.values()))
        alone = set(images.values()) == {image} and len(images) == replicas
        return alone and operatorpods.is_rolled_out(cluster) and operatorpods.find_leader(cluster) in images

    wait_for(f"{replicas} pods with {image}", rolled, lambda: str(read_images(cluster)), 180)
    return seen


class Standing:
    """Where a candidate stands, to be compared with where it stands later."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.seen = self._read()

    def _read(self) -> Raw:
        candidate = self.model.status().get("candidate") or {}
        counted = {one["metric"]: one["candidateTotal"] for one in candidate.get("evidence", [])}
        return {
            "revision": candidate.get("revision"),
            "startedAt": candidate.get("startedAt"),
            "step": candidate.get("step", -1),
            "evidence": counted,
        }

    def assert_goes_on(self) -> None:
        """The same candidate, started when it was, at the same step or a later one, with no less evidence."""
        before, self.seen = self.seen, self._read()
        assert self.seen["revision"] == before["revision"], (before, self.seen)
        assert self.seen["startedAt"] == before["startedAt"], (before, self.seen)
        assert self.seen["step"] >= before["step"], (before, self.seen)
        lost = {name for name, total in before["evidence"].items() if self.seen["evidence"].get(name, 0) < total}
        assert not lost, (before, self.seen)


def list_writers(cluster: Cluster, since: float, *, lease: bool = False) -> list[str]:
    """The operator's pods in the order in which they wrote anything but the Lease, or the Lease, without repetitions in
    a row."""
    time.sleep(0.5)  # the audit log is written in batches
    writers: list[str] = []
    for event in _read_writes(cluster, since):
        pod = (event["user"].get("extra") or {}).get(POD, [""])[0]
        if (event["objectRef"]["resource"] == "leases") == lease and writers[-1:] != [pod]:
            writers.append(pod)
    return writers


def _read_writes(cluster: Cluster, since: float) -> Iterator[Raw]:
    """What the operator wrote and the API server took."""
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))
    with cluster.audit_log.open(encoding="utf-8") as lines:
        for line in lines:
            if '"userAgent":"serinus/' not in line or not line.endswith("\n"):
                continue
            event: Raw = json.loads(line)
            wrote = event["stage"] == "ResponseComplete" and event["verb"] in WRITING_VERBS
            if wrote and event["requestReceivedTimestamp"] >= began and event["responseStatus"]["code"] < 300:
                yield event


def list_leaving(cluster: Cluster, namespace: str) -> list[str]:
    """What is being deleted and is still there: our kinds, their CRDs, and what a model consists of."""
    kinds = "modeldeployments,modelrevisions,deployments,services,httproutes,pods"
    found = [
        *cluster.get("customresourcedefinitions")["items"],
        *cluster.get(kinds, "-n", namespace)["items"],
        *cluster.get("all", "-n", release.NAMESPACE)["items"],
        *cluster.get("metricsproviders")["items"],
    ]
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found if one["metadata"].get("deletionTimestamp")]
