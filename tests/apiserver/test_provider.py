"""A provider that wants a token: without it nothing goes on, with it everything does, also when it changes."""

import base64
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import Surroundings
from tests.cluster.features import FEATURES
from tests.cluster.serinus import NAMESPACE
from tests.support.model import Model, wait_for
from tests.traffic.route import list_weights

PORT = 9101
NAME = "guarded"
SECRET = "guarded-token"
WRITE_STATUS = ("update", "metricsproviders/status", "", NAME)


class Guard:
    """A provider, its server, and the Secret it names."""

    def __init__(self, surroundings: Surroundings, file: Path, name: str = NAME) -> None:
        self.cluster = surroundings.cluster
        self.name = name
        self.file = file
        self.apply()

    def want(self, token: str) -> None:
        """The server takes this token and no other from now on."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(token)
        fresh.rename(self.file)

    def apply(self, **spec: Any) -> None:
        address = f"http://127.0.0.1:{PORT}"
        body = {"address": address, "scrapeInterval": "1s", "timeout": "1s", **spec}
        provider = {"apiVersion": "serinus.dev/v1alpha1", "kind": "MetricsProvider", "metadata": {"name": self.name}}
        self.cluster.apply(json.dumps({**provider, "spec": body}))

    def put_secret(self, token: str) -> None:
        data = {"token": base64.b64encode(token.encode()).decode()}
        metadata = {"name": SECRET, "namespace": NAMESPACE}
        self.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))

    def raw(self) -> Any:
        return self.cluster.get("metricsprovider", self.name)

    def reason(self) -> str:
        """What Ready says, once it is about the spec that was applied last."""
        raw = self.raw()
        status = raw.get("status") or {}
        current = status.get("observedGeneration") == raw["metadata"]["generation"]
        return str(status["conditions"][0]["reason"]) if current else ""

    def read_requests(self) -> Counter[tuple[str, str, str, str]]:
        """What the operator asked the API server for, as often as it did: verb, resource, namespace, name."""
        asked: Counter[tuple[str, str, str, str]] = Counter()
        for line in self.cluster.audit_log.read_text().splitlines():
            event = json.loads(line) if '"ResponseComplete"' in line and line.endswith("}") else {}
            if re.match("serinus|kopf", event.get("userAgent", "")):
                what = event.get("objectRef") or {}
                resource = "/".join(part for part in (what.get("resource"), what.get("subresource")) if part)
                asked[event["verb"], resource, what.get("namespace", ""), what.get("name", "")] += 1
        return asked

    def await_reason(self, reason: str) -> None:
        wait_for(f"the provider says {reason}", lambda: self.reason() == reason, lambda: json.dumps(self.raw()))


@contextmanager
def open_guard(surroundings: Surroundings, folder: Path, token: str, name: str = NAME) -> Iterator[Guard]:
    """A provider of this name whose server wants the token."""
    program, file = Path(__file__).parent / "guarded.py", folder / "token"
    file.write_text(token)
    process = surroundings.cluster.popen([sys.executable, str(program), str(PORT), surroundings.address, str(file)])
    yield Guard(surroundings, file, name)
    surroundings.cluster.kubectl("delete", "metricsprovider", name)
    surroundings.cluster.kubectl("delete", "secret", SECRET, "-n", NAMESPACE, "--ignore-not-found")
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture
def guard(surroundings: Surroundings, tmp_path: Path) -> Iterator[Guard]:
    with open_guard(surroundings, tmp_path, "first-token") as guard:
        yield guard


@pytest.mark.apiserver
def test_a_rollout_goes_on_with_the_token_and_with_the_next_one(model: Model, guard: Guard) -> None:
    model.spec["rollout"] |= {"steps": [{"weight": 20, "hold": "1s"}, {"weight": 50, "hold": "15s"}], "bake": "2s"}
    model.spec["rollout"]["analysis"]["provider"] = NAME
    guard.await_reason("Unauthorized")
    model.apply("v1")
    model.await_reason("Serving")
    with model.route_watch() as route:
        model.apply("v2")
        new = wait_for("a candidate", model.candidate, model.explain)
        await_health(model, "Unauthorized")
        model.await_reason("Holding")
        guard.apply(credentials={"secretRef": {"name": SECRET, "key": "token"}})
        guard.await_reason("SecretNotFound")
        await_health(model, "SecretNotFound")
        assert list_weights(route.changes, new) == []
        guard.put_secret("first-token")
        model.await_weight(50)
        await_health(model, "Fresh")
        guard.want("second-token")
        await_health(model, "Unauthorized")
        guard.put_secret("second-token")
        model.await_reason("Serving")
        assert model.stable() == new
        assert list_weights(route.changes, new) == [20, 50, 100]
    guard.await_reason("Configured")
    asked = guard.read_requests()
    # An operator that another test has started may read the keys of its own receiver.
    read = {one for one in asked if one[1] == "secrets" and one[3] != FEATURES["events"]["secret"]}
    assert read == {("get", "secrets", NAMESPACE, SECRET)}
    assert 3 <= asked[WRITE_STATUS] <= 6, "one write for each change, not one for each query"
    log = (guard.cluster.log_dir / "operator.log").read_text()
    told = [log, json.dumps(guard.raw()), model.explain(), *model.events()]
    assert not [text for text in told if "first-token" in text or "second-token" in text]


def await_health(model: Model, reason: str) -> None:
    wait_for(f"metrics are {reason}", lambda: model.condition("MetricsHealthy")["reason"] == reason, model.explain)
