"""An event from outside is a command like any other: it is told once, and writes over nobody's."""

import asyncio
from typing import Any, cast

import pytest

from serinus.controllers.retrain import door
from serinus.controllers.retrain.door import tell_policy
from serinus.engine.store import Store
from serinus.kube.errors import Conflict, Forbidden
from serinus.kube.gateway import Kube
from tests.fakes.kube import FakeKube

WORDS = ("model_version.created", "mlflow:d-1", "mlflow")
TEXT = "event model_version.created mlflow:d-1 mlflow"


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    monkeypatch.setattr(door, "PAUSE", 0.01)
    return FakeKube(Store(lambda _: None))


def put(kube: FakeKube, written: str | None = None, done: str | None = None) -> None:
    annotations = {} if written is None else {"serinus.dev/command": written, "serinus.dev/command-by": "jane"}
    status = {} if done is None else {"lastCommand": {"text": done}}
    metadata = {"namespace": "ml", "name": "fraud", "annotations": annotations}
    kube.put({"kind": "RetrainPolicy", "metadata": metadata, "status": status})


async def tell(kube: FakeKube, words: tuple[str, str, str] = WORDS) -> str:
    return await tell_policy(cast("Kube", kube), "ml", "fraud", words)


def annotations(kube: FakeKube) -> dict[str, Any]:
    return dict(kube.objects["RetrainPolicy", "ml", "fraud"]["metadata"]["annotations"])


@pytest.mark.parametrize("before", [None, "retrain k1"])
async def test_an_event_is_written_where_nothing_waits(kube: FakeKube, before: str | None) -> None:
    put(kube, before, before)
    assert await tell(kube) == "taken"
    assert annotations(kube) == {"serinus.dev/command": TEXT}
    assert await tell(kube) == "taken"
    assert len(kube.writes) == 1


async def test_a_command_that_is_not_carried_out_yet_is_waited_for(kube: FakeKube) -> None:
    put(kube, "cancel fraud-1", "retrain k1")
    telling = asyncio.create_task(tell(kube))
    await asyncio.sleep(0.03)
    assert annotations(kube)["serinus.dev/command"] == "cancel fraud-1"
    put(kube, "cancel fraud-1", "cancel fraud-1")
    assert await telling == "taken"
    put(kube, "cancel fraud-1")
    assert await tell(kube) == "away"
    assert annotations(kube)["serinus.dev/command"] == "cancel fraud-1"


async def test_somebody_who_was_faster_is_not_written_over(kube: FakeKube) -> None:
    put(kube)
    faults = [Conflict("changed", status=409)]
    kube.fault = lambda _: faults.pop() if faults else None
    assert await tell(kube) == "taken"
    assert [write.body["metadata"]["resourceVersion"] for write in kube.writes] == ["1", "1"]


async def test_what_cannot_be_told_is_said(kube: FakeKube) -> None:
    assert await tell(kube) == "unknown"
    put(kube)
    kube.fault = lambda _: Forbidden("no", status=403)
    assert await tell(kube) == "away"
