"""Where the seconds of a run went. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

Raw = Mapping[str, Any]

STAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "queue": ("Pending", "Queued"),
    "train": ("Training", "Collecting"),
    "validate": ("Validating", "AwaitingApproval"),
    "canary": ("Promoting",),
}
"""Which phases of a RetrainRun a row is about."""
ROWS: Final = ("detect", "decide", *STAGES, "clear")


@dataclass(frozen=True)
class Line:
    """A run and its seconds by stage, from the shift to where all is well again, or to where the run was stopped; a
    stage that did not happen is absent. `f1` says how quality went."""

    run: str
    outcome: str
    seconds: Mapping[str, float]
    f1: str = ""

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def build_line(run: Raw, shifted: float | None, cleared: float | None = None, f1: str = "") -> Line:
    """`shifted`: when the world changed, `cleared`: when the triggers were clear again (seconds since the epoch); None
    where it does not apply."""
    status = run["status"]
    # Phases that take no time begin at the same moment: their order is that of the record.
    marks = [(read_time(one["at"]), str(one["phase"])) for one in status.get("transitions") or []]
    seconds: dict[str, float] = {}
    if marks:
        fired = max(read_time(reason["at"]) for reason in run["spec"]["reasons"])
        if shifted is not None:
            seconds["detect"] = fired - shifted
        seconds["decide"] = marks[0][0] - fired
    for (at, phase), (until, _) in itertools.pairwise(marks):
        row = next((name for name, phases in STAGES.items() if phase in phases), None)
        if row:
            seconds[row] = seconds.get(row, 0.0) + until - at
    stable = next((at for at, phase in marks if phase == "Observing"), None)
    if cleared is not None and stable is not None:
        seconds["clear"] = cleared - stable
    return Line(run["metadata"]["name"], str(status.get("phase")), {k: max(v, 0.0) for k, v in seconds.items()}, f1)


def build_table(lines: Sequence[Line]) -> Table:
    """A column for each run: a log is narrow."""
    table = Table(box=box.SIMPLE_HEAD, title="Seconds by stage", title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    for line in lines:
        table.add_column(line.run, justify="right", no_wrap=True)
    outcomes = [Text(line.outcome, style="green" if line.outcome == "Succeeded" else "red") for line in lines]
    table.add_row("outcome", *outcomes)
    for name in ROWS:
        table.add_row(name, *(f"{line.seconds[name]:.1f}" if name in line.seconds else "" for line in lines))
    table.add_row("all", *(f"{line.total:.1f}" for line in lines))
    table.add_row("F1 of the answers", *(line.f1 for line in lines))
    return table


def read_time(text: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
