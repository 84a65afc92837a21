"""Sets the stage: images, MLflow, the services beside the model, and the first model of all, trained on history."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from examples.demo.house import House, HouseError
from examples.demo.world import DemoError
from examples.retrain.fraud.world import draw_payments
from tests.cluster import mlflow
from tests.cluster.images import python_image

Raw = dict[str, Any]

HERE: Final = Path(__file__).parent
RETRAIN: Final = HERE.parent
MONITOR: Final = RETRAIN.parent / "monitor"
NAMESPACE: Final = "ml"
PORT: Final = 8080
HISTORY_ROWS: Final = 3000
HISTORY_SECONDS: Final = 3600
FIRST: Final = "fraud-first"
SERVICES: Final = ("data", "monitor")
START_SECONDS: Final = 60.0
TRAIN_SECONDS: Final = 90.0
SERVICE_SECONDS: Final = 20.0

CALL: Final = """
import sys, urllib.error, urllib.request as u
method, url, body = sys.argv[1], sys.argv[2], sys.stdin.buffer.read()
head = {"Content-Type": "application/json"}
try:
    asked = u.Request(url, data=body or None, headers=head, method=method)
    sys.stdout.buffer.write(u.urlopen(asked, timeout=10).read())
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{error}: {error.read().decode() if isinstance(error, urllib.error.HTTPError) else ''}")
"""


def build_images() -> dict[str, Path]:
    """The images of the demo, built unless they exist."""
    return {"fraud": _build("fraud", RETRAIN, {"/app/fraud": RETRAIN / "fraud"}, "fraud.server"), "monitor": _monitor()}


def _monitor() -> Path:
    return _build("serinus-monitor", MONITOR, {"/app/serinus_monitor": MONITOR / "serinus_monitor"}, "serinus_monitor")


def _build(name: str, folder: Path, files: Mapping[str, Path], module: str) -> Path:
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return python_image(
        name,
        "1",
        requirements=[line for line in lines if line and not line.startswith("#")],
        files=files,
        command=["python3", "-m", module],
        environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def call(house: House, method: str, url: str, body: bytes = b"") -> bytes:
    """Ask over HTTP from inside the cluster's network. DemoError with the answer where it is no success."""
    command = [sys.executable, "-c", CALL, method, url]
    done: Any = house.cluster.run(command, input=body, capture_output=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"{method} {url}: {done.stderr.decode()[-500:].strip()}")
    return bytes(done.stdout)


@dataclass(frozen=True)
class Stage:
    """`services`: address of each of SERVICES, by name. `first`: what the first training said."""

    services: Mapping[str, str]
    first: Raw


def set_stage(house: House, policy: Raw, tell: Any) -> Stage:
    """Everything up to the first model in MLflow; `policy` is the RetrainPolicy whose template trains."""
    mlflow.start(house.cluster)
    house.kubectl("apply", "--filename", str(HERE / "surroundings.yaml"))
    for name in SERVICES:
        house.cluster.kubectl(
            *("rollout", "status", f"deployment/{name}", "-n", NAMESPACE, f"--timeout={START_SECONDS:g}s"), timeout=70
        )
    services = {name: _find_address(house, name) for name in SERVICES}
    for address in services.values():
        _await_service(house, address)
    tell("data service and monitor are up")
    history = draw_payments(np.random.default_rng(1), HISTORY_ROWS, "calm")
    rows = [{"id": f"h-{n}", **payment.features, "fraud": payment.fraud} for n, payment in enumerate(history)]
    call(house, "POST", f"{services['data']}/rows", json.dumps(rows).encode())
    try:
        mlflow.wait(house.cluster)
    except HouseError as error:
        raise DemoError(str(error)) from error
    tell(f"MLflow is up; the first model is trained on {HISTORY_ROWS:,} payments of a calm past")
    return Stage(services, train_first(house, policy))


def _find_address(house: House, name: str) -> str:
    service = house.cluster.get("service", name, "-n", NAMESPACE)
    return f"http://{service['spec']['clusterIP']}:{PORT}"


def _await_service(house: House, address: str) -> None:
    """A Service leads to its pods a moment after they are ready."""
    deadline = time.monotonic() + SERVICE_SECONDS
    while True:
        try:
            call(house, "GET", f"{address}/healthz")
        except DemoError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return


def build_first_job(policy: Raw) -> Raw:
    """The policy's own template, as a Job of its own, over the whole history and with no champion."""
    template = json.loads(json.dumps(policy["spec"]["template"]))
    container = template["spec"]["template"]["spec"]["containers"][0]
    changed = {"WINDOW_SECONDS": str(HISTORY_SECONDS), "SERINUS_RUN": FIRST}
    kept = [one for one in container["env"] if one["name"] not in changed]
    container["env"] = kept + [{"name": name, "value": value} for name, value in changed.items()]
    return {**template, "metadata": {"name": FIRST, "namespace": NAMESPACE}}


def train_first(house: House, policy: Raw) -> Raw:
    """What a training without a champion makes. DemoError where it fails."""
    house.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(build_first_job(policy)))
    deadline = time.monotonic() + TRAIN_SECONDS
    while time.monotonic() < deadline:
        for pod in house.cluster.get("pods", "-n", NAMESPACE, "-l", f"job-name={FIRST}")["items"]:
            for status in pod["status"].get("containerStatuses", []):
                ended = status["state"].get("terminated")
                if ended and ended["exitCode"] == 0:
                    return dict(json.loads(ended["message"]))
                if ended:
                    raise DemoError(f"the first training failed: {ended.get('message', 'it says nothing')}")
        time.sleep(0.3)
    raise DemoError(f"the first training did not end within {TRAIN_SECONDS:g} s")
