"""The judge as it is driven by the benchmark: the operator's own code, over samples as Prometheus would give them."""

import math

import numpy as np
import pytest

from serinus.controllers.analyst import HISTORY, HISTORY_LOOKS
from serinus.controllers.trials import RESTARTS_SHARE
from serinus.core.counters import BAD, TOTAL
from tests.bench.judge import race
from tests.bench.judge.cost import measure_cost, size_of
from tests.bench.judge.production import (
    LOOK_SECONDS,
    NAME,
    WEIGHT,
    Exposed,
    build_readings,
    build_trials,
    expose,
    judge_run,
    learn_past,
)
from tests.bench.judge.race import HELD, plan_tasks, run_race, run_task
from tests.bench.judge.scenarios import CLUMPS, LATENCY, PAST_SECONDS, STEADY, Fault, Scenario, World
from tests.bench.judge.score import Runs, score_runs
from tests.bench.judge.weather import make_past, make_rollout, make_stream

UNCHANGED = Scenario("steady", STEADY)
GROSS = Scenario("20x", STEADY, Fault(20.0))


def play(scenario: Scenario, runs: int = 4) -> Exposed:
    past = make_past(scenario.world, LOOK_SECONDS, runs, make_stream(1, "past", scenario.world))
    return expose(scenario, past, make_rollout(scenario, past, make_stream(1, scenario.name)))


def test_the_operator_is_driven_as_it_drives_itself() -> None:
    assert HISTORY.total_seconds() == PAST_SECONDS
    assert max(UNCHANGED.interval, PAST_SECONDS / HISTORY_LOOKS) == LOOK_SECONDS
    assert pytest.approx(1.0 - RESTARTS_SHARE) == WEIGHT


def test_readings_are_cumulative_counters_by_pod_and_code() -> None:
    exposed = play(UNCHANGED)
    readings = [reading.signals["Errors"] for _, reading in build_readings(exposed, 0)]
    assert len(readings) == 121
    assert readings[0].candidate == ()
    assert {point.unit for point in readings[-1].stable} == {f"old-{n}" for n in range(8)}
    assert {point.unit for point in readings[5].candidate} == {"new-0"}
    assert {point.unit for point in readings[-1].candidate} == {f"new-{n}" for n in range(6)}
    good = [p.value for answer in readings for p in answer.stable if p.unit == "old-3" and p.keys == (TOTAL,)]
    assert good == sorted(good)
    assert good[0] > 0
    served = exposed.rollout.stable.growth[0, :, 3, 0].sum()
    assert good[-1] - good[0] == served


def test_a_code_that_was_never_answered_has_no_series() -> None:
    exposed = play(UNCHANGED)
    for _, reading in build_readings(exposed, 0):
        answer = reading.signals["Errors"]
        assert all(point.value > 0 for point in (*answer.candidate, *answer.stable))
    bad = [p for p in answer.candidate if p.keys == (TOTAL, BAD)]
    assert bad


def test_while_the_monitoring_is_out_there_is_a_problem_and_no_sample() -> None:
    exposed = play(Scenario("outage", World(outage=180.0)))
    answers = [reading.signals["Errors"] for _, reading in build_readings(exposed, 0)]
    out = [answer for answer in answers if answer.problem is not None]
    assert len(out) == 12
    assert not any(answer.stable or answer.candidate for answer in out)


def test_the_trial_follows_the_steps() -> None:
    trials = build_trials(GROSS, play(GROSS).rollout.clock.pods.tolist())
    assert [trials[tick].weight for tick in (0, 23, 24, 119)] == [5, 5, 10, 75]
    assert [trials[tick].candidate_pods for tick in (0, 24, 48, 119)] == [1, 1, 2, 6]
    assert len({trial.step for trial in trials}) == 5


