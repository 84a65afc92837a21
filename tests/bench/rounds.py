"""What one rollback took, worked out from the client's book and the route's changes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.figures import Figure, summarise
from tests.traffic.answers import Answer, count
from tests.traffic.route import RouteChange, find_zero

TARGET_SECONDS = 3.0
"""Two scrape intervals of one second, and one second more."""


@dataclass(frozen=True)
class Round:
    """One bad revision. Times in seconds since its first bad answer reached the client: `to_zero` until the route gave
    it no weight, `to_last` until its last answer of all. `requests` and `failures` are its own, over its whole life."""

    to_zero: float
    to_last: float
    requests: int
    failures: int


def measure_round(
    version: str, revision: str, answers: Sequence[Answer], changes: Sequence[RouteChange]
) -> Round | str:
    """The round in which `revision` served as `version`; a sentence where it cannot be told."""
    tally = count(answers).of(version)
    if tally.first_bad_at is None or tally.last_at is None:
        return f"{version} gave {tally.requests} answers and none was bad"
    zero = find_zero(changes, revision)
    if zero is None:
        return f"the route never gave {revision} weight and took it away again"
    return Round(zero - tally.first_bad_at, tally.last_at - tally.first_bad_at, tally.requests, tally.failures)


def build_figures(rounds: Sequence[Round], lost: int) -> list[Figure]:
    return [
        Figure("rollbacks", len(rounds), "rollbacks"),
        *summarise("first bad answer → 0 % in the route", [each.to_zero for each in rounds], "s", TARGET_SECONDS),
        *summarise("first bad answer → its last answer", [each.to_last for each in rounds], "s"),
        *summarise("requests it was sent", [float(each.requests) for each in rounds], "requests"),
        *summarise("requests it failed", [float(each.failures) for each in rounds], "requests"),
        Figure("requests lost on the way", lost, "requests", 0),
    ]
