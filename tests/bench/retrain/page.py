"""Write the part on retraining of docs/benchmarks.md from build/bench/retrain.json: `python -m
tests.bench.retrain.page`. The rest of the page is that of the judge."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.figures import FOLDER
from tests.bench.judge.page import PAGE, RETRAINING
from tests.bench.retrain.restarts import ALONE, KILLED
from tests.bench.retrain.tables import Table, build_tables

INTRODUCTION = f"""{RETRAINING}

Written by `make bench-page` from the figures of `make bench-retrain`; do not edit.

Drift scores are population stability indices over the deciles of a reference of 10,000 rows; rows come every five
minutes from the very distribution of the reference, and a score is that of the window up to now, so that neighbouring
scores share most of their rows. Thresholds p95 and p99 are the quantiles of windows drawn from the reference itself:
what a monitor can know. Each month has a reference of its own.

*Every look* counts how often a rule fires that polls every five minutes and acts on what it sees; *for 30m* and *for
1h* are alerting rules that want the score to stay high at every look for so long. The columns of *windows* are the
operator's own code: it looks once a window, and wants so many bad ones in a row. Three are the default of `signal:
Drift`, two that of all others. A trigger that fired must clear before it fires again; triggers are answered at once.
"""

EXPLAINED = """The last two rows break what the documentation asks for. A threshold by custom is right for one size of
window only: 0.1 says nothing of 120 rows. And a threshold calibrated on single rows is too low where the same row comes
four times; calibrate on windows as they come in production.

The delay counts from the shift, which comes at any moment of a window; three windows in a row can be bad no sooner than
two windows after it.
"""

FLEET = """The fleet is the operator's code on simulated time: one query at a time is answered at once, so that the CPU
time is ours alone, without HTTP and without the API server.
"""

RESTARTS = """One loop is a command, a training whose results stand in a ConfigMap, two gates of which one is a Job, a
canary of one step, and the observation; on a real API server with simulated nodes, gateway and Prometheus, counted from
the audit log. It was run twice: left alone, and with an operator that is killed (SIGKILL) right after a write, before
it has heard of it, and started again: once for each write that the loop left alone has made, by verb and resource.
"""


def build_part(figures: list[dict[str, Any]]) -> str:
    """The part as Markdown."""
    tables = build_tables({one["name"]: one["value"] for one in figures})
    told = [one for one in figures if one["target"] is not None or "policies" in one["name"] or KILLED in one["name"]]
    listed = Table(
        "Targets",
        ("Serinus", "measured", "target", "unit", ""),
        tuple(
            (
                one["name"],
                _show(one["value"]),
                _target(one),
                one["unit"],
                {True: "met", False: "**missed**"}.get(one["ok"], ""),
            )
            for one in told
        ),
    )
    alone = [one for one in figures if one["name"].startswith(ALONE)]
    writes = Table(
        "What one loop costs",
        ("one loop, left alone", "measured", "unit"),
        tuple((one["name"].removeprefix(ALONE), _show(one["value"]), one["unit"]) for one in alone),
    )
    parts = [INTRODUCTION, *map(_format, [listed, *tables]), EXPLAINED, FLEET]
    parts += [_format(writes), RESTARTS] if alone else []
    return "\n".join(parts)


def main(source: Path = FOLDER / "retrain.json", page: Path = PAGE) -> int:
    if not source.exists():
        print(f"{source} is not there: run make bench-retrain first", file=sys.stderr)
        return 1
    before = page.read_text(encoding="utf-8").partition(f"\n{RETRAINING}\n")[0].rstrip("\n")
    page.write_text(f"{before}\n\n{build_part(json.loads(source.read_text()))}", encoding="utf-8")
    print(f"written to {page}")
    return 0


def _format(table: Table) -> str:
    lines = [f"### Retraining: {table.title[0].lower()}{table.title[1:]}", "", _row(table.heading)]
    lines.append(_row(("---", *("---:" for _ in table.heading[1:]))))
    return "\n".join([*lines, *map(_row, table.rows), ""])


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _target(one: dict[str, Any]) -> str:
    return "" if one["target"] is None else f"<= {one['target']:g}"


def _show(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
