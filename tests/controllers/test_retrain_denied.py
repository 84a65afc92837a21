"""A right that the retraining loop has not: said on the policy or the run, and made good once it is there."""

import contextlib
from collections.abc import Callable

import pytest

from serinus.engine.store import Refusal
from serinus.kube.errors import Denied, KubeError
from tests.controllers.retrain_stage import POLICY_KEY, RetrainStage
from tests.controllers.test_retrain import a_stage
from tests.fakes.kube import Raw, Write

CASES = {
    "create retrainruns.serinus.dev": ("create", "RetrainRun", "RetrainPolicy"),
    "update retrainruns/status.serinus.dev": ("status", "RetrainRun", ""),
    "update retrainpolicies/status.serinus.dev": ("status", "RetrainPolicy", ""),
    "create jobs.batch": ("create", "Job", "RetrainRun"),
}
"""By right: verb and kind of the write, and the kind that says it (none where its status is what is refused)."""


def refuse(right: str, verb: str, kind: str) -> Callable[[Write], KubeError | None]:
    asked, place = right.split(" ")
    resource, _, group = place.partition(".")

    def check(write: Write) -> KubeError | None:
        if (write.verb, write.kind) != (verb, kind):
            return None
        message = f'User "x" cannot {asked} resource "{resource}" in API group "{group}" in the namespace "ml"'
        return Denied(message, status=403)

    return check


def conditions_of(stage: RetrainStage, kind: str) -> list[Raw]:
    return [one for obj in stage.objects(kind) for one in (obj.get("status") or {}).get("conditions") or ()]


async def settle_or_wait(stage: RetrainStage) -> None:
    """What is refused comes back for ever."""
    with contextlib.suppress(AssertionError):
        await stage.settle()


@pytest.mark.parametrize("right", CASES)
async def test_it_is_said_and_the_run_goes_its_way_once_the_right_is_there(right: str) -> None:
    verb, kind, teller = CASES[right]
    stage = await a_stage()
    stage.kube.fault = refuse(right, verb, kind)
    stage.command("retrain 1")
    await settle_or_wait(stage)
    said = [one["message"] for one in conditions_of(stage, teller) if one["reason"] == "AccessDenied"] if teller else []
    asked, place = right.split(" ")
    resource, _, group = place.partition(".")
    plural, _, subresource = resource.partition("/")
    where = f"{plural}.{group}/{subresource}" if subresource else f"{plural}.{group}"
    words = f"may not {asked} {where} in namespace ml"
    events = [message for reason, message in stage.told if reason == "AccessDenied"]
    assert any(words in one for one in (*said, *events)), (said, events)
    assert bool(said) == bool(teller)
    stage.kube.fault = lambda write: None
    for key in (POLICY_KEY, *stage.waits):
        stage.wake(key)
    await stage.settle()
    run = stage.objects("RetrainRun")[0]["metadata"]["name"]
    stage.finish_training(run)
    await stage.settle()
    assert stage.status("RetrainRun", run)["phase"] == "Promoting"
    assert "AccessDenied" not in str(conditions_of(stage, "RetrainPolicy") + conditions_of(stage, "RetrainRun"))
    assert len(stage.objects("RetrainRun")) == len(stage.objects("Job")) == 1


async def test_a_run_that_may_not_delete_what_trained_ends_all_the_same() -> None:
    stage = await a_stage()
    run = await stage.start_run()
    stage.kube.fault = refuse("delete jobs.batch", "delete", "Job")
    stage.command(f"cancel {run} wrong data")
    await settle_or_wait(stage)
    assert stage.status("RetrainRun", run)["phase"] == "Cancelled"
    told = dict(stage.told)
    assert told["Cancelled"] == "cancelled by command: wrong data"
    assert "may not delete jobs.batch in namespace ml" in told["AccessDenied"]
    ended = stage.status("RetrainRun", run)["conditions"]
    assert "AccessDenied" not in str(ended), "a record that is at its end does not change"
    stage.kube.fault = lambda write: None
    for key in list(stage.waits):
        stage.wake(key)
    await stage.settle()
    assert stage.objects("Job") == []
    assert stage.status("RetrainRun", run)["conditions"] == ended


async def test_what_may_not_be_read_starts_nothing() -> None:
    stage = await a_stage()
    refusal = Refusal("Job", "list", "", "the operator may not list jobs.batch")
    stage.store.note_refused("Job", "list", (refusal,))
    stage.command("retrain 1")
    await settle_or_wait(stage)
    assert stage.objects("RetrainRun") == []
    assert "the operator may not list jobs.batch" in str(conditions_of(stage, "RetrainPolicy"))
    stage.store.note_refused("Job", "list", ())
    stage.command("retrain 2")
    await stage.settle()
    assert len(stage.objects("RetrainRun")) == 1
