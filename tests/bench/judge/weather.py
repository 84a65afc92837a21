"""What happens in a world, for many runs at once: load, bursts, faults, and the counters of all pods.

Arrays have the axes [run, tick, pod, counter]; a tick is one scrape interval of a rollout, or one look at the past.
Everything is drawn from named streams: the same run of the same scenario is the same on every machine, whatever runs
beside it. Nothing here knows how it is judged."""

import math
import zlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from serinus.core.steps import size_for_weight
from tests.bench.judge.draws import (
    SLOW,
    Array,
    Mask,
    draw_errors,
    draw_latencies,
    draw_level,
    draw_restarts,
    find_chance,
    find_slow_share,
)
from tests.bench.judge.scenarios import PAST_SECONDS, PODS, SECONDS, STEP_SECONDS, WEIGHTS, Fault, Scenario, World

MOST_PODS = max(size_for_weight(PODS, weight) for weight in WEIGHTS)
BURST_RATIO, BURST_SECONDS, BURSTS = 0.06, 45.0, (3, 4)
"""Bursts per half hour: one number or the other."""


@dataclass(frozen=True)
class Clock:
    """A stretch of time in ticks of `interval` seconds; `starts` in seconds since it began, `weights` are the
    candidate's share of the requests and `pods` its pods in each tick.
    """

    interval: float
    starts: Array
    weights: Array
    pods: npt.NDArray[np.int64]

    @property
    def ends(self) -> Array:
        return self.starts + self.interval


@dataclass(frozen=True)
class Side:
    """One revision: `growth` of its counters (a gauge's level) [run, tick, pod, counter], `fresh` the part of it after
    a restart where `restarted` [run, tick, pod], and which pods were `scraped` [run, tick, pod].
    """

    growth: Array
    fresh: Array
    restarted: Mask
    scraped: Mask

    def cut(self, runs: int) -> "Side":
        return Side(self.growth[:runs], self.fresh[:runs], self.restarted[:runs], self.scraped[:runs])


@dataclass(frozen=True)
class Past:
    """Stable before the rollout, and what sets its pods apart for good [run, pod]."""

    clock: Clock
    stable: Side
    traits: Array

    def cut(self, runs: int) -> "Past":
        return replace(self, stable=self.stable.cut(runs), traits=self.traits[:runs])


@dataclass(frozen=True)
class Rollout:
    """Some runs of one scenario. `excess` [run, tick]: answers that are bad, or slow, because of the fault (as many as
    are to be expected); `onset` [run] in seconds; `blind` [run, tick]: the monitoring answers nothing at that tick's
    end.
    """

    clock: Clock
    candidate: Side
    stable: Side
    excess: Array
    onset: Array
    blind: Mask

    def cut(self, runs: int) -> "Rollout":
        return Rollout(
            self.clock,
            self.candidate.cut(runs),
            self.stable.cut(runs),
            self.excess[:runs],
            self.onset[:runs],
            self.blind[:runs],
        )


@dataclass(frozen=True)
class _Stage:
    """What both revisions share [run, tick]: requests/s, and the usual ratio of bad answers."""

    clock: Clock
    rate: Array
    ratio: Array


def make_stream(*names: object) -> np.random.Generator:
    """Random numbers that belong to these names."""
    return np.random.default_rng([zlib.crc32(repr(name).encode()) for name in names])


