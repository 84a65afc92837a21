"""What a benchmark measured: a table for people, `build/bench/NAME.json` for machines. Judges a number against its
target, and never fails a build: a benchmark tells, a test demands."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Figure:
    """One number. `target` is the largest that is good enough; None where there is no promise. A value of None: it
    could not be measured, which meets no target."""

    name: str
    value: float | None
    unit: str
    target: float | None = None

    @property
    def ok(self) -> bool | None:
        if self.target is None:
            return None
        return self.value is not None and self.value <= self.target


def find_percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed: no interpolation, so that it is
    one that was measured. ValueError for no values."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def summarise(name: str, values: Sequence[float], unit: str, target_p95: float | None = None) -> list[Figure]:
    """p50, p95 and the largest; without values a p95 that could not be measured."""
    if not values:
        return [Figure(f"{name}, p95", None, unit, target_p95)]
    return [
        Figure(f"{name}, p50", find_percentile(values, 0.5), unit),
        Figure(f"{name}, p95", find_percentile(values, 0.95), unit, target_p95),
        Figure(f"{name}, max", max(values), unit),
    ]


def build_table(figures: Sequence[Figure]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("measured")
    for heading in ("value", "unit", "target", ""):
        table.add_column(heading, justify="left" if heading in ("unit", "") else "right")
    for figure in figures:
        verdict = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}[figure.ok]
        target = "" if figure.target is None else f"<= {figure.target:g}"
        table.add_row(figure.name, _format(figure.value), figure.unit, target, verdict)
    return table


def write_json(name: str, figures: Sequence[Figure], folder: Path = FOLDER) -> Path:
    """A list of {name, value, unit, target, ok}."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps([{**asdict(figure), "ok": figure.ok} for figure in figures], indent=2) + "\n")
    return path


def publish(name: str, title: str, figures: Sequence[Figure], console: Console) -> None:
    console.print(title, style="bold", soft_wrap=True)
    console.print(build_table(figures))
    console.print(f"written to {write_json(name, figures)}", highlight=False, soft_wrap=True)


def _format(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
