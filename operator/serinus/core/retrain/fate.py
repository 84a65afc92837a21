"""What became of a candidate at its ModelDeployment, by the ModelRevisions that have its model."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from serinus.api.meta import parse_time
from serinus.api.podtemplate import child
from serinus.api.retrainstatus import RunModel
from serinus.core.retrain.runview import Fate

Raw = dict[str, Any]

_BY_WEIGHT = ("Stable", "Candidate", "Rejected", "Retired", "Superseded")
"""Of several revisions with one model (its pod template may have changed in mid-run) the one that is furthest."""


def find_fate(revisions: Iterable[Raw], model: RunModel, handed_at: datetime | None) -> Fate | None:
    """The revision with this model, and where it stands; None where there is none. One that was retired before the
    model was handed over says nothing of it."""
    fates = [_read(one) for one in revisions if _has(one, model)]
    told = [one for one in fates if not _is_old(one, handed_at)]
    rank = {phase: place for place, phase in enumerate(_BY_WEIGHT)}
    return min(told, key=lambda one: rank.get(one.phase or "", len(rank)), default=None)


def _has(revision: Raw, model: RunModel) -> bool:
    content = child(revision, "spec", "content", "model")
    if model.digest is not None and content.get("digest") is not None:
        return bool(content["digest"] == model.digest) or _same_version(content, model)
    return bool(content.get("uri") == model.uri)


def _same_version(content: Raw, model: RunModel) -> bool:
    """MLflow keeps no digest of files; a version, once named, is always the same."""
    return model.uri.startswith("models:/") and "@" not in model.uri and content.get("uri") == model.uri


def _read(revision: Raw) -> Fate:
    status = child(revision, "status")
    return Fate(
        revision=revision["metadata"]["name"],
        phase=status.get("phase"),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        promoted_at=parse_time(status.get("promotedAt")),
    )


def _is_old(fate: Fate, handed_at: datetime | None) -> bool:
    if fate.phase not in ("Retired", "Superseded"):
        return False
    return handed_at is None or fate.promoted_at is None or fate.promoted_at < handed_at
