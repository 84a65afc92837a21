"""Presets: every value that `spec.rollout` leaves out, made concrete.

The only place that knows these numbers. Pure; expects a spec that `serinus.api.validate` finds no fault with.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from serinus.api.analysis import AnalysisMode, AnalysisSpec, OnDegradation, OnInconclusive, WatchSpec
from serinus.api.meta import parse_decimal, parse_duration, parse_ratio
from serinus.api.metricspec import MetricSource, MetricSpec
from serinus.api.rollout import ApprovalRequired, FreezeSpec, Preset, RolloutSpec, ShadowSpec, StepSpec, Strategy
from serinus.api.signals import Signal

DEFAULT_PROVIDER: Final = "default"
DEFAULT_HOLD: Final = timedelta(minutes=1)
AT_ONCE: Final = frozenset({"BlueGreen", "InPlace", "Direct"})
"""Strategies that give the candidate all traffic in one move."""
GAUGE_SAMPLES: Final = 40
MIN_OUTCOMES: Final = 20

MetricKind = Literal["Ratio", "Latency", "Gauge"]


@dataclass(frozen=True, slots=True)
class WeightStep:
    """Give the candidate `weight` percent (1 to 99) for at least `hold`."""

    weight: int
    hold: timedelta


@dataclass(frozen=True, slots=True)
class PauseStep:
    """Stop at `weight` percent (0 before the first weight) for `duration`, or until a person goes on (None)."""

    weight: int
    duration: timedelta | None


ResolvedStep = WeightStep | PauseStep


@dataclass(frozen=True, slots=True)
class ResolvedMetric:
    """What is compared, and where its figures come from: a `signal` of a profile (of `source`), or queries of the
    user's own. Ratios are fractions, factors >= 1, durations seconds. `min_samples` 0 stands for the rollout's
    `min_requests`.
    """

    name: str
    kind: MetricKind
    weight: int = 1
    signal: Signal | None = None
    source: MetricSource = "Auto"
    max_regression: float | None = None
    limit: float | None = None
    bad: str | None = None
    total: str | None = None
    query: str | None = None
    low: float | None = None
    high: float | None = None
    rise: float | None = None
    fall: float | None = None
    delay: timedelta = timedelta(0)
    min_samples: int = 0


@dataclass(frozen=True, slots=True)
class ResolvedWatch:
    """Judging after promotion."""

    duration: timedelta
    on_degradation: OnDegradation
    max_regression: float


@dataclass(frozen=True, slots=True)
class ResolvedFreeze:
    """A recurring time without advance."""

    cron: str
    duration: timedelta
    time_zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class ResolvedShadow:
    """Copy `percent` of the requests (1 to 100) to the candidate for at least `hold` before its first step."""

    percent: int
    hold: timedelta


@dataclass(frozen=True, slots=True)
class ResolvedRollout:
    """A rollout with every value concrete.

    `steps` ends before 100 percent: after the last one the candidate gets 100 and bakes. `metrics` holds what can be
    judged; where it is empty nothing can be measured, so nothing may be promoted on evidence. `shadow` is None unless
    the strategy is Shadow.
    """

    preset: Preset
    steps: tuple[ResolvedStep, ...]
    progress_deadline: timedelta
    bake: timedelta
    drain: timedelta
    unjudged: timedelta
    rollback_window: int
    provider: str
    false_alarm: float
    min_requests: int
    max_hold: timedelta
    on_inconclusive: OnInconclusive
    mode: AnalysisMode
    holdback: int
    must_detect: float | None
    watch: ResolvedWatch | None
    metrics: tuple[ResolvedMetric, ...]
    strategy: Strategy = "Canary"
    approval: ApprovalRequired = "Never"
    freezes: tuple[ResolvedFreeze, ...] = ()
    shadow: ResolvedShadow | None = None


def _steps(*pairs: tuple[int, int]) -> tuple[ResolvedStep, ...]:
    return tuple(WeightStep(weight, timedelta(seconds=seconds)) for weight, seconds in pairs)


_STANDARD: Final = ResolvedRollout(
    preset="Standard",
    steps=_steps((5, 120), (25, 300), (50, 300)),
    progress_deadline=timedelta(minutes=30),
    bake=timedelta(minutes=15),
    drain=timedelta(seconds=30),
    unjudged=timedelta(0),
    rollback_window=3,
    provider=DEFAULT_PROVIDER,
    false_alarm=0.01,
    min_requests=200,
    max_hold=timedelta(minutes=30),
    on_inconclusive="Hold",
    mode="Enforce",
    holdback=0,
    must_detect=None,
    watch=None,
    metrics=(ResolvedMetric("errors", "Ratio", signal="Errors", max_regression=1.2),),
)
PRESETS: Final[dict[Preset, ResolvedRollout]] = {
    "Cautious": ResolvedRollout(
        preset="Cautious",
        steps=_steps((1, 600), (5, 600), (10, 600), (25, 900), (50, 900)),
        progress_deadline=timedelta(hours=1),
        bake=timedelta(hours=1),
        drain=timedelta(minutes=1),
        unjudged=_STANDARD.unjudged,
        rollback_window=_STANDARD.rollback_window,
        provider=DEFAULT_PROVIDER,
        false_alarm=_STANDARD.false_alarm,
        min_requests=500,
        max_hold=timedelta(hours=1),
        on_inconclusive="Hold",
        mode="Enforce",
        holdback=0,
        must_detect=None,
        watch=None,
        metrics=_STANDARD.metrics,
    ),
    "Standard": _STANDARD,
    "Fast": ResolvedRollout(
        preset="Fast",
        steps=_steps((20, 30), (50, 30)),
        progress_deadline=timedelta(minutes=10),
        bake=timedelta(minutes=5),
        drain=_STANDARD.drain,
        unjudged=_STANDARD.unjudged,
        rollback_window=_STANDARD.rollback_window,
        provider=DEFAULT_PROVIDER,
        false_alarm=_STANDARD.false_alarm,
        min_requests=50,
        max_hold=timedelta(minutes=15),
        on_inconclusive="Hold",
        mode="Enforce",
        holdback=0,
        must_detect=None,
        watch=None,
        metrics=_STANDARD.metrics,
    ),
}

SHADOW_HOLDS: Final[dict[Preset, timedelta]] = {
    "Cautious": timedelta(hours=1),
    "Standard": timedelta(minutes=10),
    "Fast": timedelta(minutes=1),
}


def resolve_rollout(spec: RolloutSpec | None) -> ResolvedRollout:
    """Fill in what the user left out from the preset; what the user wrote wins, field by field."""
    spec = spec or RolloutSpec()
    analysis = spec.analysis or AnalysisSpec()
    preset = PRESETS[spec.preset]
    return ResolvedRollout(
        preset=spec.preset,
        strategy=spec.strategy,
        steps=_choose_steps(spec, preset),
        progress_deadline=_duration(spec.progress_deadline, preset.progress_deadline),
        bake=_duration(spec.bake, timedelta(0) if spec.strategy == "Direct" else preset.bake),
        drain=_duration(spec.drain, preset.drain),
        unjudged=_duration(spec.warmup.for_ if spec.warmup else None, preset.unjudged),
        rollback_window=preset.rollback_window if spec.rollback_window is None else spec.rollback_window,
        provider=analysis.provider or preset.provider,
        false_alarm=preset.false_alarm if analysis.false_alarm is None else parse_ratio(analysis.false_alarm),
        min_requests=preset.min_requests if analysis.min_requests is None else analysis.min_requests,
        max_hold=_duration(analysis.max_hold, preset.max_hold),
        on_inconclusive=analysis.on_inconclusive or preset.on_inconclusive,
        mode=analysis.mode or preset.mode,
        holdback=spec.holdback or preset.holdback,
        must_detect=_decimal(analysis.must_detect),
        watch=_resolve_watch(analysis.watch),
        metrics=_choose_metrics(spec, analysis, preset),
        approval=spec.approval.required if spec.approval else "Never",
        freezes=tuple(map(_resolve_freeze, spec.freeze)),
        shadow=_resolve_shadow(spec),
    )


def _resolve_shadow(spec: RolloutSpec) -> ResolvedShadow | None:
    if spec.strategy != "Shadow":
        return None
    asked = spec.shadow or ShadowSpec()
    return ResolvedShadow(asked.percent or 100, _duration(asked.hold, SHADOW_HOLDS[spec.preset]))


def _choose_metrics(spec: RolloutSpec, analysis: AnalysisSpec, preset: ResolvedRollout) -> tuple[ResolvedMetric, ...]:
    if spec.strategy == "Direct":
        return ()
    return preset.metrics if analysis.metrics is None else _resolve_metrics(analysis.metrics)


def _choose_steps(spec: RolloutSpec, preset: ResolvedRollout) -> tuple[ResolvedStep, ...]:
    if spec.strategy in AT_ONCE:
        return ()
    return preset.steps if spec.steps is None else _resolve_steps(spec.steps)


def _resolve_freeze(freeze: FreezeSpec) -> ResolvedFreeze:
    return ResolvedFreeze(freeze.cron, parse_duration(freeze.duration), ZoneInfo(freeze.time_zone or "UTC"))


def _duration(text: str | None, default: timedelta) -> timedelta:
    return default if text is None else parse_duration(text)


def _resolve_steps(steps: tuple[StepSpec, ...]) -> tuple[ResolvedStep, ...]:
    resolved: list[ResolvedStep] = []
    weight = 0
    for step in steps:
        if step.weight is None:
            pause = step.pause.for_ if step.pause else None
            resolved.append(PauseStep(weight, None if pause is None else parse_duration(pause)))
        elif step.weight < 100:
            weight = step.weight
            resolved.append(WeightStep(weight, _duration(step.hold, DEFAULT_HOLD)))
    return tuple(resolved)


def _decimal(text: str | None) -> float | None:
    return None if text is None else parse_decimal(text)


def _resolve_watch(watch: WatchSpec | None) -> ResolvedWatch | None:
    if watch is None:
        return None
    return ResolvedWatch(parse_duration(watch.for_), watch.on_degradation, parse_decimal(watch.max_regression))


def _resolve_metrics(metrics: tuple[MetricSpec, ...]) -> tuple[ResolvedMetric, ...]:
    return tuple(resolved for metric in metrics if (resolved := _resolve_metric(metric)) is not None)


def _resolve_metric(metric: MetricSpec) -> ResolvedMetric | None:
    """None only for a metric without any kind, which is not valid."""
    weight = metric.weight or 1
    if one := metric.error_ratio:
        limit = None if one.max is None else parse_ratio(one.max)
        regression = _decimal(one.max_regression)
        return ResolvedMetric(metric.name, "Ratio", weight, one.of or "Errors", one.source or "Auto", regression, limit)
    if slow := metric.latency:
        regression = parse_decimal(slow.max_regression)
        return ResolvedMetric(metric.name, "Latency", weight, slow.of or "Latency", slow.source or "Auto", regression)
    if own := metric.ratio:
        return ResolvedMetric(
            metric.name,
            "Ratio",
            weight,
            max_regression=_decimal(own.max_regression),
            limit=None if own.max is None else parse_ratio(own.max),
            bad=own.bad,
            total=own.total,
            delay=_duration(own.label_delay, timedelta(0)),
            min_samples=own.min_outcomes or MIN_OUTCOMES,
        )
    if histogram := metric.histogram:
        regression = parse_decimal(histogram.max_regression)
        return ResolvedMetric(
            metric.name, "Latency", weight, max_regression=regression, query=histogram.query, min_samples=MIN_OUTCOMES
        )
    if gauge := metric.gauge:
        return ResolvedMetric(
            metric.name,
            "Gauge",
            weight,
            signal=gauge.of,
            source="Runtime",
            query=gauge.query,
            low=_decimal(gauge.min),
            high=_decimal(gauge.max),
            rise=_decimal(gauge.max_rise),
            fall=_decimal(gauge.max_fall),
            min_samples=GAUGE_SAMPLES,
        )
    return None
