"""Evidence in the status: what must survive a restart, and nothing else. What can be learnt again (how unruly stable
is, what the counters hold) is."""

from serinus.api.status import EvidenceState, LaneState
from serinus.core.metric import MetricState
from serinus.core.sequential import LATENCY_THETAS, THETAS, Counts, Lane
from serinus.core.words import plain_number

_NEVER = "-inf"


def observe_saved(saved: EvidenceState) -> MetricState:
    """The state that goes on from what was written."""
    lanes = tuple(_read_lane(saved, lane) for lane in saved.lanes)
    return MetricState(lanes=lanes, exposure=saved.exposure / 10, first_bad_at=saved.first_bad_at, as_of=saved.as_of)


def observe_baseline(saved: EvidenceState) -> MetricState:
    """A state in which the counts of the candidate, promoted by now, are what its future is measured by."""
    state = observe_saved(saved)
    lanes = tuple(
        Lane((), Counts(0.0, 0.0, lane.counts.candidate_total, lane.counts.candidate_bad), lane.bound)
        for lane in state.lanes
    )
    return MetricState(lanes=lanes, detector=True)


def build_saved(name: str, state: MetricState, user_margin: float) -> EvidenceState:
    """What is written of a state."""
    totals = state.lanes[0].counts if state.lanes else Counts()
    return EvidenceState(
        metric=name,
        candidate_total=round(totals.candidate_total),
        stable_total=round(totals.stable_total),
        exposure=round(10 * state.exposure),
        lanes=tuple(_write_lane(lane) for lane in state.lanes),
        margin=plain_number(state.margin) if state.margin > user_margin else None,
        dispersion=plain_number(state.dispersion) if state.dispersion > 1.0 else None,
        first_bad_at=state.first_bad_at,
        as_of=state.as_of,
    )


def _read_lane(saved: EvidenceState, lane: LaneState) -> Lane:
    counts = Counts(saved.candidate_total, lane.candidate_bad, saved.stable_total, lane.stable_bad)
    logs = tuple(float(log) for log in lane.logs)
    # Evidence of another grid (another version of the operator) cannot be continued; its counts can.
    known = len(logs) in (len(THETAS), len(LATENCY_THETAS))
    bound = None if lane.bound is None else float(lane.bound)
    return Lane(logs if known else (), counts, bound)


def _write_lane(lane: Lane) -> LaneState:
    return LaneState(
        bound=None if lane.bound is None else f"{lane.bound:g}",
        logs=tuple(_NEVER if log == float(_NEVER) else f"{log:.6g}" for log in lane.logs),
        candidate_bad=round(lane.counts.candidate_bad),
        stable_bad=round(lane.counts.stable_bad),
    )
