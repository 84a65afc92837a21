"""How a policy presents itself: phase, conditions, and when it is looked at again."""

from datetime import datetime

from serinus.api import reasons
from serinus.api import retrainreasons as words
from serinus.api.meta import Condition
from serinus.api.retrainstatus import RetrainPolicyStatus
from serinus.core.conditions import keep_conditions
from serinus.core.retrain.looks import find_silence, next_look, silent_at
from serinus.core.retrain.policyview import PolicySnapshot
from serinus.core.retrain.standing import Decision, Hold
from serinus.core.snapshot import Check


def build_phase(s: PolicySnapshot, status: RetrainPolicyStatus) -> str:
    """One word for the columns of kubectl get."""
    if s.spec is None or s.problems:
        return "Blocked"
    if status.active_run is not None:
        run = s.run_statuses.get(status.active_run)
        waiting = run is not None and run.phase == "AwaitingApproval"
        return "AwaitingApproval" if waiting else "Running"
    if s.spec.suspend:
        return "Suspended"
    if status.cooldown_until is not None:
        return "Cooldown"
    return "Armed" if s.spec.triggers else "Idle"


def build_policy_conditions(
    s: PolicySnapshot, status: RetrainPolicyStatus, decision: Decision
) -> tuple[Condition, ...]:
    """All conditions of this pass."""
    wanted = [(reasons.READY, _ready(s, status, decision))]
    if s.problems:
        wanted.append((reasons.STALLED, Check("True", s.problems[0].reason, s.problems[0].message)))
    wanted += [
        (words.SIGNAL_HEALTHY, _signal(s, status)),
        (words.TRIGGERED, _triggered(status)),
        (words.SUPPRESSED, _suppressed(decision)),
        (words.BUDGET_AVAILABLE, _budget(status)),
        (words.TEMPLATE_VALID, _template(s)),
    ]
    held = _held(s, status)
    if held is not None:
        wanted.append((words.PROMOTION_HELD, held))
    if status.last_run is not None:
        good = status.last_run.outcome in ("Succeeded", "Skipped")
        last = status.last_run
        check = Check("True" if good else "False", last.outcome, f"{last.name}: {last.outcome}")
        wanted.append((words.LAST_RUN_SUCCEEDED, check))
    return keep_conditions(s.status.conditions, wanted, s.generation, s.now)


def _ready(s: PolicySnapshot, status: RetrainPolicyStatus, decision: Decision) -> Check:
    """True as long as the policy works as written; a run, or a wait, is part of that."""
    if s.problems:
        return Check("False", s.problems[0].reason, s.problems[0].message)
    if status.active_run is not None:
        run = s.run_statuses.get(status.active_run)
        where = f"{run.phase}: {run.message}" if run is not None and run.phase is not None else "begins"
        return Check("True", words.RUNNING, f"{status.active_run}: {where}")
    if isinstance(decision, Hold):
        return Check("True", words.WAITING, decision.message)
    if s.spec is not None and s.spec.mode == "Observe":
        return Check("True", words.OBSERVING_ONLY, status.recommendation or "nothing to be done")
    return Check("True", words.WATCHING, "no trigger asks for a run")


def _signal(s: PolicySnapshot, status: RetrainPolicyStatus) -> Check:
    if s.provider_problem is not None:
        return Check("False", s.provider_problem.reason, s.provider_problem.message)
    if s.spec is None or not any(one.metric or one.new_data for one in s.spec.triggers):
        return Check("Unknown", words.NO_METRICS, "no trigger looks at a metric")
    if s.query_problems:
        return Check("False", reasons.INVALID_QUERY, "; ".join(s.query_problems))
    silent = find_silence(s.spec, status.triggers, s.now)
    if silent:
        return Check("False", reasons.NO_DATA, "; ".join(silent))
    metrics = {one.name for one in s.spec.triggers if one.metric is not None or one.new_data is not None}
    unknown = [one for one in status.triggers if one.name in metrics and (one.reason or one.state == "Unknown")]
    if unknown:
        first = unknown[0]
        return Check(
            "Unknown", first.reason or reasons.NO_DATA, f"{first.name}: {first.message or 'not looked at yet'}"
        )
    return Check("True", words.SIGNALS_KNOWN, "every metric has a value")


def _triggered(status: RetrainPolicyStatus) -> Check:
    firing = [one for one in status.triggers if one.state in ("Firing", "Latched")]
    if not firing:
        return Check("False", words.WATCHING, "no trigger fires")
    return Check("True", words.TRIGGER_FIRED, "; ".join(f"{one.name}: {one.message}" for one in firing))


def _suppressed(decision: Decision) -> Check:
    if isinstance(decision, Hold):
        return Check("True", decision.waits_for, decision.message)
    return Check("False", words.WATCHING, "nothing keeps a run from starting")


def _budget(status: RetrainPolicyStatus) -> Check:
    budget = status.budget
    if budget is not None and (budget.free_at is not None or budget.remaining_runs == 0):
        until = f" until {budget.free_at:%Y-%m-%d %H:%M:%SZ}" if budget.free_at is not None else ""
        return Check("False", words.BUDGET_EXHAUSTED, f"{budget.runs} runs within the window; no room{until}")
    return Check("True", words.BUDGET_LEFT, "a run may be started")


def _template(s: PolicySnapshot) -> Check:
    if s.template_problem is not None:
        return Check("False", s.template_problem.reason, s.template_problem.message)
    if s.spec is None:
        return Check("Unknown", reasons.INVALID_SPEC, "the spec cannot be read")
    return Check("True", words.TEMPLATE_ACCEPTED, f"{s.spec.template.get('kind')} may be made")


def _held(s: PolicySnapshot, status: RetrainPolicyStatus) -> Check | None:
    """Whether the candidate of the run under way is held; none where there is none."""
    run = s.run_statuses.get(status.active_run or "")
    if run is None or run.phase != "Promoting" or run.promotion is None:
        return None
    if run.promotion.at is None:
        return Check("True", words.WAITING, run.promotion.message or "being handed over")
    return Check("False", words.PROMOTING, run.promotion.message or "handed over")


def wake_at(s: PolicySnapshot, status: RetrainPolicyStatus, decision: Decision) -> datetime | None:
    """The next moment at which time alone changes something; answers of metrics wake it by themselves."""
    if s.spec is None:
        return None
    moments = [
        decision.until if isinstance(decision, Hold) else None,
        status.cooldown_until,
        status.next_schedule_time,
        *(one.until for one in status.quarantined),
        # A look in vain that is like the one before wakes nobody.
        *silent_at(s.spec, status.triggers).values(),
    ]
    return min((one for one in moments if one is not None and one > s.now), default=None)


def next_evaluation(s: PolicySnapshot, status: RetrainPolicyStatus, warm_until: datetime | None) -> datetime | None:
    """When a metric is looked at next; one that is being looked at right now changes nothing."""
    if s.spec is None:
        return None
    due = min(next_look(s.spec, status.triggers, s.now, warm_until).values(), default=None)
    return due if due is None or due > s.now else s.status.next_evaluation_time
