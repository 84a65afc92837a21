"""What is said to MLflow, over its REST API: an image with MLflow in it would be several times the size of this one."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from .model import FILE

TIMEOUT_SECONDS: Final = 20
ARTIFACTS: Final = "mlflow-artifacts:/"
LONGEST_DIGEST: Final = 36
"""MLflow keeps this much of a data set's digest."""


class TrackingError(Exception):
    """MLflow is away, or said no."""


@dataclass(frozen=True)
class Tracker:
    """An MLflow server. `url`: its address, without a slash in the end."""

    url: str

    def start_run(self, experiment: str, name: str) -> "Run":
        found = self._ask("GET", "experiments/get-by-name", {"experiment_name": experiment}, missing_ok=True)
        if found is None:
            number = self._ask("POST", "experiments/create", {"name": experiment})["experiment_id"]
        else:
            number = found["experiment"]["experiment_id"]
        body = {"experiment_id": number, "run_name": name, "start_time": _now()}
        info = self._ask("POST", "runs/create", body)["run"]["info"]
        return Run(self, str(info["run_id"]), str(info["artifact_uri"]))

    def fetch_model(self, uri: str) -> bytes:
        """The file of `models:/NAME/VERSION`, or of an http address."""
        if uri.startswith(("http://", "https://")):
            return self._send("GET", uri).content
        name, _, version = uri.removeprefix("models:/").rpartition("/")
        if not uri.startswith("models:/") or not name or not version.isdigit():
            raise TrackingError(f"{uri} is no address of a model: models:/NAME/VERSION or http://... was expected")
        source = self._ask("GET", "model-versions/get-download-uri", {"name": name, "version": version})
        return self._send("GET", self._place(f"{source['artifact_uri']}/{FILE}")).content

    def register(self, name: str, run: "Run", tags: Mapping[str, str]) -> str:
        """A version of a model, made of a run's file; its address."""
        self._ask("POST", "registered-models/create", {"name": name}, missing_ok=True)
        body = {"name": name, "source": f"{run.artifacts}/model", "run_id": run.id, "tags": _list(tags)}
        made = self._ask("POST", "model-versions/create", body)["model_version"]
        return f"models:/{name}/{made['version']}"

    def _place(self, address: str) -> str:
        if not address.startswith(ARTIFACTS):
            raise TrackingError(f"{address} is not kept by the MLflow server itself")
        return f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{address.removeprefix(ARTIFACTS).lstrip('/')}"

    def _ask(self, method: str, path: str, body: Mapping[str, Any], *, missing_ok: bool = False) -> Any:
        given: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        try:
            return self._send(method, f"{self.url}/api/2.0/mlflow/{path}", **given).json()
        except TrackingError as error:
            if missing_ok and any(code in str(error) for code in ("RESOURCE_DOES_NOT_EXIST", "ALREADY_EXISTS")):
                return None
            raise

    def _send(self, method: str, url: str, **given: Any) -> requests.Response:
        try:
            answer = requests.request(method, url, timeout=TIMEOUT_SECONDS, **given)
        except requests.RequestException as error:
            raise TrackingError(f"{url}: {error}") from error
        if not answer.ok:
            raise TrackingError(f"{url}: HTTP {answer.status_code}: {answer.text[:300]}")
        return answer


@dataclass(frozen=True)
class Run:
    """A run of an experiment. `artifacts`: where its files are."""

    tracker: Tracker
    id: str
    artifacts: str

    def log(self, params: Mapping[str, str], metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        now = _now()
        body = {
            "run_id": self.id,
            "params": _list(params),
            "metrics": [{"key": k, "value": v, "timestamp": now, "step": 0} for k, v in metrics.items()],
            "tags": _list(tags),
        }
        self.tracker._ask("POST", "runs/log-batch", body)

    def log_data(self, name: str, digest: str, source: str, rows: int) -> None:
        """The data set that was learnt from."""
        kept = digest.removeprefix("sha256:")[:LONGEST_DIGEST]
        data = {"name": name, "digest": kept, "source_type": "http", "source": source, "profile": f'{{"rows": {rows}}}'}
        given = {"dataset": data, "tags": _list({"mlflow.data.context": "training"})}
        self.tracker._ask("POST", "runs/log-inputs", {"run_id": self.id, "datasets": [given]})

    def log_model(self, content: bytes) -> None:
        self.tracker._send("PUT", self.tracker._place(f"{self.artifacts}/model/{FILE}"), data=content)

    def finish(self, status: str = "FINISHED") -> None:
        """`status`: FINISHED or FAILED."""
        self.tracker._ask("POST", "runs/update", {"run_id": self.id, "status": status, "end_time": _now()})


def _list(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def _now() -> int:
    return int(time.time() * 1000)
