"""How a run presents itself: conditions for tools, and how long each stage took."""

from collections.abc import Iterable
from datetime import datetime

from serinus.api import reasons
from serinus.api.meta import Condition
from serinus.api.runstatus import TERMINAL, RetrainRunStatus, RunPhase, StageSeconds
from serinus.core.conditions import keep_conditions
from serinus.core.retrain.runview import RunSnapshot
from serinus.core.snapshot import Check

_GOOD: frozenset[str] = frozenset({"Succeeded", "Skipped", "Superseded"})


def build_conditions(
    old: Iterable[Condition], r: RetrainRunStatus, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Ready once it has ended well, Reconciling while it is under way, Stalled where it ended otherwise."""
    reason, message = r.reason or "Created", r.message or ""
    ended = r.phase in TERMINAL
    wanted = [(reasons.READY, "True" if r.phase in _GOOD else "False")]
    if not ended:
        wanted.append((reasons.RECONCILING, "True"))
    elif r.phase not in _GOOD:
        wanted.append((reasons.STALLED, "True"))
    return keep_conditions(old, [(type_, Check(status, reason, message)) for type_, status in wanted], generation, now)


_STAGES: tuple[tuple[str, tuple[RunPhase, ...], tuple[RunPhase, ...]], ...] = (
    ("queue", ("Queued",), ("Training",)),
    ("train", ("Training",), ("Collecting",)),
    ("validate", ("Collecting",), ("AwaitingApproval", "Promoting")),
    ("approve", ("AwaitingApproval",), ("Promoting",)),
    ("canary", ("Promoting",), ("Observing",)),
    ("observe", ("Observing",), ()),
)
"""Stage, the phases that begin it, and those that end it; the end of the run ends each."""


def measure_stages(s: RunSnapshot, r: RetrainRunStatus) -> tuple[StageSeconds, ...]:
    """Seconds by stage. `detect` is from the first bad window to the decision, `decide` from there to the child."""
    at = {one.phase: one.at for one in r.transitions}
    spans: list[tuple[str, datetime, datetime]] = []
    first = min((one.first_bad_at for one in s.spec.reasons if one.first_bad_at is not None), default=None)
    if first is not None:
        spans.append(("detect", first, s.spec.decided_at))
    spans.append(("decide", s.spec.decided_at, at.get("Queued", s.now)))
    for stage, starts, ends in _STAGES:
        begun = next((at[phase] for phase in starts if phase in at), None)
        if begun is not None:
            spans.append((stage, begun, next((at[phase] for phase in ends if phase in at), s.now)))
    return tuple(StageSeconds(stage=name, seconds=max(round((b - a).total_seconds()), 0)) for name, a, b in spans)
