"""From scores to the entries of build/bench/judge.json, and from those to tables for people."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.judge.cost import Cost
from tests.bench.judge.limit import find_limit
from tests.bench.judge.production import NAME
from tests.bench.judge.race import HELD, OTHERS, Key
from tests.bench.judge.scenarios import ERRORS, EXCHANGEABLE, UNCHANGED, Scenario
from tests.bench.judge.score import Score, find_cost

PRICES = (10, 100, 1000)
FALSE, FOUND, MEDIAN, P90 = "rolled back", "found", "median delay", "p90 delay"
EXTRA, OVER, LIMIT, BLIND = "extra bad answers", "median delay over the limit", "limit", "rolled back while blind"
EARLY, COST = "rolled back before the fault", "expected cost"


@dataclass(frozen=True)
class Entry(Figure):
    """A figure that knows where it belongs. `low` and `high` are its 95 % interval, where it is a share."""

    scenario: str = ""
    rule: str = ""
    measure: str = ""
    low: float | None = None
    high: float | None = None


def build_entries(
    scenarios: Sequence[Scenario], scores: Mapping[Key, Score], costs: Mapping[str, Cost], runs: int, seed: int
) -> list[Entry]:
    """Everything that was measured, in the order of the scenarios."""
    entries = [_entry("", "", "runs", runs, "runs"), _entry("", "", "seed", seed, "")]
    for scenario in scenarios:
        limit = find_limit(scenario)
        if limit is not None:
            entries.append(_entry(scenario.name, "", LIMIT, limit, "s"))
        for rule in (NAME, HELD, *OTHERS):
            score = scores.get((scenario.name, rule))
            if score is not None:
                entries += _describe(scenario, rule, score, limit)
    entries += _price(scenarios, scores)
    for kind, cost in costs.items():
        entries += _describe_cost(kind, cost)
    return entries


def read_entries(path: Path) -> list[Entry]:
    """What was written. `ok` is worked out anew."""
    known = Entry.__dataclass_fields__
    return [Entry(**{k: v for k, v in one.items() if k in known}) for one in json.loads(path.read_text())]


def _entry(
    scenario: str, rule: str, measure: str, value: float | None, unit: str, target: float | None = None
) -> Entry:
    name = ", ".join(part for part in (rule, scenario, measure) if part)
    known = None if value is None or not math.isfinite(value) else value
    return Entry(name, known, unit, target, scenario, rule, measure)


def _describe(scenario: Scenario, rule: str, score: Score, limit: float | None) -> Iterable[Entry]:
    ours = rule == NAME

    def entry(measure: str, value: float, unit: str, target: float | None = None) -> Entry:
        return _entry(scenario.name, rule, measure, value, unit, target if ours else None)

    if scenario.harmless:
        target = None if scenario.false_target is None else 100 * scenario.false_target
        low, high = (100 * end for end in score.interval)
        one = entry(FALSE, 100 * score.rolled_back, "%", target)
        yield Entry(one.name, one.value, one.unit, one.target, one.scenario, rule, FALSE, low, high)
        if scenario.world.outage:
            yield entry(BLIND, score.blind, "runs", 0)
        return
    yield entry(FOUND, 100 * score.found, "%")
    if scenario.fault is not None and scenario.fault.onset:
        yield entry(EARLY, 100 * score.early, "%", 100 * EXCHANGEABLE)
    yield entry(MEDIAN, score.median, "s", scenario.delay_target)
    yield entry(P90, score.p90, "s")
    yield entry(EXTRA, score.extra, "answers")
    if limit is not None:
        yield entry(OVER, score.median / limit, "x", scenario.limit_target)


def _price(scenarios: Sequence[Scenario], scores: Mapping[Key, Score]) -> Iterable[Entry]:
    """Over the plain comparison of errors: the scenarios that every rule can be asked about."""
    run = {scenario.name for scenario in scenarios}
    faults = [one.name for one in ERRORS if one.name in run]
    unchanged = [one.name for one in UNCHANGED if one.name in run and one.fault is None]
    if not faults or not unchanged:
        return
    for rule in (NAME, *OTHERS):
        extras = [scores[name, rule].extra for name in faults]
        shares = [scores[name, rule].rolled_back for name in unchanged]
        for price in PRICES:
            yield _entry("", rule, f"{COST}, c = {price}", find_cost(extras, shares, price), "answers")


def _describe_cost(kind: str, cost: Cost) -> Iterable[Entry]:
    yield _entry(kind, NAME, "CPU per metric and tick", cost.observe + cost.judge, "ms", 0.2)
    yield _entry(kind, NAME, "of it to take the reading in", cost.observe, "ms")
    yield _entry(kind, NAME, "of it to judge", cost.judge, "ms")
    yield _entry(kind, NAME, "CPU for the hour before", cost.past, "ms")
    yield _entry(kind, NAME, "state of a rollout, pickled", cost.pickled, "bytes", 4096)
    yield _entry(kind, NAME, "state of a rollout, in memory", cost.in_memory, "bytes")
    yield _entry(kind, NAME, "evidence in the status", cost.written, "bytes")
