"""How the status of a run is changed: into another phase, or waiting within it."""

from datetime import datetime

from serinus.api.runstatus import PromotionState, RetrainRunStatus, RunPhase, Transition
from serinus.core.retrain.runview import RunSnapshot


def enter(s: RunSnapshot, r: RetrainRunStatus, phase: RunPhase, reason: str, message: str) -> RetrainRunStatus:
    """The status in another phase; the first time that a phase began is kept."""
    known = {one.phase for one in r.transitions}
    transitions = r.transitions if phase in known else (*r.transitions, Transition(phase=phase, at=s.now))
    update = {"phase": phase, "reason": reason, "message": message, "transitions": transitions, "deadline_at": None}
    return r.model_copy(update=update)


def wait(
    r: RetrainRunStatus, promotion: PromotionState, message: str, deadline: datetime | None = None
) -> RetrainRunStatus:
    """The status with what its promotion waits for."""
    promotion = promotion.model_copy(update={"message": message})
    return r.model_copy(update={"promotion": promotion, "message": message, "deadline_at": deadline})


def since(r: RetrainRunStatus, phase: RunPhase, otherwise: datetime) -> datetime:
    """When a phase began for the first time."""
    return next((one.at for one in r.transitions if one.phase == phase), otherwise)
