"""From the state of a trial to a judgement: the verdict, the sentence, and the figures that people and status get."""

import math
from datetime import datetime

from serinus.api import reasons
from serinus.api.status import AnalysisSummary
from serinus.core.judge import Assessment, Names, Verdict, assess_metric, assess_total, find_largest, worst_verdict
from serinus.core.saved import build_saved
from serinus.core.sequential import Counts
from serinus.core.snapshot import Check, Figure, Judgement
from serinus.core.steps import FULL
from serinus.core.trial import Trial, TrialState
from serinus.core.words import big_number, plain_number

SPLIT_MIN_REQUESTS = 20
"""Fewer requests than this say nothing about a split."""


def judge_trial(state: TrialState, trial: Trial) -> Judgement:
    """What the metrics say now."""
    names = Names(trial.candidate, trial.stable)
    seconds = _step_seconds(state, trial)
    assessments = [
        assess_metric(state.metric(metric.name), metric, names, trial.false_alarm, step_seconds=seconds)
        for metric in trial.metrics
    ]
    total, largest = assess_total(assessments), find_largest(assessments)
    alarm = total >= -math.log(trial.false_alarm)
    verdicts = [_verdict_of(one, state, trial, alarm=alarm and one is largest) for one in assessments]
    blind = _find_blind(assessments, trial)
    verdict = worst_verdict(verdicts)
    if verdict is Verdict.GOOD and blind is not None:
        verdict = Verdict.NOT_ENOUGH_EVIDENCE
    health = _health(state, trial)
    if health.status != "True" and not alarm:
        # An alarm that was raised stays one; everything else is unknown while the metrics are.
        verdict = Verdict.CANNOT_MEASURE
    said = next((a.message for a, v in zip(assessments, verdicts, strict=True) if v is verdict), blind or "")
    if alarm and largest is not None and largest.log_share < -math.log(trial.false_alarm):
        said += f"; with the other metrics {big_number(total)} >= {1 / trial.false_alarm:,.0f}"
    return Judgement(
        verdict=verdict,
        message=health.message if verdict is Verdict.CANNOT_MEASURE else said,
        health=health,
        traffic=_traffic(state, trial),
        summaries=tuple(_summary(a, v) for a, v in zip(assessments, verdicts, strict=True)),
        evidence=tuple(build_saved(m.name, state.metric(m.name), m.margin) for m in trial.metrics),
        log_evidence=total,
        suspicious=any(a.suspicious for a in assessments),
        figures=tuple(_figure(a, v) for a, v in zip(assessments, verdicts, strict=True)),
        first_bad_at=_first_bad(state, trial),
    )


def _verdict_of(one: Assessment, state: TrialState, trial: Trial, *, alarm: bool) -> Verdict:
    if alarm:
        return Verdict.BAD
    metric = next(m for m in trial.metrics if m.name == one.name)
    if metric.optional:
        return one.verdict
    if _health_of(state, trial, metric.signal).status != "True" or state.metric(one.name).problem is not None:
        return Verdict.CANNOT_MEASURE
    return one.verdict


def _summary(one: Assessment, verdict: Verdict) -> AnalysisSummary:
    return AnalysisSummary(
        name=one.name,
        verdict=verdict.value,
        candidate=one.candidate,
        stable=one.stable,
        limit=one.limit,
        evidence=one.evidence,
        would_have_seen=None if one.detectable is None else f"{one.detectable:g}x",
        message=one.message if one.remark is None else f"{one.message}. {one.remark}",
    )


def _figure(one: Assessment, verdict: Verdict) -> Figure:
    candidate, stable = one.values
    return Figure(one.name, verdict, candidate, stable, one.samples, one.log_evidence, one.log_threshold)


def _find_blind(assessments: list[Assessment], trial: Trial) -> str | None:
    """The metric that could not have shown the regression which must be excluded before promotion."""
    if trial.must_detect is None:
        return None
    for one, metric in zip(assessments, trial.metrics, strict=True):
        seen = one.detectable
        if metric.kind in ("ratio", "latency") and not metric.optional and (seen is None or seen > trial.must_detect):
            able = "none up to 100x" if seen is None else f"{plain_number(seen)}x"
            wanted = f"{plain_number(trial.must_detect)}x must be excluded before promotion"
            return f"{one.message}; the smallest regression these requests would have shown is {able}, {wanted}"
    return None


