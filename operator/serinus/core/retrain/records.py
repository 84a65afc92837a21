"""What the runs so far say of the next one: cooldown, budget, and which records may go.

All of it is read from the RetrainRuns themselves, so that no counter can be lost or be wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from serinus.api.meta import parse_duration
from serinus.api.retrainpolicy import BudgetSpec, CooldownSpec, HistoryLimits
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.retrainstatus import BudgetState
from serinus.api.runstatus import TERMINAL, RetrainRunStatus

TOLD_NOTHING: Final = frozenset({"Cancelled", "Superseded"})
"""Ends that say nothing of whether training works: they make no pause longer."""
BEING_RELEASED: Final = frozenset({"Promoting", "Observing"})


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, as far as the next one is concerned. `longest` is its activeDeadline; `snapshot` and `template_digest` say
    what made its model, `snapshot` None where nothing was trained; `used` (accelerators times seconds) is None while it
    is not known.
    """

    name: str
    number: int
    decided_at: datetime
    phase: str
    accelerators: int = 0
    longest: timedelta = timedelta(0)
    started_at: datetime | None = None
    trained_at: datetime | None = None
    finished_at: datetime | None = None
    used: int | None = None
    digest: str | None = None
    snapshot: str | None = None
    template_digest: str = ""
    triggers: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.phase in TERMINAL

    @property
    def is_success(self) -> bool:
        return self.phase == "Succeeded"


@dataclass(frozen=True, slots=True)
class ReadRun:
    """A RetrainRun, read once for everybody."""

    record: RunRecord
    spec: RetrainRunSpec
    status: RetrainRunStatus


def observe_run(raw: Mapping[str, Any]) -> ReadRun | None:
    """Read a RetrainRun; None for one that cannot be read: taken for a new one, it would train twice."""
    try:
        spec = RetrainRunSpec.model_validate(raw.get("spec") or {})
        status = RetrainRunStatus.model_validate(raw.get("status") or {})
    except ValidationError:
        return None
    name = str((raw.get("metadata") or {}).get("name", ""))
    return ReadRun(_build_record(name, spec, status), spec, status)


def _build_record(name: str, spec: RetrainRunSpec, status: RetrainRunStatus) -> RunRecord:
    model = status.model
    return RunRecord(
        name=name,
        number=spec.number,
        decided_at=spec.decided_at,
        phase=status.phase or "Pending",
        accelerators=spec.accelerators,
        longest=parse_duration(spec.plan.active_deadline),
        started_at=status.started_at,
        trained_at=status.trained_at,
        finished_at=status.finished_at,
        used=status.accelerator_seconds,
        digest=model.digest if model else None,
        snapshot=(model.snapshot or spec.snapshot) if model else None,
        template_digest=spec.template_digest,
        triggers=tuple(one.trigger for one in spec.reasons),
    )


def find_active(runs: Iterable[RunRecord]) -> RunRecord | None:
    """The run under way; the newest, should there be several."""
    return max((one for one in runs if not one.is_over), key=lambda one: one.number, default=None)


def find_last(runs: Iterable[RunRecord]) -> RunRecord | None:
    """The run that ended last."""
    return max((one for one in runs if one.is_over), key=lambda one: (_end_of(one), one.number), default=None)


def count_failures(runs: Iterable[RunRecord]) -> int:
    """Runs in a row, up to the last one that ended, that were trained for nothing."""
    ended = sorted((one for one in runs if one.is_over), key=lambda one: (_end_of(one), one.number), reverse=True)
    failures = 0
    for one in ended:
        if one.is_success:
            break
        failures += one.phase not in TOLD_NOTHING
    return failures


def find_cooldown(spec: CooldownSpec, runs: Sequence[RunRecord]) -> datetime | None:
    """Until when no trigger starts a run; None before the first run has ended. The time may have passed."""
    last = find_last(runs)
    return None if last is None else _end_of(last) + pause_after(spec, last, count_failures(runs))


def pause_after(spec: CooldownSpec, last: RunRecord, failures: int) -> timedelta:
    """How long the pause after a run is, the last one of so many failures in a row."""
    longest = parse_duration(spec.max)
    if last.is_success:
        return min(parse_duration(spec.after_success), longest)
    pause = parse_duration(spec.after_failure)
    for _ in range(failures - 1):
        if pause >= longest:
            break
        pause *= spec.factor
    return min(pause, longest)


