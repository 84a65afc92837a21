"""How often the model is right: cases that must be, and metrics on a test set."""

from collections.abc import Sequence

from .answers import Answer, Label, as_floats, plain_label
from .client import Result
from .config import CriticalCheck, MetricCheck
from .context import Context, is_answered
from .data import Row
from .findings import Finding, first_of
from .metrics import METRICS, Measured, measure


def check_critical(check: CriticalCheck, context: Context) -> Finding:
    """No answer is a wrong answer: these cases must be right."""
    rows = context.rows(check.data)
    wrong = [
        _tell(row, result)
        for row, result in zip(rows, context.results(check.data), strict=True)
        if not (isinstance(result, Answer) and _is_same(result.label, row.label, check.tolerance))
    ]
    measured = {
        check.name: Measured((len(rows) - len(wrong)) / len(rows)),
        f"{check.name}_failed": Measured(float(len(wrong))),
    }
    broken = (
        f"{check.name}: {len(wrong)} of {len(rows)} cases that must be right are wrong: {wrong[0]}" if wrong else ""
    )
    return Finding(measured, first_of(wrong), broken if check.must_pass else "")


def check_metric(check: MetricCheck, context: Context) -> Finding:
    rows, results = context.rows(check.data), context.results(check.data)
    measured = {
        check.name: measure_rows(context, check.metric, check.average, rows, results),
        f"{check.name}_unanswered": count_unanswered(results),
    }
    return Finding(measured, first_of(tell_wrong(check.metric, rows, results)))


def measure_rows(
    context: Context, metric: str, average: str, rows: Sequence[Row], results: Sequence[Result]
) -> Measured:
    """A metric over all of these rows. Without an answer to each of them it would be about the easy rows only."""
    missing = sum(not is_answered(result) for result in results)
    if missing:
        return Measured(None, f"{missing} of {len(rows)} rows have no answer")
    answers = [result for result in results if isinstance(result, Answer)]
    truth, given = [row.label for row in rows], [answer.label for answer in answers]
    needs = METRICS[metric].needs
    if needs == "score":
        return measure(metric, truth, [answer.score for answer in answers], average, positive_of(context))
    if needs == "number":
        return _measure_numbers(metric, truth, given, average)
    # scikit-learn takes labels of one type only, and text sorts like any other name.
    if any(isinstance(label, str) for label in (*truth, *given)):
        truth, given = [str(label) for label in truth], [str(label) for label in given]
        return measure(metric, truth, given, average, str(positive_of(context)))
    return measure(metric, truth, given, average, positive_of(context))


def positive_of(context: Context) -> Label:
    return plain_label(context.config.labels.positive)


def count_unanswered(results: Sequence[Result]) -> Measured:
    return Measured(float(sum(not is_answered(result) for result in results)))


def tell_wrong(metric: str, rows: Sequence[Row], results: Sequence[Result]) -> list[str]:
    """A line for each row whose label is another; of scores and numbers, only those without an answer."""
    exact = METRICS[metric].needs == "label"
    return [
        _tell(row, result)
        for row, result in zip(rows, results, strict=True)
        if not is_answered(result) or (exact and isinstance(result, Answer) and result.label != row.label)
    ]


def _measure_numbers(metric: str, truth: Sequence[Label], given: Sequence[Label], average: str) -> Measured:
    numbers = {"label": as_floats(truth), "answer": as_floats(given)}
    for name, side in numbers.items():
        if None in side:
            return Measured(None, f"{side.count(None)} of {len(side)} rows have no number as {name}")
    return measure(metric, numbers["label"], numbers["answer"], average, None)


def _is_same(given: Label, truth: Label, tolerance: float) -> bool:
    if isinstance(given, int | float) and isinstance(truth, int | float):
        return abs(given - truth) <= tolerance
    return given == truth


def _tell(row: Row, result: Result) -> str:
    said = f"{result.label!r}" if isinstance(result, Answer) else str(result)
    return f"row {row.id}: {said} instead of {row.label!r}"
