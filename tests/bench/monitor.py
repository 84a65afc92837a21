"""How often a window without change is flagged, and how soon a real shift is: fixed limits against calibrated ones.

    python -m tests.bench.monitor --windows 2000

The monitor's own code on simulated rows. Each cell has its own references, because a threshold is right on the average
over references, not for each: 20 of them, with as many windows each. Needs no cluster."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from examples.monitor.serinus_monitor.calibration import Calibration
from examples.monitor.serinus_monitor.records import ReferenceRow
from examples.monitor.serinus_monitor.reference import Floats, Reference, build_reference
from examples.monitor.serinus_monitor.statistics import measure
from tests.bench.figures import Figure, publish

NAME = "monitor"
SIZES = (50, 100, 200, 500, 1000, 5000)
REFERENCES = 20
REFERENCE_ROWS = 10_000
FEATURES = 20
SHIFT = 0.5
"""Standard deviations by which one feature moves."""
ALARM = 0.01
LONGEST = 50
"""Windows after which nobody looks any further: a shift that was not seen counts as seen then."""


@dataclass(frozen=True)
class Cell:
    """Shares of windows (%) of one size that were flagged without change, and how a real shift was seen."""

    rows: int
    above_01: float
    above_02: float
    calibrated: float
    ks: float
    family: float
    three_in_a_row: float
    first_window: float
    delay: float
    delay_of_three: float


def main(windows: int) -> list[Cell]:
    return [measure_cell(rows, windows, np.random.default_rng([11, rows])) for rows in SIZES]


def measure_cell(rows: int, windows: int, rng: np.random.Generator) -> Cell:
    flags: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in ("0.1", "0.2", "psi", "ks", "family")}
    delays: list[int] = []
    delays_of_three: list[int] = []
    each = max(windows // REFERENCES, 1)
    for _ in range(REFERENCES):
        one, many = (_draw_reference(rng, features) for features in (1, FEATURES))
        alone, family = Calibration(one, ALARM), Calibration(many, ALARM)
        psi = np.array([score[0] for score in _score("psi", one, rng, rows, each)])
        flags["0.1"].append(psi > 0.1)
        flags["0.2"].append(psi > 0.2)
        flags["psi"].append(psi > alone.find_thresholds("psi", rows)[0])
        limit = alone.find_thresholds("ks", rows)[0]
        flags["ks"].append(np.array([score[0] > limit for score in _score("ks", one, rng, rows, each)]))
        limits = family.find_thresholds("psi", rows)
        flags["family"].append(np.array([(score > limits).any() for score in _score("psi", many, rng, rows, each)]))
        for _ in range(max(each // 10, 1)):
            shifted = [bool((score > limits).any()) for score in _score("psi", many, rng, rows, LONGEST, SHIFT)]
            delays.append(_find_run(shifted, 1))
            delays_of_three.append(_find_run(shifted, 3))
    shares = {name: 100 * float(np.mean(np.concatenate(found))) for name, found in flags.items()}
    threes = sum(_count_runs(list(found), 3) for found in flags["family"])
    return Cell(
        rows,
        shares["0.1"],
        shares["0.2"],
        shares["psi"],
        shares["ks"],
        shares["family"],
        1000 * threes / (REFERENCES * each),
        100 * float(np.mean([delay == 1 for delay in delays])),
        float(np.mean(delays)),
        float(np.mean(delays_of_three)),
    )


def _draw_reference(rng: np.random.Generator, features: int) -> Reference:
    drawn = rng.normal(size=(REFERENCE_ROWS, features))
    return build_reference(
        "drawn", [ReferenceRow(features={f"f{i:02}": float(v) for i, v in enumerate(r)}) for r in drawn]
    )


def _score(
    statistic: str, reference: Reference, rng: np.random.Generator, rows: int, windows: int, shift: float = 0.0
) -> Iterator[Floats]:
    for _ in range(windows):
        values = rng.normal(size=(rows, len(reference.features)))
        values[:, 0] += shift
        yield measure(statistic, reference, values)


def _find_run(flags: list[bool], length: int) -> int:
    """Windows until `length` in a row are flagged; LONGEST where that does not come."""
    run = 0
    for number, flag in enumerate(flags, start=1):
        run = run + 1 if flag else 0
        if run == length:
            return number
    return LONGEST


def _count_runs(flags: list[bool], length: int) -> int:
    found = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        if run == length:
            found, run = found + 1, 0
    return found


def build_page_table(cells: list[Cell]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in (
        "rows", "PSI > 0.1, %", "PSI > 0.2, %", "PSI calibrated, %", "KS calibrated, %", f"any of {FEATURES}, %",
        "3 in a row, of 1,000", "shift in 1st window, %", "windows to 1", "windows to 3 in a row",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for cell in cells:
        shares = (cell.above_01, cell.above_02, cell.calibrated, cell.ks, cell.family, cell.three_in_a_row)
        table.add_row(
            f"{cell.rows:,}",
            *(f"{share:.1f}" for share in shares),
            f"{cell.first_window:.0f}",
            f"{cell.delay:.1f}",
            f"{cell.delay_of_three:.1f}",
        )
    return table


def find_figures(cells: list[Cell]) -> list[Figure]:
    """Targets: at most half as many false alarms again as were asked for, and a shift of half a standard deviation in
    one of the features at the first look where there are as many rows as the default policy demands."""
    figures = []
    for cell in cells:
        rows = f"{cell.rows:,} rows"
        figures += [
            Figure(f"{rows}: no change, PSI > 0.1", cell.above_01, "%"),
            Figure(f"{rows}: no change, PSI > 0.2", cell.above_02, "%"),
            Figure(f"{rows}: no change, PSI calibrated", cell.calibrated, "%", 150 * ALARM),
            Figure(f"{rows}: no change, KS calibrated", cell.ks, "%", 150 * ALARM),
            Figure(f"{rows}: no change, any of {FEATURES} features", cell.family, "%", 150 * ALARM),
            Figure(f"{rows}: no change, three windows in a row", cell.three_in_a_row, "of 1,000 windows", 1),
            Figure(f"{rows}: shift of {SHIFT} sd, flagged", cell.delay, "windows", 1.1 if cell.rows >= 1000 else None),
            Figure(
                f"{rows}: shift of {SHIFT} sd, three in a row",
                cell.delay_of_three,
                "windows",
                3.1 if cell.rows >= 1000 else None,
            ),
        ]
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=2000)
    given = parser.parse_args()
    console = Console()
    cells = main(given.windows)
    console.print(build_page_table(cells))
    title = f"{given.windows:,} windows without change for each size, false alarm asked for: {ALARM:.0%}"
    publish(NAME, title, find_figures(cells), console)
