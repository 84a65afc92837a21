"""What became of a candidate at its ModelDeployment, by the ModelRevisions that have its model.

A revision is marked as stable before the ModelDeployment says so: what is marked and not said yet (an operator died in
between) is still being released, and may be taken back."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from serinus.api.meta import parse_time
from serinus.api.podtemplate import child
from serinus.api.runstatus import RunModel
from serinus.core.retrain.runview import Fate
from serinus.core.retrain.sameness import is_same_model

Raw = dict[str, Any]

_BY_WEIGHT = ("Stable", "Candidate", "Rejected", "Retired", "Superseded")
"""Of several revisions with one model (its pod template may have changed in mid-run) the one that is furthest."""


def find_fate(revisions: Iterable[Raw], model: RunModel, handed_at: datetime | None, stable: str | None) -> Fate | None:
    """The revision with this model, and where it stands; None where there is none. One that was retired before the
    model was handed over says nothing of it; one that was rejected before keeps it from being released. `stable` is the
    revision that the ModelDeployment says is stable."""
    fates = [_read(one, handed_at) for one in revisions if _has(one, model)]
    told = [one for one in fates if not _was_retired(one, handed_at)]
    rank = {phase: place for place, phase in enumerate(_BY_WEIGHT)}
    fate = min(told, key=lambda one: rank.get(one.phase or "", len(rank)), default=None)
    if fate is None or fate.phase != "Stable" or fate.revision == stable:
        return fate
    return replace(fate, phase="Candidate", message="it is not told yet that it is stable")


def _has(revision: Raw, model: RunModel) -> bool:
    content = child(revision, "spec", "content", "model")
    return is_same_model(model, content.get("uri"), content.get("digest"))


def _read(revision: Raw, handed_at: datetime | None) -> Fate:
    status = child(revision, "status")
    rejected_at = parse_time(status.get("rejectedAt"))
    rejected = status.get("phase") == "Rejected"
    return Fate(
        revision=revision["metadata"]["name"],
        phase=status.get("phase"),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        promoted_at=parse_time(status.get("promotedAt")),
        is_old=rejected and (handed_at is None or (rejected_at is not None and rejected_at < handed_at)),
    )


def _was_retired(fate: Fate, handed_at: datetime | None) -> bool:
    if fate.phase not in ("Retired", "Superseded"):
        return False
    return handed_at is None or fate.promoted_at is None or fate.promoted_at < handed_at
