"""How soon any test could know: the information limit.

Of all tests with a false-alarm rate of 1 %, none needs fewer requests of the candidate, on average, than
ln(1/0.01) / KL(faulty, usual), KL being the Kullback-Leibler divergence of one answer in nats, and stable taken as
known (Wald 1945; Lorden 1971). Where a scrape comes only every few seconds, the limit is the first scrape after that.
"""

import math
from collections.abc import Sequence

import numpy as np

from tests.bench.judge.draws import BOUNDS, RHO, RHO_SECONDS, find_slow_share
from tests.bench.judge.scenarios import FALSE_ALARM, Fault, Scenario, World
from tests.bench.judge.weather import find_overlap, make_clock


def measure_divergence(faulty: float, usual: float) -> float:
    """Nats that one answer brings where a share `faulty` of them is bad, and `usual` is usual."""
    first = faulty * math.log(faulty / usual) if faulty > 0 else 0.0
    second = (1.0 - faulty) * math.log((1.0 - faulty) / (1.0 - usual)) if faulty < 1 else 0.0
    return first + second


def count_requests(divergence: float) -> int:
    """Requests of the candidate that are needed at least."""
    return math.ceil(math.log(1.0 / FALSE_ALARM) / divergence)


def find_information(world: World, times: float) -> float:
    """Nats that one request of the candidate brings; of a gauge, that one second brings."""
    match world.kind:
        case "latency":
            return max(_compare_slow(bound, times) for bound in BOUNDS)
        case "gauge":
            # Two long-run variances, of candidate and stable, in units of sigma^2.
            variance = 2.0 * (1.0 + RHO) / (1.0 - RHO)
            return times * times / (2.0 * variance) / RHO_SECONDS
        case _:
            # A clump is one event, however many answers it spoils.
            return measure_divergence(min(times * world.ratio, 1.0), world.ratio) / world.clump


def find_limit(scenario: Scenario) -> float | None:
    """Seconds from the fault's beginning to the first scrape at which it could be known; None where it cannot be known
    before the rollout ends, or where there is no lasting fault. Bursts, and what sets pods apart, are left out.
    """
    fault, world = scenario.fault, scenario.world
    if fault is None or scenario.heals or fault.onset is None:
        return None
    clock = make_clock(1.0)
    there = find_overlap(clock, np.array(fault.onset), np.array(math.inf))
    requests = np.ones(len(there)) if world.kind == "gauge" else world.rate * clock.weights
    known = np.cumsum(requests * there * _informations(world, fault, clock.ends))
    needed = math.log(1.0 / FALSE_ALARM)
    if not fault.leaks and world.kind != "gauge":
        # Half a request tells nothing.
        divergence = find_information(world, fault.times)
        needed = count_requests(divergence) * divergence
    if known[-1] < needed:
        return None
    place = int(np.argmax(known >= needed))
    before = known[place - 1] if place else 0.0
    second = float(clock.starts[place] + (needed - before) / (known[place] - before))
    return math.ceil(second / scenario.interval - 1e-9) * scenario.interval - fault.onset


def _informations(world: World, fault: Fault, seconds: Sequence[float]) -> list[float]:
    if not fault.leaks:
        return [find_information(world, fault.times)] * len(seconds)
    return [find_information(world, 1.0 + (fault.times - 1.0) * second / seconds[-1]) for second in seconds]


def _compare_slow(bound: float, times: float) -> float:
    usual = float(find_slow_share(np.array(bound), np.array(0.0)))
    faulty = float(find_slow_share(np.array(bound), np.array(math.log(times))))
    return measure_divergence(faulty, usual) if 1e-9 < usual < 1 - 1e-9 else 0.0
