"""What a check has found, and the one JSON object that Serinus reads."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .errors import ConfigError
from .metrics import Measured

LIMIT: Final = 4096
"""Kubernetes cuts a termination message there, and half an object says nothing."""
_SHOWN: Final = 5


@dataclass(frozen=True)
class Finding:
    """Values by name, known or with the reason why not; `broken` says why a check with `mustPass` fails the run."""

    measured: Mapping[str, Measured]
    lines: Sequence[str] = ()
    broken: str = ""
    parts: frozenset[str] = field(default_factory=frozenset)
    """Values that can be done without where the report gets too big."""

    @property
    def values(self) -> dict[str, float]:
        return {name: round_value(one.value) for name, one in self.measured.items() if one.value is not None}

    def describe(self) -> Iterator[str]:
        yield from self.lines
        for name, one in self.measured.items():
            if one.value is None:
                yield f"{name} is left out: {one.reason}"
            else:
                yield f"{name} = {round_value(one.value)}"


def round_value(value: float) -> float:
    """Nine digits: 0.30000000000000004 must not break a bound of 0.3. Counts are whole, and shorter so."""
    rounded = float(f"{value:.9g}")
    return int(rounded) if rounded.is_integer() else rounded


def first_of(lines: Iterable[str]) -> list[str]:
    """The first few of what may be thousands, and how many more there are."""
    known = list(lines)
    more = len(known) - _SHOWN
    return known[:_SHOWN] + ([f"... and {more} more"] if more > 0 else [])


def build_report(findings: Mapping[str, Finding]) -> tuple[str, list[str]]:
    """The report, and what had to be left out of it. ConfigError where it does not fit even so."""
    report = _dump(findings, dropped=frozenset())
    if len(report) <= LIMIT:
        return report, []
    parts = frozenset(name for finding in findings.values() for name in finding.parts if name in finding.values)
    slim = _dump(findings, parts)
    if len(slim) <= LIMIT:
        said = f"{len(parts)} values of single parts are left out of the report: with them it has {len(report)} bytes"
        return slim, [f"{said}, and {LIMIT} are allowed (set `each: false`)"]
    sizes = {name: len(_dump({name: one}, parts)) for name, one in findings.items()}
    biggest = sorted(sizes, key=lambda name: -sizes[name])[:_SHOWN]
    told = ", ".join(f"{name} ({sizes[name]} bytes)" for name in biggest)
    raise ConfigError(f"the report has {len(slim)} bytes and may have {LIMIT}: use several Jobs, or shorten {told}")


def _dump(findings: Mapping[str, Finding], dropped: frozenset[str]) -> str:
    values = {
        name: value for finding in findings.values() for name, value in finding.values.items() if name not in dropped
    }
    return json.dumps(values, separators=(",", ":"))
