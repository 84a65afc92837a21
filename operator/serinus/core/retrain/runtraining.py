"""The first half of a run's life: what trains is made, waited for and read. What has not been shown is never taken as
shown: a child that is gone, and results that are missing, end the run."""

import hashlib
from datetime import timedelta
from typing import Final

from serinus.api import retrainreasons as words
from serinus.api.meta import format_duration, parse_duration
from serinus.api.runstatus import ChildReference, RetrainRunStatus, RunModel
from serinus.core.retrain.results import Fault, Results, compare_digests
from serinus.core.retrain.runmoves import enter, since
from serinus.core.retrain.runview import RunSnapshot
from serinus.core.snapshot import Problem

COLLECT: Final = timedelta(minutes=5)
"""How long results may be missing after the training has ended."""


def advance_pending(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """What trains is made, once."""
    if s.child_problem is not None:
        return enter(s, r, "Failed", words.CHILD_REFUSED, s.child_problem.message)
    if s.child is None or s.child.state == "Absent":
        deadline = s.spec.decided_at + parse_duration(s.spec.plan.queue_timeout)
        if s.now >= deadline:
            message = f"what trains could not be made within queueTimeout {s.spec.plan.queue_timeout}"
            return enter(s, r, "Failed", words.QUEUE_TIMEOUT, message)
        return r.model_copy(update={"deadline_at": deadline})
    reference = _refer_to_child(s)
    r = r.model_copy(update={"child": reference})
    what = f"{reference.kind} {reference.name}"
    return enter(s, r, "Queued", words.QUEUED, f"{what} waits for its turn")


def advance_queued(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """Until what trains has begun."""
    lost = _find_loss(s, r)
    if lost is not None or s.child is None:
        return lost or r
    if s.child.state == "Queued":
        # From the last time that it was put into a queue: one that was preempted waits anew.
        deadline = r.deadline_at or s.now + parse_duration(s.spec.plan.queue_timeout)
        if s.now >= deadline:
            message = f"did not begin within queueTimeout {s.spec.plan.queue_timeout}: {s.child.message or 'queued'}"
            return enter(s, r, "Failed", words.QUEUE_TIMEOUT, message)
        return r.model_copy(update={"deadline_at": deadline, "queued_reason": s.child.reason or None})
    started = s.child.started_at or s.now
    r = r.model_copy(update={"started_at": started, "queued_reason": None})
    return enter(s, r, "Training", words.TRAINING, "the training has begun")


def advance_training(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """Until what trains has ended."""
    lost = _find_loss(s, r)
    if lost is not None or s.child is None:
        return lost or r
    child = s.child
    if child.state in ("Failed", "Errored"):
        reason = words.TRAINING_FAILED if child.state == "Failed" else words.TRAINING_ERROR
        message = ": ".join(part for part in (child.reason, child.message) if part) or "the child says no more"
        return enter(s, _account(s, r), "Failed", reason, message)
    if child.state == "Succeeded":
        return enter(s, _account(s, r), "Collecting", words.COLLECTING, "the training has ended; its results are read")
    deadline = (r.started_at or s.now) + parse_duration(s.spec.plan.active_deadline)
    if s.now >= deadline:
        message = f"took longer than activeDeadline {s.spec.plan.active_deadline}"
        return enter(s, _account(s, r), "Failed", words.TRAINING_TIMEOUT, message)
    if child.state == "Queued":
        # Put back into its queue: the admitted time is over, and so is the clock that belongs to it.
        return enter(s, r, "Queued", words.QUEUED, f"waits for its turn again: {child.message or child.reason}")
    return r.model_copy(update={"deadline_at": deadline})


def advance_collecting(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """Until its results are there."""
    deadline = since(r, "Collecting", s.now) + COLLECT
    results = s.results
    if isinstance(results, Fault):
        return enter(s, r, "Failed", words.RESULTS_INVALID, results.message)
    if not isinstance(results, Results):
        lost = _find_loss(s, r)
        if lost is not None:
            return lost
        where = s.spec.plan.results.from_
        why = results.message if isinstance(results, Problem) else f"there are none (results.from {where})"
        if s.now >= deadline:
            message = f"no results within {format_duration(COLLECT)} after the training had ended: {why}"
            return enter(s, r, "Failed", words.RESULTS_MISSING, message)
        return r.model_copy(update={"deadline_at": deadline, "message": f"waits for its results: {why}"})
    if isinstance(s.pinned, Problem) and s.now < deadline:
        return r.model_copy(update={"deadline_at": deadline, "message": s.pinned.message})
    model = read_model(results)
    text = s.results_text or ""
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else None
    r = r.model_copy(update={"model": model, "results_digest": digest})
    return _refuse(s, r, model, results) or enter(
        s, r, "Validating", words.VALIDATING, f"the gates look at {model.uri}"
    )


def _refuse(s: RunSnapshot, r: RetrainRunStatus, model: RunModel, results: Results) -> RetrainRunStatus | None:
    """Candidates that no gate need look at."""
    mismatch = compare_digests(model.digest, s.pinned) if isinstance(s.pinned, str) else None
    if mismatch is not None:
        return enter(s, r, "Rejected", words.DIGEST_MISMATCH, f"{model.uri}: {mismatch.message}")
    if s.spec.plan.data.require_pinned and results.unpinned:
        message = f"the results lack {', '.join(results.unpinned)}, and data.requirePinned is set"
        return enter(s, r, "Rejected", words.NOT_PINNED, message)
    if s.held_digest is not None:
        return enter(s, r, "Rejected", words.QUARANTINED, f"{model.digest} is held: {s.held_digest}")
    champion = s.spec.champion
    if champion is not None and champion.digest is not None and champion.digest == model.digest:
        return enter(s, r, "Skipped", words.NOTHING_NEW, f"{model.digest} serves already")
    return None


def _find_loss(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus | None:
    """A child that is gone, or another one of its name."""
    if s.child is None or r.child is None or s.child.state != "Absent":
        return None
    why = s.child.message or "it was removed"
    message = f"{r.child.kind} {r.child.name} is gone before its results were read: {why}"
    return enter(s, r, "Lost", words.CHILD_LOST, message)


def _refer_to_child(s: RunSnapshot) -> ChildReference:
    template = s.spec.plan.template
    return ChildReference(
        api_version=str(template.get("apiVersion")), kind=str(template.get("kind")), name=s.name, uid=s.child_uid
    )


def _account(s: RunSnapshot, r: RetrainRunStatus) -> RetrainRunStatus:
    """When the training ended, and what it used."""
    ended = (s.child.finished_at if s.child is not None else None) or s.now
    started = r.started_at or ended
    seconds = max((ended - started).total_seconds(), 0.0)
    return r.model_copy(update={"trained_at": ended, "accelerator_seconds": round(seconds * s.spec.accelerators)})


def read_model(results: Results) -> RunModel:
    """The model that the results are about."""
    return RunModel(
        uri=results.uri,
        digest=results.digest,
        snapshot=results.snapshot,
        snapshot_digest=results.snapshot_digest,
        source=results.source,
        signature=results.signature,
        registry_run=results.registry_run,
    )
