"""The figures as tables, for the terminal and for the page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.bench.retrain.alarms import CASES, RULES, SHIFTS

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Table:
    """A heading and rows of the same length."""

    title: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build_tables(values: Values) -> list[Table]:
    """The tables that there are figures for; the others are left out."""
    alarms = Table(
        "False triggers a month",
        ("window, threshold", *RULES),
        _with_figures((case.name, *(_show(values, f"{case.name}: {rule}") for rule in RULES)) for case in CASES),
    )
    delays = Table(
        "Delay to a true shift of the mean",
        ("window, threshold", "shift, sigma", "found within 14 days, %", "p50, windows", "p95, windows"),
        _with_figures(_delay_row(values, case.name, size) for case in CASES[:4] for size in SHIFTS),
    )
    return [table for table in (alarms, delays) if table.rows]


def _delay_row(values: Values, name: str, size: float) -> tuple[str, ...]:
    place = f"{name}: mean +{size:g} sigma"
    figures = (_show(values, f"{place}: {label}") for label in ("found within 14 days", "delay p50", "delay p95"))
    return (name, f"{size:g}", *figures)


def _with_figures(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(row for row in rows if set(row[2:]) != {_NONE})


_NONE = "–"


def _show(values: Values, name: str) -> str:
    value = values.get(name)
    if value is None:
        return _NONE
    return f"{value:.2g}" if 0 < abs(value) < 1 else f"{value:,.3g}"
