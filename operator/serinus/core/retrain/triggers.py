"""One metric trigger, a window at a time.

    Unknown, Clear --bad--> Pending --bad, often enough--> Firing --a run answers it--> Latched
        ^                      |                             |                             |
        '---- not bad ---------'        Clear <--well, often enough in a row---------------'

Only windows that do not overlap count: two looks less than a window apart share their rows and are one observation.
Whatever is unknown (no data, too few rows, NaN, a provider that is away) neither fires nor clears: Pending, Firing and
Latched are kept as they are, with the reason beside them, and `groups` starts nothing on a trigger whose last look was
in vain. Progress is given up in three cases, each told in the message: nothing was known for more than `MAX_GAP`
windows, so that nobody can say that the bad ones came in a row; the clock went back by more than a window; another
revision became stable, whose metrics say nothing of the one before. A clock that jumps ahead adds one window at most.
"""

import math
from datetime import datetime, timedelta
from typing import Any, Final

from serinus.api import reasons, retrainreasons
from serinus.api.meta import format_duration
from serinus.api.retrainstatus import TriggerState, TriggerStateName
from serinus.api.triggers import MetricTrigger
from serinus.core.retrain.limits import Limits, resolve_metric
from serinus.core.retrain.reading import Reading, Unknown
from serinus.core.retrain.states import move, update
from serinus.core.words import plain_number

MAX_GAP: Final = 3
"""Windows without a value after which a row of windows is broken, and a value is too old."""
AHEAD: Final = timedelta(minutes=2)
"""How far clocks may differ."""

_HELD: Final = frozenset({"Pending", "Firing", "Latched"})
_ANSWERABLE: Final = frozenset({"Firing", "Latched"})


def assess_metric(
    spec: MetricTrigger,
    name: str,
    state: TriggerState | None,
    reading: Reading | None,
    now: datetime,
    *,
    warm_until: datetime | None = None,
) -> TriggerState:
    """The state after one look; None as reading is no look. The same reading twice changes nothing.

    `warm_until` is when the metrics begin to be about the revision that is stable now. Latching is done by
    `groups.answer_triggers`.
    """
    state = state or TriggerState(name=name)
    if warm_until is not None and now < warm_until:
        return _warm_up(state, warm_until, now)
    if reading is None or (warm_until is not None and reading.at < warm_until):
        return state
    limits = resolve_metric(spec)
    value = _value_of(reading, limits)
    if isinstance(value, Unknown):
        return _hold(state, value, now)
    if reading.window_end is None:
        return state
    last, end = state.last_window_end, reading.window_end
    broken = ""
    if last is not None and last > max(end, now) + limits.window:
        broken = "; the clock went back, the row begins anew"
    elif last is not None and end - last < limits.window:
        return _known_again(state)
    elif last is not None and end - last > (MAX_GAP + 1) * limits.window:
        broken = "; nothing was known for a while, the row begins anew"
    if broken:
        state = update(state, windows=0, first_bad_at=None if state.state == "Pending" else state.first_bad_at)
    return _count(state, limits, reading, value, now=now, broken=broken)


