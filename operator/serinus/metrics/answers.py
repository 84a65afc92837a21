"""From the body that a server sent to an Answer, whatever the body is: another shape is a Failure, never an exception.

Strict where a wrong reading could decide something (types, numbers, times, the same series twice), since a server that
gets these wrong is not the one we think we ask. NaN and infinities are values like others here: the judge refuses them.
"""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from serinus.api.redact import quote_server
from serinus.metrics.native import NativeError, read_native
from serinus.metrics.source import Answer, Failure, QueryResult, Sample, Series

MAX_SERIES: Final = 5_000
MAX_VALUES: Final = 100_000
MAX_OBJECTS: Final = 3 * MAX_SERIES
"""In a body, by its commas and braces. A body of 1 MiB may hold 500,000 values, and takes 30 times its size once they
are read; one with real series has 80,000 at most, and two objects for each series."""

AHEAD_SECONDS: Final = 120.0
"""How far a sample may be ahead of the clock of the server that sent it; more is an error, and would make every later
sample look old."""

_LATEST: Final = 1e11
"""No moment in seconds is this late; one in milliseconds is later."""
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Inf", re.ASCII)
_HARMLESS: Final = "PromQL info:"
"""How remarks begin that some servers send among the warnings."""
_KINDS: Final = {
    "histograms": "native histograms",
    "histogram": "native histograms",
    "values": "samples over time",
    "value": "single values",
}


Read = Callable[[Any], QueryResult]
"""From `data.result` of an answer."""


class _WrongError(ValueError):
    """What is wrong with an answer, in words that follow "the answer has"."""


def read_body(body: bytes, read: Read, server_time: float | None = None) -> QueryResult:
    """Read the body of a successful answer of the HTTP API (JSON) whose `data.result` is for `read`.

    `server_time` is the server's clock in seconds since 1970.
    """
    if body.count(b",") >= MAX_VALUES or body.count(b"{") > MAX_OBJECTS:
        message = f"the answer has more than {MAX_SERIES} series, or {MAX_VALUES} values"
        return Failure("TooLarge", message, of_query=True)
    try:
        answer = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return Failure("InvalidAnswer", "the answer is no JSON (a login page?)")
    problem = _find_problem(answer)
    if problem is not None:
        return Failure("InvalidAnswer", problem)
    result = read(answer["data"]["result"])
    ahead = _find_ahead(result, server_time)
    if ahead:
        return Failure("InvalidAnswer", f"the answer has a sample {ahead:.0f}s ahead of the server's own clock")
    return result


def read_error(body: bytes) -> str:
    """The server's words about a query that it refuses, one line of at most 200 characters; empty if it has none.

    Only the field that the API defines for this is shown: anything else in a body is not meant for people.
    """
    try:
        answer = json.loads(body) if len(body) <= 64 * 1024 else None
    except (ValueError, RecursionError):
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    return quote_server(error) if isinstance(error, str) else ""


def observe_series(result: Any) -> QueryResult:
    """Read the `result` of a range selector: a list of series, each with labels and its raw samples."""
    return _observe(result, "values", "ask for a range such as name[30s]")


def observe_values(result: Any) -> QueryResult:
    """Read the `result` of an expression: a list of series with one value each."""
    return _observe(result, "value", "ask for one value of each series, without a range")


def _observe(result: Any, field: str, advice: str) -> QueryResult:
    if not isinstance(result, list):
        return Failure("InvalidAnswer", f"the answer has no series; {advice}", of_query=True)
    if len(result) > MAX_SERIES:
        message = f"the answer has {len(result)} series, more than {MAX_SERIES}"
        return Failure("TooLarge", message, of_query=True)
    if not all(isinstance(item, dict) for item in result):
        return Failure("InvalidAnswer", f"the answer has no series; {advice}", of_query=True)
    try:
        result = _expand_native(result) if field == "values" else result
    except NativeError as wrong:
        return Failure("InvalidAnswer", f"the answer has {wrong}")
    if len(result) > MAX_SERIES:
        return Failure("TooLarge", f"the answer has more than {MAX_SERIES} buckets", of_query=True)
    if any(field not in item for item in result):
        return Failure("InvalidAnswer", f"the answer has {_kind_of(result)}; {advice}", of_query=True)
    try:
        series = tuple(_read_series(item, field) for item in result)
        _refuse_duplicates(series)
    except _WrongError as wrong:
        return Failure("InvalidAnswer", f"the answer has {wrong}")
    return Answer(series)


