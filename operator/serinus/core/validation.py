"""Whether a candidate may be shown to anybody: what the checks of `rollout.validation`, and those of
`rollout.shadow.scoring`, found.

Passed and Failed are about the model. Unknown is about the check: it could not be run, or did not say what it was
asked for; it neither rejects nor lets pass. Outcomes stay in the status: a Job that was tidied up is not run again."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from serinus.api import reasons
from serinus.api.meta import parse_duration
from serinus.api.status import CandidateState, CheckOutcome, CheckState
from serinus.api.validation import Bound, ValidationSpec
from serinus.core.checkjobs import MISCONFIGURED, RETRIED, TIMEOUT, name_job, read_report
from serinus.core.findings import shorten_findings
from serinus.core.plan import Action, DeleteCheck, Event, RunCheck
from serinus.core.release import Exit, Hold, Release
from serinus.core.shadow import is_shadowing
from serinus.core.snapshot import CheckRun, CheckTarget, Snapshot

REPORT_LATENESS = timedelta(seconds=15)
"""How long after the end of a Job its report may still be on its way to us."""
_NAMED = 4
"""Checks that a message names."""
_FINAL = frozenset({"Passed", "Failed"})
_OPEN = frozenset({"Pending", "Running"})


def needs_validation(s: Snapshot, candidate: CandidateState) -> bool:
    """Whether checks are due now."""
    return bool(checks_of(s, candidate))


def checks_of(s: Snapshot, candidate: CandidateState) -> tuple[ValidationSpec, ...]:
    """The checks that are due: those before any traffic, or the scoring at the end of the shadow time. None for a
    revision that has served already, and no scoring where a person ends the shadow time."""
    if s.spec.rollout is None or candidate.returning:
        return ()
    if candidate.phase == ("Swapping" if candidate.in_place else "Pending"):
        return s.spec.rollout.validation
    over = candidate.next_at is not None and s.now >= candidate.next_at
    if is_shadowing(candidate) and over and not candidate.forced_step and s.spec.rollout.shadow is not None:
        return s.spec.rollout.shadow.scoring
    return ()


def targets_of(s: Snapshot, check: ValidationSpec) -> tuple[CheckTarget, ...]:
    """Against whom a check is run: stable too, where a bound compares and stable has pods."""
    compares = any(one.max_drop is not None or one.max_rise is not None for one in (check.bounds or {}).values())
    serves = s.status.stable is not None and s.rollout.strategy != "InPlace"
    return ("candidate", "stable") if compares and serves else ("candidate",)


def attempt_of(s: Snapshot, candidate: CandidateState, check: ValidationSpec) -> str:
    """Names this check of this release; a changed check, a retry or another stable revision is another attempt."""
    stable = s.status.stable.revision if s.status.stable else ""
    named = [check.dump(), candidate.revision, str(candidate.started_at), stable]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def note_validation(s: Snapshot, r: Release) -> Release:
    """Take down what the checks have found so far."""
    candidate = r.candidate
    if candidate is None or not needs_validation(s, candidate):
        return r
    before = {one.attempt: one for one in candidate.validation}
    earlier = {check.name for check in s.spec.rollout.validation} if s.spec.rollout and is_shadowing(candidate) else ()
    found = [one for one in candidate.validation if one.name in earlier]
    for check in checks_of(s, candidate):
        attempt = attempt_of(s, candidate, check)
        old = before.get(attempt)
        new = old if old is not None and old.outcome in _FINAL else _assess(s, candidate, check, old)
        if new is not None:
            found.append(new)
            if new.outcome == "Failed" and new != old and check.severity == "Warn":
                message = f"{candidate.revision}: {check.name}: {new.message}"
                r = r.told(Event(reasons.VALIDATION_WARNED, message, warning=True))
    blocking = {check.name for check in checks_of(s, candidate) if check.severity != "Warn"}
    return replace(r, candidate=candidate.model_copy(update={"validation": shorten_findings(found, blocking)}))


def find_validation_exit(s: Snapshot, r: Release, candidate: CandidateState) -> Exit | None:
    """A failed check that blocks, where there is something to go back to."""
    if r.stable is None:
        return None
    hold = validated(s, candidate) if candidate.in_place else None
    if hold is not None and hold.reason == reasons.VALIDATION_INCONCLUSIVE:
        # Nobody serves meanwhile, so nobody can wait until the check is put right.
        return Exit(reasons.VALIDATION_INCONCLUSIVE, hold.message)
    failed = next(_blocking(s, candidate, "Failed"), None)
    if failed is None:
        return None
    said = "" if is_shadowing(candidate) else "; it had no traffic"
    return Exit(reasons.VALIDATION_FAILED, f"{candidate.revision}: {failed.name}: {failed.message}{said}")


def validated(s: Snapshot, candidate: CandidateState) -> Hold | None:
    """The gate: every check has passed, or only warns."""
    if not needs_validation(s, candidate):
        return None
    found = {one.name: one for one in candidate.validation}
    failed = next(_blocking(s, candidate, "Failed"), None)
    if failed is not None:
        return Hold(reasons.VALIDATION_FAILED, f"{candidate.revision}: {failed.name}: {failed.message}")
    stuck = next(_blocking(s, candidate, "Unknown"), None)
    if stuck is not None:
        job = name_job(candidate.revision, stuck.name, "candidate")
        again = f"; to run it again: kubectl delete job -n {s.namespace} {job}"
        message = f"{candidate.revision}: {stuck.name} is not known: {stuck.message}{again}"
        return Hold(reasons.VALIDATION_INCONCLUSIVE, message, inconclusive=True)
    open_ = [check.name for check in checks_of(s, candidate) if _outcome(found, check) in _OPEN]
    if not open_:
        return None
    late = [run.ended_at + REPORT_LATENESS for run in s.checks.values() if run.ended_at is not None]
    said = f": {found[open_[0]].message}" if open_[0] in found and found[open_[0]].message else ""
    until = min((moment for moment in late if moment > s.now), default=None)
    reason, done = (reasons.SHADOWING, "scored") if is_shadowing(candidate) else (reasons.VALIDATING, "checked")
    return Hold(reason, f"{candidate.revision} is {done}: {_list(open_)}{said}", until=until)


def swap_deadline(s: Snapshot, candidate: CandidateState) -> datetime | None:
    """Until when a candidate that has been given stable's place must have passed its checks, one after the other."""
    if candidate.deadline_at is None or not needs_validation(s, candidate):
        return candidate.deadline_at
    asked = (parse_duration(check.timeout or TIMEOUT) for check in checks_of(s, candidate))
    return candidate.deadline_at + sum(asked, timedelta(0))


