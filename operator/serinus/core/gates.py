"""What must be true before a candidate may go one step further.

A chain of questions; the first that is not answered holds the rollout and says why. Unknown holds like "not yet": a
weight never rises on metrics that are old, empty or unreachable."""

from collections.abc import Callable
from datetime import datetime, timedelta

from serinus.api import reasons
from serinus.api.status import CandidateState
from serinus.core.inplace import is_swapped, place_free
from serinus.core.judge import Verdict
from serinus.core.people import approved, not_frozen, not_paused
from serinus.core.release import Hold
from serinus.core.shadow import is_measured, is_shadow_next, is_shadowing, tell_shadow
from serinus.core.snapshot import Snapshot
from serinus.core.steps import full_size, is_forced, next_step, size_for_share, size_for_weight, weight_of_step
from serinus.core.validation import validated

PATIENCE = timedelta(seconds=10)
"""How long figures may be overdue before the release counts, and is shown, as holding."""

Gate = Callable[[Snapshot, CandidateState], Hold | None]


def pods_for_weight(s: Snapshot, candidate: CandidateState, weight: int) -> int:
    size = size_for_share if s.spec.route.mode == "Replicas" else size_for_weight
    return size(full_size(s, candidate), weight)


def needed_pods(s: Snapshot, candidate: CandidateState) -> int:
    """Pods that must be ready for what the candidate is at, or, when the next step is due, for that one."""
    if candidate.in_place and not is_swapped(candidate):
        return 0
    if candidate.phase == "Baking" and candidate.stable_size > 0:
        # What an autoscaler asks for on top of that must not keep stable's pods from making room for it.
        return min(full_size(s, candidate), candidate.stable_size)
    if candidate.in_place or candidate.phase == "Baking":
        return full_size(s, candidate)
    before = candidate.phase == "Pending" and is_shadow_next(s, candidate)
    due = not before and (candidate.phase == "Pending" or is_forced(s, candidate) or is_due(s, candidate))
    step = next_step(s, candidate) if due else candidate.step
    mirrored = s.rollout.shadow.percent if s.rollout.shadow and (before or is_shadowing(candidate)) else 0
    return pods_for_weight(s, candidate, max(weight_of_step(s.rollout, step), mirrored, 1))


def is_due(s: Snapshot, candidate: CandidateState) -> bool:
    """Time and evidence of the present step are complete, and people let it go on: only now more pods are worth their
    price.
    """
    gates = (not_paused, time_over, metrics_known, enough_evidence, traffic_verified, not_frozen, approved)
    return all(gate(s, candidate) is None for gate in gates)