def _expand_native(result: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Native histograms as the classic series that they stand for, unless the server has those, too."""
    if not any("histograms" in item and "values" not in item for item in result):
        return result
    labelled = [item for item in result if isinstance(item.get("metric"), dict)]
    classic = {item["metric"].get("__name__") for item in labelled if "values" in item}
    expanded: list[dict[str, Any]] = [item for item in result if "values" in item or item not in labelled]
    for item in labelled:
        name = f"{item['metric'].get('__name__', '')}_bucket"
        if "values" not in item and "histograms" in item and name not in classic:
            expanded += [
                {"metric": {**item["metric"], "__name__": name, "le": bound}, "values": samples}
                for bound, samples in read_native(item["histograms"]).items()
            ]
    return expanded


def _kind_of(result: list[dict[str, Any]]) -> str:
    found = next((kind for item in result for field, kind in _KINDS.items() if field in item), "no samples")
    return f"{found} instead"


def _read_series(item: dict[str, Any], field: str) -> Series:
    labels = item.get("metric")
    if not isinstance(labels, dict):
        raise _WrongError("a series without labels")
    if not all(isinstance(value, str | int) for value in labels.values()):
        raise _WrongError("a label that is no text")
    pairs = item[field] if field == "values" else [item[field]]
    if not isinstance(pairs, list):
        raise _WrongError("samples that are no list")
    samples = [_read_sample(pair) for pair in pairs]
    if any(a.timestamp > b.timestamp for a, b in pairwise(samples)):
        samples.sort(key=lambda sample: sample.timestamp)
    return Series({name: str(value) for name, value in labels.items()}, tuple(samples))


def _read_sample(pair: Any) -> Sample:
    if not isinstance(pair, list) or len(pair) != 2:
        raise _WrongError("a sample that is no pair of time and value")
    timestamp, value = pair
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float) or not 0 <= timestamp < _LATEST:
        raise _WrongError("a sample without a time in seconds")
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise _WrongError("a sample whose value is no number")
    return Sample(float(timestamp), float(value))


def _refuse_duplicates(series: tuple[Series, ...]) -> None:
    """Which of two would be right nobody can say, and both together count everything twice."""
    if len({frozenset(one.labels.items()) for one in series}) < len(series):
        raise _WrongError("the same series twice")


def _find_problem(answer: Any) -> str | None:
    if not isinstance(answer, dict) or answer.get("status") != "success":
        return "the answer is not one of the Prometheus HTTP API"
    if not isinstance(answer.get("data"), dict) or "result" not in answer["data"]:
        return "the answer has no result"
    given = answer.get("warnings") or []
    warnings = [str(one) for one in given if not str(one).startswith(_HARMLESS)] if isinstance(given, list) else ["?"]
    if warnings:
        return f"the answer is not complete: {quote_server('; '.join(warnings))}"
    if answer.get("isPartial"):
        return "the answer is not complete: isPartial is set"
    return None


def _find_ahead(result: QueryResult, server_time: float | None) -> float:
    """Seconds by which the newest sample is too far ahead of the server's clock; 0 where it is not."""
    if server_time is None or isinstance(result, Failure):
        return 0.0
    newest = max((sample.timestamp for one in result.series for sample in one.samples), default=0.0)
    return newest - server_time if newest > server_time + AHEAD_SECONDS else 0.0


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
