"""Shadow: before its first step the candidate gets mirrored requests, and nobody sees what it answers to them.

    Pending -> Shadowing: judged by mirrored requests, scored at the end -> step 1, with evidence of its own -> ...
                  '------- anything bad: the mirror goes first, no client has seen an answer -------'

The mirror is part of the main route: in every rule, at weight 0. A mirrored request is nobody's traffic, so it changes
no weight, and taking the mirror away is always safe."""

from dataclasses import replace

from serinus.api import reasons
from serinus.api.status import CandidateState
from serinus.core.judge import Verdict
from serinus.core.plan import Event
from serinus.core.release import Release
from serinus.core.snapshot import Mirror, Snapshot
from serinus.core.steps import is_forced


def is_shadowing(candidate: CandidateState | None) -> bool:
    """Whether the candidate gets mirrored requests instead of traffic of its own."""
    return candidate is not None and candidate.phase == "Shadowing"


def is_shadow_next(s: Snapshot, candidate: CandidateState) -> bool:
    """Whether mirrored requests come before the first step."""
    return s.rollout.shadow is not None and candidate.phase == "Pending" and not is_forced(s, candidate)


def is_measured(candidate: CandidateState) -> bool:
    """Whether the candidate answers requests that the judge looks at."""
    return candidate.weight > 0 or is_shadowing(candidate)


def mirrored_share(s: Snapshot, candidate: CandidateState) -> int:
    """Percent of the requests that are mirrored to the candidate right now; 0 where none are."""
    return s.rollout.shadow.percent if s.rollout.shadow is not None and is_shadowing(candidate) else 0


def begin_shadow(s: Snapshot, r: Release, candidate: CandidateState) -> Release:
    """From here on requests are mirrored to the candidate."""
    shadow = s.rollout.shadow
    if shadow is None:
        return r
    until = s.now + shadow.hold
    update = {
        "phase": "Shadowing",
        "step_started_at": s.now,
        "shadowed_at": s.now,
        "traffic_since": s.now,
        "next_at": until,
        "deadline_at": until + s.rollout.progress_deadline,
        "clock_stopped_at": None,
        "hold_since": None,
        "paused": False,
        "pause_reason": None,
    }
    r = replace(r, candidate=candidate.model_copy(update=update), hold=None)
    return r.told(Event(reasons.SHADOWING, f"{_tell_share(s, candidate)} until {until:%H:%M:%SZ} at the earliest"))


def wanted_mirror(s: Snapshot, r: Release) -> Mirror | None:
    """The mirror that the release asks for. None while the spec cannot be put into force: nothing is judged then."""
    candidate = r.candidate
    if r.stable is None or candidate is None or not s.route_usable or not _has_target(s, candidate):
        return None
    share = mirrored_share(s, candidate)
    return Mirror(candidate.revision, share) if share else None


def _has_target(s: Snapshot, candidate: CandidateState) -> bool:
    """Whether the gateway can know the Service that requests are mirrored to. With a mirror that leads nowhere, Envoy
    Gateway answers every request of the route with 500."""
    if s.service_targets.get(candidate.revision) != candidate.revision:
        return False
    mirrored = s.route.mirror is not None and s.route.mirror.target == candidate.revision
    return mirrored or s.workload(candidate.revision).settled > 0


def tell_shadow(s: Snapshot, candidate: CandidateState) -> str:
    """Where a candidate in its shadow time stands, with the numbers."""
    seen = is_shadowing(s.status.candidate) and s.judgement is not None and s.judgement.known
    said = f"; so far {s.judgement.message}" if seen and s.judgement is not None else ""
    until = f" until {candidate.next_at:%H:%M:%SZ} at the earliest" if candidate.next_at is not None else ""
    return f"{_tell_share(s, candidate)}{until}{said}"


def tell_passed(s: Snapshot, candidate: CandidateState) -> str:
    """What the shadow time has shown, for the Event of the first step."""
    if not is_shadowing(candidate) or s.judgement is None or s.judgement.verdict is not Verdict.GOOD:
        return ""
    return f"; by mirrored requests {s.judgement.message}"


def _tell_share(s: Snapshot, candidate: CandidateState) -> str:
    percent = s.rollout.shadow.percent if s.rollout.shadow is not None else 0
    return f"{percent}% of the requests are mirrored to {candidate.revision}, nobody sees its answers,"
