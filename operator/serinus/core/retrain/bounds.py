"""Numbers against what a gate allows: its own bounds, and the change against the champion. Exact, as people write them:
0.30 is 0.30."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from serinus.api.gatespec import Direction, Gate, GateKind
from serinus.api.runstatus import GateVerdict

LOWER_IS_BETTER: Final[frozenset[GateKind]] = frozenset({"DataQuality", "Fairness", "Safety", "Latency", "Size"})
LARGEST: Final = 1e18
"""Values beyond this are no measurements."""


@dataclass(frozen=True)
class Found:
    """What a gate came to, before its severity is looked at."""

    verdict: GateVerdict
    message: str
    value: float | None = None
    champion: float | None = None
    samples: int | None = None
    attempts: int = 0


@dataclass(frozen=True)
class Number:
    """A number that was found, or (None) why there is none."""

    value: float | None
    message: str = ""
    samples: int | None = None


def direction_of(gate: Gate) -> Direction:
    """Which values are better."""
    return gate.direction or ("LowerIsBetter" if gate.kind in LOWER_IS_BETTER else "HigherIsBetter")


def has_bound(gate: Gate) -> bool:
    return gate.min is not None or gate.max is not None or gate.versus_champion is not None


def describe_bound(gate: Gate) -> str:
    """What a gate allows, in a few words: `>= 0.90, >= champion - 0.005`."""
    parts = [f">= {gate.min}"] if gate.min is not None else []
    parts += [f"<= {gate.max}"] if gate.max is not None else []
    change = gate.versus_champion
    if change is not None:
        sign = ">=" if direction_of(gate) == "HigherIsBetter" else "<="
        amount = change.absolute if change.absolute is not None else change.relative or "0"
        step = f"{'-' if amount.startswith('-') else '+'} {amount.lstrip('-')}"
        parts.append(f"{sign} champion {step}{'' if change.absolute is not None else ' of it'}")
    return ", ".join(parts)


def hold(gate: Gate, number: Number, champion: Number | None) -> Found:
    """A value against its bounds; one that is broken counts for more than one that cannot be told."""
    if number.value is None:
        return Found("Missing", number.message, champion=champion.value if champion else None)
    value, exact = number.value, Decimal(repr(number.value))
    before = champion.value if champion is not None else None
    broken = []
    if gate.min is not None and exact < Decimal(gate.min):
        broken.append(f"{figure(value)}, at least {gate.min} is asked for")
    if gate.max is not None and exact > Decimal(gate.max):
        broken.append(f"{figure(value)}, at most {gate.max} is allowed")
    if before is not None:
        broken += _compare(gate, exact, before)
    if broken:
        return Found("Failed", "; ".join(broken), value, before, number.samples)
    if champion is not None and before is None:
        return Found("Missing", champion.message, value, None, number.samples)
    if gate.min is None and gate.max is None and champion is None:
        return Found("Skipped", "there is no champion to compare with", value, None, number.samples)
    against = f" against {figure(before)} of the champion" if before is not None else ""
    return Found("Passed", f"{figure(value)}{against}", value, before, number.samples)


def _compare(gate: Gate, value: Decimal, champion: float) -> list[str]:
    """What the change against the champion breaks. Shares are of the champion's size, whatever its sign."""
    change = gate.versus_champion
    if change is None:
        return []
    base = Decimal(repr(champion))
    step = Decimal(change.absolute) if change.absolute is not None else Decimal(change.relative or "0") * abs(base)
    limit = base + step
    higher = direction_of(gate) == "HigherIsBetter"
    if value >= limit if higher else value <= limit:
        return []
    word = "at least" if higher else "at most"
    said = f"{figure(float(value))} against {figure(champion)} of the champion"
    return [f"{said}, {word} {figure(float(limit))} is asked for"]


def read_number(given: Any, what: str) -> Number:
    """A number, alone or as {"value": 0.9, "samples": 412}."""
    samples = None
    if isinstance(given, dict):
        count = given.get("samples")
        samples = count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
        given = given.get("value")
    if given is None:
        return Number(None, f"{what} has no value")
    if isinstance(given, bool) or not isinstance(given, int | float):
        return Number(None, f"{what} is {show(given)}, which is no number")
    if not -LARGEST <= given <= LARGEST:  # NaN is not between anything
        return Number(None, f"{what} is {show(given)}, which is no number that can be measured")
    return Number(float(given), samples=samples)


def figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.10g}"


def show(value: Any) -> str:
    return json.dumps(value, default=str)[:40] if value is not None else "nothing"
