"""From a release to the objects that must exist, and from there to actions: only what differs from what is observed.

Level-triggered: it does not matter which transition led here, or whether an earlier pass was cut off in the middle.
"""

from dataclasses import dataclass

from serinus.api.status import CandidateState, StableState
from serinus.core.gates import is_unjudged, needed_pods, pods_for_weight
from serinus.core.inplace import is_in_place, pods_in_place
from serinus.core.plan import (
    Action,
    ApplyPool,
    ApplyRoute,
    ApplyService,
    ApplyWorkload,
    CopyConfigMap,
    DeleteFormerRoute,
    DeletePool,
    DeleteRevision,
    DeleteRoute,
    MarkRevision,
    RecordRevision,
)
from serinus.core.release import Release
from serinus.core.schemas import is_incompatible
from serinus.core.shadow import is_shadowing, wanted_mirror
from serinus.core.sides import render_sides
from serinus.core.snapshot import PoolView, Snapshot
from serinus.core.steps import FULL, full_size
from serinus.core.validation import render_checks


@dataclass(frozen=True)
class Rendering:
    """Actions around the status write; see `serinus.core.plan` for why there are two groups."""

    before: tuple[Action, ...]
    after: tuple[Action, ...]


def render_actions(s: Snapshot, r: Release) -> Rendering:
    """What to do, in order: traffic away, second lever, memory | status | new pods, more traffic, old pods, clearing
    up.
    """
    traffic = _traffic(s, r)
    takes, gives = _split_by_direction(s, r, traffic)
    aways, towards = render_sides(s, r)
    before = (*_preparations(s, r), *takes, *_second_levers(s, r), *aways, *r.marks)
    after = (
        *_records(s, r),
        *_copies(s, r),
        *_own_services(s, r),
        *_own_pools(s, r),
        *_scale_up(s, r),
        *render_checks(s, r),
        *gives,
        *towards,
        *_finish_marks(s, r),
        *_scale_down(s, r),
        *_forget(s, r),
    )
    return Rendering(before, after)


def wanted_weights(s: Snapshot, r: Release) -> dict[str, int]:
    """The split that the release asks for, stable first. A weight above the observed one needs metrics that are known
    and not bad, in this pass. A candidate without a ready pod has none: gateways answer its share themselves, with
    errors that no metric counts.
    """
    if r.stable is None:
        return {}
    candidate = r.candidate
    if candidate is None or candidate.weight == 0 or _is_dead(s, r.stable, candidate):
        return {r.stable.revision: FULL}
    weight = candidate.weight
    seen = s.route.weights.get(candidate.revision, 0)
    if s.spec.route.mode == "Gateway" and weight > seen and not (_may_raise(s, r) and _is_known(s, candidate)):
        weight = seen
    split = {r.stable.revision: FULL - weight, candidate.revision: weight}
    return {name: share for name, share in split.items() if share > 0}


def _is_dead(s: Snapshot, stable: StableState, candidate: CandidateState) -> bool:
    # Ready, not settled: pods that a gateway may not know yet still serve, and stable must be there to take the share.
    beside = s.spec.route.mode == "Gateway" and not candidate.in_place
    return beside and s.workload(candidate.revision).ready == 0 < s.workload(stable.revision).ready


def _may_raise(s: Snapshot, r: Release) -> bool:
    candidate = r.candidate
    before = s.status.candidate
    advanced = candidate is not None and (before is None or before.weight < candidate.weight)
    # A step that was entered in this very pass went through the gates; repairing an older one needs the metrics again.
    if advanced or candidate is None:
        return advanced
    ready = s.workload(candidate.revision).settled >= pods_for_weight(s, candidate, candidate.weight)
    return ready and (is_unjudged(s) or (s.judgement is not None and s.judgement.known))


def _is_known(s: Snapshot, candidate: CandidateState) -> bool:
    """Whether the gateway knows the backend, which it need not before it hears of its weight."""
    settles_at = s.route.settles_at.get(candidate.revision)
    return not s.route.by_place or candidate.in_place or (settles_at is not None and settles_at <= s.now)


