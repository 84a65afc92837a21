"""When to look again though nothing happens."""

from datetime import datetime

from serinus.core.deadline import CRASH_PATIENCE
from serinus.core.gates import PATIENCE, figures_due, needed_pods
from serinus.core.release import Release
from serinus.core.snapshot import Snapshot
from serinus.core.validation import swap_deadline


def find_wake(s: Snapshot, r: Release, also: datetime | None = None) -> datetime | None:
    """The next moment at which time alone may change the decision; `also` is one more that the caller knows of."""
    moments: list[datetime | None] = [also, s.route.takes_over_at, *(d.until for d in r.draining)]
    moments.append(r.hold.until if r.hold is not None else None)
    candidate, stable = r.candidate, r.stable
    if candidate is not None:
        moments += [candidate.next_at, candidate.bake_until if candidate.phase == "Baking" else None]
        if candidate.clock_stopped_at is None:
            moments += [candidate.deadline_at, swap_deadline(s, candidate)]
        if candidate.hold_since is not None:
            moments.append(candidate.hold_since + s.rollout.max_hold)
        due = figures_due(candidate)
        moments.append(None if due is None else due + PATIENCE)
        work = s.workload(candidate.revision)
        moments += [work.settles_at, s.route.settles_at.get(candidate.revision)]
        moments.append(work.tells_at if work.ready < needed_pods(s, candidate) else None)
        if candidate.crashing_since is not None:
            moments.append(candidate.crashing_since + CRASH_PATIENCE)
    elif stable is not None and s.workload(stable.revision).ready < s.spec.replicas:
        moments.append(s.workload(stable.revision).tells_at)
    if stable is not None:
        moments.append(stable.watch_until)
    later = [m for m in moments if m is not None and m > s.now]
    return min(later) if later else None
