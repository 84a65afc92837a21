"""Flagger and Argo Rollouts by their documented rules, re-implemented from how they behave.

All return the seconds until the rollback [run], infinite where there is none. They see `Tally`s and get the same steps
as everybody, though both would stop advancing while a check fails."""

import math
from collections.abc import Callable

import numpy as np

from tests.bench.judge.draws import Array
from tests.bench.judge.scenarios import SECONDS
from tests.bench.judge.tally import Tally, divide

Rule = Callable[[Tally], Array | None]
"""None where a rule cannot be asked at all."""

RETRY_SECONDS = 10.0
ERROR_LIMIT = 4
"""Argo Rollouts: a measurement that errs is repeated after 10 s, and the fifth error in a row ends the analysis."""


def find_first(alarmed: Array, times: Array) -> Array:
    """The time of the first alarm of each run; `alarmed` [run, look], `times` [look] in seconds."""
    first = times[np.argmax(alarmed, axis=1)]
    return np.where(alarmed.any(axis=1), first, math.inf)


def measure_share(tally: Tally, seconds: float) -> tuple[Array, Array]:
    """Every `seconds` the share of good answers over so long [run, check], NaN without answers, and when [check]."""
    per = round(seconds / tally.interval)
    checks = tally.over.shape[1] // per

    def fold(values: Array) -> Array:
        return values[:, : checks * per].reshape(len(values), checks, per).sum(axis=2)

    return 1.0 - divide(fold(tally.over), fold(tally.total[0])), seconds * np.arange(1, checks + 1)


def flagger(seconds: float, checks: int, least: float) -> Rule:
    """Flagger: a check every `interval`, over as long, fails below `thresholdRange.min`; failed checks add up over the
    whole analysis, and the rollback comes with the check after the one that filled `threshold`. A query that fails or
    finds no value is a failed check ("Halt advancement no values found").

    Source: docs/gitbook/usage/how-it-works.md and usage/metrics.md; pkg/controller/scheduler.go (`FailedChecks`),
    pkg/metrics/providers/prometheus.go (NaN is no value), at 15bd6ad5.
    """

    def rule(tally: Tally) -> Array | None:
        if tally.kind not in ("errors", "latency"):
            return None
        share, times = measure_share(tally, seconds)
        failed = ~(share >= least) | _blind_at(tally, times)
        due = np.cumsum(failed, axis=1) >= checks
        rolled_back = find_first(due, times) + seconds
        return np.where(rolled_back <= SECONDS, rolled_back, math.inf)

    return rule


def argo(seconds: float, failure_limit: int, least: float) -> Rule:
    """Argo Rollouts, background analysis: a measurement every `interval`, the first one after one interval
    (`initialDelay`); it fails below `successCondition`, also when there is nothing to divide (NaN), and more than
    `failureLimit` failures abort at once. One that cannot be made is an error; five in a row, 10 s apart, abort too.

    Source: docs/features/analysis.md; analysis/analysis.go (`assessMetricFailureInconclusiveOrError`),
    utils/defaults/defaults.go (`DefaultConsecutiveErrorLimit`), utils/evaluate/evaluate.go, at 9f8d111d8.
    """

    def rule(tally: Tally) -> Array | None:
        if tally.kind not in ("errors", "latency"):
            return None
        share, times = measure_share(tally, seconds)
        failures = np.cumsum(~(share >= least), axis=1) > failure_limit
        given_up = times + ERROR_LIMIT * RETRY_SECONDS
        errors = _blind_at(tally, times) & _blind_at(tally, given_up)
        return np.minimum(find_first(failures, times), find_first(errors, given_up))

    return rule


def _blind_at(tally: Tally, times: Array) -> Array:
    ticks = np.clip(np.ceil(times / tally.interval).astype(int) - 1, 0, tally.blind.shape[1] - 1)
    return tally.blind[:, ticks]


THRESHOLDS: dict[str, Rule] = {
    "Flagger 60 s x5, < 99 %": flagger(60.0, 5, 0.99),
    "Flagger 15 s x3, < 99 %": flagger(15.0, 3, 0.99),
    "Flagger 60 s x1, < 95 %": flagger(60.0, 1, 0.95),
    "Argo 60 s, limit 3, < 99 %": argo(60.0, 3, 0.99),
}
