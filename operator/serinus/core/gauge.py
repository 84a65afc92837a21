"""A test for values that are computed elsewhere: an accuracy, a drift score, a queue's depth.

Such a value is one number per scrape, and neighbouring ones resemble each other, so a scrape is worth less than it
looks: what counts is the long-run variance V = sigma^2 (1 + rho) / (1 - rho), rho being the correlation of neighbours
(AR(1); simulated at rho 0.8 the plain variance gives 32 % false alarms, V none). For a deviation d that may not be
above 0 on average the interval's likelihood ratio is exp(lambda d - lambda^2 V / 2), for lambda on a grid (a normal
mixture; Waudby-Smith et al., arXiv 2103.06476). Values further out than four standard deviations count as four.

It needs many more scrapes than a ratio of counters; `assess_delay` says how many."""

import math
from dataclasses import dataclass, replace
from typing import Final

MIN_LOOKS: Final = 24
"""Values that must have been seen before anything is concluded."""

CAUTION: Final = 0.5
"""Standard errors by which rho is taken larger than it looks: neighbours that resemble each other look like a small
variance as long as there are few of them (simulated at rho 0.8: 12 % false alarms without)."""

STEPS: Final[tuple[float, ...]] = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Deviations that are bet on, in units of sqrt(V)."""

CLIP: Final = 4.0
MAX_RHO: Final = 0.98


@dataclass(frozen=True, slots=True)
class Track:
    """Running moments of one sequence of values: number, mean, sums of squares and of neighbours' products."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    products: float = 0.0
    last: float = 0.0


def observe_value(track: Track, value: float) -> Track:
    """The moments after one more value (Welford's recursion; neighbours' products about the running mean)."""
    n = track.n + 1
    delta = value - track.mean
    mean = track.mean + delta / n
    products = track.products + (track.last - mean) * (value - mean) if track.n else 0.0
    return Track(n, mean, track.squares + delta * (value - mean), products, value)


def assess_variance(track: Track) -> float | None:
    """Variance sigma^2 of the values; None before `MIN_LOOKS` of them."""
    return track.squares / (track.n - 1) if track.n >= MIN_LOOKS else None


def assess_long_run_variance(track: Track) -> float | None:
    """V of the values; None before `MIN_LOOKS` of them. rho is corrected for its bias in short sequences (Kendall 1954:
    -(1 + 4 rho) / n), and by `CAUTION` of its standard error sqrt((1 - rho^2) / n).
    """
    variance = assess_variance(track)
    if variance is None:
        return None
    rho = track.products / track.squares if track.squares > 0 else 0.0
    rho = min(max(rho + (1 + 4 * max(rho, 0.0)) / track.n, 0.0), MAX_RHO)
    rho = min(rho + CAUTION * math.sqrt((1 - rho * rho) / track.n), MAX_RHO)
    return variance * (1 + rho) / (1 - rho)


def gauge_gains(deviation: float, variance: float, long_run: float) -> list[float]:
    """ln L of one value, per lambda. `deviation` is by how much it is beyond what is allowed (negative: within)."""
    reach = CLIP * math.sqrt(variance)
    clipped = min(max(deviation, -reach), reach)
    root = math.sqrt(long_run)
    return [step * clipped / root - step * step / 2 for step in STEPS]


def assess_delay(long_run: float, shift: float, log_threshold: float) -> float:
    """Scrapes until a lasting shift of this size raises an alarm, about: 2 ln(2 K / alpha) V / shift^2, the mixture
    over K deviations and the onset costing a factor of 2 K.
    """
    return 2.0 * (log_threshold + math.log(2 * len(STEPS))) * long_run / (shift * shift)


def floor_variance(track: Track, scale: float) -> Track:
    """A track whose variance is not below that of the last digit or so of a value of this size: a gauge that never
    moved is not known to never move.
    """
    floor = (1e-3 * max(abs(scale), 1e-6)) ** 2 * max(track.n - 1, 1)
    return track if track.squares >= floor else replace(track, squares=floor)
