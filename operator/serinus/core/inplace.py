"""InPlace: one revision after the other on the same accelerators, for clusters that cannot hold both.

    gates, stable serves -> stable to zero -> its pods are gone -> candidate up -> warm-up, checks -> all traffic, bake
                                 '--------------- anything bad: the same way back ---------------'

Nobody serves in between, and that time is measured and told. Pods of two revisions never exist at once, those that are
still ending included: the accelerator is theirs until they are gone."""

from dataclasses import replace
from datetime import datetime

from serinus.api import reasons
from serinus.api.status import CandidateState
from serinus.core.plan import Event
from serinus.core.release import Hold, Release
from serinus.core.snapshot import Snapshot


def is_in_place(s: Snapshot, r: Release) -> bool:
    """Whether the pods of this moment are under the rules of InPlace. A running release keeps those it began with, and
    so does the way back from it."""
    if r.candidate is not None:
        return r.candidate.in_place
    leaving = any(one.in_place for one in r.draining)
    return (leaving or s.rollout.strategy == "InPlace") and r.stable is not None


def is_swapped(candidate: CandidateState | None) -> bool:
    """Whether the place belongs to the candidate by now."""
    return candidate is not None and candidate.in_place and candidate.phase in ("Swapping", "Baking")


def pods_in_place(s: Snapshot, r: Release) -> dict[str, int]:
    """Pods per revision: those of one only, and none while a pod of another one is there."""
    if r.stable is None:
        return {}
    candidate = r.candidate.revision if r.candidate is not None else None
    server = candidate if candidate is not None and is_swapped(r.candidate) else r.stable.revision
    running = s.workload(server).wanted
    place_is_free = not others_in_place(s, server)
    wanted = {name: 0 for name in (r.stable.revision, candidate) if name is not None}
    # While a release is under way, whoever serves keeps at least the size that it began with.
    floor = max(running, r.candidate.stable_size) if r.candidate is not None else 0
    wanted[server] = max(s.spec.replicas, floor) if running > 0 or place_is_free else 0
    return wanted


def others_in_place(s: Snapshot, server: str) -> list[str]:
    """Revisions besides `server` that still have pods, or are about to."""
    return sorted(name for name, work in s.workloads.items() if name != server and (work.pods > 0 or work.wanted > 0))


def begin_swap(s: Snapshot, r: Release, candidate: CandidateState) -> Release:
    """The point of no traffic: stable is stopped to make place."""
    stable = r.stable
    if stable is None:
        return r
    update = {"phase": "Swapping", "deadline_at": s.now + s.rollout.progress_deadline, "clock_stopped_at": None}
    down = stable.down_since or s.now
    r = replace(
        r,
        candidate=candidate.model_copy(update=update),
        stable=stable.model_copy(update={"down_since": down}),
        hold=Hold(reasons.SWAPPING, f"{stable.revision} is stopped to make place for {candidate.revision}"),
    )
    message = f"{stable.revision} is stopped to make place for {candidate.revision}; nobody serves until it is ready"
    return r.told(Event(reasons.SWAPPING, message, warning=True))


def place_free(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """The gate: nobody else has pods any more."""
    others = others_in_place(s, candidate.revision)
    if not others:
        return None
    return Hold(reasons.SWAPPING, f"waiting for the pods of {', '.join(others)} to make place for {candidate.revision}")


def note_service(s: Snapshot, r: Release) -> Release:
    """Take down how long nobody served, once somebody does again."""
    stable, candidate = r.stable, r.candidate
    if stable is None or stable.down_since is None:
        return r
    if candidate is not None and candidate.phase == "Baking" and candidate.downtime is None:
        downtime = _tell(stable.down_since, s.now)
        served = stable.model_copy(update={"down_since": None})
        r = replace(r, stable=served, candidate=candidate.model_copy(update={"downtime": downtime}))
        return r.told(Event(reasons.SWAPPED, f"{candidate.revision} serves; nobody served for {downtime}"))
    if not is_swapped(candidate) and s.workload(stable.revision).ready > 0:
        downtime = _tell(stable.down_since, s.now)
        r = replace(r, stable=stable.model_copy(update={"down_since": None, "downtime": downtime}))
        return r.told(Event(reasons.SWAPPED, f"{stable.revision} serves again; nobody served for {downtime} in all"))
    return r


def _tell(since: datetime, now: datetime) -> str:
    return f"{(now - since).total_seconds():.1f}s"
