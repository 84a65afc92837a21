"""What judging costs: CPU time per metric and tick, and what is remembered of a rollout between two ticks.

Measured on rollouts without a fault, to their end, with the answer of the monitoring already read."""

import json
import pickle
import statistics
import sys
import time
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from serinus.core.trial import observe_reading
from serinus.core.verdict import judge_trial
from tests.bench.judge.production import (
    LOOK_SECONDS,
    build_readings,
    build_trials,
    expose,
    learn_past,
)
from tests.bench.judge.scenarios import GAUGE, LATENCY, STEADY, Scenario, World
from tests.bench.judge.weather import make_past, make_rollout, make_stream

WORLDS: dict[str, World] = {"errors": STEADY, "latency": LATENCY, "gauge": GAUGE}
RUNS = 5


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU per tick: to take a reading in, to judge, and of the whole past. Bytes: of the state as it is
    pickled, as it lies in memory (every object counted once), and of the evidence that is written to the status.
    """

    observe: float
    judge: float
    past: float
    pickled: int
    in_memory: int
    written: int


def measure_cost(kind: str, seed: int) -> Cost:
    """One metric of this kind, 8 stable pods, the median of some rollouts."""
    scenario = Scenario(f"cost of {kind}", WORLDS[kind])
    past = make_past(scenario.world, LOOK_SECONDS, RUNS, make_stream(seed, "past", scenario.world))
    rollout = make_rollout(scenario, past, make_stream(seed, scenario.name))
    exposed = expose(scenario, past, rollout)
    trials = build_trials(scenario, rollout.clock.pods.tolist())
    found = []
    for run in range(RUNS):
        readings = list(build_readings(exposed, run))
        began = time.process_time()
        state = learn_past(exposed, run, trials[0])
        learnt = time.process_time() - began
        observing = judging = 0.0
        for tick, reading in readings:
            trial = trials[max(tick, 0)]
            began = time.process_time()
            state = observe_reading(state, trial, reading)
            between = time.process_time()
            judgement = judge_trial(state, trial)
            judging += time.process_time() - between
            observing += between - began
        ticks = len(readings)
        written = len(json.dumps([one.dump() for one in judgement.evidence]))
        pickled = len(pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL))
        found.append(
            Cost(1e3 * observing / ticks, 1e3 * judging / ticks, 1e3 * learnt, pickled, size_of(state), written)
        )
    return Cost(*(statistics.median(getattr(one, each.name) for one in found) for each in fields(Cost)))


def size_of(value: Any, seen: set[int] | None = None) -> int:
    """Bytes of an object and of all that it holds, each object counted once."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(size_of(key, seen) + size_of(each, seen) for key, each in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return size + sum(size_of(each, seen) for each in value)
    if is_dataclass(value):
        held = getattr(value, "__dict__", None)
        size += sys.getsizeof(held) if held is not None else 0
        return size + sum(size_of(getattr(value, each.name), seen) for each in fields(value))
    return size
