"""How long one row takes, with nobody else asking: a first look, before real traffic tells more."""

import itertools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from .answers import Failure
from .config import LatencyCheck
from .context import Context
from .errors import InfraError
from .findings import Finding, first_of
from .metrics import Measured

QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def check_latency(check: LatencyCheck, context: Context) -> Finding:
    measured: dict[str, Measured] = {}
    lines: list[str] = []
    for concurrency in check.concurrency:
        prefix = check.name if concurrency == 1 else f"{check.name}_c{concurrency}"
        _time(context, check.data, check.warmup, concurrency)
        times = _time(context, check.data, check.requests, concurrency)
        failures = [one for one in times if isinstance(one, Failure)]
        if all(isinstance(one, Failure) and one.status is None for one in times):
            raise InfraError(f"{check.name}: none of {len(times)} requests was answered: {failures[0]}")
        measured.update((f"{prefix}_{name}", one) for name, one in summarise(times).items())
        lines.append(f"{len(times)} requests of one row, {concurrency} at once")
        lines += first_of(str(one) for one in failures)
    return Finding(measured, lines)


def summarise(times: Sequence[float | Failure]) -> dict[str, Measured]:
    """Quantiles in seconds, and how many failed. A request without an answer took for ever: to leave it out would
    make the model look faster for every request that it fails."""
    ordered = sorted(math.inf if isinstance(one, Failure) else one for one in times)
    found = {name: _quantile(ordered, share) for name, share in QUANTILES.items()}
    return {**found, "errors": Measured(float(sum(isinstance(one, Failure) for one in times)))}


def _quantile(ordered: Sequence[float], share: float) -> Measured:
    """The smallest time that at least this share of the requests kept to."""
    needed = round(1 / (1 - share))
    if len(ordered) < needed:
        return Measured(None, f"{len(ordered)} requests; at least {needed} are needed")
    value = ordered[max(math.ceil(share * len(ordered)), 1) - 1]
    return Measured(value) if math.isfinite(value) else Measured(None, "too many requests failed")


def _time(context: Context, data: str, count: int, concurrency: int) -> list[float | Failure]:
    rows = [row.features for row in context.rows(data)]
    asked = list(itertools.islice(itertools.cycle(rows), count))
    with ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(context.model.time_one, asked))
