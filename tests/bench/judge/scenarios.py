"""What is simulated: worlds in which a release changes nothing, and faults that it may bring.

A world says how stable behaves, before the rollout and during it; a scenario adds what is wrong with the candidate.
A scenario without a fault is exchangeable: whatever is odd in it (bursts, clumps, unlike pods, restarts, lost scrapes)
happens to both revisions by the same law. Nothing here may depend on what is tested."""

from dataclasses import dataclass, replace
from typing import Literal

WEIGHTS = (5, 10, 25, 50, 75)
STEP_SECONDS = 360.0
SECONDS = STEP_SECONDS * len(WEIGHTS)
PODS = 8
"""Stable's pods, all the time; the candidate is sized by its weight as the operator does it: 1, 1, 2, 4, 6."""

PAST_SECONDS = 3600.0
FALSE_ALARM = 0.01

Kind = Literal["errors", "outcomes", "latency", "gauge"]


@dataclass(frozen=True)
class World:
    """How stable behaves. `rate` in requests/s over both revisions, `ratio` the share of bad answers.

    `clump`: bad answers come in groups of this size, on one pod; `unlike`: standard deviation of the logarithm of the
    pods' own ratios (or latencies), which they keep for good; `wander`: the same for latencies that come and go (AR(1),
    time constant two minutes); `bursts`: now and then 45 s at 6 % everywhere; `swing`: load and ratio rise and fall by
    this share of them within an hour; `restarts`: seconds between two restarts of a pod, on average; `missing`: share
    of a pod's scrapes that fail; `outage`: seconds for which the monitoring answers nothing. `pods_known` is False
    where a gateway counts that cannot tell pods apart, `past_known` where nobody can ask for the hour before the
    rollout (queries of a user's own). `margin` is the user's `maxRegression`.
    """

    kind: Kind = "errors"
    rate: float = 50.0
    ratio: float = 0.005
    clump: int = 1
    unlike: float = 0.0
    wander: float = 0.0
    bursts: bool = False
    swing: float = 0.0
    restarts: float | None = None
    missing: float = 0.0
    outage: float = 0.0
    pods_known: bool = True
    past_known: bool = True
    margin: float = 1.2


@dataclass(frozen=True)
class Fault:
    """What is wrong with the candidate: its ratio of bad answers, or its latencies, are `times` those of stable; a
    gauge lies `times` standard deviations lower. From `onset` on (seconds; None: at any moment) for `lasts` seconds
    (None: for good); `leaks`: from 1x to `times` in a straight line over the whole rollout.
    """

    times: float
    onset: float | None = 0.0
    lasts: float | None = None
    leaks: bool = False


@dataclass(frozen=True)
class Scenario:
    """One row of the table, and what is promised for it.

    `false_target`: largest share of runs that may be rolled back; `delay_target`: largest median delay in seconds;
    `limit_target`: largest median delay in units of the information limit.
    """

    name: str
    world: World = World()
    fault: Fault | None = None
    interval: float = 15.0
    false_target: float | None = None
    delay_target: float | None = None
    limit_target: float | None = None

    @property
    def heals(self) -> bool:
        """Whether the fault is over before anybody could act on it."""
        return self.fault is not None and self.fault.lasts is not None

    @property
    def harmless(self) -> bool:
        """Whether a rollback would be one too many: nothing changed, or it is over."""
        return self.fault is None or self.heals


STEADY = World()
BURSTS = World(bursts=True)
CLUMPS = World(clump=8)
UNLIKE = World(unlike=0.5)
SLIGHTLY_UNLIKE = World(unlike=0.3)
QUIET = World(rate=1.0)
LATENCY = World("latency")
WANDERING = World("latency", wander=0.05)
UNLIKE_LATENCY = World("latency", unlike=0.05)
OUTCOMES = World("outcomes", rate=10.0, ratio=0.05, margin=1.1, past_known=False)
GAUGE = World("gauge", past_known=False)

EXCHANGEABLE, UNRULY = 0.01, 0.02
LIMIT = 4.0


def _within_limit(name: str, times: float, **more: float) -> Scenario:
    return Scenario(name, STEADY, Fault(times), limit_target=LIMIT, **more)


def _unchanged(name: str, world: World, target: float = EXCHANGEABLE, **more: float) -> Scenario:
    return Scenario(name, world, false_target=target, **more)


UNCHANGED = (
    _unchanged("steady", STEADY),
    _unchanged("shared bursts", BURSTS),
    _unchanged("day and night, ±80 %", World(swing=0.8)),
    _unchanged("1 request/s", QUIET),
    _unchanged("each pod restarts every 5 min", World(restarts=300.0)),
    _unchanged("20 % of the scrapes missing", World(missing=0.2)),
    _unchanged("monitoring out for 3 min", World(outage=180.0)),
    _unchanged("errors in clumps of 8", CLUMPS, UNRULY),
    _unchanged("pods differ for good, s = 0.5", UNLIKE, UNRULY),
    _unchanged("pods differ for good, s = 0.3", SLIGHTLY_UNLIKE, UNRULY),
    Scenario("candidate alone at 6 % for 30 s", STEADY, Fault(12.0, None, 30.0)),
)

