"""The judge under test: the operator's own code, fed with samples as Prometheus would give them.

The only file of the benchmark that knows the judge. It builds `Point`s per pod and series, opens a trial, shows it the
hour before, and asks for the verdict after every scrape, as the operator's analyst does. The steps follow the clock
whatever the verdict, so that all rules are compared over the same traffic; only the rollback counts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from serinus.api import reasons
from serinus.core.counters import BAD, LEVEL, TOTAL, Point, bound_key
from serinus.core.judge import SUSPICION, Verdict
from serinus.core.metric import Metric
from serinus.core.snapshot import Check
from serinus.core.trial import (
    Reading,
    SignalReading,
    Trial,
    TrialState,
    observe_history,
    observe_reading,
    open_trial,
)
from serinus.core.verdict import judge_trial
from tests.bench.judge.draws import BOUNDS
from tests.bench.judge.exposition import UNSEEN, Exposition, expose_counters, expose_level, merge_pods
from tests.bench.judge.scenarios import FALSE_ALARM, STEP_SECONDS, WEIGHTS, Scenario, World
from tests.bench.judge.weather import Past, Rollout, Side

NAME = "Serinus"
LOOK_SECONDS = 30.0
"""How far apart the looks at the past are: 120 of them in an hour."""

WEIGHT = 0.9
"""The part of the budget that one metric has; a tenth is kept for restarts of the candidate."""

MIN_REQUESTS = 200
START = datetime(2030, 1, 1, tzinfo=UTC)
OUTAGE = Check("False", reasons.UNREACHABLE, "connection refused")

_KEYS = {
    "errors": ((TOTAL,), (TOTAL, BAD)),
    "outcomes": ((TOTAL,), (TOTAL, BAD)),
    "latency": (*((bound_key(bound),) for bound in BOUNDS), (TOTAL,)),
    "gauge": ((LEVEL,),),
}


@dataclass(frozen=True)
class Outcome:
    """Seconds from the start of the rollout until it was rolled back, and until it was first kept from advancing by a
    suspicion; infinite where neither happened. `state` is what the judge remembered at the end.
    """

    rolled_back: float
    suspected: float
    state: TrialState


@dataclass(frozen=True)
class Exposed:
    """What can be scraped in the runs of one rollout, and in the hour before."""

    scenario: Scenario
    rollout: Rollout
    candidate: Exposition
    stable: Exposition
    past: Exposition


def expose(scenario: Scenario, past: Past, rollout: Rollout) -> Exposed:
    """Turn growth into counters, from the past on."""

    def merged(side: Side) -> Side:
        return side if scenario.world.pods_known else merge_pods(side)

    if scenario.world.kind == "gauge":
        sides = (expose_level(side) for side in (rollout.candidate, rollout.stable, past.stable))
        return Exposed(scenario, rollout, *sides)
    before = expose_counters(merged(past.stable), window=0)
    candidate = expose_counters(merged(rollout.candidate))
    stable = expose_counters(merged(rollout.stable), before.last)
    return Exposed(scenario, rollout, candidate, stable, before)


def build_metric(world: World) -> Metric:
    """The metric that a user would write for this world."""
    match world.kind:
        case "errors":
            return Metric("errors", "ratio", "Errors", WEIGHT, world.margin, needed=MIN_REQUESTS)
        case "outcomes":
            return Metric("accuracy", "ratio", "query:accuracy", WEIGHT, world.margin, needed=MIN_REQUESTS)
        case "latency":
            return Metric("latency", "latency", "Latency", WEIGHT, world.margin, needed=MIN_REQUESTS)
        case _:
            return Metric("accuracy", "gauge", "query:accuracy", WEIGHT, fall=0.0, needed=8)


def build_trials(scenario: Scenario, pods_by_tick: Sequence[int]) -> list[Trial]:
    """The trial as it stands in each tick."""
    metric = build_metric(scenario.world)
    ticks = round(STEP_SECONDS / scenario.interval)
    base = Trial(
        candidate="new",
        stable="old",
        started_at=START,
        weight=0,
        step=0,
        step_started_at=START,
        metrics=(metric,),
        min_requests=MIN_REQUESTS,
        interval_seconds=scenario.interval,
        measured_at="the pods",
        false_alarm=FALSE_ALARM,
        traffic_signal="Errors" if metric.signal == "Errors" else None,
    )
    trials: list[Trial] = []
    for step, weight in enumerate(WEIGHTS):
        began = START + timedelta(seconds=STEP_SECONDS * step)
        pods = pods_by_tick[step * ticks]
        trial = replace(base, weight=weight, step=step + 1, step_started_at=began, candidate_pods=pods)
        trials += [trial] * ticks
    return trials


def learn_past(exposed: Exposed, run: int, trial: Trial) -> TrialState:
    """A new trial that has seen the hour before its rollout, where that can be asked for."""
    state = open_trial(())
    if not exposed.scenario.world.past_known:
        return state
    signal = trial.metrics[0].signal
    begin = START.timestamp() - LOOK_SECONDS * exposed.past.values.shape[1]
    frames = [points for _, points in _walk("old", exposed.scenario.world, exposed.past, run, LOOK_SECONDS, begin)]
    return observe_history(state, trial, signal, frames, LOOK_SECONDS)


def judge_run(exposed: Exposed, run: int, past: TrialState | None = None, *, always: bool = False) -> Outcome:
    """Drive one rollout to its rollback or to its end. `past` is what `learn_past` returned for this run, if that is
    known already. `always` asks for a judgement even where the evidence alone says that there cannot be one.
    """
    trials = build_trials(exposed.scenario, exposed.rollout.clock.pods.tolist())
    state = learn_past(exposed, run, trials[0]) if past is None else past
    interval, suspected = exposed.scenario.interval, math.inf
    for tick, reading in build_readings(exposed, run):
        trial = trials[max(tick, 0)]
        state = observe_reading(state, trial, reading)
        if tick < 0 or not (always or _may_be_bad(state, trial)):
            continue
        judgement = judge_trial(state, trial)
        if judgement.verdict is Verdict.BAD:
            return Outcome((tick + 1) * interval, min(suspected, (tick + 1) * interval), state)
        if judgement.suspicious:
            suspected = min(suspected, (tick + 1) * interval)
    return Outcome(math.inf, suspected, state)


def build_readings(exposed: Exposed, run: int) -> Iterator[tuple[int, Reading]]:
    """The readings of one rollout by tick. Tick -1 is the one before the candidate's first request."""
    world, interval = exposed.scenario.world, exposed.scenario.interval
    signal = build_metric(world).signal
    began = START.timestamp()
    if world.kind != "gauge":
        first = _points(_names("old", world, exposed.stable), exposed.stable.first[run].tolist(), None, began, 0.0)
        answer = SignalReading((), first, frozenset(point.source for point in first))
        yield -1, Reading({signal: answer}, START, 0.0)
    sides = zip(
        _walk("new", world, exposed.candidate, run, interval, began),
        _walk("old", world, exposed.stable, run, interval, began),
        exposed.rollout.blind[run].tolist(),
        strict=True,
    )
    for tick, ((_, candidate), (_, stable), blind) in enumerate(sides):
        seconds = (tick + 1) * interval
        answer = SignalReading(problem=OUTAGE)
        if not blind:
            sources = frozenset(point.source for side in (candidate, stable) for point in side)
            answer = SignalReading(candidate, stable, sources)
        yield tick, Reading({signal: answer}, START + timedelta(seconds=seconds), seconds)