def _value_of(reading: Reading, limits: Limits) -> float | Unknown:
    """The number that is compared with the limits, or why there is none that counts."""
    parts: dict[str, float | None] = {}
    for part in ("value", "samples", "coverage", "before"):
        given: float | Unknown | None = getattr(reading, part)
        if isinstance(given, Unknown):
            return given
        if given is not None and not math.isfinite(given):
            return Unknown(reasons.NOT_A_NUMBER, f"{part} is {given}")
        parts[part] = given
    samples, coverage = parts["samples"], parts["coverage"]
    if limits.samples is not None and (samples is None or samples < limits.samples):
        rows = "no count of rows" if samples is None else f"{samples:,.0f} rows"
        return Unknown(retrainreasons.INSUFFICIENT_DATA, f"{rows} behind the value, {limits.samples:,} are needed")
    if limits.coverage is not None and (coverage is None or coverage < limits.coverage):
        share = "no share of labels" if coverage is None else f"{100 * coverage:.4g}% of the labels"
        return Unknown(retrainreasons.LABELS_MISSING, f"{share} are there, {100 * limits.coverage:.4g}% are needed")
    before = parts["before"]
    if limits.compare is not None and before is None:
        return Unknown(reasons.NO_DATA, f"no value of {format_duration(limits.compare)} ago to compare with")
    end = reading.window_end
    if end is not None and end > reading.at + max(limits.window, AHEAD):
        return Unknown(reasons.INVALID_ANSWER, f"the window ends in the future, at {end:%Y-%m-%d %H:%M:%SZ}")
    if end is not None and reading.at - limits.delay - end > MAX_GAP * limits.window:
        return Unknown(reasons.STALE, f"the window ended at {end:%Y-%m-%d %H:%M:%SZ}, more than {MAX_GAP} windows ago")
    value = reading.value
    return value - before if isinstance(value, float | int) and before is not None else value


def _hold(state: TriggerState, why: Unknown, now: datetime) -> TriggerState:
    """Nothing is known: what has been seen so far is kept."""
    after: TriggerStateName = state.state if state.state in _HELD else "Unknown"
    return move(state, after, now, reason=why.reason, message=why.message)


def _warm_up(state: TriggerState, until: datetime, now: datetime) -> TriggerState:
    """What was seen is about another revision. `first_bad_at` stays until a window is not bad: a degradation that goes
    on did not begin with the new one."""
    after: TriggerStateName = "Latched" if state.state == "Latched" else "Unknown"
    message = f"another revision is stable: looked at from {until:%Y-%m-%d %H:%M:%SZ} on"
    return move(
        state, after, now, reason=retrainreasons.WARMUP, message=message, windows=0, last_window_end=None, value=None
    )


def _known_again(state: TriggerState) -> TriggerState:
    """A value, and no new window: what kept it from being known is over, which alone changes no state."""
    return update(state, reason="", message="known again; the next window counts") if state.reason else state


def _count(
    state: TriggerState, limits: Limits, reading: Reading, value: float, *, now: datetime, broken: str
) -> TriggerState:
    """One more window."""
    samples = reading.samples if isinstance(reading.samples, float | int) else None
    seen: dict[str, Any] = {
        "reason": "",
        "value": f"{value:.6g}",
        "samples": None if samples is None else max(round(samples), 0),
        "last_window_end": reading.window_end,
        "known_at": reading.at,
    }
    text = _describe(limits, value)
    if state.state in _ANSWERABLE:
        windows = state.windows + 1 if limits.is_well(value) else 0
        if windows >= limits.needed:
            return move(state, "Clear", now, **seen, windows=0, first_bad_at=None, message=f"{text}: well again")
        well = f", well in {windows} of {limits.needed} windows" if windows else ""
        return move(state, state.state, now, **seen, windows=windows, message=f"{text}{well}{broken}")
    if not limits.is_bad(value):
        return move(state, "Clear", now, **seen, windows=0, first_bad_at=None, message=text)
    windows = state.windows + 1
    first = state.first_bad_at or reading.window_end
    message = f"{text}, bad in {windows} of {limits.needed} windows{broken}"
    if windows < limits.needed:
        return move(state, "Pending", now, **seen, windows=windows, first_bad_at=first, message=message)
    return move(state, "Firing", now, **seen, windows=0, first_bad_at=first, last_fired=now, message=message)


def _describe(limits: Limits, value: float) -> str:
    side = "above" if limits.above else "below"
    compared = f" against {format_duration(limits.compare)} before" if limits.compare else ""
    return (
        f"{plain_number(value)}{compared}; fires {side} {plain_number(limits.fire)},"
        f" clears {'below' if limits.above else 'above'} {plain_number(limits.clear)}"
    )