def make_clock(interval: float) -> Clock:
    starts = np.arange(0.0, SECONDS, interval)
    percent = [WEIGHTS[int((start + interval / 2) // STEP_SECONDS)] for start in starts]
    pods = np.array([size_for_weight(PODS, weight) for weight in percent])
    return Clock(interval, starts, np.array(percent) / 100.0, pods)


def make_past(world: World, look: float, runs: int, rng: np.random.Generator) -> Past:
    """The hour before the rollout, looked at every `look` seconds."""
    starts = np.arange(0.0, PAST_SECONDS, look)
    nobody = np.zeros(len(starts))
    clock = Clock(look, starts, nobody, nobody.astype(np.int64))
    traits = _draw_traits(world, PODS, runs, rng)
    return Past(clock, _serve_as_stable(world, _set_stage(world, clock, runs, rng), traits, rng), traits)


def make_rollout(scenario: Scenario, past: Past, rng: np.random.Generator) -> Rollout:
    """One rollout after each of those pasts; the candidate's pods are drawn from the same lot as stable's."""
    world, clock, runs = scenario.world, make_clock(scenario.interval), len(past.traits)
    traits = _draw_traits(world, MOST_PODS, runs, rng)
    stage = _set_stage(world, clock, runs, rng)
    onset, strength = _find_strength(scenario.fault, clock, runs, rng)
    stable = _serve_as_stable(world, stage, past.traits, rng)
    candidate = _serve_as_candidate(world, stage, strength, traits, rng)
    excess = _count_excess(world, stage, strength, traits, candidate)
    return Rollout(clock, candidate, stable, excess, onset, _find_blindness(world, clock, runs, rng))


def find_overlap(clock: Clock, begin: Array, end: Array) -> Array:
    """The share of each tick that lies between `begin` and `end` (seconds, broadcast against the ticks)."""
    return np.clip(np.minimum(clock.ends, end) - np.maximum(clock.starts, begin), 0.0, None) / clock.interval


def _draw_traits(world: World, pods: int, runs: int, rng: np.random.Generator) -> Array:
    # A gauge is computed for a whole revision, by one job.
    return rng.normal(0.0, world.unlike, (runs, 1 if world.kind == "gauge" else pods))


def _set_stage(world: World, clock: Clock, runs: int, rng: np.random.Generator) -> _Stage:
    shape = (runs, len(clock.starts))
    phase = rng.uniform(0.0, 1.0, (runs, 1))
    hours = (clock.starts + clock.interval / 2) / 3600.0
    swing = np.broadcast_to(1.0 + world.swing * np.sin(2 * math.pi * (hours + phase)), shape)
    ratio = world.ratio * swing
    if world.bursts:
        share = np.zeros(shape)
        for part in range(round(float(clock.ends[-1]) / SECONDS)):
            starts = rng.uniform(0.0, SECONDS - BURST_SECONDS, (runs, BURSTS[1])) + part * SECONDS
            starts[rng.random(runs) < 0.5, BURSTS[0] :] = math.inf
            for start in starts.T:
                share += find_overlap(clock, start[:, None], start[:, None] + BURST_SECONDS)
        ratio = ratio + np.minimum(share, 1.0) * (BURST_RATIO - world.ratio)
    return _Stage(clock, world.rate * swing, ratio)


def _find_strength(
    fault: Fault | None, clock: Clock, runs: int, rng: np.random.Generator
) -> tuple[Array, Array | None]:
    """When the fault begins [run], and how many times as bad the candidate is [run, tick]."""
    if fault is None:
        return np.zeros(runs), None
    lasts = math.inf if fault.lasts is None else fault.lasts
    latest = SECONDS - (fault.lasts or 0.0)
    onset = rng.uniform(0.0, latest, runs) if fault.onset is None else np.full(runs, fault.onset)
    share = find_overlap(clock, onset[:, None], onset[:, None] + lasts)
    if fault.leaks:
        share = share * (clock.starts + clock.interval / 2) / SECONDS
    return onset, 1.0 + (fault.times - 1.0) * share


def _serve_as_stable(world: World, stage: _Stage, traits: Array, rng: np.random.Generator) -> Side:
    ticks, pods = len(stage.clock.starts), traits.shape[1]
    share = np.broadcast_to((1.0 - stage.clock.weights[:, None]) / pods, (ticks, pods))
    return _serve(world, stage, share, np.ones((ticks, pods), bool), None, traits, rng)


def _serve_as_candidate(
    world: World, stage: _Stage, strength: Array | None, traits: Array, rng: np.random.Generator
) -> Side:
    pods = np.minimum(stage.clock.pods, traits.shape[1])[:, None]
    active = np.arange(traits.shape[1]) < pods
    return _serve(world, stage, active * stage.clock.weights[:, None] / pods, active, strength, traits, rng)


def _serve(
    world: World,
    stage: _Stage,
    share: Array,
    active: Mask,
    strength: Array | None,
    traits: Array,
    rng: np.random.Generator,
) -> Side:
    """The figures of pods that get these shares of the requests [tick, pod]."""
    shape, interval = (*stage.rate.shape, traits.shape[1]), stage.clock.interval
    requests = rng.poisson(stage.rate[:, :, None] * interval * share)
    if world.kind == "gauge":
        growth = draw_level(interval, strength, shape, rng)
    elif world.kind == "latency":
        growth = draw_latencies(world, interval, requests, strength, traits, rng)
    else:
        growth = draw_errors(world, requests, find_chance(stage.ratio, strength, traits), rng)
    restarted, fresh = draw_restarts(world, interval, growth, rng)
    lost = rng.random(shape) < world.missing
    return Side(growth, fresh, restarted, active & ~lost)


def _count_excess(world: World, stage: _Stage, strength: Array | None, traits: Array, candidate: Side) -> Array:
    if strength is None or world.kind == "gauge":
        return np.zeros(stage.rate.shape)
    if world.kind == "latency":
        requests, worse = candidate.growth[..., -1], np.log(strength)[:, :, None]
        usual = find_slow_share(np.array(SLOW), traits[:, None, :])
        now = find_slow_share(np.array(SLOW), traits[:, None, :] + worse)
    else:
        requests = candidate.growth.sum(axis=-1)
        usual, now = find_chance(stage.ratio, None, traits), find_chance(stage.ratio, strength, traits)
    return (requests * (now - usual)).sum(axis=-1)


def _find_blindness(world: World, clock: Clock, runs: int, rng: np.random.Generator) -> Mask:
    begin = rng.uniform(clock.interval, SECONDS - world.outage, (runs, 1))
    return (clock.ends > begin) & (clock.ends <= begin + world.outage)