def budget_state(
    budget: BudgetSpec | None,
    runs: Iterable[RunRecord],
    now: datetime,
    *,
    accelerators: int = 0,
    longest: timedelta = timedelta(0),
) -> BudgetState:
    """What has been spent within the window, and when a run with so many accelerators, for so long, may start:
    `free_at` is None where it may now, or where it never may (`fits_budget` tells which)."""
    counted = _within(budget, runs, now)
    spent = sum(map(_seconds_of, counted))
    state = BudgetState(runs=len(counted), accelerator_seconds=spent)
    if budget is None:
        return state
    most = None if budget.max_accelerator_hours is None else budget.max_accelerator_hours * 3600
    return state.model_copy(
        update={
            "remaining_runs": None if budget.max_runs is None else max(budget.max_runs - len(counted), 0),
            "remaining_accelerator_seconds": None if most is None else max(most - spent, 0),
            "free_at": _find_free(budget, counted, _price(accelerators, longest)),
        }
    )


def fits_budget(budget: BudgetSpec | None, accelerators: int, longest: timedelta) -> bool:
    """Whether one run has room in an empty budget."""
    most = budget.max_accelerator_hours if budget else None
    return most is None or _price(accelerators, longest) <= most * 3600


def list_history(
    limits: HistoryLimits,
    budget: BudgetSpec | None,
    runs: Sequence[RunRecord],
    now: datetime,
    *,
    kept: Iterable[str] = (),
    held: Iterable[str] = (),
) -> tuple[str, ...]:
    """Names of the records that may go, oldest first. `kept` are names of runs that something rests on (the champion's,
    the candidate's), `held` digests in quarantine. Runs under way, those that the budget counts, the last one that
    trained and those that the pause is reckoned from stay."""
    needed = {*kept, *(one.name for one in _within(budget, runs, now))} if budget else set(kept)
    trained = max((one for one in runs if one.snapshot is not None), key=lambda one: one.number, default=None)
    last = find_last(runs)
    needed |= {one.name for one in (trained, last) if one is not None}
    held = set(held)
    gone: list[RunRecord] = []
    for is_success, most in ((True, limits.successful), (False, limits.failed)):
        of_kind = [one for one in runs if one.is_over and one.is_success is is_success]
        of_kind.sort(key=lambda one: one.number, reverse=True)
        gone += [one for one in of_kind[most:] if one.name not in needed and one.digest not in held]
    return tuple(one.name for one in sorted(gone, key=lambda one: one.number))


def _within(budget: BudgetSpec | None, runs: Iterable[RunRecord], now: datetime) -> list[RunRecord]:
    """Runs that the budget counts, oldest first; those too that a wrong clock decided in the future."""
    since = now - parse_duration((budget or BudgetSpec(max_runs=1)).window)
    counted = [one for one in runs if one.decided_at > since]
    return sorted(counted, key=lambda one: one.decided_at)


def _find_free(budget: BudgetSpec, counted: Sequence[RunRecord], price: int) -> datetime | None:
    """When enough of the runs have left the window."""
    most = None if budget.max_accelerator_hours is None else budget.max_accelerator_hours * 3600
    window = parse_duration(budget.window)
    for gone in range(len(counted) + 1):
        left = counted[gone:]
        too_many = budget.max_runs is not None and len(left) >= budget.max_runs
        too_dear = most is not None and sum(map(_seconds_of, left)) + price > most
        if not too_many and not too_dear:
            return counted[gone - 1].decided_at + window if gone else None
    return None


def _seconds_of(run: RunRecord) -> int:
    """What a run has used; while it goes on, what it may use at most."""
    if run.used is not None and run.is_over:
        return run.used
    if not run.is_over and run.trained_at is None:
        return _price(run.accelerators, run.longest)
    if run.started_at is None:
        return 0
    until = run.trained_at or _end_of(run)
    return _price(run.accelerators, max(until - run.started_at, timedelta(0)))


def _price(accelerators: int, time: timedelta) -> int:
    return round(accelerators * time.total_seconds())


def _end_of(run: RunRecord) -> datetime:
    return run.finished_at or run.trained_at or run.started_at or run.decided_at
