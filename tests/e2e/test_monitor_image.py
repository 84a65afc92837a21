"""The ready monitor beside a model: its manifest as it is shipped, a shift of the input, and a promotion."""

import json
import random
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import Cluster
from tests.cluster.images import python_image
from tests.support.model import Model, wait_for

MONITOR = Path(__file__).parents[2] / "examples" / "monitor"
IMAGE = "localhost/e2e-monitor:1"
QUICK = ("--window=3s", "--grace=500ms", "--quality-window=3s", "--label-delay=1s", "--poll=1s")
PROGRAM = """
import sys, urllib.request as u
body = sys.stdin.buffer.read() or None
print(u.urlopen(u.Request(sys.argv[2], body, method=sys.argv[1]), timeout=10).read().decode())
"""

Raw = dict[str, Any]


@pytest.fixture(scope="module")
def monitor_image(stocked_cluster: Cluster) -> None:
    """The image that examples/monitor describes."""
    archive = python_image(
        "e2e-monitor",
        "1",
        requirements=(MONITOR / "requirements.txt").read_text().split(),
        files={"/app/serinus_monitor": MONITOR / "serinus_monitor"},
        command=["/usr/bin/python3", "-m", "serinus_monitor"],
        environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    stocked_cluster.load_image(archive)


def apply_monitor(model: Model) -> None:
    """The shipped manifest in the model's namespace, with short windows. The node has no storage to claim."""
    for document in yaml.safe_load_all((MONITOR / "monitor.yaml").read_text().replace("ml", model.namespace)):
        if document["kind"] == "PersistentVolumeClaim":
            continue
        if document["kind"] == "Deployment":
            pod = document["spec"]["template"]["spec"]
            pod["volumes"] = [{"name": "references", "emptyDir": {}}]
            pod["containers"][0] |= {"image": IMAGE, "imagePullPolicy": "Never"}
            pod["containers"][0]["readinessProbe"]["periodSeconds"] = 1
            pod["containers"][0]["args"] += QUICK
        model.cluster.apply(json.dumps(document))


def try_send(model: Model, method: str, url: str, body: str = "") -> "subprocess.CompletedProcess[str]":
    return model.cluster.run(
        [sys.executable, "-c", PROGRAM, method, url],
        input=body,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def send(model: Model, method: str, url: str, body: str = "") -> str:
    done = try_send(model, method, url, body)
    assert done.returncode == 0, done.stderr[-500:]
    return str(done.stdout)


def query(model: Model, text: str) -> list[Raw]:
    """What Prometheus, which scrapes the pod, answers now."""
    url = f"{model.cluster.prometheus_url}/api/v1/query?query={urllib.parse.quote(text)}"
    return list(json.loads(send(model, "GET", url))["data"]["result"])


class Monitor:
    def __init__(self, model: Model) -> None:
        self.model = model
        service = model.cluster.get("service", "fraud-monitor", "-n", model.namespace)
        self.url = f"http://{service['spec']['clusterIP']}"
        self.numbers = random.Random(5)
        self.sent = 0

    def make_row(self, shift: float = 0.0) -> Raw:
        self.sent += 1
        features = {"amount": self.numbers.gauss(shift, 1), "country": self.numbers.choice(["de", "fr"])}
        return {"id": f"r{self.sent}", "time": time.time(), "features": features, "prediction": self.sent % 2}

    def put_reference(self, name: str) -> None:
        rows = "\n".join(json.dumps(self.make_row()) for _ in range(2000))
        send(self.model, "PUT", f"{self.url}/references/{name}", rows)

    def log(self, revision: str, shift: float) -> None:
        """Some predictions of now, three quarters of which are right."""
        rows = [{**self.make_row(shift), "revision": revision} for _ in range(300)]
        send(self.model, "POST", f"{self.url}/predictions", "\n".join(map(json.dumps, rows)))
        labels = [{"id": row["id"], "label": row["prediction"] if n % 4 else 9} for n, row in enumerate(rows)]
        send(self.model, "POST", f"{self.url}/labels", "\n".join(map(json.dumps, labels)))

    def drift(self) -> float | None:
        """The query of docs/monitoring.md."""
        series = f'namespace="{self.model.namespace}", model="fraud", statistic="psi", feature="_max"'
        found = query(self.model, f"model_drift_score{{{series}}} / model_drift_threshold{{{series}}}")
        assert len(found) <= 1, "one series, or a policy would know nothing"
        return float(found[0]["value"][1]) if found else None

    def explain(self) -> str:
        logs = self.model.cluster.kubectl("logs", "-n", self.model.namespace, "deploy/fraud-monitor", check=False)
        return f"{send(self.model, 'GET', f'{self.url}/readyz')}\n{logs.stdout}"


@pytest.mark.cluster
def test_drift_and_quality_reach_prometheus_and_the_reference_follows_promotion(
    model: Model, monitor_image: None
) -> None:
    model.spec |= {"replicas": 1, "rollout": {"strategy": "Direct", "drain": "1s"}}
    model.apply("v1")
    apply_monitor(model)
    model.await_reason("Serving")
    first = model.stable()
    model.cluster.kubectl("rollout", "status", "-n", model.namespace, "deploy/fraud-monitor", "--timeout=90s")
    monitor = Monitor(model)
    # The node's proxy hears of a new Service a little later than the API server.
    wait_for("the Service", lambda: try_send(model, "GET", f"{monitor.url}/readyz").returncode == 0, lambda: "")
    monitor.put_reference(first)

    def feed(revision: str, shift: float) -> float | None:
        monitor.log(revision, shift)
        return monitor.drift()

    quiet = wait_for("a window", lambda: feed(first, 0.0), monitor.explain)
    assert quiet < 1.5, "nothing has changed"
    wait_for("drift", lambda: (feed(first, 1.0) or 0) > 5, monitor.explain)
    metric = f'model_quality{{namespace="{model.namespace}", metric="accuracy", slice="_all"}}'
    (quality,) = wait_for("quality", lambda: query(model, metric), monitor.explain)
    assert 0.7 <= float(quality["value"][1]) <= 0.8
    assert quality["metric"]["version"] == first

    model.apply("v2")
    wait_for("v2", lambda: model.stable() != first and model.reason() == "Serving", model.explain)
    second = model.stable()
    reference = f'model_monitor_reference_loaded{{namespace="{model.namespace}", version="{second}"}}'
    found = wait_for("the monitor to follow", lambda: query(model, reference), monitor.explain)
    assert found[0]["value"][1] == "0", "v2 has no reference yet"
    wait_for("no drift of v1 any more", lambda: monitor.drift() is None, monitor.explain)
    monitor.put_reference(second)
    wait_for("drift of v2", lambda: feed(second, 1.0), monitor.explain)
    info = f'model_drift_reference_info{{namespace="{model.namespace}"}}'
    assert {one["metric"]["reference_digest"] for one in query(model, info)} == {second}
