"""A policy over a past that is known: when it would have fired, what would have held it, and at what cost.

Driven by the very functions that decide in the operator. What the past does not hold is assumed, and said by whoever
shows it: how a run ends and how long it takes, that no other revision was released meanwhile, and that the metrics were
those that were measured though a newer model might have had better ones."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import PendingRun, TriggerState
from serinus.core.retrain.assess import Seen, assess_triggers, find_next_schedule
from serinus.core.retrain.decision import build_pending, decide_start
from serinus.core.retrain.groups import answer_triggers, kind_of, pass_over, settle_triggers
from serinus.core.retrain.limits import resolve_warmup
from serinus.core.retrain.reading import Reading, Unknown
from serinus.core.retrain.records import RunRecord, find_active
from serinus.core.retrain.standing import Decision, Hold, Nothing, Standing, Start

UID: Final = "backtest"
REPLAYED: Final = frozenset({"metric", "newData", "schedule"})
"""Kinds whose past can be known: Prometheus tells of metrics, and the calendar of itself."""

What = Literal["Fired", "Cleared", "Started", "Ended", "Held", "PassedOver"]


@dataclass(frozen=True, slots=True)
class Assumed:
    """How runs go: how long each takes, whether it ends with a model in production, and what it uses."""

    takes: timedelta
    succeeds: bool = True
    accelerators: int = 0


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that would have happened. `subject` is a trigger, a run, or the word for what kept a run waiting."""

    at: datetime
    what: What
    subject: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a trigger's past is known: looks, those with a value that counted for something, why the others had
    none, and the first look that had one."""

    looks: int = 0
    known: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backtest:
    """What would have been."""

    happenings: tuple[Happening, ...]
    runs: tuple[RunRecord, ...]
    coverage: Mapping[str, Coverage]

    def count(self, what: What) -> Counter[str]:
        """How often something happened, by subject."""
        return Counter(one.subject for one in self.happenings if one.what == what)


@dataclass
class _Course:
    """A backtest under way."""

    spec: RetrainPolicySpec
    assumed: Assumed
    start: datetime
    states: tuple[TriggerState, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    pending: PendingRun | None = None
    promoted_at: datetime | None = None
    happenings: list[Happening] = field(default_factory=list)
    unknown: dict[str, Counter[str]] = field(default_factory=dict)


def replay_policy(
    spec: RetrainPolicySpec,
    past: Mapping[str, Sequence[Reading]],
    start: datetime,
    end: datetime,
    assumed: Assumed,
) -> Backtest:
    """Replay a policy in mode Automatic from `start` to `end`. `past` has for each metric and newData trigger what each
    look at it gave, oldest first; `at` of a reading is when it was taken."""
    spec = spec.model_copy(update={"mode": "Automatic", "suspend": False})
    course = _Course(spec, assumed, start)
    looks = {name: [one for one in readings if start <= one.at <= end] for name, readings in past.items()}
    moments = sorted({start, *(one.at for readings in looks.values() for one in readings)})
    places = dict.fromkeys(looks, -1)
    while moments:
        now = heapq.heappop(moments)
        if now > end:
            break
        while moments and moments[0] == now:
            heapq.heappop(moments)
        for name, readings in looks.items():
            while places[name] + 1 < len(readings) and readings[places[name] + 1].at <= now:
                places[name] += 1
        seen = {name: looks[name][place] for name, place in places.items() if place >= 0}
        for moment in _take_turn(course, seen, now):
            if moment > now:
                heapq.heappush(moments, moment)
    return Backtest(tuple(course.happenings), course.runs, {name: _cover(course, name, r) for name, r in looks.items()})


def _take_turn(course: _Course, readings: Mapping[str, Reading], now: datetime) -> list[datetime]:
    """One pass, and when the next one must be at the latest."""
    _end_run(course, now)
    warm_until = None if course.promoted_at is None else course.promoted_at + resolve_warmup(course.spec)
    before = {one.name: one for one in course.states}
    seen = Seen(UID, course.start, readings, warm_until)
    course.states = assess_triggers(course.spec, course.states, seen, now)
    for state in course.states:
        _tell(course, before.get(state.name), state, now)
        reading = readings.get(state.name)
        if state.reason and reading is not None and reading.at == now:
            course.unknown.setdefault(state.name, Counter())[state.reason] += 1
    standing = Standing(
        "backtest",
        "backtest",
        course.spec,
        course.states,
        course.runs,
        now,
        course.pending,
        accelerators=course.assumed.accelerators,
    )
    decision = decide_start(standing)
    _carry_out(course, decision, now)
    active = find_active(course.runs)
    moments = [
        find_next_schedule(course.spec, course.states, now, UID),
        decision.until if isinstance(decision, Hold) else None,
        active.decided_at + course.assumed.takes if active is not None else None,
        warm_until,
    ]
    return [one for one in moments if one is not None]


def _tell(course: _Course, before: TriggerState | None, after: TriggerState, now: datetime) -> None:
    was = before.state if before is not None else "Unknown"
    if after.state == "Firing" and was not in ("Firing", "Latched"):
        course.happenings.append(Happening(now, "Fired", after.name, after.message))
    if after.state == "Clear" and was in ("Firing", "Latched"):
        course.happenings.append(Happening(now, "Cleared", after.name, after.message))


def _carry_out(course: _Course, decision: Decision, now: datetime) -> None:
    waited_for = course.pending.waits_for if course.pending is not None else ""
    course.pending = build_pending(decision, course.pending, now)
    if isinstance(decision, Hold) and (decision.waits_for != waited_for or decision.passed_over):
        course.happenings.append(Happening(now, "Held", decision.waits_for, decision.message))
    if isinstance(decision, Hold | Nothing):
        course.states = pass_over(course.states, decision.passed_over, now)
        course.happenings += [Happening(now, "PassedOver", name) for name in decision.passed_over]
    if not isinstance(decision, Start):
        return
    if decision.replaces is not None:
        course.runs = tuple(_end(one, now, "Cancelled") if not one.is_over else one for one in course.runs)
    names = tuple(one.trigger for one in decision.reasons)
    course.states = answer_triggers(course.spec, course.states, names, now)
    number = len(course.runs) + 1
    name, assumed = f"run-{number}", course.assumed
    run = RunRecord(name, number, now, "Training", assumed.accelerators, assumed.takes, started_at=now, triggers=names)
    course.runs = (*course.runs, run)
    reasons = "; ".join(f"{one.trigger}: {one.message or ''}" for one in decision.reasons)
    course.happenings.append(Happening(now, "Started", name, reasons))


def _end_run(course: _Course, now: datetime) -> None:
    active = find_active(course.runs)
    if active is None or now < active.decided_at + course.assumed.takes:
        return
    ended = _end(active, now, "Succeeded" if course.assumed.succeeds else "Failed")
    course.runs = tuple(ended if one.name == ended.name else one for one in course.runs)
    course.states = settle_triggers(course.spec, course.states, ended, now)
    if ended.is_success:
        course.promoted_at = now
    course.happenings.append(Happening(now, "Ended", ended.name, ended.phase))


def _end(run: RunRecord, now: datetime, phase: str) -> RunRecord:
    used = round(run.accelerators * (now - run.decided_at).total_seconds())
    return replace(run, phase=phase, trained_at=now, finished_at=now, used=used)


def _cover(course: _Course, name: str, readings: Sequence[Reading]) -> Coverage:
    unknown = course.unknown.get(name, Counter())
    valued = [one.at for one in readings if not isinstance(one.value, Unknown)]
    return Coverage(len(readings), len(readings) - unknown.total(), dict(unknown), valued[0] if valued else None)


def list_left_out(spec: RetrainPolicySpec) -> tuple[str, ...]:
    """Names of the triggers whose past nobody knows."""
    return tuple(one.name for one in spec.triggers if kind_of(one) not in REPLAYED)