def render_checks(s: Snapshot, r: Release) -> list[Action]:
    """Jobs to make, and Jobs to end: those of another attempt, and those whose word nobody waits for any more."""
    candidate = r.candidate
    wanted: dict[str, RunCheck] = {}
    if candidate is not None and needs_validation(s, candidate):
        known = {one.attempt for one in candidate.validation if one.outcome in _FINAL}
        for check in checks_of(s, candidate):
            attempt = attempt_of(s, candidate, check)
            for target in targets_of(s, check) if attempt not in known else ():
                stable = r.stable.revision if r.stable is not None else candidate.revision
                asked = candidate.revision if target == "candidate" else stable
                name = name_job(candidate.revision, check.name, target)
                wanted[name] = RunCheck(candidate.revision, check, target, asked, attempt)
    actions: list[Action] = []
    for name, run in s.checks.items():
        current = name in wanted and wanted[name].attempt == run.attempt
        if not current and not run.leaving and (name in wanted or run.state in _OPEN):
            actions.append(DeleteCheck(name))
    if candidate is not None and _has_pods(s, candidate):
        actions += [run for name, run in wanted.items() if name not in s.checks]
    return actions


def _list(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_NAMED])} and {more} more"


def _has_pods(s: Snapshot, candidate: CandidateState) -> bool:
    return s.workload(candidate.revision).settled >= 1


def _outcome(found: dict[str, CheckState], check: ValidationSpec) -> CheckOutcome:
    return found[check.name].outcome if check.name in found else "Pending"


def _blocking(s: Snapshot, candidate: CandidateState, outcome: CheckOutcome) -> Iterator[CheckState]:
    """Checks with this outcome, those left out that only warn."""
    names = {check.name for check in checks_of(s, candidate) if check.severity != "Warn"}
    return (one for one in candidate.validation if one.outcome == outcome and one.name in names)


def _assess(s: Snapshot, candidate: CandidateState, check: ValidationSpec, old: CheckState | None) -> CheckState | None:
    """What is known of one check by now; None while its Jobs have not been made."""
    attempt = attempt_of(s, candidate, check)
    runs: dict[CheckTarget, CheckRun] = {}
    for target in targets_of(s, check):
        run = s.checks.get(name_job(candidate.revision, check.name, target))
        if run is None or run.attempt != attempt or run.leaving:
            return None
        runs[target] = run
    begun = old is not None and old.outcome == "Running"
    outcome, message = _conclude(s, check, runs, begun=begun)
    if begun and outcome == "Pending":
        # Between two attempts, and while a Job is being stopped, it has no pod.
        outcome = "Running"
    job = runs["candidate"].name
    return CheckState(name=check.name, attempt=attempt, outcome=outcome, job=job, message=message[:256])