@pytest.mark.parametrize("scenario", [Scenario("clumps", CLUMPS, Fault(3.0)), Scenario("slow", LATENCY, Fault(1.15))])
def test_asking_only_when_there_is_evidence_changes_no_outcome(scenario: Scenario) -> None:
    exposed = play(scenario)
    for run in range(4):
        hasty, patient = judge_run(exposed, run), judge_run(exposed, run, always=True)
        assert (hasty.rolled_back, hasty.suspected) == (patient.rolled_back, patient.suspected)
        assert hasty.suspected <= hasty.rolled_back


def test_what_was_learnt_of_the_past_is_used() -> None:
    exposed = play(Scenario("clumps", CLUMPS))
    trial = build_trials(exposed.scenario, exposed.rollout.clock.pods.tolist())[0]
    learnt = learn_past(exposed, 0, trial)
    outcome = judge_run(exposed, 0, learnt)
    assert outcome.rolled_back == judge_run(exposed, 0).rolled_back
    assert learnt.metrics
    unknown = play(Scenario("own query", World("outcomes", ratio=0.05, past_known=False)))
    assert not learn_past(unknown, 0, trial).metrics


def race_of(*scenarios: Scenario, runs: int = 20, seed: int = 1) -> dict[race.Key, Runs]:
    results = {}
    for task in plan_tasks(scenarios, runs, seed):
        results.update(run_task(task))
    return results


def test_good_releases_stay_and_bad_ones_go_within_two_scrapes() -> None:
    results = race_of(UNCHANGED, GROSS)
    steady, gross = score_runs(results["steady", NAME]), score_runs(results["20x", NAME])
    assert steady.runs == gross.runs == 20
    assert steady.rolled_back <= 0.05
    assert gross.found == 1.0
    assert gross.median <= 30.0
    assert gross.extra < score_runs(results["20x", "Flagger 60 s x5, < 99 %"]).extra / 5
    held = results["20x", HELD].rolled_back
    assert (held <= results["20x", NAME].rolled_back).all()


def test_a_run_is_the_same_however_many_there_are_and_whoever_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = race_of(GROSS, runs=3), race_of(UNCHANGED, GROSS, runs=6)
    for rule in (NAME, "z-test, peeked", "the first form"):
        assert np.array_equal(few["20x", rule].rolled_back, many["20x", rule].rolled_back[:3])
        assert np.array_equal(few["20x", rule].extra, many["20x", rule].extra[:3])
    monkeypatch.setattr(race, "CHUNK", 50)
    done: list[tuple[int, int]] = []
    scores = run_race([GROSS], 3, 1, 2, lambda number, total: done.append((number, total)))
    assert scores["20x", NAME] == score_runs(few["20x", NAME])
    assert done == [(1, 1)]
    other = race_of(GROSS, runs=20, seed=2)["20x", NAME]
    assert not np.array_equal(other.rolled_back[:3], few["20x", NAME].rolled_back) or not np.array_equal(
        other.extra[:3], few["20x", NAME].extra
    )


def test_tasks_cover_every_run_once() -> None:
    tasks = plan_tasks([UNCHANGED, GROSS, Scenario("clumps", CLUMPS)], 120, 1)
    assert sum(task.runs for task in tasks if GROSS in task.scenarios) == 120
    assert sorted(task.runs for task in tasks) == [20, 20, 50, 50, 50, 50]
    assert all(len({scenario.world for scenario in task.scenarios}) == 1 for task in tasks)


def test_what_judging_costs_is_measured() -> None:
    cost = measure_cost("errors", 1)
    assert 0.0 < cost.observe < 50.0
    assert 0.0 < cost.judge < 50.0
    assert 100 < cost.pickled < cost.in_memory
    assert cost.written > 50


def test_every_object_is_counted_once() -> None:
    one = [math.pi] * 3
    assert size_of(one) == size_of([math.pi, math.pi, math.pi])
    assert size_of({"a": one, "b": one}) < size_of({"a": one, "b": [1.5, 2.5, 3.5]})
