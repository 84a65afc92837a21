"""The figures that one revision's pods export, drawn at random: errors, latencies, a gauge, restarts.

Arrays have the axes [run, tick, pod, counter]."""

import math

import numpy as np
import numpy.typing as npt

from tests.bench.judge.scenarios import World

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds: the buckets that Prometheus' client libraries give a histogram by default."""

MEDIAN, SIGMA = 0.15, 0.5
"""Of the latencies in seconds, lognormal; no bucket bound lies at the median."""

SLOW = 0.25
"""Seconds beyond which an answer counts as one that the fault made worse: the bound that shows a slowdown soonest."""

WANDER_SECONDS = 120.0
RHO, RHO_SECONDS = 0.8, 15.0
"""Correlation of two values of a gauge that are so many seconds apart."""


def find_chance(ratio: Array, strength: Array | None, traits: Array) -> Array:
    """The chance of a bad answer [run, tick, pod], from the usual `ratio` and the fault's `strength` [run, tick], and
    the logarithm `traits` [run, pod] of what sets a pod apart."""
    common = ratio if strength is None else ratio * strength
    return np.minimum(common[:, :, None] * np.exp(traits)[:, None, :], 1.0)


def draw_errors(world: World, requests: Array, chance: Array, rng: np.random.Generator) -> Array:
    """Counters [good, bad]."""
    if world.clump == 1:
        bad = rng.binomial(requests, chance)
    else:
        bad = world.clump * rng.poisson(requests * chance / world.clump)
    # A clump may be larger than the requests of its tick: then it brings its own.
    return np.stack([np.maximum(requests - bad, 0), bad], axis=-1).astype(float)


def draw_latencies(
    world: World, interval: float, requests: Array, strength: Array | None, traits: Array, rng: np.random.Generator
) -> Array:
    """The cumulative buckets, the last one being the count of all."""
    shift = np.broadcast_to(traits[:, None, :], requests.shape)
    if world.wander:
        shift = shift + world.wander * draw_autocorrelated(requests.shape, math.exp(-interval / WANDER_SECONDS), rng)
    if strength is not None:
        shift = shift + np.log(strength)[:, :, None]
    within = 1.0 - find_slow_share(np.array(BOUNDS), shift[..., None])
    shares = np.clip(np.diff(within, axis=-1, prepend=0.0, append=1.0), 0.0, None)
    shares /= shares.sum(axis=-1, keepdims=True)
    return np.cumsum(rng.multinomial(requests, shares), axis=-1).astype(float)


def find_slow_share(bound: Array, shift: Array) -> Array:
    """The share of answers slower than `bound` seconds where latencies are exp(`shift`) times the usual."""
    return 0.5 * (1.0 - _erf((np.log(bound / MEDIAN) - shift) / SIGMA / math.sqrt(2.0)))


_ERF_AT = np.linspace(-6.0, 6.0, 24_001)
_ERF = np.array([math.erf(x) for x in _ERF_AT])


def _erf(x: Array) -> Array:
    """Linear between points 0.0005 apart: off by less than 1e-7."""
    return np.interp(x, _ERF_AT, _ERF)


def draw_autocorrelated(shape: tuple[int, ...], rho: float, rng: np.random.Generator) -> Array:
    """AR(1) along axis 1 with mean 0 and standard deviation 1, in its stationary state from the first value on."""
    noise = rng.normal(size=shape)
    values = np.empty(shape)
    values[:, 0] = noise[:, 0]
    for tick in range(1, shape[1]):
        values[:, tick] = rho * values[:, tick - 1] + math.sqrt(1.0 - rho * rho) * noise[:, tick]
    return values


def draw_level(interval: float, strength: Array | None, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A gauge in units of its own standard deviation, lower by `strength` of them where that is above 1."""
    level = draw_autocorrelated(shape, RHO ** (interval / RHO_SECONDS), rng)
    if strength is not None:
        level = level - np.where(strength > 1.0, strength, 0.0)[:, :, None]
    return level[..., None]


def draw_restarts(world: World, interval: float, growth: Array, rng: np.random.Generator) -> tuple[Mask, Array]:
    """Which pods were restarted in a tick, and what their counters grew by after it."""
    shape = growth.shape[:3]
    if world.restarts is None:
        return np.broadcast_to(np.False_, shape), growth
    restarted = rng.random(shape) < -math.expm1(-interval / world.restarts)
    after = rng.uniform(0.0, 1.0, shape)[..., None]
    return restarted, np.floor(growth * after)
