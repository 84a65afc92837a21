"""Whole releases and runs told in audit lines: what the page docs/audit.md shows is taken from here."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from serinus.api.audit import AUDIT_EVENT
from serinus.shell.logging import configure_logging
from tests.controllers.retrain_stage import RetrainStage, policy
from tests.controllers.stage import KEY, Raw, Stage, model_deployment

SPEC_WRITTEN = {
    "manager": "argocd-controller",
    "operation": "Apply",
    "time": "2026-11-23T10:00:00Z",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}


@contextmanager
def logged(level: Any = "info") -> Iterator[io.StringIO]:
    """What is logged meanwhile, as the operator would write it; everything is put back afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    levels = {name: one.level for name, one in logging.Logger.manager.loggerDict.items() if hasattr(one, "level")}
    stream = io.StringIO()
    try:
        configure_logging(level, "json", stream)
        yield stream
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
        for name, one in list(logging.Logger.manager.loggerDict.items()):
            if isinstance(one, logging.Logger):
                one.setLevel(levels.get(name, logging.NOTSET))
        structlog.reset_defaults()


def audit_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The audit lines without what differs each time."""
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    found = [line for line in lines if line["event"] == AUDIT_EVENT]
    for line in found:
        assert line.pop("timestamp")
    return found


def order(stage: Stage, text: str, by: str | None = None, image: str = "m:2", **spec: Any) -> None:
    """A command, given with kubectl."""
    annotations = {"serinus.dev/command": text, **({"serinus.dev/command-by": by} if by else {})}
    written = {
        "manager": "kubectl-annotate",
        "operation": "Update",
        "time": "2026-11-23T10:00:05Z",
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:serinus.dev/command": {}}}},
    }
    _apply(stage, image, spec, annotations=annotations, managedFields=[SPEC_WRITTEN, written])


def ask_for(stage: Stage, image: str = "m:1", **spec: Any) -> None:
    """A spec, applied by a program."""
    _apply(stage, image, spec, managedFields=[SPEC_WRITTEN])


def _apply(stage: Stage, image: str, spec: Raw, **metadata: Any) -> None:
    raw = model_deployment(image, **spec)
    raw["metadata"] |= metadata
    stage.apply(raw)


ROLLOUT = {
    "steps": [{"weight": 20, "hold": "5s"}],
    "bake": "5s",
    "drain": "5s",
    "analysis": {"minRequests": 20},
    "approval": {"required": "BeforePromotion"},
}


async def tell_releases() -> tuple[list[dict[str, Any]], Stage]:
    """A release that is approved and promoted, a bad one, one that is retried and aborted, an undo, wrong commands."""
    stage = Stage()
    # A real clock is finer than the times in a status.
    stage.clock.advance(0.000123)
    with logged("error") as stream:
        ask_for(stage)
        await stage.settle()
        old = stage.object()["status"]["stable"]["revision"]
        new = await _canary(stage, old, "m:2")
        await _serve(stage, old, new, seconds=8)
        order(stage, f"approve {new}", "ada@example.com", rollout=ROLLOUT)
        await _serve(stage, old, new, seconds=12)
        bad = await _canary(stage, new, "m:3")
        stage.meter.serve(new, 80)
        stage.meter.serve(bad, 12, bad=8)
        await stage.run(1)
        order(stage, f"retry {bad}", "ada@example.com", image="m:3", rollout=ROLLOUT)
        await stage.settle()
        order(stage, f"abort {bad} not today", "bob@example.com", image="m:3", rollout=ROLLOUT)
        await stage.settle()
        order(stage, f"undo {new}", image="m:3", rollout=ROLLOUT)
        await stage.run(8)
        order(stage, f"promote {bad}", image="m:3", rollout=ROLLOUT)
        await stage.settle()
        order(stage, "destroy everything", image="m:3", rollout=ROLLOUT)
        await stage.settle()
    await stage.analyst.close()
    return audit_lines(stream), stage


async def _canary(stage: Stage, old: str, image: str) -> str:
    ask_for(stage, image, rollout=ROLLOUT)
    await stage.settle()
    stage.meter.serve(old, 1000)
    await stage.run(3)

    return str(stage.object()["status"]["candidate"]["revision"])


async def _serve(stage: Stage, old: str, new: str, seconds: int) -> None:
    for _ in range(seconds):
        stage.meter.serve(old, 80)
        stage.meter.serve(new, 20)
        await stage.run(1)


def history(stage: Stage, revision: str) -> list[Raw]:
    return list(stage.kube.objects["ModelRevision", KEY.namespace, revision]["status"].get("history", ()))


async def tell_runs() -> list[dict[str, Any]]:
    """A run by command that a person approves, one that is cancelled, a digest that is released."""
    stage = RetrainStage()
    with logged("error") as stream:
        stage.put(policy(approval={"required": "Always"}))
        stage.serve()
        await stage.settle()
        run = await stage.start_run("retrain november")
        stage.change("Job", run, status={"active": 1, "ready": 1})
        await stage.settle()
        stage.finish_training(run)
        await stage.settle()
        model = stage.status("RetrainRun", run)["model"]
        for number, digest in enumerate(("sha256:" + 64 * "0", model["digest"]), start=1):
            stage.put(_approval(f"fraud-1-ada-{number}", run, digest))
            await stage.settle()
        stage.command(f"cancel {run} wrong data")
        await stage.settle()
        stage.command("release sha256:00 checked by hand")
        await stage.settle()
    return audit_lines(stream)


def _approval(name: str, run: str, digest: str) -> Raw:
    spec = {
        "run": run,
        "digest": digest,
        "decision": "Approve",
        "approver": "ada@example.com",
        "reason": "looked at it",
    }
    return {"kind": "ModelApproval", "metadata": {"name": name, "namespace": "ml"}, "spec": spec}