def _conclude(
    s: Snapshot, check: ValidationSpec, runs: dict[CheckTarget, CheckRun], *, begun: bool
) -> tuple[CheckOutcome, str]:
    mine = runs["candidate"]
    if mine.state == "Failed":
        return _explain_failure(check, mine, begun=begun)
    for target, run in runs.items():
        if run.state == "Failed":
            _, why = _explain_failure(check, run, begun=True)
            return "Unknown", f"against {target}: {why}"
    unfinished = [run for run in runs.values() if run.state != "Succeeded" or _report_is_late(s, check, run)]
    if unfinished:
        has_begun = any(run.state != "Pending" for run in unfinished)
        return "Running" if has_begun else "Pending", next((run.waiting for run in unfinished if run.waiting), "")
    return _judge(check, runs)


def _report_is_late(s: Snapshot, check: ValidationSpec, run: CheckRun) -> bool:
    """Job and pod reach us by different streams; the results may be seconds behind the end."""
    if not check.bounds or run.report:
        return False
    return run.ended_at is not None and s.now < run.ended_at + REPORT_LATENESS


def _explain_failure(check: ValidationSpec, run: CheckRun, *, begun: bool) -> tuple[CheckOutcome, str]:
    said = f": {run.report.strip()[:120]}" if run.report.strip() else ""
    logs = f" (kubectl logs job/{run.name})"
    if run.reason == "DeadlineExceeded":
        within = check.timeout or TIMEOUT
        if begun:
            return "Failed", f"not finished within {within}"
        return "Unknown", f"could not be started within {within}"
    if run.exit_code in (None, RETRIED):
        return "Unknown", f"the check could not be carried out ({run.reason}){said}{logs}"
    if run.exit_code == MISCONFIGURED:
        return "Unknown", f"the check is configured wrongly{said}{logs}"
    return "Failed", f"exit code {run.exit_code}{said}{logs}"


def _judge(check: ValidationSpec, runs: dict[CheckTarget, CheckRun]) -> tuple[CheckOutcome, str]:
    """Values against bounds; a bound that is broken counts for more than one that cannot be told."""
    if not check.bounds:
        return "Passed", ""
    values: dict[CheckTarget, dict[str, float]] = {}
    for target, run in runs.items():
        report = read_report(run.report) if run.report else "it reported nothing"
        if isinstance(report, str):
            return "Unknown", report if target == "candidate" else f"against {target}: {report}"
        values[target] = report
    told, broken, unknown = [], [], []
    for name, bound in check.bounds.items():
        value = values["candidate"].get(name)
        if value is None:
            unknown.append(f"it reported no number {name!r}")
            continue
        problem, missing = _hold_against(name, bound, value, values.get("stable"))
        broken += problem
        unknown += missing
        told.append(f"{name} {value:g}")
    if broken:
        return "Failed", "; ".join(broken)
    return ("Unknown", "; ".join(unknown)) if unknown else ("Passed", ", ".join(told))


def _hold_against(
    name: str, bound: Bound, value: float, stable: dict[str, float] | None
) -> tuple[list[str], list[str]]:
    """What is broken, and what cannot be told. Without a stable revision there is nothing to compare with."""
    exact = Decimal(repr(value))
    broken = []
    if bound.min is not None and exact < Decimal(bound.min):
        broken.append(f"{name} {value:g}, at least {bound.min} is asked for")
    if bound.max is not None and exact > Decimal(bound.max):
        broken.append(f"{name} {value:g}, at most {bound.max} is allowed")
    if stable is None or (bound.max_drop is None and bound.max_rise is None):
        return broken, []
    if name not in stable:
        return broken, [f"stable reported no number {name!r}"]
    change = exact - Decimal(repr(stable[name]))
    against = f"{name} {value:g} against {stable[name]:g} on stable"
    if bound.max_drop is not None and -change > Decimal(bound.max_drop):
        broken.append(f"{against}, {bound.max_drop} less is allowed")
    if bound.max_rise is not None and change > Decimal(bound.max_rise):
        broken.append(f"{against}, {bound.max_rise} more is allowed")
    return broken, []
