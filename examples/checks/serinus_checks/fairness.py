"""Differences between groups of people, by Fairlearn."""

from collections.abc import Mapping, Sequence

from .answers import Answer
from .config import FairnessCheck
from .context import Context, is_answered
from .data import require_column
from .findings import Finding
from .metrics import Measured, measure_fairness
from .quality import count_unanswered, measure_rows, positive_of
from .slices import Pair, split_rows


def check_fairness(check: FairnessCheck, context: Context) -> Finding:
    rows, results = context.rows(check.data), context.results(check.data)
    require_column(rows, check.group, f'group of check "{check.name}":')
    excluded = {str(group) for group in check.exclude}
    found = split_rows(check.group, rows, results)
    groups = {group: pairs for group, pairs in found.items() if group not in excluded}
    lines = [_tell_group(context, group, pairs) for group, pairs in groups.items()]
    lines += [f"group {group}: {len(found[group])} rows, excluded" for group in found if group in excluded]
    reason = _find_obstacle(check, groups)
    names = {f"{check.name}_{measure}": measure for measure in check.measures}
    measured = {name: _measure(context, measure, groups, reason) for name, measure in names.items()}
    for metric in check.metrics:
        measured[f"{check.name}_{metric}_difference"] = _measure_difference(context, metric, groups, reason)
    measured[f"{check.name}_unanswered"] = count_unanswered(results)
    return Finding(measured, lines)


def _find_obstacle(check: FairnessCheck, groups: Mapping[str, Sequence[Pair]]) -> str:
    """Why nothing can be said: to leave a small group out silently would be unfair to it."""
    if small := [f"{group} ({len(pairs)})" for group, pairs in groups.items() if len(pairs) < check.min_rows]:
        return f"fewer than {check.min_rows} rows in group {', '.join(small)}; `exclude` says that it does not count"
    missing = sum(not is_answered(result) for pairs in groups.values() for _, result in pairs)
    return f"{missing} rows have no answer" if missing else ""


def _measure(context: Context, measure: str, groups: Mapping[str, Sequence[Pair]], reason: str) -> Measured:
    if reason:
        return Measured(None, reason)
    flat = [(row, result, group) for group, pairs in groups.items() for row, result in pairs]
    positive = positive_of(context)
    truth = [int(row.label == positive) for row, _, _ in flat]
    given = [int(isinstance(result, Answer) and result.label == positive) for _, result, _ in flat]
    return measure_fairness(measure, truth, given, [group for _, _, group in flat])


def _measure_difference(context: Context, metric: str, groups: Mapping[str, Sequence[Pair]], reason: str) -> Measured:
    if reason or len(groups) < 2:
        return Measured(None, reason or "there are fewer than two groups")
    values = []
    for group, pairs in groups.items():
        rows, results = zip(*pairs, strict=True)
        one = measure_rows(context, metric, "binary", rows, results)
        if one.value is None:
            return Measured(None, f"group {group}: {one.reason}")
        values.append(one.value)
    return Measured(max(values) - min(values))


def _tell_group(context: Context, group: str, pairs: Sequence[Pair]) -> str:
    positive = positive_of(context)
    chosen = sum(isinstance(result, Answer) and result.label == positive for _, result in pairs)
    true = sum(row.label == positive for row, _ in pairs)
    return f"group {group}: {len(pairs)} rows, {true} are {positive!r}, {chosen} answered {positive!r}"
