"""Conditions: what kubectl wait, Helm, Flux and Argo CD read, for every situation a release can be in.

One situation at a time gives Ready, Reconciling and Stalled, so they can never contradict each other. Reconciling and
Stalled are present only while they hold (kstatus reads any other value as noise)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from serinus.api import reasons
from serinus.api.meta import Condition
from serinus.api.status import StableState
from serinus.core.release import Hold, Release
from serinus.core.shadow import is_shadowing, tell_shadow
from serinus.core.snapshot import Check, Snapshot
from serinus.core.watching import is_watched


class Kind(Enum):
    """What a situation means to a tool: is the wanted thing there, on its way, or stuck?"""

    READY = "ready"
    WORKING = "working"
    STUCK = "stuck"


@dataclass(frozen=True)
class Situation:
    """Where the release stands, in one reason and one sentence; `phase` is the word for the columns of kubectl get.

    `stalled_reason` is the cause behind a summary reason such as RolledBack.
    """

    kind: Kind
    phase: str
    reason: str
    message: str
    stalled_reason: str | None = None


_PHASES = {
    reasons.VALIDATING: "Validating",
    reasons.VALIDATION_INCONCLUSIVE: "Validating",
    reasons.VALIDATION_FAILED: "Stalled",
    reasons.WARMING_UP: "WarmingUp",
    reasons.WARMUP_FAILED: "Stalled",
    reasons.VERIFICATION_FAILED: "Stalled",
    reasons.PAUSED: "Paused",
    reasons.HOLDING: "Holding",
    reasons.AWAITING_APPROVAL: "AwaitingApproval",
    reasons.FROZEN: "Frozen",
}
"""Words for the columns of kubectl get, where a hold says more than the phase of the candidate."""
_NEEDS_A_PERSON = frozenset(
    {
        reasons.ROUTE_NOT_ACCEPTED,
        reasons.WARMUP_FAILED,
        reasons.VALIDATION_FAILED,
        reasons.VALIDATION_INCONCLUSIVE,
        reasons.VERIFICATION_FAILED,
    }
)
"""Holds that nothing but a person ends."""


def assess_situation(s: Snapshot, r: Release) -> Situation:
    """The situation after this pass's transitions."""
    if s.problems:
        problem = s.problems[0]
        more = f" (and {len(s.problems) - 1} more)" if len(s.problems) > 1 else ""
        return Situation(Kind.STUCK, "Stalled", problem.reason, f"{problem.message}{more}")
    if s.resolving:
        return Situation(Kind.WORKING, "Pending", reasons.RESOLVING_MODEL, s.resolving)
    if r.candidate is not None:
        return _candidate_situation(s, r)
    if r.stable is None:
        return Situation(Kind.WORKING, "Pending", reasons.DEPLOYING, f"waiting for the first pods of {s.wanted.name}")
    if s.wanted.name != r.stable.revision and r.rejected is not None and r.rejected.revision == s.wanted.name:
        message = f"{r.rejected.message}; {_who_serves(s, r.stable)}"
        return Situation(Kind.STUCK, "Rejected", reasons.ROLLED_BACK, message, r.rejected.reason)
    if s.wanted.name != r.stable.revision and s.is_rejected(s.wanted.name):
        message = f"{s.wanted.name} was rejected earlier; {_who_serves(s, r.stable)}. Retry it or change the spec"
        return Situation(Kind.STUCK, "Rejected", reasons.ROLLED_BACK, message, reasons.ROLLED_BACK)
    if r.hold is not None:
        kind = Kind.STUCK if _is_endless(r.hold) else Kind.WORKING
        return Situation(kind, "Frozen", r.hold.reason, f"{r.hold.message}; {r.stable.revision} serves")
    return _settled_situation(s, r.stable)


def _who_serves(s: Snapshot, stable: StableState) -> str:
    down = stable.down_since is not None and s.workload(stable.revision).ready == 0
    return f"{stable.revision} comes back, nobody serves" if down else f"{stable.revision} serves"


def _is_endless(hold: Hold) -> bool:
    return hold.reason == reasons.FROZEN and hold.until is None


def _candidate_situation(s: Snapshot, r: Release) -> Situation:
    candidate = r.candidate
    if candidate is None:
        raise ValueError("no candidate")
    hold = r.hold
    if r.stable is None:
        late = (
            candidate.deadline_at is not None and candidate.clock_stopped_at is None and s.now >= candidate.deadline_at
        )
        message = hold.message if hold else f"waiting for the first pods of {candidate.revision}"
        if late:
            return Situation(Kind.STUCK, "Pending", reasons.DEADLINE_EXCEEDED, f"{message}; nothing to go back to")
        reason = hold.reason if hold else reasons.DEPLOYING
        kind = Kind.STUCK if reason in _NEEDS_A_PERSON else Kind.WORKING
        return Situation(kind, _PHASES.get(reason, "Pending"), reason, message)
    if hold is None and is_shadowing(candidate):
        return Situation(Kind.WORKING, candidate.phase, reasons.SHADOWING, tell_shadow(s, candidate))
    if hold is None:
        step = f"step {candidate.step} of {candidate.steps}, " if candidate.steps else ""
        where = f"{step}{candidate.weight}%"
        reason = reasons.BAKING if candidate.phase == "Baking" else reasons.CANARY_PROGRESSING
        return Situation(Kind.WORKING, candidate.phase, reason, f"{candidate.revision} in {where}")
    phase = _PHASES.get(hold.reason, candidate.phase)
    if hold.reason in _NEEDS_A_PERSON or _is_endless(hold):
        return Situation(Kind.STUCK, phase, hold.reason, hold.message)
    return Situation(Kind.WORKING, phase, hold.reason, hold.message)


