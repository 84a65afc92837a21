"""The race: every rule over the same runs of every scenario, spread over processes.

A unit of work is some runs of all scenarios of one world, so that their common past is learnt once."""

import math
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.bench.judge.draws import Array
from tests.bench.judge.production import LOOK_SECONDS, NAME, build_trials, expose, judge_run, learn_past
from tests.bench.judge.scenarios import Scenario, World
from tests.bench.judge.score import Runs, Score, score_runs, sum_excess
from tests.bench.judge.significance import RULES
from tests.bench.judge.tally import build_tally
from tests.bench.judge.thresholds import THRESHOLDS
from tests.bench.judge.weather import Rollout, make_past, make_rollout, make_stream

HELD = f"{NAME}: kept from advancing"
"""The looser bar: not a rollback, but it costs a person's time when it is wrong."""

OTHERS = {**THRESHOLDS, **RULES}
CHUNK = 50
"""Runs that are drawn together. Run number n of a scenario is the same however many runs are asked for."""

Key = tuple[str, str]
"""Names of scenario and rule."""


@dataclass(frozen=True)
class Task:
    """`runs` runs of one chunk of all scenarios of one world."""

    seed: int
    world: World
    scenarios: tuple[Scenario, ...]
    chunk: int
    runs: int


def plan_tasks(scenarios: Iterable[Scenario], runs: int, seed: int) -> list[Task]:
    """The long ones first, so that no process is left alone with one at the end."""
    by_world: dict[World, list[Scenario]] = {}
    for scenario in scenarios:
        by_world.setdefault(scenario.world, []).append(scenario)
    tasks = [
        Task(seed, world, tuple(group), chunk, min(CHUNK, runs - chunk * CHUNK))
        for world, group in by_world.items()
        for chunk in range(math.ceil(runs / CHUNK))
    ]
    return sorted(tasks, key=lambda task: -sum(1 / one.interval for one in task.scenarios))


def run_task(task: Task) -> dict[Key, Runs]:
    """All rules over the task's runs."""
    past = make_past(task.world, LOOK_SECONDS, CHUNK, make_stream(task.seed, "past", task.world, task.chunk))
    learnt = None
    results: dict[Key, Runs] = {}
    for scenario in task.scenarios:
        rollout = make_rollout(scenario, past, make_stream(task.seed, scenario.name, task.chunk))
        exposed = expose(scenario, past, rollout)
        if learnt is None:
            trial = build_trials(scenario, rollout.clock.pods.tolist())[0]
            learnt = [learn_past(exposed, run, trial) for run in range(task.runs)]
        outcomes = [judge_run(exposed, run, learnt[run]) for run in range(task.runs)]
        rollout = rollout.cut(task.runs)
        moments: dict[str, Array] = {
            NAME: np.array([one.rolled_back for one in outcomes]),
            HELD: np.array([one.suspected for one in outcomes]),
        }
        tally = build_tally(task.world, rollout)
        for name, rule in OTHERS.items():
            moment = rule(tally)
            if moment is not None:
                moments[name] = moment
        for name, moment in moments.items():
            results[scenario.name, name] = _account(rollout, moment)
    return results


def run_race(
    scenarios: Sequence[Scenario], runs: int, seed: int, processes: int, on_done: Callable[[int, int], None]
) -> dict[Key, Score]:
    """All scores. `on_done` hears how many tasks of how many are done."""
    tasks = plan_tasks(scenarios, runs, seed)
    parts: dict[Key, dict[int, Runs]] = {}
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for number, (chunk, results) in enumerate(pool.imap_unordered(_run_named, tasks), 1):
            for key, found in results.items():
                parts.setdefault(key, {})[chunk] = found
            on_done(number, len(tasks))
    return {key: score_runs(Runs.join([found[chunk] for chunk in sorted(found)])) for key, found in parts.items()}


def _run_named(task: Task) -> tuple[int, dict[Key, Runs]]:
    return task.chunk, run_task(task)


def _account(rollout: Rollout, moment: Array) -> Runs:
    interval = rollout.clock.interval
    ticks = np.clip(np.ceil(np.minimum(moment, 1e9) / interval).astype(int) - 1, 0, rollout.blind.shape[1] - 1)
    blind = np.isfinite(moment) & np.take_along_axis(rollout.blind, ticks[:, None], axis=1)[:, 0]
    return Runs(moment, rollout.onset, sum_excess(rollout.excess, interval, moment), blind)
