"""What the promises are told with: a model in a namespace of its own, traffic through the gateway, and patience."""

import copy
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster import Cluster
from tests.cluster.images import python_image
from tests.traffic.route import RouteWatch, observe_weights
from tests.traffic.runner import Traffic

Raw = dict[str, Any]
T = TypeVar("T")

IMAGE = "localhost/e2e-model:1"
SERVER = Path(__file__).parent / "model_server.py"
RATE = 60.0
PATIENCE = 60.0
"""Seconds within which what is sure to come has come, on a busy machine too."""
LIMIT = 600.0
"""Seconds after which traffic ends by itself, whatever the test does."""


def model_image() -> Path:
    return python_image(
        "e2e-model",
        "1",
        requirements=[],
        files={"/app/server.py": SERVER},
        command=["/usr/bin/python3", "/app/server.py"],
    )


class Model:
    """One ModelDeployment `fraud` in a namespace of its own."""

    name = "fraud"
    metrics_port = "8080"
    container: Raw = {  # noqa: RUF012  (it is copied before anybody changes it)
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
    }

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, gateway: str = "public") -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.namespace = namespace
        self.host = f"{namespace}.example.com"
        self.folder = folder
        self.spec: Raw = {
            "replicas": 2,
            "route": {"parentRefs": [{"name": gateway, "namespace": "gateways"}], "hostnames": [self.host]},
            "rollout": {
                "steps": [{"weight": 20, "hold": "2s"}, {"weight": 50, "hold": "2s"}],
                "bake": "5s",
                "drain": "3s",
                "analysis": {"minRequests": 20},
            },
        }

    def apply(
        self,
        version: str,
        *,
        faults: float = 0.0,
        labels: Mapping[str, str] | None = None,
        behaviour: Mapping[str, float] | None = None,
        change: Callable[[Raw], None] = lambda template: None,
        **spec: Any,
    ) -> None:
        """Apply a version; see `build`."""
        manifest = self.build(version, faults=faults, labels=labels, behaviour=behaviour, change=change, **spec)
        self.cluster.apply(json.dumps(manifest))

    def build(
        self,
        version: str,
        *,
        faults: float = 0.0,
        labels: Mapping[str, str] | None = None,
        behaviour: Mapping[str, float] | None = None,
        change: Callable[[Raw], None] = lambda template: None,
        **spec: Any,
    ) -> Raw:
        """The manifest of a version that answers a share `faults` of the requests with 500; `labels` are those of its
        pods, `behaviour` further settings of the server (DELAY, WRONG_RATIO, DRIFT), `change` works on the template.
        """
        settings = {"MODEL_VERSION": version, "FAULT_RATIO": faults, **(behaviour or {})}
        environment = [{"name": name, "value": str(value)} for name, value in settings.items()]
        fresh = copy.deepcopy(self.container)
        container = {"name": "model", "imagePullPolicy": "Never", "env": environment, **fresh}
        template = {
            "metadata": {
                "labels": dict(labels or {}),
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": self.metrics_port},
            },
            "spec": {"terminationGracePeriodSeconds": 8, "containers": [container]},
        }
        change(template)
        return {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {**self.spec, "template": template, **spec},
        }

    @property
    def route_kind(self) -> str:
        return str(self.spec["route"].get("kind", "HTTPRoute"))

    @property
    def gateway_url(self) -> str:
        return self.cluster.gateway_url if self.gateway == "public" else self.cluster.envoy_url

    def command(self, text: str) -> None:
        """Give a command as administrator; an approval says who gives it, as it must."""
        by = []
        if text.startswith("approve "):
            name = self.cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
            by = [f"serinus.dev/command-by={name}"]
        self._kubectl("annotate", "modeldeployment", self.name, "--overwrite", f"serinus.dev/command={text}", *by)

    def get(self, kind: str = "modeldeployment", name: str | None = None) -> Raw:
        return dict(self.cluster.get(kind, name or self.name, "-n", self.namespace))

    def status(self) -> Raw:
        return dict(self.get().get("status") or {})

    def condition(self, type_: str) -> Raw:
        return next((c for c in self.status().get("conditions", []) if c["type"] == type_), {})

    def events(self) -> list[str]:
        """`reason: message` of every Event about the model, each as often as it was told."""
        told = self.cluster.get("events", "-n", self.namespace)["items"]
        return [
            f"{event['reason']}: {event['message']}"
            for event in told
            if event["involvedObject"]["kind"] == "ModelDeployment"
            for _ in range(event.get("count") or 1)
        ]

    def await_events(self, *reasons: str) -> list[str]:
        """All Events, once these are among them: an Event comes a moment later than the status it tells of."""

        def tell() -> list[str]:
            told = self.events()
            return told if set(reasons) <= {line.split(":")[0] for line in told} else []

        return wait_for(f"Events {', '.join(reasons)}", tell, lambda: "\n".join(self.events()))

    def reason(self, type_: str = "Ready") -> str:
        """The reason of a condition, once it is about the spec that was applied last."""
        raw = self.get()
        status = raw.get("status") or {}
        if status.get("observedGeneration") != raw["metadata"]["generation"]:
            return ""
        return next((str(c["reason"]) for c in status.get("conditions", []) if c["type"] == type_), "")

    def weights(self) -> dict[str, int]:
        return observe_weights(self.get(self.route_kind.lower()))

    def stable(self) -> str:
        return str(self.status()["stable"]["revision"])

    def candidate(self) -> str | None:
        return (self.status().get("candidate") or {}).get("revision")

    def pods(self, revision: str) -> set[str]:
        """UIDs of a revision's pods that are not going away."""
        listed = self.cluster.get("pods", "-n", self.namespace, "-l", f"serinus.dev/revision={revision}")["items"]
        return {pod["metadata"]["uid"] for pod in listed if not pod["metadata"].get("deletionTimestamp")}

    def await_reason(self, reason: str, *, patience: float = PATIENCE) -> None:
        wait_for(f"Ready says {reason}", lambda: self.reason() == reason, self.explain, patience)

    def await_weight(self, weight: int, *, patience: float = 40.0) -> str:
        """Wait until a candidate has this share of the route; its name."""

        def reached() -> str | None:
            name = self.candidate()
            return name if name is not None and self.weights().get(name) == weight else None

        return str(wait_for(f"a candidate at {weight}%", reached, self.explain, patience))

    def explain(self) -> str:
        return json.dumps(self.status(), indent=1)

    @contextmanager
    def traffic(self, url: str | None = None, *, keep_alive: bool = True) -> Iterator[Traffic]:
        """Constant traffic through the gateway (or to `url`), bounded in time and number."""

        def start(command: Any) -> Any:
            return self.cluster.popen(command)

        url = url or f"{self.gateway_url}/"
        # The node's proxy and the gateway hear of a new Service a little later than the API server.
        wait_for("an answer", lambda: self._answers(url), self.explain)
        traffic = Traffic(
            start,
            self.folder / "answers.jsonl",
            url=url,
            host=self.host,
            rate=RATE,
            seconds=LIMIT,
            max_requests=int(RATE * LIMIT),
            keep_alive=keep_alive,
            grpc=self.route_kind == "GRPCRoute",
        )
        with traffic:
            wait_for("the first answer", lambda: traffic.read() or traffic.answers, lambda: "")
            yield traffic

    @contextmanager
    def route_watch(self) -> Iterator[RouteWatch]:
        def start(arguments: Any) -> Any:
            command = [str(self.cluster.kubectl_path), "--kubeconfig", str(self.cluster.kubeconfig), *arguments]
            return self.cluster.popen(command, stdout=-1, text=True)

        with RouteWatch(start, self.namespace, self.name, f"{self.route_kind.lower()}s") as watch:
            wait_for("the watch of the route", lambda: watch.changes, self.explain)
            yield watch

    def _answers(self, url: str) -> bool:
        if self.route_kind == "GRPCRoute":
            return self._answers_grpc(url)
        ask = "import sys, urllib.request as u; "
        ask += "u.urlopen(u.Request(sys.argv[1], headers={'Host': sys.argv[2]}), timeout=2)"
        command = [sys.executable, "-c", ask, url, self.host]
        return self.cluster.run(command, capture_output=True, check=False).returncode == 0

    def _answers_grpc(self, url: str) -> bool:
        ask = "import sys, grpc; o = [('grpc.default_authority', sys.argv[2])]; "
        ask += "c = grpc.insecure_channel(sys.argv[1].split('/')[2], options=o); "
        ask += "c.unary_unary('/serinus.test.Model/Predict')(b'', timeout=2)"
        command = [sys.executable, "-c", ask, url, self.host]
        return self.cluster.run(command, capture_output=True, check=False).returncode == 0

    def _kubectl(self, *arguments: str) -> None:
        self.cluster.kubectl(*arguments, "-n", self.namespace)


def wait_for(what: str, check: Callable[[], T], explain: Callable[[], str], patience: float = PATIENCE) -> T:
    """The first true answer of `check`; fails with `explain` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {patience:.0f}s: {what}\n{explain()}"
        time.sleep(0.2)
    return answer