def _settled_situation(s: Snapshot, stable: StableState) -> Situation:
    name, work = stable.revision, s.workload(stable.revision)
    if s.spec.replicas == 0:
        return Situation(Kind.READY, "Idle", reasons.SCALED_TO_ZERO, f"{name} has no pods because spec.replicas is 0")
    if s.spec.route.mode == "Gateway" and s.route.accepted is False:
        message = f"the gateway does not accept the route: {s.route.message}"
        return Situation(Kind.STUCK, "Stalled", reasons.ROUTE_NOT_ACCEPTED, message)
    if work.ready >= s.spec.replicas:
        return Situation(Kind.READY, "Stable", reasons.SERVING, f"{name} serves all traffic")
    waiting = work.waiting
    message = f"{work.ready} of {s.spec.replicas} pods of {name} ready" + (f": {waiting.message}" if waiting else "")
    return Situation(Kind.WORKING, "Deploying", waiting.reason if waiting else reasons.DEPLOYING, message)


def assess_available(s: Snapshot, r: Release) -> Check:
    stable = r.stable
    if stable is None:
        return Check("False", reasons.NO_STABLE_REVISION, "no revision has served yet")
    work = s.workload(stable.revision)
    baking = r.candidate if r.candidate is not None and r.candidate.phase == "Baking" else None
    ready = work.ready + (s.workload(baking.revision).ready if baking else 0)
    if ready > 0:
        return Check("True", reasons.STABLE_SERVING, f"{(baking or stable).revision} serves")
    if s.spec.replicas == 0:
        return Check("False", reasons.SCALED_TO_ZERO, "spec.replicas is 0")
    return Check("False", reasons.NO_READY_PODS, f"no pod of {stable.revision} is ready")


def assess_metrics_health(s: Snapshot, r: Release) -> Check:
    watched = r.candidate is None and is_watched(s, r.stable)
    unjudged = s.rollout.strategy == "Direct" and not watched
    if (r.candidate is None and not watched) or r.stable is None or unjudged:
        return Check("Unknown", reasons.IDLE, "no rollout is being judged")
    if s.judgement is None:
        return Check("Unknown", reasons.NO_DATA, "the metrics have not been read yet")
    return s.judgement.health


def assess_traffic(s: Snapshot, r: Release) -> Check:
    if r.candidate is None or r.stable is None or s.judgement is None:
        return Check("Unknown", reasons.NOT_MEASURED, "no rollout is being judged")
    return s.judgement.traffic


def build_conditions(s: Snapshot, r: Release, situation: Situation) -> tuple[Condition, ...]:
    """All conditions of this pass; a transition time changes only with the status of its condition."""
    ready_status = "True" if situation.kind is Kind.READY else "False"
    wanted: list[tuple[str, Check]] = [
        (reasons.AVAILABLE, assess_available(s, r)),
        (reasons.READY, Check(ready_status, situation.reason, situation.message)),
    ]
    if situation.kind is Kind.WORKING:
        wanted.append((reasons.RECONCILING, Check("True", situation.reason, situation.message)))
    if situation.kind is Kind.STUCK:
        cause = situation.stalled_reason or situation.reason
        wanted.append((reasons.STALLED, Check("True", cause, situation.message)))
    if r.stable is not None and r.stable.degraded is not None:
        wanted.append((reasons.DEGRADING, Check("True", reasons.SLOW_DEGRADATION, r.stable.degraded)))
    wanted.append((reasons.METRICS_HEALTHY, assess_metrics_health(s, r)))
    wanted.append((reasons.TRAFFIC_VERIFIED, assess_traffic(s, r)))
    return keep_conditions(s.status.conditions, wanted, s.generation, s.now)


def keep_conditions(
    old: Iterable[Condition], wanted: Iterable[tuple[str, Check]], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Conditions for the next status; a transition time changes only with the status of its condition."""
    known = tuple(old)
    return tuple(_condition(known, type_, check, generation, now) for type_, check in wanted)


def _condition(old: Iterable[Condition], type_: str, check: Check, generation: int, now: datetime) -> Condition:
    before = next((c for c in old if c.type == type_), None)
    since = before.last_transition_time if before is not None and before.status == check.status else now
    return Condition.model_validate(
        {
            "type": type_,
            "status": check.status,
            "reason": check.reason,
            "message": check.message[:2048],
            "last_transition_time": since,
            "observed_generation": generation,
        }
    )
