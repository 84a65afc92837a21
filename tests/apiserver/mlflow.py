"""A real MLflow server on loopback, in the network namespace of the cluster."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.cluster import Cluster, netns
from tests.cluster.bootstrap import python_tools
from tests.cluster.mlflow import (
    ENVIRONMENT,
    MLFLOW,
    START_SECONDS,
    build_command,
    is_up,
    keep_database,
    lend_database,
)
from tests.cluster.paths import REPOSITORY
from tests.support.model import wait_for

PORT: Final = 9096
ADDRESS: Final = f"http://127.0.0.1:{PORT}"
WEBHOOKS: Final = {
    # It sends them to public addresses by https only, unless told otherwise.
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}

CALL: Final = """
import json, sys, urllib.error, urllib.request as u
method, url, body = sys.argv[1], sys.argv[2], sys.stdin.buffer.read()
head = {"Content-Type": "application/json"}
try:
    print(u.urlopen(u.Request(url, data=body or None, headers=head, method=method), timeout=10).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code}: {error.read().decode()}")
"""


class MLflow:
    """Registers models and moves aliases, as people do it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._folder = folder
        self.python = python_tools(MLFLOW) / "python"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        lend_database(self._folder)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*netns.enter(self.cluster.netns), *build_command(self._folder, "127.0.0.1", PORT)],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=os.environ | ENVIRONMENT | WEBHOOKS,
                start_new_session=True,
            )
        wait_for("MLflow", self._is_up, lambda: (self._folder / "log").read_text()[-2000:], START_SECONDS)
        keep_database(self._folder)

    def stop(self) -> None:
        if self._process is not None:
            self.thaw()
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)

    def freeze(self) -> None:
        """Let it answer nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def register(self, name: str, source: str, run: str | None = None) -> str:
        """A further version of a model, of a run where its files are MLflow's own; its number."""
        self._call("POST", "registered-models/create", {"name": name}, check=False)
        made = self._call("POST", "model-versions/create", {"name": name, "source": source, "run_id": run})
        return str(made["model_version"]["version"])

    def alias(self, name: str, alias: str, version: str) -> None:
        self._call("POST", "registered-models/alias", {"name": name, "alias": alias, "version": version})

    def log_file(self, name: str, content: bytes) -> tuple[str, str]:
        """Keep a file in MLflow's own store; the address of its folder, and the run that it belongs to."""
        info = self._call("POST", "runs/create", {"experiment_id": "0"})["run"]["info"]
        place = str(info["artifact_uri"]).removeprefix("mlflow-artifacts:/")
        self._send("PUT", f"{ADDRESS}/api/2.0/mlflow-artifacts/artifacts/{place}/model/{name}", content)
        return f"{info['artifact_uri']}/model", str(info["run_id"])

    def log_dataset(self, run: str, name: str, digest: str) -> None:
        """Say what a run was trained with, as training code does."""
        dataset = {"name": name, "digest": digest, "source_type": "s3", "source": "s3://data/payments"}
        tags = [{"key": "mlflow.data.context", "value": "training"}]
        self._call("POST", "runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset, "tags": tags}]})

    def log_figures(self, run: str, metrics: dict[str, float | str], tags: dict[str, str]) -> None:
        """Say how good a run is, and what it is of."""
        figures = [{"key": key, "value": value, "timestamp": 1, "step": 0} for key, value in metrics.items()]
        labels = [{"key": key, "value": value} for key, value in tags.items()]
        self._call("POST", "runs/log-batch", {"run_id": run, "metrics": figures, "tags": labels})

    def send_webhooks(self, url: str, secret: str) -> None:
        """Tell `url` of every new version from now on, and of every tag."""
        events = [{"entity": "MODEL_VERSION", "action": "CREATED"}, {"entity": "MODEL_VERSION_TAG", "action": "SET"}]
        self._call("POST", "webhooks", {"name": "serinus", "url": url, "secret": secret, "events": events})

    def ask(self, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
        """What functions of the MLflow adapter answer from within the cluster's network, as JSON."""
        command = [sys.executable, "-m", "tests.apiserver.mlflow_calls", ADDRESS]
        environment = os.environ | {"PYTHONPATH": f"{REPOSITORY / 'operator'}:{REPOSITORY}"}
        said = json.dumps(calls).encode()
        done = self.cluster.run(command, input=said, capture_output=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr.decode()
        return list(json.loads(done.stdout))

    def _call(self, method: str, path: str, body: Any, *, check: bool = True) -> Any:
        said = self._send(method, f"{ADDRESS}/api/2.0/mlflow/{path}", json.dumps(body).encode(), check=check)
        return json.loads(said) if said.strip() else {}

    def _send(self, method: str, url: str, body: bytes, *, check: bool = True) -> str:
        command = [sys.executable, "-c", CALL, method, url]
        done = self.cluster.run(command, input=body, capture_output=True, check=False)
        assert done.returncode == 0 or not check, done.stderr.decode()
        return str(done.stdout.decode())

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        return is_up(self.cluster, ADDRESS)