def _traffic(s: Snapshot, r: Release) -> list[Action]:
    if r.stable is None:
        return []
    if s.spec.route.mode == "Replicas":
        return _service_traffic(s, r)
    actions: list[Action] = []
    server = r.candidate if r.candidate is not None and r.candidate.in_place and r.candidate.weight else r.stable
    if s.service_targets.get(s.name) != server.revision:
        actions.append(ApplyService(s.name, server.revision, wants_h2c(s)))
    weights, mirror = wanted_weights(s, r), wanted_mirror(s, r)
    if not s.route.exists and not s.route_usable:
        return actions
    traces, seen = wanted_traces(s, r, weights), s.route
    as_wanted = dict(seen.weights) == weights and seen.traces == traces and seen.mirror == mirror
    as_wanted = as_wanted and (seen.former is None or dict(seen.former) == weights)
    if not as_wanted or not seen.exists or not seen.in_shape:
        actions.append(ApplyRoute(weights, traces, mirror))
    elif seen.former is not None and seen.replaces_former:
        actions.append(DeleteFormerRoute())
    return actions


def wants_h2c(s: Snapshot) -> bool:
    """Whether Services must say that their pods speak HTTP/2: for as long as a GRPCRoute leads to them."""
    if s.spec.route.mode != "Gateway":
        return False
    asked = s.route_usable and s.spec.route.kind == "GRPCRoute"
    # Of two kinds one is a GRPCRoute.
    present = s.route.former is not None or (s.route.exists and s.route.kind == "GRPCRoute")
    return asked or present


def _wants_pools(s: Snapshot) -> bool:
    backend = s.spec.route.backend
    return s.route_usable and backend is not None and backend.kind == "InferencePool"


def _preparations(s: Snapshot, r: Release) -> list[Action]:
    """What a route that is there needs before it may change: the protocol of what it leads to, and pools. No request
    takes another way for any of it."""
    h2c = wants_h2c(s)
    active = [state.revision for state in (r.stable, r.candidate) if state is not None]
    actions: list[Action] = [
        ApplyService(name, None if target == "*" else target, h2c)
        for name, target in s.service_targets.items()
        if name in (*active, s.name) and (name in s.h2c_services) != h2c
    ]
    if _wants_pools(s):
        actions += [ApplyPool(name, name) for name in active if name not in s.pools]
    return actions


def wanted_traces(s: Snapshot, r: Release, weights: dict[str, int]) -> tuple[str, ...]:
    """Who has no weight and needs it in a moment: stable through the bake, the candidate before its first step."""
    if not s.route.by_place or is_in_place(s, r):
        return ()
    names = [r.stable.revision] if r.stable is not None else []
    if r.candidate is not None and r.candidate.weight > 0:
        names.append(r.candidate.revision)
    return tuple(sorted(name for name in names if name not in weights))


def _service_traffic(s: Snapshot, r: Release) -> list[Action]:
    """Without a gateway one Service is the route: it leads to stable, to everybody, or to the candidate alone."""
    stable, candidate = r.stable, r.candidate
    target: str | None = stable.revision if stable else None
    if candidate is not None and candidate.weight >= FULL:
        target = candidate.revision
    elif candidate is not None and candidate.weight > 0:
        target = None
    actions: list[Action] = []
    if s.service_targets.get(s.name) != (target or "*"):
        actions.append(ApplyService(s.name, target))
    if s.route.exists and s.route_usable:
        actions.append(DeleteRoute())
    return actions


def _split_by_direction(s: Snapshot, r: Release, traffic: list[Action]) -> tuple[list[Action], list[Action]]:
    """Whatever gives the candidate more traffic waits until the status says so; whatever takes it away does not."""
    now = _load(r.candidate)
    old = s.status.candidate
    same = old is not None and r.candidate is not None and old.revision == r.candidate.revision
    was = _load(old) if same else _load(None)
    promoted = r.stable is not None and s.status.stable is not None and r.stable.revision != s.status.stable.revision
    first = s.status.stable is None
    gives = now > was or promoted or first
    return ([], traffic) if gives else (traffic, [])


def _load(candidate: CandidateState | None) -> tuple[int, bool]:
    """What a candidate carries, comparable: traffic counts for more than mirrored requests."""
    return (0, False) if candidate is None else (candidate.weight, is_shadowing(candidate))


def _second_levers(s: Snapshot, r: Release) -> list[Action]:
    """After a rollback the candidate's own Service leads to stable, in case a gateway remembers old weights."""
    if r.stable is None:
        return []
    stable = r.stable.revision
    turned = [d.revision for d in r.draining if s.service_targets.get(d.revision) not in (None, stable)]
    services = [ApplyService(name, stable, wants_h2c(s)) for name in turned]
    pools = [
        ApplyPool(d.revision, stable) for d in r.draining if s.pools.get(d.revision, PoolView(stable)).target != stable
    ]
    return [*services, *pools]


