"""Several metrics, one budget; proof before promotion; and what a promoted revision is measured by."""

from dataclasses import replace
from datetime import timedelta

import pytest

from serinus.api import reasons
from serinus.api.status import EvidenceState
from serinus.core.chronicle import MAX_BYTES, MAX_POINTS, observe_look
from serinus.core.counters import BAD, LEVEL, TOTAL, Point
from serinus.core.judge import Verdict
from serinus.core.metric import Metric
from serinus.core.snapshot import Judgement
from serinus.core.trial import Reading, SignalReading, Trial, TrialState, observe_reading, open_trial, open_watch
from serinus.core.verdict import judge_trial
from tests.core.world import START

ERRORS = Metric("errors", "ratio", "Errors", 0.5, margin=1.2, needed=10)
WRONG = Metric("wrong", "ratio", "query:wrong", 0.5, margin=1.2, needed=10, delay=60.0)
SLO = Metric("slo", "limit", "Errors", 1.0, limit=0.02)
RESTARTS = Metric("restarts", "ratio", "Restarts", 0.5, margin=2.0, optional=True, over_time=True)


def trial(*metrics: Metric, **changes: object) -> Trial:
    base = Trial("m-new", "m-old", START, 50, 1, START, metrics, 10, 1.0, "the gateway")
    return replace(base, **changes)  # type: ignore[arg-type]


def counted(name: str, second: int, total: float, bad: float) -> list[Point]:
    at = 1000.0 + second
    return [
        Point(f"{name}/ok", name, "gw", total - bad, at, (TOTAL,)),
        Point(f"{name}/bad", name, "gw", bad, at, (TOTAL, BAD)),
    ]


def follow(
    t: Trial, *, state: TrialState | None = None, seconds: int = 40, **signals: tuple[float, float]
) -> TrialState:
    """Each signal with the candidate's and stable's failures among 50 requests per second and side."""
    state = state or TrialState()
    for second in range(seconds):
        readings = {
            name.replace("_", ":"): SignalReading(
                counted("new", second, 50 * second, new * 50 * second),
                counted("old", second, 50 * second, old * 50 * second),
                frozenset({"gw"}),
            )
            for name, (new, old) in signals.items()
        }
        state = observe_reading(state, t, Reading(readings, START + timedelta(seconds=second), float(second)))
    return state


def test_the_metric_that_speaks_loudest_is_the_reason() -> None:
    asked = trial(ERRORS, replace(WRONG, delay=0.0))
    judgement = judge_trial(follow(asked, Errors=(0.01, 0.01), query_wrong=(0.2, 0.02)), asked)
    assert judgement.verdict is Verdict.BAD
    assert judgement.message.startswith("wrong 20.0% on m-new")
    assert [s.verdict for s in judgement.summaries] == ["Good", "Bad"]
    assert ">= 200" in judgement.message, "half of the budget takes twice the evidence"


def test_metrics_that_are_each_a_little_worse_add_up() -> None:
    asked = trial(ERRORS, replace(WRONG, delay=0.0))
    state = follow(asked, seconds=12, Errors=(0.05, 0.02), query_wrong=(0.05, 0.02))
    judgement = judge_trial(state, asked)
    alone = max(figure.log_evidence - figure.log_threshold for figure in judgement.figures)
    assert judgement.log_evidence > max(f.log_evidence for f in judgement.figures) - 0.7
    assert judgement.suspicious == (alone >= -1.61)


def test_a_suspicion_is_not_enough_to_go_on_and_not_enough_to_go_back() -> None:
    asked = trial(replace(ERRORS, weight=1.0))
    for seconds in range(2, 60):
        judgement = judge_trial(follow(asked, seconds=seconds, Errors=(0.06, 0.02)), asked)
        if judgement.suspicious:
            break
    assert judgement.suspicious
    assert judgement.verdict is Verdict.NOT_ENOUGH_EVIDENCE


def test_one_metric_without_data_makes_the_whole_unknown() -> None:
    asked = trial(ERRORS, WRONG)
    state = follow(asked, Errors=(0.01, 0.01))
    nothing = Reading({"query:wrong": SignalReading()}, START + timedelta(seconds=41), 41.0)
    judgement = judge_trial(observe_reading(state, asked, nothing), asked)
    assert judgement.verdict is Verdict.CANNOT_MEASURE
    assert judgement.health.reason == reasons.NO_DATA
    assert "query:wrong" in judgement.health.message


def test_truth_that_comes_late_is_waited_for() -> None:
    asked = trial(replace(WRONG, weight=1.0), traffic_signal=None)
    state = follow(asked, seconds=40, query_wrong=(0.02, 0.02))
    judgement = judge_trial(state, asked)
    assert judgement.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert "known 60s later" in judgement.message
    assert judge_trial(follow(asked, seconds=70, query_wrong=(0.02, 0.02)), asked).verdict is Verdict.GOOD


