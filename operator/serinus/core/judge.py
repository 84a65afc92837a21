"""The judge: from evidence to one of four verdicts, in words that carry the numbers.

bad                  only this rolls back
good                 no alarm, and the candidate has answered enough requests in this step
not enough evidence  no alarm, but too few requests, or a suspicion that is not proven
cannot measure       the monitoring does not answer, or answers something that is not a count

Unknown never counts as a failure and never promotes: the last two hold the weight.

All metrics share one false-alarm budget alpha: the evidence is the sum of their e-values by weight, and 1/alpha of it
rolls back (valid under any dependence). One that alone reaches `SUSPICION` times alpha stops the rollout from
advancing: a weaker claim, at a smaller price when it is wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from serinus.core.gauge import assess_delay, assess_long_run_variance
from serinus.core.metric import Metric, MetricState
from serinus.core.sequential import Counts, Lane, assess_detectable_ratio, assess_log_evidence
from serinus.core.spread import knows_pods
from serinus.core.words import big_number, percent, plain_number, share_of

SUSPICION: Final = 5.0
"""The bar for "do not advance" lies this much lower than the one for "roll back"."""

SLOW_GAUGE: Final = 30
"""Scrapes within which a gauge should show a shift of two standard deviations; slower ones are said to be slow."""


class Verdict(StrEnum):
    GOOD = "Good"
    BAD = "Bad"
    NOT_ENOUGH_EVIDENCE = "NotEnoughEvidence"
    CANNOT_MEASURE = "CannotMeasure"


@dataclass(frozen=True)
class Names:
    """The two revisions, for sentences."""

    candidate: str
    stable: str


@dataclass(frozen=True)
class Assessment:
    """One metric judged: the verdict and the figures behind it, ready to be shown.

    `detectable` is the smallest regression that would have been seen with 90 % power, None where none would.
    `log_share` is ln(weight x e-value), its part of the evidence. `values` are both sides' figures, for charts.
    """

    name: str
    verdict: Verdict
    candidate: str
    stable: str
    limit: str
    evidence: str
    message: str
    log_share: float
    detectable: float | None = None
    remark: str | None = None
    suspicious: bool = False
    values: tuple[float | None, float | None] = (None, None)
    samples: float = 0.0
    log_evidence: float = 0.0
    log_threshold: float = 0.0


def assess_metric(
    state: MetricState, metric: Metric, names: Names, false_alarm: float, *, step_seconds: float
) -> Assessment:
    """Judge one metric; `step_seconds` is how long the present step has lasted. Bad is never said here: that is for the
    sum over all metrics.
    """
    log_e = state.log_evidence
    log_share = log_e + math.log(metric.weight)
    figures = _figures(state, metric)
    suspicious = log_share >= math.log(1.0 / (SUSPICION * false_alarm))
    need = _find_need(state, metric, step_seconds)
    verdict = Verdict.NOT_ENOUGH_EVIDENCE if need is not None or suspicious else Verdict.GOOD
    threshold = 1.0 / (metric.weight * false_alarm)
    sentence = f"{metric.name} {figures.sentence(names)}, e-value {big_number(log_e)}"
    sentence += f" {'>=' if log_e >= math.log(threshold) else '<'} {threshold:,.0f}"
    if need is not None:
        sentence = f"{sentence}; {need}"
    return Assessment(
        name=metric.name,
        verdict=verdict,
        candidate=figures.mine,
        stable=figures.other,
        limit=figures.limit,
        evidence=f"{big_number(log_e)} of {threshold:,.0f}",
        message=sentence,
        log_share=log_share,
        detectable=_find_detectable(state, metric, false_alarm),
        remark=_remark(state, metric, false_alarm),
        suspicious=suspicious,
        values=figures.values,
        samples=state.lanes[0].counts.candidate_total if state.lanes else state.step_total,
        log_evidence=log_e,
        log_threshold=math.log(threshold),
    )


def assess_total(assessments: Sequence[Assessment]) -> float:
    """ln of the evidence of all metrics together: the sum of weight x e-value."""
    shares = [a.log_share for a in assessments]
    top = max(shares, default=-math.inf)
    return top if top == -math.inf else top + math.log(sum(math.exp(share - top) for share in shares))


def find_largest(assessments: Sequence[Assessment]) -> Assessment | None:
    """The metric with most evidence against the candidate: the reason that is named."""
    return max(assessments, key=lambda a: a.log_share, default=None)


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict over several metrics: bad decides, then not measurable, then not enough."""
    for verdict in (Verdict.BAD, Verdict.CANNOT_MEASURE, Verdict.NOT_ENOUGH_EVIDENCE):
        if verdict in verdicts:
            return verdict
    return Verdict.GOOD if verdicts else Verdict.CANNOT_MEASURE


@dataclass(frozen=True)
class _Figures:
    """Both sides for the columns (`mine`, `other`) and for a sentence (`here`, `there` with {} for the revision)."""

    mine: str
    other: str
    here: str
    there: str
    limit: str
    finding: str
    values: tuple[float | None, float | None]

    def sentence(self, names: Names) -> str:
        there = f" against {self.there.format(names.stable)}" if self.there else ""
        return f"{self.here.format(names.candidate)}{there}: {self.finding}"