def _step_seconds(state: TrialState, trial: Trial) -> float:
    if state.at is None or trial.step_started_at is None:
        return 0.0
    return (state.at - trial.step_started_at).total_seconds()


def _first_bad(state: TrialState, trial: Trial) -> datetime | None:
    return min((at for m in trial.metrics if (at := state.metric(m.name).first_bad_at)), default=None)


def _health(state: TrialState, trial: Trial) -> Check:
    if not trial.metrics:
        return Check("False", reasons.NO_DATA, "no metric is configured that could be judged")
    for metric in (one for one in trial.metrics if not one.optional):
        check = _health_of(state, trial, metric.signal)
        if check.status != "True":
            return check
        problem = state.metric(metric.name).problem
        if problem is not None:
            return Check("False", reasons.INVALID_ANSWER, f"{metric.name}: {problem}")
    return Check("True", reasons.FRESH, f"counters at {trial.measured_at} are fresh")


def _health_of(state: TrialState, trial: Trial, signal: str) -> Check:
    known = state.signals.get(signal)
    if known is None:
        return Check("Unknown", reasons.NO_DATA, "the metrics have not been read yet")
    if known.failure is not None:
        return known.failure
    if known.newest is None:
        return Check("Unknown", reasons.NO_DATA, "the metrics have not been read yet")
    return Check("True", reasons.FRESH, f"counters at {trial.measured_at} are fresh")


def _traffic(state: TrialState, trial: Trial) -> Check:
    """Whether the requests went where they were sent: the candidate's share against its weight, within four standard
    errors and 2 %.
    """
    counts = state.split
    total = counts.candidate_total + counts.stable_total
    if trial.mirrored:
        return _mirror_traffic(counts, trial)
    if trial.weight == 0:
        return Check("Unknown", reasons.NOT_MEASURED, "the candidate has no traffic yet")
    if total < SPLIT_MIN_REQUESTS:
        return Check(
            "Unknown", reasons.NOT_MEASURED, f"{total:.0f} requests at this weight, {SPLIT_MIN_REQUESTS} are needed"
        )
    share = counts.candidate_total / total
    figures = f"{counts.candidate_total:,.0f} of {total:,.0f} requests ({100 * share:.1f}%) at {trial.measured_at}"
    if trial.approximate:
        return Check("True", reasons.APPROXIMATED, f"{figures} for a weight of {trial.weight}%, by pod counts")
    wanted = trial.weight / FULL
    if abs(share - wanted) <= 4 * math.sqrt(wanted * (1 - wanted) / total) + 2 / total + 0.02:
        return Check("True", reasons.SPLIT_AS_ASKED, f"{figures} for a weight of {trial.weight}%")
    return Check("False", reasons.SPLIT_DIFFERS, f"{figures} reached {trial.candidate}, {trial.weight}% was asked for")


def _mirror_traffic(counts: Counts, trial: Trial) -> Check:
    """Whether as many requests were mirrored as asked for: one in so many of those that stable answered, within four
    standard errors and 2 %."""
    total, mirrored = counts.stable_total, counts.candidate_total
    if total < SPLIT_MIN_REQUESTS:
        message = f"{total:.0f} requests since they are mirrored, {SPLIT_MIN_REQUESTS} are needed"
        return Check("Unknown", reasons.NOT_MEASURED, message)
    share = trial.mirrored / FULL
    figures = f"{mirrored:,.0f} requests mirrored for {total:,.0f} on {trial.stable} at {trial.measured_at}"
    asked = f"{trial.mirrored}% is asked for"
    if abs(mirrored - share * total) <= 4 * math.sqrt(share * (1 - share) * total) + 2 + 0.02 * total:
        return Check("True", reasons.SPLIT_AS_ASKED, f"{figures}, {asked}")
    return Check("False", reasons.SPLIT_DIFFERS, f"{figures}, {asked}")