def find_hold(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """The first gate that is closed for the next step, or None: the candidate may advance."""
    if candidate.in_place and candidate.phase == "Pending":
        return _first(FORCED_SWAP_GATES if is_forced(s, candidate) else SWAP_GATES, s, candidate)
    if candidate.phase == "Swapping":
        return _first(SWAPPED_GATES, s, candidate)
    if is_forced(s, candidate):
        return _first(FORCED_GATES, s, candidate)
    if s.rollout.shadow is not None and is_shadowing(candidate):
        return _first(SHADOW_GATES, s, candidate)
    return _first(PENDING_GATES if candidate.step == 0 else GATES, s, candidate)


def find_bake_hold(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """The first gate that keeps a baking candidate from being promoted."""
    return _first(BAKE_GATES, s, candidate)


def _first(gates: tuple[Gate, ...], s: Snapshot, candidate: CandidateState) -> Hold | None:
    for gate in gates:
        hold = gate(s, candidate)
        if hold is not None:
            return hold
    return None


def find_first_hold(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """What keeps a first revision, or one of a model at zero, from serving though its pods are there."""
    return _first(FIRST_GATES, s, candidate)


def pods_ready(s: Snapshot, candidate: CandidateState) -> Hold | None:
    work, needed = s.workload(candidate.revision), needed_pods(s, candidate)
    if work.settled >= needed:
        return None
    if work.ready >= needed and work.warming is not None:
        return Hold(work.warming.reason, f"{candidate.revision}: {work.warming.message}")
    if work.ready >= needed:
        return Hold(reasons.CANARY_PROGRESSING, f"the gateway is given a moment to hear of {candidate.revision}'s pods")
    waiting = work.waiting
    if waiting is not None:
        return Hold(waiting.reason, f"{work.ready} of {needed} pods of {candidate.revision} ready: {waiting.message}")
    if candidate.crashing_since is not None:
        # A moment between two ends is no news.
        since = f"containers have been ending since {candidate.crashing_since:%H:%M:%SZ}"
        return Hold(reasons.CRASH_LOOPING, f"{work.ready} of {needed} pods of {candidate.revision} ready: {since}")
    return Hold(reasons.CANARY_PROGRESSING, f"{work.ready} of {needed} pods of {candidate.revision} ready")


def pods_kept(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """Pods that a candidate with traffic has lost are news, whatever else it waits for."""
    work = s.workload(candidate.revision)
    lost = work.waiting is not None and work.ready < needed_pods(s, candidate)
    return pods_ready(s, candidate) if lost else None


def warmed(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """At least one pod of a first revision has answered."""
    work = s.workload(candidate.revision)
    if work.warming is None or work.settled >= 1:
        return None
    return Hold(work.warming.reason, f"{candidate.revision}: {work.warming.message}")


def others_gone(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """Where pod counts split the traffic, pods of a third revision would get a share too."""
    if s.spec.route.mode != "Replicas":
        return None
    mine = {candidate.revision, s.status.stable.revision if s.status.stable else ""}
    others = [name for name, work in s.workloads.items() if work.current > 0 and name not in mine]
    return (
        Hold(reasons.CANARY_PROGRESSING, f"waiting for the pods of {', '.join(sorted(others))} to leave")
        if others
        else None
    )


def route_accepted(s: Snapshot, candidate: CandidateState) -> Hold | None:
    if s.spec.route.mode == "Replicas" or s.route.accepted is True:
        return None
    if s.route.accepted is None:
        return Hold(reasons.CANARY_PROGRESSING, "the gateway has not accepted the route yet")
    return Hold(reasons.ROUTE_NOT_ACCEPTED, f"the gateway does not accept the route: {s.route.message}")


def metrics_known(s: Snapshot, candidate: CandidateState) -> Hold | None:
    judgement = s.judgement
    if is_unjudged(s):
        return None
    if judgement is None:
        return _wait_for_metrics(s, candidate, "the metrics have not been read yet")
    if judgement.known or _proceeds(s, candidate):
        return None
    if judgement.health.status == "Unknown":
        return _wait_for_metrics(s, candidate, judgement.message)
    return Hold(reasons.HOLDING, judgement.message, inconclusive=True)


def baseline_known(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """Where all traffic moves at once, nothing runs alongside afterwards: stable's figures from before are the only
    measure, so there must be enough of them."""
    if is_unjudged(s) or s.rollout.steps or candidate.weight > 0 or s.judgement is None or _proceeds(s, candidate):
        return None
    compared = {one.name for one in s.rollout.metrics if one.kind != "Gauge" and one.limit is None}
    seen = max((one.stable_total for one in s.judgement.evidence if one.metric in compared), default=0)
    if not compared or seen >= s.rollout.min_requests:
        return None
    asked = f"{s.rollout.min_requests} are needed as a measure before all traffic moves at once"
    return Hold(reasons.HOLDING, f"stable has answered {seen:,.0f} requests, {asked}", inconclusive=True)


def time_over(s: Snapshot, candidate: CandidateState) -> Hold | None:
    if candidate.next_at is None or s.now >= candidate.next_at:
        return None
    if is_shadowing(candidate):
        return Hold(reasons.SHADOWING, tell_shadow(s, candidate))
    at = f"step {candidate.step} of {candidate.steps} at {candidate.weight}%"
    return Hold(
        reasons.CANARY_PROGRESSING, f"{candidate.revision} in {at} until {candidate.next_at:%H:%M:%SZ} at the earliest"
    )


def enough_evidence(s: Snapshot, candidate: CandidateState) -> Hold | None:
    judgement = s.judgement
    if is_unjudged(s):
        return None
    if not is_measured(candidate) or judgement is None or judgement.verdict is not Verdict.NOT_ENOUGH_EVIDENCE:
        return None
    if judgement.suspicious:
        # Not proven, but not nothing either: only a person may go on.
        return Hold(reasons.HOLDING, judgement.message, inconclusive=True)
    return None if _proceeds(s, candidate) else _wait_for_metrics(s, candidate, judgement.message)


def traffic_verified(s: Snapshot, candidate: CandidateState) -> Hold | None:
    judgement = s.judgement
    if is_unjudged(s):
        return None
    if not is_measured(candidate) or judgement is None or judgement.traffic.status == "True":
        return None
    return None if _proceeds(s, candidate) else _wait_for_metrics(s, candidate, judgement.traffic.message)


def bake_over(s: Snapshot, candidate: CandidateState) -> Hold | None:
    if candidate.bake_until is None or s.now >= candidate.bake_until:
        return None
    return Hold(
        reasons.BAKING,
        f"{candidate.revision} has {candidate.weight}% of the traffic, promoted at {candidate.bake_until:%H:%M:%SZ}",
    )


def weight_in_force(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """A promotion is a word on traffic that was there; some gateways get it a moment after the status says so."""
    if s.spec.route.mode == "Replicas" or not s.route.exists:
        return None
    if s.route.weights.get(candidate.revision, 0) >= candidate.weight:
        return None
    return Hold(reasons.BAKING, f"the route does not give {candidate.revision} {candidate.weight}% yet")


def is_unjudged(s: Snapshot) -> bool:
    """In a rehearsal the judge says what it would have done, and nothing waits for it. Direct has no judge."""
    return s.rollout.mode == "Rehearse" or s.rollout.strategy == "Direct"


def _wait_for_metrics(s: Snapshot, candidate: CandidateState, message: str) -> Hold:
    """Figures that are due any moment are worth no word; those that stay away are."""
    due = figures_due(candidate)
    if due is not None and s.now < due + PATIENCE:
        return Hold(reasons.SHADOWING if is_shadowing(candidate) else reasons.CANARY_PROGRESSING, message)
    return Hold(reasons.HOLDING, message, inconclusive=True)


def figures_due(candidate: CandidateState) -> datetime | None:
    """When the present step's figures should be there: at the end of its time, or soon after the release began."""
    return candidate.next_at or candidate.step_started_at or candidate.started_at


def _proceeds(s: Snapshot, candidate: CandidateState) -> bool:
    """The user chose to go on without a verdict, and has waited long enough for one."""
    return (
        s.rollout.on_inconclusive == "Proceed"
        and candidate.hold_since is not None
        and s.now >= candidate.hold_since + s.rollout.max_hold
    )


GATES: tuple[Gate, ...] = (
    not_paused,  # a person holds it
    pods_kept,  # its pods must not have gone
    metrics_known,  # unknown is not good
    time_over,  # every step has its shortest time
    enough_evidence,  # and its fewest requests
    traffic_verified,  # which must have gone where they were sent
    not_frozen,  # the calendar
    approved,  # a person must agree
    route_accepted,  # the gateway must take the next weight
    others_gone,  # nobody else may get a share
    pods_ready,  # the pods for the next weight must be there
)
SHADOW_GATES: tuple[Gate, ...] = (
    not_paused,
    metrics_known,
    time_over,
    enough_evidence,
    traffic_verified,
    validated,  # the scoring at the end
    not_frozen,
    approved,
    route_accepted,
    pods_ready,
)
"""Between mirrored requests and the first step."""
PENDING_GATES: tuple[Gate, ...] = (
    not_paused,  # a person holds it
    pods_ready,  # without pods there is nothing to measure
    validated,  # nobody is shown a model that fails its checks
    others_gone,
    route_accepted,
    not_frozen,
    approved,
    metrics_known,  # unknown is not good: no traffic before the figures can be read
    baseline_known,
)
FORCED_GATES: tuple[Gate, ...] = (
    not_paused,
    not_frozen,
    approved,
    route_accepted,
    others_gone,
    pods_ready,
    validated,
)
BAKE_GATES: tuple[Gate, ...] = (
    not_paused,
    pods_kept,
    weight_in_force,
    bake_over,
    metrics_known,
    not_frozen,
    pods_ready,
)
SWAP_GATES: tuple[Gate, ...] = (not_paused, route_accepted, not_frozen, approved, metrics_known, baseline_known)
"""Before stable is stopped. A person's order, and a return, do not wait for metrics."""
FORCED_SWAP_GATES: tuple[Gate, ...] = (not_paused, route_accepted, not_frozen, approved)
SWAPPED_GATES: tuple[Gate, ...] = (place_free, pods_ready, validated)
"""Before the candidate serves: there is no way but on or back, so nothing here waits for a person."""
FIRST_GATES: tuple[Gate, ...] = (warmed, validated, approved)