def _figures(state: MetricState, metric: Metric) -> _Figures:
    if metric.kind == "gauge":
        return _gauge_figures(state, metric)
    lane = _worst_lane(state) or Lane()
    counts, slow = lane.counts, f" slower than {lane.bound:g}s" if lane.bound is not None else ""
    mine, other = (counts.candidate_bad, counts.candidate_total), (counts.stable_bad, counts.stable_total)
    here, there = (f"{percent(*pair)}{slow} on {{}} ({pair[0]:,.0f} of {pair[1]:,.0f})" for pair in (mine, other))
    columns = [share_of(*pair) + slow for pair in (mine, other)]
    values = (_ratio(*mine), _ratio(*other))
    if metric.over_time:
        here, there = (f"{pair[0]:,.0f} on {{}} in {pair[1]:,.0f} pod-seconds" for pair in (mine, other))
        columns = [f"{pair[0]:,.0f} in {pair[1]:,.0f}s" for pair in (mine, other)]
    if metric.kind == "limit":
        limit = f"at most {plain_number(100 * metric.limit)}%"
        return _Figures(columns[0], "", here, "", limit, f"allowed {limit}", values)
    limit = f"{plain_number(round(state.margin, 2))}x"
    finding = f"{_times(counts)}, allowed {limit}"
    if state.margin > metric.margin:
        known = all(knows_pods(spread) for spread in state.spreads)
        why = "stable's own pods differ that much" if known else "how much stable's own pods differ is not known"
        finding += f" (widened from {plain_number(metric.margin)}x: {why})"
    return _Figures(columns[0], columns[1], here, there, limit, finding, values)


def _gauge_figures(state: MetricState, metric: Metric) -> _Figures:
    mine, other = state.values or (None, None)
    parts = [
        f"{word} {plain_number(bound)}"
        for word, bound in (
            ("at most", metric.high),
            ("at least", metric.low),
            ("above stable by at most", metric.rise),
            ("below stable by at most", metric.fall),
        )
        if bound is not None
    ]
    compared = metric.rise is not None or metric.fall is not None
    said = "no value" if mine is None else plain_number(mine)
    base = "" if not compared else "no value" if other is None else plain_number(other)
    limit = ", ".join(parts)
    there = f"{base} on {{}}" if base else ""
    return _Figures(said, base, f"{said} on {{}}", there, limit, f"allowed {limit}", (mine, other))


def _find_need(state: MetricState, metric: Metric, step_seconds: float) -> str | None:
    """What is still missing in this step, in words; None where it is enough."""
    if metric.kind == "latency" and not state.lanes:
        return "too few answers of stable yet to know its usual latency"
    if state.step_total < metric.needed:
        what = {"gauge": "values"}.get(metric.kind, "requests")
        return f"{state.step_total:,.0f} of {metric.needed:,} {what} needed in this step"
    if step_seconds < metric.delay:
        return f"outcomes of this step's answers are known {metric.delay:,.0f}s later"
    return None


def _find_detectable(state: MetricState, metric: Metric, false_alarm: float) -> float | None:
    lane = _worst_lane(state)
    if lane is None or metric.kind not in ("ratio", "latency"):
        return None
    # Several bounds share the evidence, so one alone needs as many times more of it.
    log_threshold = -math.log(metric.weight * false_alarm) + math.log(len(state.lanes))
    best: float | None = None
    for one in state.lanes:
        below = best if best is not None else math.inf
        better = assess_detectable_ratio(
            one.counts, state.margin, state.dispersion, log_threshold, metric.thetas, below=below
        )
        best = better if better is not None else best
    return best


def _remark(state: MetricState, metric: Metric, false_alarm: float) -> str | None:
    """What people should know about this metric besides the verdict."""
    said = [state.remark] if state.remark else []
    if state.dispersion >= 1.5:
        said.append(f"stable's failures come in clumps ({state.dispersion:.1f}x the variance of single ones)")
    long_run = assess_long_run_variance(state.track)
    if metric.kind == "gauge" and long_run is not None and state.track.squares > 0:
        sigma = math.sqrt(state.track.squares / (state.track.n - 1))
        scrapes = assess_delay(long_run, 2 * sigma, -math.log(metric.weight * false_alarm))
        if scrapes > SLOW_GAUGE:
            said.append(
                f"too slow to protect: a shift of two standard deviations takes about {scrapes:,.0f} scrapes to show;"
                " export counters instead"
            )
    return "; ".join(said) or None


def _worst_lane(state: MetricState) -> Lane | None:
    return max(state.lanes, key=lambda lane: assess_log_evidence(lane, state.exposure), default=None)


def _times(counts: Counts) -> str:
    if counts.stable_bad <= 0 or counts.candidate_total <= 0:
        return "none on stable to compare with" if counts.candidate_bad else "none"
    ratio = (counts.candidate_bad / counts.candidate_total) / (counts.stable_bad / counts.stable_total)
    return f"{ratio:.1f}x"


def _ratio(bad: float, total: float) -> float | None:
    return bad / total if total > 0 else None
