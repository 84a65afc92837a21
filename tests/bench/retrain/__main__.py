"""What the retraining loop costs and how often it errs: `python -m tests.bench.retrain`.

False triggers, delays and the fleet are simulated, from seeds, and need no cluster. Restarts are real: a loop on an API
server, whose operator is killed after every write."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as Grid

from tests.bench.figures import FOLDER, Figure, publish
from tests.bench.retrain.alarms import (
    measure_alarms,
    measure_delays,
    measure_qualities,
)
from tests.bench.retrain.fleet import measure_fleet
from tests.bench.retrain.restarts import measure_restarts
from tests.bench.retrain.tables import Table, build_tables

NAME = "retrain"
WIDTH = 160


@dataclass(frozen=True)
class Given:
    """How much is simulated."""

    months: int
    shifts: int
    policies: int
    windows: int
    seed: int


Part = Callable[[Given], list[Figure]]

PARTS: dict[str, Part] = {
    "alarms": lambda given: measure_alarms(given.months, given.seed),
    "quality": lambda given: measure_qualities(given.months, given.seed),
    "delays": lambda given: measure_delays(given.shifts, given.seed),
    "fleet": lambda given: measure_fleet(given.policies, given.windows),
}
"""What is simulated, by name."""
REAL: dict[str, Part] = {"restarts": lambda _: measure_restarts()}
"""What needs an API server."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=200, help="months without drift, for each window")
    parser.add_argument("--shifts", type=int, default=200, help="true shifts, for each window and size")
    parser.add_argument("--policies", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=6, help="hours that the fleet is counted for")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another sample")
    parser.add_argument("--only", choices=(*PARTS, *REAL), action="append", help="parts to measure (default all)")
    given = parser.parse_args(arguments)
    wanted = Given(given.months, given.shifts, given.policies, given.windows, given.seed)
    parts = PARTS | REAL
    figures: list[Figure] = []
    for name in given.only or parts:
        figures += parts[name](wanted)
    if given.only:
        figures = [*_read_others(figures), *figures]
    console = Console(width=max(Console().width, WIDTH))
    publish(NAME, "Retraining", figures, console)
    for table in build_tables({figure.name: figure.value for figure in figures}):
        _print(console, table)
    return 0


def _read_others(figures: Sequence[Figure]) -> list[Figure]:
    """What the parts that are not measured now have said before."""
    path, names = FOLDER / f"{NAME}.json", {figure.name for figure in figures}
    known = json.loads(path.read_text()) if path.exists() else []
    return [Figure(one["name"], one["value"], one["unit"], one["target"]) for one in known if one["name"] not in names]


def _print(console: Console, table: Table) -> None:
    grid = Grid(box=box.SIMPLE_HEAD, title=table.title)
    for number, word in enumerate(table.heading):
        grid.add_column(word, justify="right" if number else "left")
    for row in table.rows:
        grid.add_row(*row)
    console.print(grid)


if __name__ == "__main__":
    raise SystemExit(main())
