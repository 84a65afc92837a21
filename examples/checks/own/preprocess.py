"""From a raw payment to what the model is given. A stand-in for the code inside your own model image."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo


def build_features(payment: Mapping[str, Any]) -> dict[str, float]:
    """Logarithm of the amount, hour of the day where the card lives, and whether it is used abroad."""
    amount = float(payment["amount"])
    if amount < 0:
        raise ValueError(f"amount {amount} must not be negative")
    moment = datetime.fromisoformat(payment["at"]).astimezone(ZoneInfo(payment["time_zone"]))
    return {
        "log_amount": math.log1p(amount),
        "hour": float(moment.hour),
        "abroad": float(payment["country"] != payment["home_country"]),
    }
