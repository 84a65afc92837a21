"""Latency by buckets: which bounds are watched, what they see, and what they say they cannot."""

import math
import random
from dataclasses import replace
from datetime import timedelta

from serinus.core.counters import TOTAL, Point, bound_key
from serinus.core.judge import Verdict
from serinus.core.latency import choose_bounds
from serinus.core.metric import Metric
from serinus.core.trial import Reading, SignalReading, Trial, TrialState, observe_reading
from serinus.core.verdict import judge_trial
from tests.core.world import START

BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]
TRIAL = Trial(
    candidate="m-new",
    stable="m-old",
    started_at=START,
    weight=25,
    step=1,
    step_started_at=START,
    metrics=(Metric("latency", "latency", "Latency", margin=1.2, needed=50),),
    min_requests=50,
    interval_seconds=5.0,
    measured_at="the gateway",
    traffic_signal="Latency",
)


def cumulative(shares: dict[float, float], total: float = 10_000) -> dict[str, float]:
    return {bound_key(b): share * total for b, share in shares.items()} | {TOTAL: total}


def test_bounds_lie_between_the_usual_and_the_slowest() -> None:
    chosen = choose_bounds(cumulative({0.05: 0.1, 0.1: 0.6, 0.25: 0.93, 0.5: 0.995, 1.0: 0.9999}))
    assert chosen is not None
    assert chosen.bounds == (0.1, 0.25, 0.5)
    assert chosen.problem is None


def test_few_answers_choose_nothing() -> None:
    assert choose_bounds(cumulative({0.1: 0.5}, total=50)) is None


def test_useless_buckets_are_said_to_be_so() -> None:
    fast = choose_bounds(cumulative({0.1: 1.0, 0.3: 1.0}))
    slow = choose_bounds(cumulative({0.1: 0.0, 0.3: 0.1}))
    none = choose_bounds({TOTAL: 1000.0})
    assert fast is not None
    assert "finer buckets" in (fast.problem or "")
    assert slow is not None
    assert "further up" in (slow.problem or "")
    assert none is not None
    assert "no buckets" in (none.problem or "")


def test_a_gap_around_the_usual_latency_is_said() -> None:
    chosen = choose_bounds(cumulative({0.1: 0.2, 1.2: 0.97, 5.0: 0.9999}))
    assert chosen is not None
    assert "between 0.1s and 1.2s" in (chosen.remark or "")


class Server:
    """Latencies of one side as a histogram that grows."""

    def __init__(self, name: str, median: float, seed: int, buckets: list[float] = BUCKETS) -> None:
        self.name, self.median, self.chance = name, median, random.Random(seed)
        self.counts = dict.fromkeys(buckets, 0)
        self.total = 0

    def serve(self, number: int) -> None:
        for _ in range(number):
            seconds = self.median * math.exp(self.chance.gauss(0, 0.5))
            self.total += 1
            for bound in self.counts:
                self.counts[bound] += seconds <= bound

    def points(self, at: float) -> list[Point]:
        if not self.total:
            return []
        made = [
            Point(f"{self.name}/{b}", self.name, "gw", float(n), at, (bound_key(b),)) for b, n in self.counts.items()
        ]
        return [*made, Point(f"{self.name}/inf", self.name, "gw", float(self.total), at, (TOTAL,))]


def run(factor: float, looks: int = 60, buckets: list[float] = BUCKETS, seed: int = 1) -> tuple[TrialState, int | None]:
    """The state, and the look at which the alarm came."""
    old, new = Server("old", 0.08, seed), Server("new", 0.08 * factor, seed + 1, buckets)
    old.serve(2000)
    state = TrialState()
    for look in range(looks):
        at, now = 1000.0 + 5 * look, START + timedelta(seconds=5 * look)
        answer = SignalReading(new.points(at), old.points(at), frozenset({"gw"}))
        state = observe_reading(state, TRIAL, Reading({"Latency": answer}, now, 5.0 * look))
        if judge_trial(state, TRIAL).verdict is Verdict.BAD:
            return state, look
        new.serve(60)
        old.serve(190)
    return state, None


def test_a_slowdown_is_found_and_the_sentence_says_at_which_bound() -> None:
    state, look = run(1.5)
    assert look is not None
    assert look <= 6, "30 s at 50 requests/s"
    judgement = judge_trial(state, TRIAL)
    assert "slower than 0.1s on m-new" in judgement.message
    assert judgement.summaries[0].candidate.endswith("slower than 0.1s")


def test_no_change_is_left_alone_and_says_what_it_would_have_seen() -> None:
    for seed in range(1, 6):
        state, look = run(1.0, seed=10 * seed)
        assert look is None
    judgement = judge_trial(state, TRIAL)
    assert judgement.verdict is Verdict.GOOD
    assert judgement.summaries[0].would_have_seen is not None


def test_other_buckets_on_the_candidate_cannot_be_compared() -> None:
    state, look = run(1.0, looks=4, buckets=[0.07, 0.7, 7.0])
    assert look is None
    judgement = judge_trial(state, TRIAL)
    assert judgement.verdict is Verdict.CANNOT_MEASURE
    assert "use the same buckets" in judgement.message


def test_useless_buckets_hold_and_say_what_to_do() -> None:
    trial = replace(TRIAL, metrics=TRIAL.metrics)
    old = Server("old", 0.0001, 3)
    old.serve(1000)
    answer = SignalReading(old.points(1.0), old.points(1.0), frozenset())
    state = observe_reading(TrialState(), trial, Reading({"Latency": answer}, START, 0.0))
    judgement = judge_trial(state, trial)
    assert judgement.verdict is Verdict.CANNOT_MEASURE
    assert "finer buckets" in judgement.message
