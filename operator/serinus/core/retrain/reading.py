"""What one look at Prometheus gave: a number, or why nothing is known."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why there is no number: one word of `serinus.api.reasons` or `serinus.api.retrainreasons`, and a sentence."""

    reason: str
    message: str


Value = float | Unknown


@dataclass(frozen=True, slots=True)
class Reading:
    """What a trigger gets to see. `at` is when it was asked, by the clock of Prometheus where that answered;
    `window_end` the end of the time that the value is about, by the same clock or that of the exporter (None where
    `value` is unknown). `samples`, `coverage` (0 to 1) and `before` (the value compareOffset earlier) are None where
    nobody asked for them.
    """

    value: Value
    at: datetime
    window_end: datetime | None = None
    samples: Value | None = None
    coverage: Value | None = None
    before: Value | None = None
