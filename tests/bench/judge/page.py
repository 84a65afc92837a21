"""Write docs/benchmarks.md from build/bench/judge.json: `python -m tests.bench.judge.page`."""

import sys
from pathlib import Path

from tests.bench.figures import FOLDER, ROOT
from tests.bench.judge.report import Entry, read_entries
from tests.bench.judge.tables import Book, Table, build_tables

PAGE = ROOT / "docs" / "benchmarks.md"
RETRAINING = "## Retraining"
"""Where the part begins that `tests.bench.retrain.page` writes; it is left as it is."""

INTRODUCTION = """# Benchmarks

Written by `make bench-page` from the figures of `make bench-judge`; do not edit.

## The judge

{runs:,} simulated rollouts per row, from fixed seeds. Every rule sees the same rollouts: 30 minutes at 5, 10, 25, 50
and 75 %, six minutes each; 8 stable pods, and 1, 1, 2, 4, 6 of the candidate; 50 requests/s; 0.5 % of stable's answers
are bad; a scrape every 15 s; a fault is there from the first request on. Where a row says otherwise, that alone
differs.

Serinus is the operator's own code: it gets the raw counters of every pod, series by series, as Prometheus would return
them, and the hour before the rollout. `falseAlarm` is 1 % and `maxRegression` 1.2 (1.1 for outcomes). The metric has
nine tenths of the false-alarm budget; the rest is kept for restarts of the candidate's containers.

The other rules are re-implemented from their documentation and source, and get more than they would in reality: exact
sums instead of `rate()`, no restarts, no single lost scrape. Steps follow the clock for all, so a rule that only stops
advancing gains nothing by it. Flagger's columns: interval, number of failed checks, least success rate. Argo Rollouts:
interval, `failureLimit`, `successCondition`. For latencies their limit is 500 ms for the 99 % quantile, by luck just
above the usual value. The first form is the sequential test without corrections that Serinus began with.
"""

WORLDS = """## What is simulated

* **Shared bursts**: three or four times in half an hour 6 % of the answers are bad for 45 s, on both revisions.
* **Day and night**: load and error ratio rise and fall by 80 % within an hour.
* **Clumps**: bad answers come eight at a time, on one pod.
* **Pods differ**: each pod keeps its own error ratio for good, lognormal with standard deviation s; the candidate's
  pods are drawn from the same lot. No test can tell a bad release from unlucky pods; what can be asked is that it
  stays calm and still sees gross faults.
* **Candidate alone at 6 % for 30 s**: not the same on both sides, so nothing is promised; it says what a passing
  trouble of the candidate costs.
* **Gateway counts**: one series per revision and code, as most gateways have them; pods cannot be told apart.
* **Latency**: lognormal, median 150 ms, sigma 0.5, the default buckets of Prometheus' client libraries; pods that
  wander do so by 5 % (AR(1), two minutes), those that differ do so by 5 % for good.
* **Outcomes**: 10 outcomes/s become known, 5 % of them wrong; -2 points of accuracy are 7 %.
* **Gauge**: one value per revision and scrape, neighbours correlated by 0.8. A query of the user's own, like the
  outcomes: of those the past is not read.
* **Information limit**: ln(100) divided by what one request tells (Kullback-Leibler), at the candidate's share of the
  requests, rounded up to the next scrape; clumps count as one event; bursts and unlike pods are left out.
* **State**: what the judge remembers of a rollout with one metric at its end, everything included: counters of all
  pods as last seen, evidence, what was learnt of stable.
"""


def build_page(entries: list[Entry]) -> str:
    tables = "\n".join(_format_table(table) for table in build_tables(entries))
    return f"{INTRODUCTION.format(runs=Book(entries).runs)}\n{tables}\n{WORLDS}"


def _format_table(table: Table) -> str:
    lines = [f"### {table.title}", ""]
    if table.note:
        lines += [table.note, ""]
    lines.append(_format_row(table.heading))
    lines.append(_format_row(("---", *("---:" for _ in table.heading[1:]))))
    return "\n".join([*lines, *(_format_row(row) for row in table.rows), ""])


def _format_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def main(source: Path = FOLDER / "judge.json", page: Path = PAGE) -> int:
    if not source.exists():
        print(f"{source} is not there: run make bench-judge first", file=sys.stderr)
        return 1
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    _, found, kept = before.partition(f"\n{RETRAINING}\n")
    page.write_text(f"{build_page(read_entries(source))}{found}{kept}", encoding="utf-8")
    print(f"written to {page}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
