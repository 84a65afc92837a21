"""The same metric by part of the data: an average hides the part that got worse."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from .client import Result
from .config import SlicesCheck
from .context import Context
from .data import Row, require_column
from .findings import Finding, first_of
from .metrics import METRICS, Measured
from .quality import count_unanswered, measure_rows

Pair = tuple[Row, Result]


def check_slices(check: SlicesCheck, context: Context) -> Finding:
    rows, results = context.rows(check.data), context.results(check.data)
    measured: dict[str, Measured] = {}
    lines: list[str] = []
    columns: list[list[float]] = []
    for column in check.by:
        require_column(rows, column, f'by of check "{check.name}":')
        parts = split_rows(column, rows, results)
        small = {part: len(pairs) for part, pairs in parts.items() if len(pairs) < check.min_rows}
        lines += first_of(f"{column} {part}: {n} rows, {check.min_rows} needed" for part, n in small.items())
        found = {part: _measure_part(check, context, pairs) for part, pairs in parts.items() if part not in small}
        columns.append([one.value for one in found.values() if one.value is not None])
        lines += [f"{column} {part}: {_tell(one)} in {len(parts[part])} rows" for part, one in found.items()]
        measured.update(_name_parts(f"{check.name}_{column}", found))
    parts_of_report = frozenset(measured)
    summary = {**summarise(check, columns), f"{check.name}_unanswered": count_unanswered(results)}
    return Finding({**(measured if check.each else {}), **summary}, lines, parts=parts_of_report)


def split_rows(column: str, rows: Sequence[Row], results: Sequence[Result]) -> dict[str, list[Pair]]:
    """Rows with the model's word on them, by the text in `column`."""
    parts: dict[str, list[Pair]] = {}
    for row, result in zip(rows, results, strict=True):
        raw = row.columns.get(column)
        parts.setdefault("none" if raw in (None, "") else str(raw), []).append((row, result))
    return dict(sorted(parts.items()))


def summarise(check: SlicesCheck, columns: Sequence[Sequence[float]]) -> dict[str, Measured]:
    """The worst part of all, and the widest gap between two parts of one column."""
    known = [value for values in columns for value in values]
    worst = min if METRICS[check.metric].higher_is_better else max
    gaps = [max(values) - min(values) for values in columns if len(values) > 1]
    return {
        f"{check.name}_worst": Measured(worst(known)) if known else Measured(None, "no part has a known value"),
        f"{check.name}_gap": Measured(max(gaps)) if gaps else Measured(None, "no two parts have a known value"),
    }


def _measure_part(check: SlicesCheck, context: Context, pairs: Sequence[Pair]) -> Measured:
    rows, results = zip(*pairs, strict=True)
    return measure_rows(context, check.metric, check.average, rows, results)


def _name_parts(prefix: str, found: dict[str, Measured]) -> Iterator[tuple[str, Measured]]:
    """Names for bounds; where two parts would get the same one, neither has it."""
    names = {part: re.sub(r"[^A-Za-z0-9_]", "_", f"{prefix}_{part}") for part in found}
    taken = Counter(names.values())
    for part, name in names.items():
        yield name, found[part] if taken[name] == 1 else Measured(None, "several parts would have this name")


def _tell(one: Measured) -> str:
    return f"{one.value:.6g}" if one.value is not None else f"not known ({one.reason})"
