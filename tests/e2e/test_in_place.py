"""One accelerator, two revisions: they take turns, a bad one gives the place back, and the downtime is told."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.ask import ask
from tests.support.model import Model, wait_for
from tests.traffic.answers import count
from tests.traffic.watch import Change, Watch

RESOURCE = "example.com/accelerator"


@pytest.fixture
def model_on_one_accelerator(model: Model) -> Iterator[Model]:
    """The node has one accelerator, and the model needs it."""
    node = model.cluster.get("nodes")["items"][0]["metadata"]["name"]
    for part in ("capacity", "allocatable"):
        change = json.dumps({"status": {part: {RESOURCE: "1"}}})
        model.cluster.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", change)
    model.spec |= {
        "replicas": 1,
        "accelerator": {"resource": RESOURCE, "count": 1},
        "rollout": {"strategy": "InPlace", "bake": "5s", "drain": "3s", "progressDeadline": "30s"},
    }
    model.spec["rollout"]["analysis"] = {"minRequests": 200}
    return model


class Places:
    """The revisions that have pods that have not ended, and the most there were at the same time."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.most = 0

    def note(self, change: Change) -> None:
        metadata = change.object["metadata"]
        ended = (change.object.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if change.kind == "DELETED" or ended:
            self.there.pop(metadata["name"], None)
        else:
            self.there[metadata["name"]] = metadata["labels"]["serinus.dev/revision"]
        self.most = max(self.most, len(set(self.there.values())))


@contextmanager
def places_watched(model: Model) -> Iterator[Places]:
    def start(arguments: list[str]) -> subprocess.Popen[str]:
        command = [str(model.cluster.kubectl_path), "--kubeconfig", str(model.cluster.kubeconfig), *arguments]
        return model.cluster.popen(command, stdout=-1, text=True)

    places = Places()
    with Watch(start, "pods", "--namespace", model.namespace, on_change=places.note):
        wait_for("the watch of the pods", lambda: places.there, model.explain)
        yield places


@pytest.mark.cluster
def test_they_take_turns_and_the_time_without_service_is_told(model_on_one_accelerator: Model) -> None:
    model = model_on_one_accelerator
    model.apply("v1")
    model.await_reason("Serving")
    with places_watched(model) as places, model.traffic() as traffic:
        model.apply("v2")
        model.await_reason("Serving", patience=90)
    counted = count(traffic.answers)
    assert counted.of("v1").requests > 0
    assert counted.of("v2").requests > 0
    assert places.most == 1
    downtime = float(model.status()["stable"]["downtime"].rstrip("s"))
    assert 0 < downtime < 60
    told = [event for event in model.events() if "nobody served for" in event]
    assert len(told) == 1, told


@pytest.mark.cluster
def test_a_model_that_never_gets_ready_gives_the_place_back(model_on_one_accelerator: Model) -> None:
    model = model_on_one_accelerator
    model.apply("v1")
    model.await_reason("Serving")
    old = model.stable()

    def never_ready(template: dict) -> None:  # type: ignore[type-arg]
        template["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"] = "/no-such-path-fails"
        template["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] = 9

    with places_watched(model) as places, model.traffic():
        model.apply("v2", change=never_ready)
        model.await_reason("Swapping")
        model.await_reason("RolledBack", patience=90)
        wait_for("v1 again", lambda: model.condition("Available")["status"] == "True", model.explain)
        assert ask(model).version == "v1"
    assert places.most == 1
    assert model.stable() == old
    assert model.condition("Ready")["message"].endswith(f"{old} serves")


@pytest.mark.cluster
def test_a_model_that_fails_in_production_gives_the_place_back(model_on_one_accelerator: Model) -> None:
    model = model_on_one_accelerator
    model.apply("v1")
    model.await_reason("Serving")
    model.spec["rollout"]["bake"] = "120s"
    with model.traffic(), places_watched(model) as places:
        model.apply("v2", faults=0.5)
        model.await_reason("RolledBack", patience=90)
        wait_for("v1 again", lambda: model.condition("Available")["status"] == "True", model.explain)
    assert ask(model).version == "v1"
    assert places.most == 1
