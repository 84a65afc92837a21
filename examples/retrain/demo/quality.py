"""How good the answers were, by the client's own book. Pure, but for reading it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """One answer beside the truth. `asked`: seconds since the epoch."""

    asked: float
    version: str
    said: bool
    fraud: bool


def read_outcomes(path: Path) -> list[Outcome]:
    """Everything that is written down by now; a line that is only half written is left out."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [Outcome(*json.loads(line)) for line in text[: text.rfind("\n") + 1].splitlines()]


def measure_f1(outcomes: Iterable[Outcome], began: float, ended: float) -> float | None:
    """F1 of what was answered between two times (seconds since the epoch); None where there was no fraud to find."""
    found = missed = accused = 0
    for outcome in outcomes:
        if began <= outcome.asked < ended:
            found += outcome.said and outcome.fraud
            missed += outcome.fraud and not outcome.said
            accused += outcome.said and not outcome.fraud
    return 2 * found / (2 * found + missed + accused) if found + missed else None
