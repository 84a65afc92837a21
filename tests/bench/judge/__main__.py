"""How right and how fast the judge is, against the rules of others: `python -m tests.bench.judge`.

Needs no cluster: everything is simulated, from seeds."""

import argparse
import os

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Grid

from tests.bench.figures import write_json
from tests.bench.judge.cost import WORLDS, measure_cost
from tests.bench.judge.race import run_race
from tests.bench.judge.report import build_entries
from tests.bench.judge.scenarios import SCENARIOS
from tests.bench.judge.tables import Table, build_tables

NAME = "judge"
WIDTH = 190


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000, help="rollouts per scenario")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another sample")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    scenarios = [scenario for scenario in SCENARIOS if given.only in scenario.name]
    if given.runs < 1 or not scenarios:
        parser.error(f"nothing to run: {given.runs} rollouts of {len(scenarios)} scenarios")
    # A cell that is cut tells nothing, so the tables get the width they need even where the terminal wraps them.
    console = Console(width=max(Console().width, WIDTH))
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"{given.runs:,} rollouts of {len(scenarios)} scenarios", total=None)
        scores = run_race(
            scenarios,
            given.runs,
            given.seed,
            given.processes,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
    costs = {kind: measure_cost(kind, given.seed) for kind in WORLDS}
    entries = build_entries(scenarios, scores, costs, given.runs, given.seed)
    for table in build_tables(entries):
        _print(table, console)
    console.print(f"written to {write_json(NAME, entries)}", highlight=False, soft_wrap=True)
    return 0


def _print(table: Table, console: Console) -> None:
    console.print(table.title, style="bold")
    console.print(table.note, highlight=False)
    grid = Grid(box=box.SIMPLE_HEAD)
    for number, heading in enumerate(table.heading):
        grid.add_column(heading, justify="right" if number else "left")
    for row in table.rows:
        grid.add_row(*(cell.replace("**", "") for cell in row))
    console.print(grid)


if __name__ == "__main__":
    raise SystemExit(main())