def test_an_absolute_limit_convicts_though_stable_is_as_bad() -> None:
    asked = trial(SLO)
    judgement = judge_trial(follow(asked, Errors=(0.2, 0.2)), asked)
    assert judgement.verdict is Verdict.BAD
    assert "slo 20.0% on m-new" in judgement.message
    assert "allowed at most 2%" in judgement.message
    assert judge_trial(follow(asked, Errors=(0.01, 0.2)), asked).verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("proof", "verdict"), [(None, Verdict.GOOD), (50.0, Verdict.GOOD), (1.3, Verdict.NOT_ENOUGH_EVIDENCE)]
)
def test_promotion_may_ask_for_proof_that_a_regression_would_have_shown(proof: float | None, verdict: Verdict) -> None:
    asked = trial(replace(ERRORS, weight=1.0), must_detect=proof)
    judgement = judge_trial(follow(asked, Errors=(0.02, 0.02)), asked)
    assert judgement.verdict is verdict
    assert judgement.summaries[0].would_have_seen is not None
    if proof == 1.3:
        assert "1.3x must be excluded before promotion" in judgement.message


def test_restarts_are_evidence_and_their_absence_is_no_gap() -> None:
    asked = trial(replace(ERRORS, weight=0.5), RESTARTS)
    state = follow(asked, Errors=(0.01, 0.01))
    assert judge_trial(state, asked).verdict is Verdict.GOOD
    crashing = TrialState()
    for second in range(60):
        at, now = 1000.0 + second, START + timedelta(seconds=second)
        new = [Point("n/s", "n", "k", float(second), at, (TOTAL,)), Point("n/r", "n", "k", second // 6, at, (BAD,))]
        old = [Point("o/s", "o", "k", 4.0 * second, at, (TOTAL,)), Point("o/r", "o", "k", 0.0, at, (BAD,))]
        answer = SignalReading(new, old, frozenset({"k"}))
        crashing = observe_reading(crashing, asked, Reading({"Restarts": answer}, now, float(second)))
    judgement = judge_trial(crashing, asked)
    assert judgement.verdict is Verdict.BAD
    assert "restarts 9 on m-new in 59 pod-seconds" in judgement.message


def test_a_promoted_revision_is_measured_by_its_own_release() -> None:
    asked = trial(replace(ERRORS, weight=1.0))
    baseline = judge_trial(follow(asked, Errors=(0.01, 0.01)), asked).evidence
    saved = tuple(EvidenceState.model_validate(one.dump()) for one in baseline)
    watched = trial(
        replace(ERRORS, weight=1.0, margin=1.5), watched=True, weight=100, false_alarm=1e-5, traffic_signal=None
    )
    calm = follow(watched, state=open_watch(saved), seconds=200, Errors=(0.01, 0.01))
    assert judge_trial(calm, watched).verdict is Verdict.GOOD
    worse = follow(watched, state=open_watch(saved), seconds=60, Errors=(0.08, 0.08))
    assert judge_trial(worse, watched).verdict is Verdict.BAD


def test_evidence_with_several_bounds_survives_a_restart() -> None:
    asked = trial(replace(ERRORS, weight=1.0))
    state = follow(asked, Errors=(0.05, 0.02), seconds=8)
    saved = judge_trial(state, asked).evidence
    again = tuple(EvidenceState.model_validate(one.dump()) for one in saved)
    assert judge_trial(open_trial(again), asked).log_evidence == pytest.approx(
        judge_trial(state, asked).log_evidence, abs=0.01
    )


def test_gauges_without_a_value_are_unknown() -> None:
    asked = trial(Metric("drift", "gauge", "query:drift", high=0.2, needed=8), traffic_signal=None)
    state = TrialState()
    for second in range(20):
        at = 1000.0 + second
        answer = SignalReading([Point("d", "p", "p", 0.1 + 0.001 * (second % 3), at, (LEVEL,))])
        reading = Reading({"query:drift": answer}, START + timedelta(seconds=second), float(second))
        state = observe_reading(state, asked, reading)
    assert judge_trial(state, asked).verdict is Verdict.GOOD
    gone = Reading({"query:drift": SignalReading()}, START + timedelta(seconds=21), 21.0)
    assert judge_trial(observe_reading(state, asked, gone), asked).verdict is Verdict.CANNOT_MEASURE


def test_the_series_stays_small_and_spans_the_whole_release() -> None:
    asked = trial(*(replace(ERRORS, name=f"metric-{i}", weight=0.1) for i in range(10)))
    judgement: Judgement = judge_trial(follow(asked, Errors=(0.02, 0.02)), asked)
    series: tuple = ()  # type: ignore[type-arg]
    for look in range(500):
        series = observe_look(series, judgement, 5, START + timedelta(seconds=look))
    assert 2 < len(series) <= MAX_POINTS
    assert series[0].at == START
    assert series[-1].at == START + timedelta(seconds=499)
    assert sum(len(str(point.dump())) for point in series) <= 1.1 * MAX_BYTES
    assert observe_look((), replace(judgement, figures=()), 5, START) == ()