ERRORS = (
    Scenario("2x", STEADY, Fault(2.0)),
    _within_limit("4x", 4.0),
    _within_limit("20x", 20.0, delay_target=30.0),
    _within_limit("100x", 100.0, delay_target=30.0),
    Scenario("slow leak to 4x", STEADY, Fault(4.0, leaks=True)),
    Scenario("4x from minute 10 on", STEADY, Fault(4.0, 600.0), limit_target=LIMIT),
    Scenario("20x from minute 10 on", STEADY, Fault(20.0, 600.0), delay_target=30.0, limit_target=LIMIT),
    Scenario("2x during shared bursts", BURSTS, Fault(2.0)),
    Scenario("20x at 1 request/s", QUIET, Fault(20.0)),
    Scenario("4x, errors in clumps", CLUMPS, Fault(4.0)),
    Scenario("20x, errors in clumps", CLUMPS, Fault(20.0)),
    Scenario("4x, pods differ, s = 0.5", UNLIKE, Fault(4.0)),
    Scenario("20x, pods differ, s = 0.5", UNLIKE, Fault(20.0)),
)

AT_GATEWAY = (
    _unchanged("gateway counts: steady", replace(STEADY, pods_known=False)),
    _unchanged("gateway counts: shared bursts", replace(BURSTS, pods_known=False)),
    _unchanged("gateway counts: errors in clumps of 8", replace(CLUMPS, pods_known=False), UNRULY),
    _unchanged("gateway counts: pods differ, s = 0.5", replace(UNLIKE, pods_known=False), UNRULY),
    Scenario("gateway counts: 4x", replace(STEADY, pods_known=False), Fault(4.0), limit_target=LIMIT),
    Scenario("gateway counts: 20x", replace(STEADY, pods_known=False), Fault(20.0), delay_target=30.0),
    Scenario("gateway counts: 2x during shared bursts", replace(BURSTS, pods_known=False), Fault(2.0)),
)

SLOWNESS = (
    _unchanged("gateway counts: latency: steady", replace(LATENCY, pods_known=False)),
    _unchanged("gateway counts: latency: pods differ by 5 %", replace(UNLIKE_LATENCY, pods_known=False), UNRULY),
    Scenario("gateway counts: latency: +50 %", replace(LATENCY, pods_known=False), Fault(1.5), delay_target=30.0),
    _unchanged("latency: steady", LATENCY),
    _unchanged("latency: pods wander by 5 %", WANDERING, UNRULY),
    _unchanged("latency: pods differ by 5 % for good", UNLIKE_LATENCY, UNRULY),
    Scenario("latency: +20 %", LATENCY, Fault(1.2)),
    Scenario("latency: +50 %", LATENCY, Fault(1.5), delay_target=30.0),
    Scenario("latency: 2x", LATENCY, Fault(2.0), delay_target=30.0),
    Scenario("latency: +50 %, pods wander", WANDERING, Fault(1.5)),
    Scenario("latency: 2x, pods wander", WANDERING, Fault(2.0)),
)

QUALITY = (
    _unchanged("outcomes: accuracy unchanged", OUTCOMES),
    Scenario("outcomes: accuracy -2 points", OUTCOMES, Fault(1.4)),
    _unchanged("gauge: unchanged, autocorrelation 0.8", GAUGE),
    _unchanged("gauge: the same, past known", replace(GAUGE, past_known=True)),
    Scenario("gauge: 2 sigma lower, autocorrelation 0.8", GAUGE, Fault(2.0)),
    Scenario("gauge: 2 sigma lower, past known", replace(GAUGE, past_known=True), Fault(2.0)),
)

SHORT = (
    _unchanged("5 s scrapes: steady", STEADY, interval=5.0),
    _unchanged("5 s scrapes: errors in clumps of 8", CLUMPS, UNRULY, interval=5.0),
    Scenario("5 s scrapes: 4x", STEADY, Fault(4.0), 5.0, limit_target=LIMIT),
    Scenario("5 s scrapes: latency +50 %", LATENCY, Fault(1.5), 5.0, delay_target=30.0),
    Scenario("1 s scrapes: 20x", STEADY, Fault(20.0), 1.0, limit_target=LIMIT),
    Scenario("1 s scrapes: 100x", STEADY, Fault(100.0), 1.0, limit_target=LIMIT),
)

SCENARIOS = (*UNCHANGED, *ERRORS, *AT_GATEWAY, *SLOWNESS, *QUALITY, *SHORT)
