"""A trigger by data that has come since the last training."""

import math
from datetime import datetime

from serinus.api import reasons
from serinus.api.meta import parse_ratio
from serinus.api.retrainstatus import TriggerState
from serinus.api.triggers import NewDataTrigger
from serinus.core.retrain.reading import Reading, Unknown
from serinus.core.retrain.states import move, update


def assess_new_data(
    spec: NewDataTrigger, name: str, state: TriggerState | None, reading: Reading | None, now: datetime
) -> TriggerState:
    """Fire once enough rows have come since `baseline`: the first number that was known, later the one at the last
    training. Latched while the run that it asked for is under way (`groups.settle_triggers`). A number that falls
    below the baseline was counted anew, and is the new one."""
    state = state or TriggerState(name=name)
    if reading is None or state.state == "Latched":
        return state
    value = reading.value
    if not isinstance(value, Unknown) and not math.isfinite(value):
        value = Unknown(reasons.NOT_A_NUMBER, f"the number of rows is {value}")
    if isinstance(value, Unknown):
        return move(
            state, "Firing" if state.state == "Firing" else "Unknown", now, reason=value.reason, message=value.message
        )
    rows = f"{value:.0f}"
    # Rows that come without being enough are no news: the status is left alone.
    seen = {"reason": "", "value": rows, "known_at": reading.at}
    before = None if state.baseline is None else float(state.baseline)
    if before is None or value < before:
        fell = "" if before is None else f"fell from {before:,.0f} to {value:,.0f} rows: "
        message = f"{fell}counted from {value:,.0f} rows on"
        return move(
            state, "Firing" if state.state == "Firing" else "Clear", now, **seen, baseline=rows, message=message
        )
    new = value - before
    if state.state == "Firing":
        return state if not state.reason else update(state, reason="")
    if not _is_enough(spec, new, value):
        if state.state == "Clear" and not state.reason:
            return state
        return move(state, "Clear", now, **seen, message=f"counted from {before:,.0f} rows on")
    message = f"{new:,.0f} new rows since the last training, {value:,.0f} in all"
    return move(state, "Firing", now, **seen, last_fired=now, message=message)


def _is_enough(spec: NewDataTrigger, new: float, rows: float) -> bool:
    enough = spec.min_new_rows is None or new >= spec.min_new_rows
    return enough and new > 0 and (spec.min_new_share is None or new >= parse_ratio(spec.min_new_share) * rows)
