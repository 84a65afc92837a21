"""After promotion: what happens when the stable revision is found to have become worse than it was in its bake."""

from dataclasses import replace

from serinus.api import reasons
from serinus.api.status import RejectedState, StableState
from serinus.core.commands import previous_promoted
from serinus.core.judge import Verdict
from serinus.core.plan import Event, MarkRevision
from serinus.core.release import Release, start_candidate
from serinus.core.snapshot import Snapshot


def is_watched(s: Snapshot, stable: StableState | None) -> bool:
    """Whether the metrics of the stable revision are to be read now, though nothing is being released."""
    return (
        stable is not None
        and s.rollout.watch is not None
        and s.spec.replicas > 0
        and stable.watch_until is not None
        and s.now < stable.watch_until
        and stable.degraded_at is None
    )


def watch_stable(s: Snapshot, r: Release) -> Release:
    """Raise the alarm once, and go back to the revision before where the user allows it."""
    stable, judgement, watch = r.stable, s.judgement, s.rollout.watch
    if (
        stable is None
        or judgement is None
        or watch is None
        or r.candidate is not None
        or s.status.candidate is not None
    ):
        return r
    if judgement.verdict is not Verdict.BAD or not is_watched(s, stable):
        return r
    message = f"{stable.revision} became worse after its promotion: {judgement.message}"
    r = replace(r, stable=stable.model_copy(update={"degraded_at": s.now, "degraded": message}))
    target = previous_promoted(s, stable.revision) if watch.on_degradation == "Rollback" else None
    if target is None:
        return r.told(Event(reasons.SLOW_DEGRADATION, message, warning=True))
    message = f"{message}; back to {target}"
    mark = MarkRevision(stable.revision, "Rejected", reasons.SLOW_DEGRADATION, message, judgement=judgement)
    rejected = RejectedState(revision=stable.revision, at=s.now, reason=reasons.SLOW_DEGRADATION, message=message)
    r = start_candidate(s, replace(r, marks=(*r.marks, mark)), target, returning=True)
    return replace(r, rejected=rejected).told(Event(reasons.SLOW_DEGRADATION, message, warning=True))
