"""A CRD that is older than the operator, and keeps only a part of the status."""

import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.controllers.stage import KEY, Stage, model_deployment
from tests.fakes.kube import Raw

Write = Callable[..., Awaitable[Raw]]


def drop(status: Raw, field: str) -> None:
    """Take out a field wherever it stands in the status."""
    for one in (status, *status.get("analysis", ())):
        one.pop(field, None)


def outdate(stage: Stage, field: str) -> Callable[[], None]:
    """Let the fake API server forget a field; what is returned upgrades its CRD."""
    write: Write = stage.kube.replace_status

    async def forget(resource: Any, obj: Raw, status: Raw, manager: str = "") -> Raw:
        kept = copy.deepcopy(status)
        drop(kept, field)
        return await write(resource, obj, kept, manager)

    stage.kube.replace_status = forget  # type: ignore[method-assign]

    def upgrade() -> None:
        stage.kube.replace_status = write  # type: ignore[method-assign,assignment]

    return upgrade


async def serve(stage: Stage, seconds: int, old: str) -> list[bool]:
    """Let time pass with requests to both; whether each turn asked for another with growing pauses."""
    retries: list[bool] = []
    for _ in range(seconds):
        stage.clock.advance(1.0)
        candidate = stage.object()["status"].get("candidate") or {}
        stage.meter.serve(old, 80)
        if candidate.get("weight"):
            stage.meter.serve(candidate["revision"], 20)
        await stage.read_metrics()
        for _ in range(10):
            result = await stage.controller.reconcile(KEY)
            stage.world_follows()
            retries.append(result.retry)
            if result.retry or result.requeue_after is None or result.requeue_after > 0.02:
                break
    return retries


@pytest.mark.parametrize("field", ["evidence", "selector"])
async def test_what_it_does_not_keep_is_said_once_and_asked_for_with_growing_pauses(field: str) -> None:
    stage = Stage()
    stage.apply(model_deployment("m:1"))
    await stage.run(16)
    old = str(stage.object()["status"]["stable"]["revision"])
    upgrade = outdate(stage, field)
    stage.apply(model_deployment("m:2"))
    await serve(stage, 6, old)
    assert stage.condition("Stalled") == ("True", "CRDOutdated")
    assert all(await serve(stage, 10, old)), "a turn that went well would begin the pauses anew"
    assert stage.condition("Stalled") == ("True", "CRDOutdated")
    if field == "evidence":
        writes = len(stage.kube.writes)
        await serve(stage, 10, old)
        assert len(stage.kube.writes) == writes, "nobody decides on it, so that it is no news"
    upgrade()
    await serve(stage, 60, old)
    assert stage.condition("Ready") == ("True", "Serving")
    assert stage.object()["status"]["stable"]["revision"] != old
    await stage.analyst.close()
