"""From the moments at which a rule rolled back to the figures by which rules are compared. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.bench.judge.draws import Array

Z95 = 1.959963985


def find_wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927). ValueError without trials."""
    if trials <= 0:
        raise ValueError("no trials")
    share, square = successes / trials, Z95 * Z95
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = Z95 / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(frozen=True)
class Runs:
    """What one rule did in the runs of one scenario [run]: seconds until the rollback (infinite: none), when the fault
    began, bad answers that the fault caused until then, and whether the rollback came while the monitoring was out.
    """

    rolled_back: Array
    onset: Array
    extra: Array
    blind: Array

    @staticmethod
    def join(parts: Sequence["Runs"]) -> "Runs":
        return Runs(*(np.concatenate([getattr(p, name) for p in parts]) for name in Runs.__dataclass_fields__))


@dataclass(frozen=True)
class Score:
    """`rolled_back` is a share of all runs, with its 95 % interval; `early` is the share of runs that were rolled back
    before the fault began, which counts as not found. Delays in seconds over all runs, infinite where most (or a tenth)
    found nothing.
    """

    runs: int
    rolled_back: float
    interval: tuple[float, float]
    found: float
    early: float
    median: float
    p90: float
    extra: float
    blind: int


def score_runs(runs: Runs) -> Score:
    number = len(runs.rolled_back)
    rolled_back = np.isfinite(runs.rolled_back)
    early = runs.rolled_back < runs.onset
    found = rolled_back & ~early
    delays = np.sort(np.where(found, runs.rolled_back - runs.onset, math.inf))
    return Score(
        runs=number,
        rolled_back=float(rolled_back.mean()),
        interval=find_wilson(int(rolled_back.sum()), number),
        found=float(found.mean()),
        early=float(early.mean()),
        median=find_rank(delays, 0.5),
        p90=find_rank(delays, 0.9),
        extra=float(runs.extra.mean()),
        blind=int(runs.blind.sum()),
    )


def find_rank(ordered: Array, share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed: no interpolation."""
    return float(ordered[max(math.ceil(share * len(ordered)), 1) - 1])


def sum_excess(excess: Array, interval: float, until: Array) -> Array:
    """Bad answers that the fault caused until a moment [run], from those of every tick [run, tick]. Of a tick that has
    begun all are counted.
    """
    ticks = excess.shape[1]
    so_far = np.concatenate([np.zeros((len(excess), 1)), np.cumsum(excess, axis=1)], axis=1)
    place = np.where(np.isfinite(until), np.ceil(np.minimum(until, ticks * interval) / interval), ticks).astype(int)
    return np.take_along_axis(so_far, place[:, None], axis=1)[:, 0]


def find_cost(extras: Sequence[float], false_shares: Sequence[float], price: float) -> float:
    """One number for a rule: the bad answers that a fault costs, on average over the faults, and `price` of them for
    each rollback of a good release, on average over the harmless scenarios.
    """
    return sum(extras) / len(extras) + price * sum(false_shares) / len(false_shares)
