"""A trial: readings in, judgement out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from serinus.api import reasons
from serinus.api.status import EvidenceState
from serinus.core.counters import BAD, TOTAL, Point
from serinus.core.judge import Verdict
from serinus.core.metric import Metric
from serinus.core.snapshot import Check
from serinus.core.trial import Reading, SignalReading, Trial, TrialState, observe_reading, open_trial
from serinus.core.verdict import judge_trial
from tests.core.world import START

TRIAL = Trial(
    candidate="m-new",
    stable="m-old",
    started_at=START,
    weight=25,
    step=1,
    step_started_at=START,
    metrics=(Metric("errors", "ratio", "Errors", margin=1.2, needed=50),),
    min_requests=50,
    interval_seconds=1.0,
    measured_at="the gateway",
)


def reading(second: float, new: tuple[float, float], old: tuple[float, float], **changes: object) -> Reading:
    """Counters (good, bad) of both sides at a second after the start."""

    def points(name: str, good: float, bad: float) -> list[Point]:
        at = 1000.0 + second
        both = [
            Point(f"{name}/200", "gw", "gw", good, at, (TOTAL,)),
            Point(f"{name}/500", "gw", "gw", bad, at, (TOTAL, BAD)),
        ]
        return [p for p in both if p.value]

    answer = SignalReading(points("new", *new), points("old", *old), frozenset({"gw"}))
    base = Reading({"Errors": answer}, START + timedelta(seconds=second), second)
    return replace(base, **changes)  # type: ignore[arg-type]


def follow(readings: Iterator[Reading] | list[Reading], trial: Trial = TRIAL) -> TrialState:
    state = TrialState()
    for one in readings:
        state = observe_reading(state, trial, one)
    return state


def test_a_healthy_candidate_is_good_once_it_has_answered_enough() -> None:
    state = follow([reading(t, (25 * t, 0), (75 * t, 0.3 * t)) for t in range(1, 9)])
    judgement = judge_trial(state, TRIAL)
    assert judgement.verdict is Verdict.GOOD
    assert judgement.traffic.reason == reasons.SPLIT_AS_ASKED
    assert judgement.health.reason == reasons.FRESH


def test_too_few_requests_are_not_enough() -> None:
    judgement = judge_trial(follow([reading(t, (t, 0), (75 * t, 0)) for t in range(1, 9)]), TRIAL)
    assert judgement.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert "7 of 50 requests" in judgement.message


def test_the_first_failures_of_a_new_series_convict_with_all_the_numbers() -> None:
    start = reading(1, (0, 0), (1000, 5))
    state = follow([start, reading(2, (20, 0), (1060, 5)), reading(3, (32, 12), (1120, 6))])
    judgement = judge_trial(state, TRIAL)
    assert judgement.verdict is Verdict.BAD
    assert "errors 27.3% on m-new (12 of 44)" in judgement.message
    assert "on m-old (1 of 121)" in judgement.message
    assert (
        "allowed 1.78x (widened from 1.2x: how much stable's own pods differ is not known), e-value"
        in judgement.message
    )
    assert judgement.first_bad_at == START + timedelta(seconds=3)


def test_the_past_of_the_counters_is_no_evidence() -> None:
    state = follow([reading(1, (500, 400), (9000, 10)), reading(2, (510, 400), (9030, 10))])
    assert judge_trial(state, TRIAL).evidence[0].lanes[0].candidate_bad == 0


def test_old_samples_become_unknown_by_our_own_clock() -> None:
    state = follow([reading(1, (10, 0), (30, 0)), reading(2, (20, 0), (60, 0))])
    again = reading(2, (20, 0), (60, 0))
    state = observe_reading(state, TRIAL, replace(again, mono=4.5))
    assert judge_trial(state, TRIAL).health.reason == reasons.FRESH
    state = observe_reading(state, TRIAL, replace(again, mono=5.5))
    judgement = judge_trial(state, TRIAL)
    assert judgement.verdict is Verdict.CANNOT_MEASURE
    assert judgement.health.reason == reasons.STALE


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        (reading(3, (0, 0), (0, 0)), reasons.NO_DATA),
        (reading(3, (float("nan"), 0), (90, 0)), reasons.NOT_A_NUMBER),
        (reading(3, (float("inf"), 0), (90, 0)), reasons.NOT_A_NUMBER),
    ],
)
def test_what_is_no_count_is_unknown_and_heals(spoiled: Reading, reason: str) -> None:
    state = follow([reading(t, (25 * t, 0), (75 * t, 0)) for t in range(1, 3)])
    state = observe_reading(state, TRIAL, spoiled)
    assert judge_trial(state, TRIAL).verdict is Verdict.CANNOT_MEASURE
    assert judge_trial(state, TRIAL).health.reason == reason
    state = observe_reading(state, TRIAL, reading(4, (100, 0), (300, 0)))
    assert judge_trial(state, TRIAL).verdict is Verdict.GOOD


def test_an_unreachable_provider_keeps_evidence_and_convicts_nobody() -> None:
    state = follow([reading(t, (25 * t, 0), (75 * t, 0)) for t in range(1, 9)])
    before = judge_trial(state, TRIAL).evidence
    gone = SignalReading(problem=Check("False", reasons.UNREACHABLE, "connection refused"))
    state = observe_reading(state, TRIAL, Reading({"Errors": gone}, START + timedelta(seconds=9), 9.0))
    judgement = judge_trial(state, TRIAL)
    assert judgement.verdict is Verdict.CANNOT_MEASURE
    assert judgement.evidence == before
    assert judgement.message == "connection refused"


def test_evidence_survives_a_restart() -> None:
    state = follow([reading(1, (0, 0), (1000, 5)), reading(2, (20, 2), (1060, 5))])
    saved = judge_trial(state, TRIAL).evidence
    again = tuple(EvidenceState.model_validate(one.dump()) for one in saved)
    restored = judge_trial(open_trial(again), TRIAL)
    assert restored.log_evidence == pytest.approx(judge_trial(state, TRIAL).log_evidence, rel=1e-4)


def test_a_new_step_counts_its_own_requests_and_keeps_the_evidence() -> None:
    state = follow([reading(t, (25 * t, 0), (75 * t, 0)) for t in range(1, 9)])
    later = replace(TRIAL, step=2, weight=50)
    state = observe_reading(state, later, reading(9, (210, 0), (615, 0)))
    judgement = judge_trial(state, later)
    assert judgement.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert judgement.evidence[0].candidate_total == 185


def test_a_split_that_is_not_what_was_asked_is_said() -> None:
    state = follow([reading(t, (60 * t, 0), (40 * t, 0)) for t in range(1, 9)])
    assert judge_trial(state, TRIAL).traffic.reason == reasons.SPLIT_DIFFERS


def test_pod_counts_are_called_approximate() -> None:
    trial = replace(TRIAL, approximate=True)
    state = follow([reading(t, (60 * t, 0), (40 * t, 0)) for t in range(1, 9)], trial)
    assert judge_trial(state, trial).traffic.reason == reasons.APPROXIMATED


def test_what_happens_while_the_candidate_may_still_be_cold_is_held_against_nobody() -> None:
    spared = replace(TRIAL, judged_from=START + timedelta(seconds=3))
    readings = [reading(1, (0, 0), (1000, 5)), reading(2, (5, 40), (1060, 5)), reading(2.5, (5, 90), (1090, 5))]
    assert judge_trial(follow(readings), TRIAL).verdict is Verdict.BAD
    state = follow(readings, spared)
    assert judge_trial(state, spared).verdict is Verdict.NOT_ENOUGH_EVIDENCE
    for second in range(3, 7):
        state = observe_reading(state, spared, reading(second, (25 * second, 90), (100 * second + 1000, 6)))
    judgement = judge_trial(state, spared)
    assert judgement.verdict is Verdict.GOOD
    assert judgement.evidence[0].lanes[0].candidate_bad == 0


def test_restarts_are_judged_from_the_beginning() -> None:
    crashes = Metric("restarts", "ratio", "Errors", margin=2.0, over_time=True)
    spared = replace(TRIAL, metrics=(crashes,), judged_from=START + timedelta(seconds=60))
    state = follow([reading(1, (0, 0), (1000, 5)), reading(2, (5, 90), (1060, 5))], spared)
    assert state.metric("restarts").lanes[0].counts.candidate_bad == 90


SHADOW = replace(TRIAL, weight=0, step=0, mirrored=100)


def test_mirrored_requests_are_judged_without_any_weight() -> None:
    state = follow([reading(t, (50 * t, 0), (50 * t, 0.3 * t)) for t in range(1, 9)], SHADOW)
    judgement = judge_trial(state, SHADOW)
    assert judgement.verdict is Verdict.GOOD
    assert judgement.traffic.reason == reasons.SPLIT_AS_ASKED
    assert judgement.traffic.message.endswith("at the gateway, 100% is asked for")
    bad = follow([reading(t, (25 * t, 25 * t), (50 * t, 0.3 * t)) for t in range(1, 9)], SHADOW)
    assert judge_trial(bad, SHADOW).verdict is Verdict.BAD


@pytest.mark.parametrize(("percent", "rate", "reason"), [(30, 15, "SplitAsAsked"), (30, 50, "SplitDiffers")])
def test_as_many_must_be_mirrored_as_asked(percent: int, rate: int, reason: str) -> None:
    trial = replace(SHADOW, mirrored=percent)
    state = follow([reading(t, (rate * t, 0), (50 * t, 0)) for t in range(1, 20)], trial)
    assert judge_trial(state, trial).traffic.reason == reason


def test_a_mirror_that_does_not_work_is_no_good_word() -> None:
    state = follow([reading(t, (0, 0), (50 * t, 0)) for t in range(1, 20)], SHADOW)
    judgement = judge_trial(state, SHADOW)
    assert judgement.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert judgement.traffic.reason == reasons.SPLIT_DIFFERS


def test_the_first_step_forgets_what_mirrored_requests_have_shown_and_counts_on() -> None:
    state = follow([reading(t, (500 * t, 0), (500 * t, 3 * t)) for t in range(1, 60)], SHADOW)
    stepping = replace(TRIAL, step_started_at=START + timedelta(seconds=59))
    seen = judge_trial(observe_reading(state, stepping, reading(60, (29500, 0), (30000, 180))), stepping)
    assert seen.verdict is Verdict.NOT_ENOUGH_EVIDENCE, "its requests are counted anew"
    assert seen.evidence[0].candidate_total == 0
    # What fails from here on is seen as fast as if there had been no good answers before.
    looks = 0
    while judge_trial(state, stepping).verdict is not Verdict.BAD:
        looks += 1
        after = 59 + looks
        state = observe_reading(state, stepping, reading(after, (29500, 2 * looks), (500 * after, 3 * after)))
        assert looks < 10
