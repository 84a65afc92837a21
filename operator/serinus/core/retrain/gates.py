"""Whether a candidate may go on: what each gate asks for, held against what is known.

Evidence that is missing is a value of its own and blocks, unless the policy says that it only warns. The champion's
values count only where it was this very champion that was evaluated on the candidate's data: two models on two data
sets have nothing to tell about each other. Without a champion there is nothing to compare with, and bounds alone
hold."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from serinus.api.gatespec import Gate
from serinus.api.retrainstatus import ModelState
from serinus.api.runstatus import GateResult
from serinus.core.features import compare_features, read_features
from serinus.core.retrain.bounds import (
    Found,
    Number,
    describe_bound,
    direction_of,
    figure,
    has_bound,
    hold,
    read_number,
    show,
)
from serinus.core.retrain.gatejobs import JobReport
from serinus.core.retrain.results import Results

Features = Mapping[str, Sequence[str]]
Verdict = Literal["Passed", "Warned", "Blocked", "Running"]

_NAMED: Final = 3
"""Slices that a message names."""


@dataclass(frozen=True)
class Reading:
    """The answer to the query of a gate: a value, or why there is none. No Reading at all: it has not been asked."""

    value: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that gates may look at."""

    results: Results
    champion: ModelState | None = None
    """The model that served when the run was decided."""
    readings: Mapping[str, Reading | None] | None = None
    """Answers to queries by name of the gate; None under a name while there is no answer yet."""
    reports: Mapping[str, JobReport] | None = None
    """What Jobs of gates have said, by name of the gate."""
    features: Features | None = None
    """The feature schema that callers of the ModelDeployment rely on; None where it has none."""


def assess_gates(gates: Iterable[Gate], evidence: Evidence) -> tuple[GateResult, ...]:
    """What each gate finds in the evidence, in their order. Total: whatever the results hold is an answer."""
    return tuple(_conclude(gate, _assess(gate, evidence)) for gate in gates)


def gates_verdict(results: Iterable[GateResult]) -> Verdict:
    """What the gates come to together. A gate that blocks does so before the others have ended."""
    verdicts = [(one.verdict, one.severity) for one in results]
    if any(verdict in ("Failed", "Missing") and severity != "Warn" for verdict, severity in verdicts):
        return "Blocked"
    if any(verdict == "Running" for verdict, _ in verdicts):
        return "Running"
    warned = any(verdict in ("Warned", "Failed", "Missing") for verdict, _ in verdicts)
    return "Warned" if warned else "Passed"


def _conclude(gate: Gate, found: Found) -> GateResult:
    severity = gate.severity or "Block"
    verdict, message = found.verdict, found.message
    if verdict == "Failed" and severity == "Warn":
        verdict = "Warned"
    elif verdict == "Missing" and (severity == "Warn" or gate.on_missing == "Warn"):
        verdict, message = "Warned", f"no evidence: {message}"
    return GateResult(
        name=gate.name,
        kind=gate.kind,
        verdict=verdict,
        severity=severity,
        value=figure(found.value),
        champion=figure(found.champion),
        bound=describe_bound(gate),
        samples=found.samples,
        attempts=found.attempts,
        message=message,
    )


def _assess(gate: Gate, evidence: Evidence) -> Found:
    if gate.job is not None:
        return _assess_job(gate, evidence)
    if gate.query is not None:
        return _assess_query(gate, evidence)
    if gate.kind == "Schema":
        return _assess_schema(evidence)
    if gate.kind == "Signature":
        return _assess_signature(gate, evidence)
    if gate.kind == "Slice":
        return _assess_slices(gate, evidence)
    candidate = read_number(evidence.results.value(gate.value or ""), f"the results' {gate.value}")
    champion = _champion_number(gate, evidence, lambda: evidence.results.value(f"champion.{gate.value}"))
    return hold(gate, candidate, champion)


def _assess_query(gate: Gate, evidence: Evidence) -> Found:
    reading = (evidence.readings or {}).get(gate.name)
    if reading is None:
        return Found("Running", "its query has not been answered yet")
    problem = f"its query has no value: {reading.problem or 'no data'}"
    number = Number(None, problem) if reading.value is None else read_number(reading.value, "the query's answer")
    return hold(gate, number, None)


def _assess_job(gate: Gate, evidence: Evidence) -> Found:
    report = (evidence.reports or {}).get(gate.name)
    if report is None:
        return Found("Running", "its Job has not been made yet")
    if report.state in ("Pending", "Running"):
        return Found("Running", report.message or "its Job is at work", attempts=report.attempts)
    if report.state == "Failed":
        return Found("Failed", report.message, attempts=report.attempts)
    if report.state == "Unknown":
        return Found("Missing", report.message, attempts=report.attempts)
    if not has_bound(gate):
        return Found("Passed", report.message or "its Job says yes", attempts=report.attempts)
    values = report.values
    own = values.get(gate.name, values.get("value"))
    candidate = read_number(own, f"its Job's report, under {gate.name!r} or 'value',")
    champion = None
    if gate.versus_champion is not None and evidence.champion is not None:
        champion = read_number(values.get("champion"), "its Job's report, under 'champion',")
    found = hold(gate, candidate, champion)
    return Found(found.verdict, found.message, found.value, found.champion, attempts=report.attempts)


