"""What the model does with corrupted input: refuse it, answer it less well, or break."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .answers import Failure
from .client import Result
from .config import Corruption, RobustnessCheck
from .context import Context, is_answered
from .corruption import can_spoil, measure_spread, spoil
from .data import Row
from .errors import UnacceptableError
from .findings import Finding, first_of
from .metrics import METRICS, Measured
from .quality import measure_rows


def check_robustness(check: RobustnessCheck, context: Context) -> Finding:
    every = context.rows(check.data)
    features = context.config.features
    spreads = measure_spread([row.features for row in every], features)
    rows = choose(every, check)
    clean = context.model.ask([row.features for row in rows])
    measured: dict[str, Measured] = {}
    lines = [f"{len(rows)} of {len(every)} rows are corrupted"]
    for kind in check.corruptions:
        prefix = f"{check.name}_{to_snake(kind)}"
        if not can_spoil(kind, features):
            measured[f"{prefix}_drop"] = Measured(None, "no feature has a type that this can be done to")
            continue
        spoilt = spoil(kind, [row.features for row in rows], features, check, spreads)
        results = [ask_one(context, row) for row in spoilt]
        refused = sum(isinstance(one, Failure) and one.is_refusal for one in results)
        broken = [(row, one) for row, one in zip(rows, results, strict=True) if _is_error(one)]
        measured[f"{prefix}_drop"] = measure_drop(check, context, rows, clean, results)
        measured[f"{prefix}_errors"] = Measured(float(len(broken)))
        measured[f"{prefix}_refused"] = Measured(float(refused))
        lines.append(f"{kind}: {len(rows) - len(broken) - refused} answered, {refused} refused, {len(broken)} errors")
        lines += first_of(f"{kind}: row {row.id}: {_tell(one)}" for row, one in broken)
    return Finding(measured, lines)


def choose(rows: Sequence[Row], check: RobustnessCheck) -> list[Row]:
    """A share of the rows, the same for the same seed."""
    count = max(1, round(check.fraction * len(rows)))
    chosen = np.random.default_rng(check.seed).choice(len(rows), size=count, replace=False)
    return [rows[i] for i in sorted(int(i) for i in chosen)]


def ask_one(context: Context, row: dict[str, Any]) -> Result:
    """The model's word on a corrupted row; whatever it is, the run goes on, as long as there is somebody to ask."""
    try:
        found = context.model.send([row])
    except UnacceptableError as error:
        return Failure(200, str(error))
    if not isinstance(found, Failure):
        return found[0]
    if found.status is None:
        context.model.wait_until_reachable()
    return found


def measure_drop(
    check: RobustnessCheck, context: Context, rows: Sequence[Row], clean: Sequence[Result], results: Sequence[Result]
) -> Measured:
    """How much worse the metric gets, over rows that were answered both times; refusing is not answering wrongly."""
    both = [i for i, one in enumerate(results) if is_answered(one) and is_answered(clean[i])]
    kept = [rows[i] for i in both]
    before = measure_rows(context, check.metric, check.average, kept, [clean[i] for i in both])
    after = measure_rows(context, check.metric, check.average, kept, [results[i] for i in both])
    if before.value is None or after.value is None:
        return before if before.value is None else after
    drop = before.value - after.value
    return Measured(drop if METRICS[check.metric].higher_is_better else -drop)


def to_snake(kind: Corruption) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()


def _is_error(result: Result) -> bool:
    return not is_answered(result) and not (isinstance(result, Failure) and result.is_refusal)


def _tell(result: Result) -> str:
    return str(result) if isinstance(result, Failure) else "answered with null or NaN"
