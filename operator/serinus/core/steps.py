"""Step arithmetic: how many pods a weight needs, and which step comes next."""

import math

from serinus.api.presets import PauseStep, ResolvedRollout
from serinus.api.status import CandidateState
from serinus.core.snapshot import Snapshot

FULL = 100


def size_for_weight(replicas: int, weight: int) -> int:
    """Pods the candidate needs to carry `weight` percent of what `replicas` stable pods carry: at least one, never more
    than all.
    """
    return min(replicas, max(1, math.ceil(replicas * weight / FULL))) if replicas > 0 else 0


def size_for_share(replicas: int, weight: int) -> int:
    """Pods that give the candidate `weight` percent of the requests when every pod, old or new, gets an equal share.

    Used where no gateway splits the traffic; stable stays at full size, so the exact share is seldom to be had.
    """
    if weight >= FULL:
        return replicas
    return min(replicas, max(1, round(replicas * weight / (FULL - weight)))) if replicas > 0 else 0


def weight_of_step(rollout: ResolvedRollout, step: int) -> int:
    """The weight in force at a 1-based step: 0 before the first, 100 past the last."""
    if step <= 0:
        return 0
    return rollout.steps[step - 1].weight if step <= len(rollout.steps) else FULL


def full_size(s: Snapshot, candidate: CandidateState | None) -> int:
    """Pods for all traffic. A release under way goes on at its size where somebody scales to zero meanwhile: nobody
    would have judged what comes up later."""
    return s.spec.replicas or (candidate.stable_size if candidate is not None else 0)


def is_pause_step(rollout: ResolvedRollout, step: int) -> bool:
    return 0 < step <= len(rollout.steps) and isinstance(rollout.steps[step - 1], PauseStep)


def next_step(s: Snapshot, candidate: CandidateState) -> int:
    """The 1-based step that comes next; past the last one means all traffic."""
    beyond = len(s.rollout.steps) + 1
    if candidate.returning or candidate.forced_step >= beyond:
        return beyond
    return candidate.step + 1


def is_forced(s: Snapshot, candidate: CandidateState) -> bool:
    """Whether a person, or a return inside the rollback window, takes the next step without asking for evidence."""
    return candidate.returning or candidate.forced_step > candidate.step