def _assess_schema(evidence: Evidence) -> Found:
    if evidence.features is None:
        return Found("Skipped", "the ModelDeployment declares no feature schema: no caller relies on one")
    given = evidence.results.raw.get("schema")
    if given is None:
        return Found("Missing", "the results have no schema, and callers of the ModelDeployment rely on one")
    features = read_features(json.dumps(given))
    if isinstance(features, str):
        return Found("Missing", f"the results' schema {features}")
    breaks = compare_features(evidence.features, features)
    if breaks:
        return Found("Failed", "; ".join(breaks[:_NAMED]) + _more(len(breaks)))
    return Found("Passed", f"takes all {len(evidence.features)} features that callers send")


def _assess_signature(gate: Gate, evidence: Evidence) -> Found:
    identity = evidence.results.signature
    if identity is None:
        return Found("Missing", "the results have no signature.identity")
    if gate.identity is not None and identity != gate.identity:
        return Found("Failed", f"signed by {identity!r}, {gate.identity!r} is asked for")
    return Found("Passed", f"signed by {identity!r}, as the training says")


def _assess_slices(gate: Gate, evidence: Evidence) -> Found:
    path = gate.value or ""
    slices = evidence.results.value(path)
    if not isinstance(slices, dict) or not slices:
        return Found("Missing", f"the results' {path} must be an object of slices, not {show(slices)}")
    compared = gate.versus_champion is not None and evidence.champion is not None
    distrust = _find_distrust(evidence) if compared else None
    if distrust is not None:
        return Found("Missing", distrust)
    before = evidence.results.value(f"champion.{path}") if compared else None
    if compared and not isinstance(before, dict):
        return Found("Missing", f"the results' champion.{path} must be an object of slices, not {show(before)}")
    champions: dict[str, Any] = before if isinstance(before, dict) else {}
    wanted = gate.slices or tuple(champions)
    names = list(dict.fromkeys((*wanted, *slices)))
    found = [_assess_slice(gate, name, slices.get(name), champions.get(name), compared=compared) for name in names]
    return _join_slices(gate, dict(zip(names, found, strict=True)))


def _assess_slice(gate: Gate, name: str, given: Any, champion: Any, *, compared: bool) -> Found:
    """One slice. Skipped: too few samples to be judged. A slice that the champion did not have has bounds only."""
    number = read_number(given, f"slice {name!r}")
    if number.value is not None and gate.min_samples is not None:
        if number.samples is None:
            return Found("Missing", f"slice {name!r} does not say how many samples it has")
        if number.samples < gate.min_samples:
            return Found("Skipped", f"slice {name!r} has {number.samples:,} samples", number.value)
    against = read_number(champion, f"the champion's slice {name!r}") if compared and champion is not None else None
    found = hold(gate, number, against)
    if found.verdict == "Skipped":
        found = Found("Passed", "new: the champion has no such slice", number.value)
    return Found(found.verdict, f"{name}: {found.message}", found.value, found.champion, number.samples)


def _join_slices(gate: Gate, slices: Mapping[str, Found]) -> Found:
    """The worst slice speaks for all: what is broken counts for more than what is not known."""
    for verdict in ("Failed", "Missing"):
        bad = [one for one in slices.values() if one.verdict == verdict]
        if bad:
            worst = min(bad, key=lambda one: _headroom(gate, one))
            named = [worst, *(one for one in bad if one is not worst)]
            message = "; ".join(one.message for one in named[:_NAMED]) + _more(len(bad))
            return Found(worst.verdict, message, worst.value, worst.champion, worst.samples)
    judged = [one for one in slices.values() if one.verdict == "Passed"]
    if not judged:
        return Found("Missing", f"none of {len(slices)} slices has {gate.min_samples or 1:,} samples")
    worst = min(judged, key=lambda one: _headroom(gate, one))
    left = len(slices) - len(judged)
    message = f"{len(judged)} slices, the worst is {worst.message}"
    message += f"; {left} with fewer than {gate.min_samples:,} samples not judged" if left else ""
    return Found("Passed", message, worst.value, worst.champion, worst.samples)


def _headroom(gate: Gate, found: Found) -> float:
    """How far a value is on the good side; the lower, the worse."""
    if found.value is None:
        return math.inf
    change = found.value - found.champion if found.champion is not None else found.value
    return change if direction_of(gate) == "HigherIsBetter" else -change


def _champion_number(gate: Gate, evidence: Evidence, read: Any) -> Number | None:
    """The champion's number; None where it is not asked for, or there is no champion."""
    if gate.versus_champion is None or evidence.champion is None:
        return None
    distrust = _find_distrust(evidence)
    if distrust is not None:
        return Number(None, distrust)
    return read_number(read(), f"the results' champion.{gate.value}")


def _find_distrust(evidence: Evidence) -> str | None:
    """Why the champion's values in the results are not the champion's."""
    wanted, given = evidence.champion.digest if evidence.champion else None, evidence.results.champion_digest
    if wanted is None or given == wanted:
        return None
    if given is None:
        return f"the results do not say which champion they compare with: champion.digest must be {wanted}"
    return f"the results compare with {given}, the champion is {wanted}"


def _more(count: int) -> str:
    return f" and {count - _NAMED} more" if count > _NAMED else ""
