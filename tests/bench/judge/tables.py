"""Entries as tables of text, the same for the terminal and for the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.judge.production import NAME
from tests.bench.judge.race import HELD
from tests.bench.judge.report import (
    COST,
    EARLY,
    EXTRA,
    FALSE,
    FOUND,
    LIMIT,
    MEDIAN,
    OVER,
    P90,
    PRICES,
    Entry,
)

NEVER = "–"


@dataclass(frozen=True)
class Table:
    """`note` says how to read it. The first column is text, the others are figures."""

    title: str
    note: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass
class Book:
    """The entries, to be looked up by scenario, rule and measure."""

    entries: Sequence[Entry]
    by_place: dict[tuple[str, str, str], Entry] = field(init=False)

    def __post_init__(self) -> None:
        self.by_place = {(one.scenario, one.rule, one.measure): one for one in self.entries}

    def find(self, scenario: str, rule: str, measure: str) -> Entry | None:
        return self.by_place.get((scenario, rule, measure))

    def scenarios(self, measure: str) -> list[str]:
        """Those with such a figure of Serinus, in their order."""
        return [one.scenario for one in self.entries if one.rule == NAME and one.measure == measure and one.scenario]

    def rules(self) -> list[str]:
        """Serinus first."""
        known = dict.fromkeys(one.rule for one in self.entries if one.scenario and one.rule)
        return [NAME, *(rule for rule in known if rule not in (NAME, HELD))]

    @property
    def runs(self) -> int:
        one = self.find("", "", "runs")
        return int(one.value or 0) if one else 0


def build_tables(entries: Sequence[Entry]) -> list[Table]:
    book = Book(entries)
    return [_promises(book), _false_rollbacks(book), _delays(book), _details(book), _costs(book), _footprint(book)]


def _promises(book: Book) -> Table:
    rows = [
        (
            f"{one.scenario}: {one.measure}",
            _number(one.value, 1 if one.unit == "%" else 2) + (_interval(one) if one.unit == "%" else ""),
            f"<= {one.target:g}",
            one.unit,
            "met" if one.ok else "**missed**",
        )
        for one in book.entries
        if one.target is not None
    ]
    return Table("Targets", "", ("Serinus", "measured", "target", "unit", ""), tuple(rows))


def _false_rollbacks(book: Book) -> Table:
    rules = book.rules()
    rows = []
    for scenario in book.scenarios(FALSE):
        ours = book.find(scenario, NAME, FALSE)
        held = book.find(scenario, HELD, FALSE)
        cells = [_percent(book.find(scenario, rule, FALSE)) for rule in rules[1:]]
        rows.append((scenario, _percent(ours) + (_interval(ours) if ours else ""), _percent(held), *cells))
    note = (
        "Share of rollouts that were rolled back, in %, though the candidate is like stable. In brackets: 95 % interval"
        " (Wilson). Held: a suspicion kept Serinus from advancing at least once."
    )
    return Table("False rollbacks", note, ("nothing changed", NAME, "held", *rules[1:]), tuple(rows))


def _delays(book: Book) -> Table:
    rules = book.rules()
    rows = [(scenario, *(_delay(book, scenario, rule) for rule in rules)) for scenario in book.scenarios(FOUND)]
    note = (
        "Median seconds from the fault to the rollback; in brackets the extra bad (or slow) answers served until then,"
        " on average; the share of runs in which it was found, where that is below 99.5 %."
    )
    return Table("Delay", note, ("fault", *rules), tuple(rows))


def _details(book: Book) -> Table:
    rows = []
    for scenario in book.scenarios(FOUND):
        figures = [book.find(scenario, NAME, measure) for measure in (FOUND, MEDIAN, P90)]
        limit, over = book.find(scenario, "", LIMIT), book.find(scenario, NAME, OVER)
        held, extra = book.find(scenario, HELD, MEDIAN), book.find(scenario, NAME, EXTRA)
        early = book.find(scenario, NAME, EARLY)
        rows.append(
            (
                scenario,
                _percent(figures[0]),
                _seconds(held),
                *(_seconds(one) for one in figures[1:]),
                _seconds(limit),
                NEVER if over is None else _number(over.value, 1),
                NEVER if extra is None else _number(extra.value, 1),
                _percent(early) if early else "",
            )
        )
    heading = ("fault", "found, %", "held, s", "median, s", "p90, s", "limit, s", "over the limit", "extra", "early, %")
    note = (
        "Limit: the first scrape at which any test with 1 % false alarms could know. Held: median until the rollout"
        " stops advancing. Early: rolled back before the fault began."
    )
    return Table(f"{NAME} in detail", note, heading, tuple(rows))


def _costs(book: Book) -> Table:
    rows = []
    for rule in book.rules():
        found = [book.find("", rule, f"{COST}, c = {price}") for price in PRICES]
        if all(found):
            rows.append((rule, *(_number(one.value, 0) for one in found if one)))
    note = (
        "One number per rule: extra bad answers on average over the faults in error ratios, plus c for each false"
        " rollback, on average over the scenarios in which nothing changed. Lower is better."
    )
    return Table("Expected cost", note, ("rule", *(f"c = {price}" for price in PRICES)), tuple(rows))


def _footprint(book: Book) -> Table:
    kinds = book.scenarios("evidence in the status")
    measures = list(dict.fromkeys(one.measure for one in book.entries if one.scenario in kinds))
    rows = []
    for measure in measures:
        found = [book.find(kind, NAME, measure) for kind in kinds]
        unit = next(one.unit for one in found if one)
        rows.append(
            (f"{measure}, {unit}", *(_number(one.value, 3 if unit == "ms" else 0) if one else "" for one in found))
        )
    note = "One metric, 8 stable pods and up to 6 of the candidate; CPU time in pure Python, on this machine."
    return Table("What judging costs", note, ("", *kinds), tuple(rows))


def _delay(book: Book, scenario: str, rule: str) -> str:
    found, median = book.find(scenario, rule, FOUND), book.find(scenario, rule, MEDIAN)
    if found is None or median is None or found.value is None:
        return ""
    extra = book.find(scenario, rule, EXTRA)
    text = _seconds(median)
    if extra is not None and extra.value:
        text += f" ({_number(extra.value, 0 if extra.value >= 10 else 1)})"
    return text if found.value >= 99.5 else f"{text} {_number(found.value, 0)} %"


def _percent(one: Entry | None) -> str:
    return "" if one is None else _number(one.value, 1)


def _seconds(one: Entry | None) -> str:
    return NEVER if one is None else _number(one.value, 0)


def _interval(one: Entry) -> str:
    return "" if one.low is None or one.high is None else f" ({one.low:.1f} to {one.high:.1f})"


def _number(value: float | None, digits: int) -> str:
    return NEVER if value is None else f"{value:,.{digits}f}"