def _may_be_bad(state: TrialState, trial: Trial) -> bool:
    """Whether the evidence suffices for a suspicion at all. Only saves time: sentences are made for people."""
    metric = trial.metrics[0]
    return state.metric(metric.name).log_evidence + math.log(metric.weight * trial.false_alarm * SUSPICION) >= -1e-9


Names = list[tuple[str, list[tuple[str, tuple[str, ...]]]]]
"""Per pod its name, and the series that it exports with the sums that each adds to."""


def _names(side: str, world: World, exposition: Exposition) -> Names:
    pods = [f"{side}-{number}" for number in range(exposition.values.shape[2])]
    return [(pod, [(f"{pod}/{'+'.join(keys)}", keys) for keys in _KEYS[world.kind]]) for pod in pods]


def _walk(
    side: str, world: World, exposition: Exposition, run: int, interval: float, began: float
) -> Iterator[tuple[float, list[Point]]]:
    names = _names(side, world, exposition)
    rows: list[Any] = exposition.values[run].tolist()
    for tick, (row, ages) in enumerate(zip(rows, exposition.ages[run].tolist(), strict=True)):
        at = began + (tick + 1) * interval
        yield at, _points(names, row, ages, at, interval)


def _points(names: Names, row: list[list[float]], ages: list[int] | None, at: float, interval: float) -> list[Point]:
    """The samples of all pods. Counters by code that have counted nothing yet do not exist."""
    points = []
    for number, (pod, series) in enumerate(names):
        age = 0 if ages is None else ages[number]
        if age == UNSEEN:
            continue
        for (name, keys), value in zip(series, row[number], strict=True):
            if value or len(series) != 2:
                points.append(Point(name, pod, pod, value, at - age * interval, keys))
    return points
