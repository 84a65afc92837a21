"""A metric trigger with every value concrete: the only place that knows the defaults of `spec.triggers[].metric`."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from serinus.api.meta import parse_decimal, parse_duration, parse_ratio
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.triggers import MetricTrigger, Signal

DRIFT_WINDOWS: Final = 3
WINDOWS: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """When a metric fires and clears: after `needed` windows in a row beyond `fire`, or on the good side of `clear`.
    `above` says that high values are bad; `samples` and `coverage` are floors (rows, 0 to 1).
    """

    window: timedelta
    needed: int
    above: bool
    fire: float
    clear: float
    signal: Signal = "Quality"
    samples: int | None = None
    coverage: float | None = None
    delay: timedelta = timedelta(0)
    compare: timedelta | None = None

    def is_bad(self, value: float) -> bool:
        return value > self.fire if self.above else value < self.fire

    def is_well(self, value: float) -> bool:
        return value < self.clear if self.above else value > self.clear


def resolve_metric(spec: MetricTrigger) -> Limits:
    """Fill in what the user left out. Expects exactly one of fireAbove and fireBelow."""
    above = spec.fire_above is not None
    fire = parse_decimal(spec.fire_above or spec.fire_below or "0")
    window = parse_duration(spec.window)
    signal = spec.signal or "Quality"
    needed = spec.consecutive_windows or (DRIFT_WINDOWS if signal == "Drift" else WINDOWS)
    if spec.for_ is not None:
        needed = max(needed, math.ceil(parse_duration(spec.for_) / window))
    compare = None if spec.compare_offset is None else parse_duration(spec.compare_offset)
    given = spec.clear_below if above else spec.clear_above
    return Limits(
        window=window,
        needed=needed,
        above=above,
        fire=fire,
        clear=_default_clear(fire, above=above, compared=bool(compare)) if given is None else parse_decimal(given),
        signal=signal,
        samples=spec.min_samples.value if spec.min_samples else None,
        coverage=parse_ratio(spec.min_label_coverage.value) if spec.min_label_coverage else None,
        delay=parse_duration(spec.label_delay) if spec.label_delay else timedelta(0),
        compare=compare,
    )


def resolve_warmup(spec: RetrainPolicySpec) -> timedelta:
    """How long metric triggers are not looked at after another revision has become stable: until the longest window
    holds nothing of the one before."""
    if spec.warmup_after_promotion is not None:
        return parse_duration(spec.warmup_after_promotion)
    resolved = [resolve_metric(one.metric) for one in spec.triggers if one.metric is not None]
    return max((one.window + one.delay for one in resolved), default=timedelta(0))


def _default_clear(fire: float, *, above: bool, compared: bool) -> float:
    if above:
        return fire - abs(fire) / 5
    if 0 < fire < 1 and not compared:
        # A share, of which 1 is the best there is.
        return fire + (1 - fire) / 5
    return fire + abs(fire) / 4
