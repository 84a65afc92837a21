"""Digests that are not served again: who holds them, and for whom."""

from collections.abc import Iterable
from datetime import datetime

from serinus.api.meta import parse_duration
from serinus.api.retrainstatus import Quarantined, RetrainPolicyStatus
from serinus.api.runplan import QuarantineSpec
from serinus.api.runstatus import RetrainRunStatus

KEPT = 20
"""As many as a status may hold; the oldest goes first."""


def find_quarantine(
    policies: Iterable[tuple[str, RetrainPolicyStatus]], policy: str, digest: str, now: datetime
) -> Quarantined | None:
    """The entry that holds `digest` for `policy`: its own, or another's of the namespace with scope Model."""
    for name, status in policies:
        for one in status.quarantined:
            if one.digest == digest and (name == policy or one.scope == "Model") and not is_over(one, now):
                return one
    return None


def is_over(entry: Quarantined, now: datetime) -> bool:
    return entry.until is not None and entry.until <= now


def put_in_quarantine(
    entries: tuple[Quarantined, ...], run: str, status: RetrainRunStatus, spec: QuarantineSpec, now: datetime
) -> tuple[Quarantined, ...]:
    """The entries with the model of a run that was rolled back, and without those that are over."""
    kept = tuple(one for one in entries if not is_over(one, now))
    model = status.model
    if model is None or model.digest is None:
        return kept
    at = status.finished_at or now
    entry = Quarantined(
        digest=model.digest,
        run=run,
        reason=status.reason or "RolledBack",
        evidence=status.message or "",
        at=at,
        until=at + parse_duration(spec.ttl) if spec.ttl is not None else None,
        scope=spec.scope,
    )
    return hold_digest(kept, entry)


def hold_digest(entries: tuple[Quarantined, ...], entry: Quarantined) -> tuple[Quarantined, ...]:
    """The entries with one more; one that is held already stays as it is."""
    if any(one.digest == entry.digest for one in entries):
        return entries
    return (*entries, entry)[-KEPT:]
