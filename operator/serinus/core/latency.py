"""Which bounds of a latency histogram are worth watching.

A quantile is never tested: it is a gauge, and interpolated within a bucket at that. "Slower than b" is again a share of
the requests, counted exactly, at every bound b that the buckets have. Bounds are chosen from what stable showed before
the test began, so that the choice cannot be swayed by what is tested."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serinus.core.counters import TOTAL, bound_key, bound_of

SHARES: Final = (0.3, 0.1, 0.03, 0.01, 0.003)
"""Shares of slow answers that bounds are looked for; high ones see a general slowdown soon, low ones a long tail."""

LOWEST_SHARE, HIGHEST_SHARE = 0.0005, 0.5
MIN_REQUESTS: Final = 200.0
"""Answers of stable that must be known before bounds are chosen."""

COARSE: Final = 2.5
"""Buckets whose bounds around the usual latency are further apart than this hide a slowdown of that size."""


@dataclass(frozen=True)
class Bounds:
    """The bounds to watch in seconds, or why there are none; `remark` says what cannot be seen with them."""

    bounds: tuple[float, ...] = ()
    problem: str | None = None
    remark: str | None = None


def choose_bounds(sums: Mapping[str, float]) -> Bounds | None:
    """Up to five bounds, from stable's cumulative buckets (answers by key); None while there are too few answers."""
    total = sums.get(TOTAL, 0.0)
    if total < MIN_REQUESTS:
        return None
    buckets = sorted((bound, count) for key, count in sums.items() if (bound := bound_of(key)) is not None)
    if not buckets:
        return Bounds(problem="the histogram has no buckets besides +Inf, so nothing is known of slow answers")
    slow = [(bound, 1.0 - count / total) for bound, count in buckets]
    usable = [(bound, share) for bound, share in slow if LOWEST_SHARE <= share <= HIGHEST_SHARE]
    if not usable:
        return Bounds(problem=_explain_useless(slow))
    chosen = {
        min(usable, key=lambda pair: abs(math.log(pair[1] / wanted)))[0]
        for wanted in SHARES
        if any(0.33 <= share / wanted <= 3.0 for _, share in usable)
    } or {usable[0][0]}
    return Bounds(tuple(sorted(chosen)), remark=_find_coarseness(slow))


def slow_key(bound: float) -> str:
    """The key of the bucket that holds what is not slow."""
    return bound_key(bound)


def _explain_useless(slow: list[tuple[float, float]]) -> str:
    (lowest, fast), (highest, late) = slow[0], slow[-1]
    if fast < LOWEST_SHARE:
        return (
            f"practically all answers are faster than the lowest bucket bound ({lowest:g}s), so a slowdown below it"
            " cannot be seen: give the histogram finer buckets"
        )
    if late > HIGHEST_SHARE:
        return (
            f"most answers are slower than the highest bucket bound ({highest:g}s), so a slowdown cannot be seen: give"
            " the histogram buckets further up"
        )
    return f"no bucket bound between {lowest:g}s and {highest:g}s parts usual from slow answers: give it finer buckets"


def _find_coarseness(slow: list[tuple[float, float]]) -> str | None:
    """What the buckets around the median cannot show."""
    below = [bound for bound, share in slow if share > HIGHEST_SHARE]
    above = [bound for bound, share in slow if share <= HIGHEST_SHARE]
    if not below or not above or above[0] / below[-1] <= COARSE:
        return None
    return (
        f"half of the answers take between {below[-1]:g}s and {above[0]:g}s, where there is no bucket bound: a slowdown"
        f" that stays below {above[0]:g}s cannot be seen"
    )
