"""A thousand policies on one operator: what their metrics cost while nothing happens.

Time is simulated, the source answers at once; everything else is the operator's own code: one pass for each word that
`Signals` gives, with the queries parsed, the triggers assessed and the decision made."""

import asyncio
import resource
import time
import tracemalloc
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import TriggerState
from serinus.controllers.analyst import Provider
from serinus.controllers.signals import Signals
from serinus.controllers.wants import build_wants
from serinus.core.retrain.assess import Seen, assess_triggers
from serinus.core.retrain.decision import decide_start
from serinus.core.retrain.looks import next_look
from serinus.core.retrain.standing import Nothing, Standing
from serinus.engine.store import Key
from serinus.metrics.source import Answer, QueryResult, Sample, Series
from tests.bench.figures import Figure
from tests.fakes.clock import START, LoopClock, run_jumping

PROVIDER = Provider("default", "http://prometheus:9090", 15.0, 3.0)
WINDOW = timedelta(hours=1)
QUERIES = 3
"""Each policy has a drift trigger with a count of rows, and a quality trigger."""
POLICY = RetrainPolicySpec.model_validate(
    {
        "modelDeploymentRef": {"name": "fraud"},
        "mode": "Automatic",
        "template": {"apiVersion": "batch/v1", "kind": "Job"},
        "triggers": [
            {
                "name": "drift",
                "metric": {
                    "query": 'max(model_drift_score{statistic="psi",version="{{revision}}"})',
                    "signal": "Drift",
                    "fireAbove": "0.2",
                    "window": "1h",
                    "minSamples": {"query": "max(model_drift_window_samples)", "value": 1000},
                },
            },
            {"name": "f1", "metric": {"query": 'model_quality{metric="f1"}', "fireBelow": "0.9", "window": "1h"}},
        ],
    }
)


class Source:
    """All is well, at once."""

    async def fetch_instant(self, query: str) -> QueryResult:
        at = START.timestamp() + asyncio.get_running_loop().time()
        value = 0.05 if "drift_score" in query else 5000.0 if "samples" in query else 0.95
        return Answer((Series({}, (Sample(at, value),)),))

    async def fetch_series(self, query: str) -> QueryResult:
        raise NotImplementedError

    async def fetch_history(self, query: str, start: datetime, end: datetime, step: float) -> QueryResult:
        raise NotImplementedError

    def close(self) -> None:
        return None


@dataclass
class Fleet:
    """The policies, their states, and what has been counted."""

    size: int
    clock: LoopClock = field(default_factory=LoopClock)
    states: dict[Key, tuple[TriggerState, ...]] = field(default_factory=dict)
    passes: int = 0
    writes: int = 0
    starts: int = 0
    seconds: float = 0.0

    def start(self, signals: Signals) -> None:
        for number in range(self.size):
            self.take_turn(signals, Key("RetrainPolicy", f"team-{number}", "fraud"))

    def take_turn(self, signals: Signals, key: Key) -> None:
        """What a reconcile does with the pure functions."""
        started, now = time.process_time(), self.clock.now()
        states = self.states.get(key, ())
        wants, _ = build_wants(POLICY, key.namespace, "fraud-1a2b3c4d", next_look(POLICY, states, now), now)
        readings = signals.watch(key, PROVIDER, wants)
        after = assess_triggers(POLICY, states, Seen(key.namespace, START, readings), now)
        decision = decide_start(Standing(key.name, key.namespace, POLICY, after, (), now))
        self.states[key] = after
        self.passes += 1
        self.writes += after != states
        self.starts += not isinstance(decision, Nothing)
        self.seconds += time.process_time() - started


@dataclass(frozen=True)
class Cost:
    """What one window of a settled fleet cost."""

    queries: float
    passes: float
    writes: float
    starts: int
    cpu_seconds: float
    pass_milliseconds: float
    memory_bytes: float


def run_fleet(size: int, windows: int) -> Cost:
    """Let a fleet settle for a window, then count for `windows` more."""
    return run_jumping(_run(size, windows))


async def _run(size: int, windows: int) -> Cost:
    tracemalloc.start()
    base, _ = tracemalloc.get_traced_memory()
    fleet = Fleet(size)
    signals = Signals(lambda provider: Source(), lambda key, urgent: fleet.take_turn(signals, key), fleet.clock)
    fleet.start(signals)
    await asyncio.sleep(WINDOW.total_seconds() / 2)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    began = (time.process_time(), signals.queries, fleet.passes, fleet.writes, fleet.seconds)
    # A window is waited for a little longer than it is.
    await asyncio.sleep(windows * WINDOW.total_seconds() * 1.01)
    cpu = time.process_time() - began[0]
    passes = fleet.passes - began[2]
    await signals.close()
    return Cost(
        queries=(signals.queries - began[1]) / windows,
        passes=passes / windows,
        writes=(fleet.writes - began[3]) / windows,
        starts=fleet.starts,
        cpu_seconds=cpu / windows,
        pass_milliseconds=1000 * (fleet.seconds - began[4]) / max(passes, 1),
        memory_bytes=(held - base) / size,
    )


def measure_fleet(size: int, windows: int) -> list[Figure]:
    """The figures of `run_fleet`, for an hour in which nothing happens."""
    cost = run_fleet(size, windows)
    name = f"{size:,} policies, {QUERIES} queries each, 1 h windows"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure(f"{name}: queries in an hour", cost.queries, "queries", QUERIES * size),
        Figure(f"{name}: passes in an hour", cost.passes, "passes", 2 * size),
        Figure(f"{name}: changes of status in an hour", cost.writes, "changes", 2 * size),
        Figure(f"{name}: runs started for nothing", cost.starts, "runs", 0),
        Figure(f"{name}: CPU in an hour", cost.cpu_seconds, "s", 10),
        Figure(f"{name}: CPU of a pass", cost.pass_milliseconds, "ms"),
        Figure(f"{name}: memory of a policy", cost.memory_bytes / 1024, "KiB", 64),
        Figure(f"{name}: memory of the process at most", peak, "MiB"),
    ]