def _records(s: Snapshot, r: Release) -> list[Action]:
    active = {state.revision for state in (r.stable, r.candidate) if state is not None}
    if s.wanted.name in s.revisions or s.wanted.name not in active or not s.spec_readable:
        return []
    number = max((record.number for record in s.revisions.values()), default=0) + 1
    return [RecordRevision(s.wanted, number)]


def _copies(s: Snapshot, r: Release) -> list[Action]:
    active = [state.revision for state in (r.stable, r.candidate) if state is not None]
    return [
        CopyConfigMap(name, source, digest)
        for name in active
        for source, digest in s.missing_copies.get(name, {}).items()
    ]


def _own_services(s: Snapshot, r: Release) -> list[Action]:
    active = [state.revision for state in (r.stable, r.candidate) if state is not None]
    return [ApplyService(name, name, wants_h2c(s)) for name in active if s.service_targets.get(name) != name]


def _own_pools(s: Snapshot, r: Release) -> list[Action]:
    """Pools that exist lead to their own pods again; those that no route needs any more go."""
    if _wants_pools(s):
        active = [state.revision for state in (r.stable, r.candidate) if state is not None]
        return [ApplyPool(name, name) for name in active if s.pools.get(name, PoolView(name)) != PoolView(name)]
    settled = s.route_usable and s.route.in_shape and s.route.former is None
    return [DeletePool(name) for name in s.pools] if settled else []


def wanted_pods(s: Snapshot, r: Release) -> dict[str, int]:
    """Pods per active revision. While a candidate is there, stable never shrinks: the way back needs it. Once it has no
    traffic, it does not grow either: room that an autoscaler asks for is for the revision that serves."""
    if is_in_place(s, r):
        return pods_in_place(s, r)
    wanted: dict[str, int] = {}
    candidate = r.candidate
    if r.stable is not None:
        kept = max(s.workload(r.stable.revision).wanted, candidate.stable_size) if candidate is not None else 0
        idle = candidate is not None and candidate.weight >= FULL
        wanted[r.stable.revision] = kept if idle else max(s.spec.replicas, kept)
    if candidate is not None:
        full = full_size(s, candidate)
        needed = full if r.stable is None or candidate.phase == "Baking" else needed_pods(s, candidate)
        running = s.workload(candidate.revision).wanted
        if r.stable is not None and is_incompatible(s, r.stable.revision, candidate):
            # It leaves with the next pass; no pod need be made for that.
            needed = 0
        wanted[candidate.revision] = max(needed, min(running, full))
    return wanted


def _scale_up(s: Snapshot, r: Release) -> list[Action]:
    return [
        ApplyWorkload(name, pods)
        for name, pods in wanted_pods(s, r).items()
        if name not in s.workloads or s.workloads[name].wanted != pods or not s.workloads[name].in_shape
    ]


def _scale_down(s: Snapshot, r: Release) -> list[Action]:
    kept = {state.revision for state in (r.stable, r.candidate) if state is not None}
    if not is_in_place(s, r):
        # In place, stable cannot come back before they are gone.
        kept |= {d.revision for d in r.draining}
    return [ApplyWorkload(name, 0) for name, work in s.workloads.items() if name not in kept and work.wanted != 0]


def _finish_marks(s: Snapshot, r: Release) -> list[Action]:
    """Stable and Retired, made good where an earlier pass could not write them."""
    marked = {mark.name for mark in r.marks}
    actions: list[Action] = []
    for name, record in s.revisions.items():
        if name in marked:
            continue
        if r.stable is not None and name == r.stable.revision and record.phase != "Stable" and r.candidate is None:
            actions.append(MarkRevision(name, "Stable", "Promoted", f"{name} is stable"))
        elif record.phase == "Stable" and r.stable is not None and name != r.stable.revision and r.candidate is None:
            actions.append(MarkRevision(name, "Retired", "Promoted", f"replaced by {r.stable.revision}"))
    return actions


def _forget(s: Snapshot, r: Release) -> list[Action]:
    """Revisions beyond the history limit, oldest first; only when nothing is under way and nothing leads to them."""
    if r.candidate is not None or r.stable is None or r.draining:
        return []
    busy = {s.wanted.name, r.stable.revision, *s.route.backends, *([s.route.mirror.target] if s.route.mirror else [])}
    idle = sorted((x for x in s.revisions.values() if x.name not in busy), key=lambda x: x.number)
    surplus = len(idle) - s.spec.revision_history_limit
    return [DeleteRevision(record.name) for record in idle[: max(surplus, 0)]]
