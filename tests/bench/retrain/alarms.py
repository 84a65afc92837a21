"""False triggers a month where nothing has changed, and how long a true shift takes to be found."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from tests.bench.figures import Figure, find_percentile
from tests.bench.retrain.draws import (
    BLOCK,
    Floats,
    Reference,
    calibrate,
    draw_counts,
    draw_reference,
    psi_of,
    shares_of,
    slide,
)
from tests.bench.retrain.rules import count_edges, drift_trigger, fire, mean_of, quality_trigger

MONTH = timedelta(days=30)
TARGET = 1.0
"""False triggers a month."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHIFTS = (0.1, 0.2, 0.5, 1.0)
PATIENCE = timedelta(days=14)


@dataclass(frozen=True)
class Case:
    """A window as people use them, and where its threshold lies: a quantile of the score where nothing changed, or a
    number by custom."""

    name: str
    window: timedelta
    rows: int
    quantile: float | None = None
    fixed: float | None = None
    clump: int = 1
    promised: bool = True

    @property
    def blocks(self) -> int:
        return self.window // BLOCK

    def threshold(self, rng: np.random.Generator) -> float:
        if self.quantile is None:
            return self.fixed or 0.0
        return calibrate(rng, self.rows, self.quantile)


CASES = (
    Case("1 h window of 1,200 rows, p95", HOUR, 1_200, 0.95),
    Case("1 h window of 1,200 rows, p99", HOUR, 1_200, 0.99),
    Case("24 h window of 2,880 rows, p95", DAY, 2_880, 0.95),
    Case("24 h window of 2,880 rows, p99", DAY, 2_880, 0.99),
    Case("1 h window of 1,200 rows, PSI 0.1 by custom", HOUR, 1_200, fixed=0.1),
    Case("1 h window of 120 rows, PSI 0.1 by custom", HOUR, 120, fixed=0.1, promised=False),
    Case("1 h window of 1,200 rows in clumps of 4, p99", HOUR, 1_200, 0.99, clump=4, promised=False),
)
"""The last two break what the documentation asks for: enough rows, and a threshold of rows like those that come."""

RULES = ("every look", "for 30m", "for 1h", "1 window", "2 windows", "3 windows (default)")


def measure_alarms(months: int, seed: int) -> list[Figure]:
    """False triggers a month, by window and rule."""
    figures: list[Figure] = []
    for case in CASES:
        for rule, count in count_alarms(case, months, seed).items():
            target = TARGET if case.promised and rule == RULES[-1] else None
            figures.append(Figure(f"{case.name}: {rule}", count, "a month", target))
    return figures


def count_alarms(case: Case, months: int, seed: int) -> dict[str, float]:
    """Mean number of false triggers a month for each rule."""
    rng = np.random.default_rng([seed, case.rows, case.blocks, case.clump])
    found: dict[str, list[int]] = {rule: [] for rule in RULES}
    for _ in range(months):
        scores, threshold = _draw_month(case, rng)
        found["every look"].append(count_edges(scores, threshold, 1))
        found["for 30m"].append(count_edges(scores, threshold, 7))
        found["for 1h"].append(count_edges(scores, threshold, 13))
        windows = scores[:: case.blocks]
        for needed in (1, 2, 3):
            more = {} if needed == 3 else {"consecutiveWindows": needed}
            spec = drift_trigger(case.window, threshold, case.rows, **more)
            name = RULES[2 + needed]
            found[name].append(len(fire(spec, windows, case.window, case.rows)))
    return {rule: mean_of(counts) for rule, counts in found.items()}


def _draw_month(case: Case, rng: np.random.Generator) -> tuple[Floats, float]:
    """The score at every five minutes of a month, and the threshold: each month has a reference of its own."""
    reference = draw_reference(rng)
    steps = MONTH // BLOCK + case.blocks - 1
    blocks = draw_counts(rng, reference.shares, case.rows // case.blocks, (steps,), case.clump)
    return psi_of(slide(blocks, case.blocks)), case.threshold(rng)


@dataclass(frozen=True)
class Quality:
    """An accuracy that stays what it is, of so many labelled rows in a window, and how many of its standard errors
    fireBelow lies under it."""

    window: timedelta
    rows: int
    errors: float
    accuracy: float = 0.93

    @property
    def name(self) -> str:
        hours = self.window / HOUR
        return f"accuracy of {self.rows:,} rows in {hours:g} h, fireBelow {self.errors:g} standard errors lower"

    @property
    def limit(self) -> float:
        return self.accuracy - self.errors * float(np.sqrt(self.accuracy * (1 - self.accuracy) / self.rows))


QUALITIES = (
    Quality(HOUR, 500, 2.5),
    Quality(6 * HOUR, 500, 2.0),
    Quality(6 * HOUR, 500, 2.5),
    Quality(DAY, 2_000, 2.0),
)


def measure_qualities(months: int, seed: int) -> list[Figure]:
    """False triggers a month of quality triggers at their default of two windows."""
    figures = []
    for one in QUALITIES:
        rng = np.random.default_rng([seed, one.rows, one.window // HOUR, round(10 * one.errors)])
        trigger = quality_trigger(one.window, one.limit)
        counts = []
        for _ in range(months):
            scores = rng.binomial(one.rows, one.accuracy, size=MONTH // one.window) / one.rows
            counts.append(len(fire(trigger, scores, one.window, one.rows)))
        figures.append(Figure(f"{one.name}: 2 windows (default)", mean_of(counts), "a month", TARGET))
    return figures


def measure_delays(shifts: int, seed: int) -> list[Figure]:
    """How long a shift of the mean takes to be found, in windows, at the default rule."""
    figures: list[Figure] = []
    for case in CASES[:4]:
        for size in SHIFTS:
            delays = list(draw_delays(case, size, shifts, seed))
            found = [one for one in delays if one is not None]
            name = f"{case.name}: mean +{size:g} sigma"
            figures.append(Figure(f"{name}: found within 14 days", 100 * len(found) / len(delays), "%"))
            for share, label in ((0.5, "p50"), (0.95, "p95")):
                value = find_percentile(found, share) if len(found) >= share * len(delays) else None
                figures.append(Figure(f"{name}: delay {label}", value, "windows"))
    return figures


def draw_delays(case: Case, size: float, shifts: int, seed: int) -> Iterator[float | None]:
    """Windows from the shift to the firing of each, None where it does not within `PATIENCE`. The shift comes at any
    moment of a window."""
    rng = np.random.default_rng([seed, case.rows, case.blocks, round(1000 * size)])
    per_block = case.rows // case.blocks
    for _ in range(shifts):
        reference, threshold = draw_reference(rng), case.threshold(rng)
        phase = int(rng.integers(case.blocks))
        before = draw_counts(rng, reference.shares, per_block, (case.blocks + phase,))
        after = draw_counts(rng, _shifted(reference, size), per_block, (PATIENCE // BLOCK,))
        scores = psi_of(slide(np.concatenate([before, after]), case.blocks))[:: case.blocks]
        fired = fire(drift_trigger(case.window, threshold, case.rows), scores, case.window, case.rows)
        # The first look ends `phase` blocks before the shift.
        yield fired[0] - phase / case.blocks if fired else None


def _shifted(reference: Reference, size: float) -> Floats:
    return shares_of(reference.edges, size)
