"""Everything that can be wrong with a spec on its own, checked again in Python.

The API server refuses most of it by schema and CEL; an object may still arrive with faults (stored before a rule was
tightened, or in parts that CEL cannot see). Never looks at other objects: those checks belong to the controllers.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from serinus.api.analysis import AnalysisSpec
from serinus.api.meta import NAME_MAX_LENGTH, NAME_PATTERN, parse_decimal, parse_duration, parse_ratio
from serinus.api.metricspec import MetricSpec
from serinus.api.metricsprovider import LABEL_NAME, MetricsProviderSpec
from serinus.api.modelcheck import check_model
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.presets import AT_ONCE
from serinus.api.problems import Problem, build_problems, exactly_one, no_duplicates
from serinus.api.retraincheck import validate_policy
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.rollout import FreezeSpec, RolloutSpec, StepSpec, Strategy
from serinus.api.route import RouteSpec
from serinus.api.routecheck import check_route
from serinus.api.templatecheck import check_accelerator, check_port, check_template
from serinus.api.timecheck import check_cron, check_some_time, check_time_zone
from serinus.api.validation import ValidationSpec


def check_model_deployment(name: str, raw: Mapping[str, Any]) -> ModelDeploymentSpec | tuple[Problem, ...]:
    """Read the spec of a ModelDeployment; where anything is wrong, return every fault instead."""
    try:
        spec = ModelDeploymentSpec.model_validate(raw)
    except ValidationError as error:
        return build_problems(error)
    return validate_spec(spec, name) or spec


def check_retrain_policy(raw: Mapping[str, Any], name: str) -> RetrainPolicySpec | tuple[Problem, ...]:
    """Read the spec of a RetrainPolicy; where anything is wrong, return every fault instead."""
    try:
        spec = RetrainPolicySpec.model_validate(raw)
    except ValidationError as error:
        return build_problems(error)
    return validate_policy(spec, name) or spec


def check_metrics_provider(raw: Mapping[str, Any]) -> MetricsProviderSpec | tuple[Problem, ...]:
    """Read the spec of a MetricsProvider; where anything is wrong, return every fault instead."""
    try:
        spec = MetricsProviderSpec.model_validate(raw)
    except ValidationError as error:
        return build_problems(error)
    problems = []
    if parse_duration(spec.scrape_interval).total_seconds() < 1:
        problems.append(Problem("spec.scrapeInterval", spec.scrape_interval, "must be at least 1s"))
    if not parse_duration(spec.timeout):
        problems.append(Problem("spec.timeout", spec.timeout, "must be longer than 0s"))
    for name in spec.gateway_labels:
        if not LABEL_NAME.fullmatch(name):
            rule = "must be the name of a label: letters, digits and _, no digit first, and not __name__"
            problems.append(Problem("spec.gatewayLabels", name, rule))
    return tuple(problems) or spec


def validate_spec(spec: ModelDeploymentSpec, name: str) -> tuple[Problem, ...]:
    """Return what is wrong with a ModelDeployment whose fields each have the right form; empty where nothing is."""
    return tuple(_find_problems(spec, name))


def _find_problems(spec: ModelDeploymentSpec, name: str) -> Iterator[Problem]:
    yield from _check_name(name)
    yield from check_template("spec.template", spec.template, "Always", ": a server is restarted")
    yield from check_port(spec)
    if spec.accelerator:
        yield from check_accelerator(spec.accelerator, spec.template)
    if spec.model:
        yield from check_model(spec.model, spec.template)
    yield from check_route(spec.route, spec.rollout)
    if spec.rollout:
        yield from _check_rollout(spec.rollout)
        yield from _check_shadow(spec.rollout, spec.route)


def _check_name(name: str) -> Iterator[Problem]:
    if len(name) > NAME_MAX_LENGTH:
        yield Problem(
            "metadata.name",
            name,
            f"has {len(name)} characters and must have at most {NAME_MAX_LENGTH}: longer names are made from it",
        )
    if not re.match(NAME_PATTERN, name):
        yield Problem(
            "metadata.name",
            name,
            "must be lower-case letters, digits and '-', begin with a letter and not end with '-':"
            " it becomes the name of a Service",
        )


def _check_rollout(rollout: RolloutSpec) -> Iterator[Problem]:
    if rollout.steps is not None:
        yield from _check_steps(rollout.steps)
        if rollout.strategy in AT_ONCE:
            yield Problem("spec.rollout.steps", None, f"must be left out: {rollout.strategy} gives all traffic at once")
    if rollout.progress_deadline is not None and not parse_duration(rollout.progress_deadline):
        yield Problem("spec.rollout.progressDeadline", rollout.progress_deadline, "must be longer than 0s")
    yield from no_duplicates("spec.rollout.validation", (check.name for check in rollout.validation))
    for index, check in enumerate(rollout.validation):
        yield from _check_validation(f"spec.rollout.validation[{index}]", check, rollout.strategy)
    if rollout.strategy == "InPlace" and rollout.holdback is not None:
        yield Problem("spec.rollout.holdback", rollout.holdback, "must be left out: InPlace leaves stable no pods")
    for index, freeze in enumerate(rollout.freeze):
        yield from _check_freeze(f"spec.rollout.freeze[{index}]", freeze)
    if rollout.analysis:
        yield from _check_analysis(rollout.analysis)


def _check_shadow(rollout: RolloutSpec, route: RouteSpec) -> Iterator[Problem]:
    shadow = rollout.shadow
    if rollout.strategy != "Shadow":
        if shadow is not None:
            yield Problem("spec.rollout.shadow", None, f"must be left out: strategy {rollout.strategy} mirrors nothing")
        return
    if route.mode != "Gateway":
        yield Problem("spec.rollout.strategy", "Shadow", f"needs a gateway: spec.route.mode is {route.mode}")
    for number, rule in enumerate(route.rules):
        for index, one in enumerate(rule.filters):
            if one.get("type") == "RequestMirror":
                field = f"spec.route.rules[{number}].filters[{index}]"
                yield Problem(field, "RequestMirror", "must be left out: strategy Shadow mirrors requests itself")
    if shadow is None:
        return
    if shadow.hold is not None and not parse_duration(shadow.hold):
        yield Problem("spec.rollout.shadow.hold", shadow.hold, "must be longer than 0s")
    taken = {check.name for check in rollout.validation}
    yield from no_duplicates("spec.rollout.shadow.scoring", (check.name for check in shadow.scoring))
    for index, check in enumerate(shadow.scoring):
        field = f"spec.rollout.shadow.scoring[{index}]"
        yield from _check_validation(field, check, rollout.strategy)
        if check.name in taken:
            yield Problem(f"{field}.name", check.name, "must not be the name of a check in spec.rollout.validation")


def _check_validation(field: str, check: ValidationSpec, strategy: Strategy) -> Iterator[Problem]:
    yield from check_template(f"{field}.job.template", check.job.template, "Never")
    if check.timeout is not None and not parse_duration(check.timeout):
        yield Problem(f"{field}.timeout", check.timeout, "must be longer than 0s")
    for name, bound in (check.bounds or {}).items():
        if strategy == "InPlace" and (bound.max_drop is not None or bound.max_rise is not None):
            yield Problem(f"{field}.bounds.{name}", None, "must be min or max: InPlace leaves no stable to ask")
        if not bound.dump():
            yield Problem(f"{field}.bounds.{name}", None, "must have at least one of min, max, maxDrop and maxRise")


def _check_freeze(field: str, freeze: FreezeSpec) -> Iterator[Problem]:
    yield from check_cron(f"{field}.cron", freeze.cron)
    yield from check_time_zone(f"{field}.timeZone", freeze.time_zone)
    yield from check_some_time(f"{field}.duration", freeze.duration)


def _check_steps(steps: tuple[StepSpec, ...]) -> Iterator[Problem]:
    before = 0
    for index, step in enumerate(steps):
        field = f"spec.rollout.steps[{index}]"
        yield from exactly_one(field, weight=step.weight, pause=step.pause)
        if step.hold is not None and step.weight in (None, 100):
            yield Problem(
                f"{field}.hold",
                step.hold,
                "must be left out: 100 percent is held for spec.rollout.bake, a pause for pause.for",
            )
        if step.weight is None:
            continue
        if step.weight <= before:
            yield Problem(f"{field}.weight", step.weight, f"must be more than {before}, the weight before it")
        if step.weight == 100 and index < len(steps) - 1:
            yield Problem(f"{field}.weight", step.weight, "must be the last step: the bake begins there")
        before = step.weight
    if not before:
        yield Problem("spec.rollout.steps", None, "must have at least one weight")


def _check_analysis(analysis: AnalysisSpec) -> Iterator[Problem]:
    field = "spec.rollout.analysis"
    if analysis.false_alarm is not None and not 0 < parse_ratio(analysis.false_alarm) < 1:
        yield Problem(f"{field}.falseAlarm", analysis.false_alarm, 'must be more than 0 and less than 100%: "1%"')
    yield from _check_factor(f"{field}.mustDetect", analysis.must_detect)
    if analysis.watch:
        yield from _check_factor(f"{field}.watch.maxRegression", analysis.watch.max_regression)
        if not parse_duration(analysis.watch.for_):
            yield Problem(f"{field}.watch.for", analysis.watch.for_, "must be longer than 0s")
    metrics = analysis.metrics or ()
    yield from no_duplicates(f"{field}.metrics", (metric.name for metric in metrics))
    for index, metric in enumerate(metrics):
        yield from _check_metric(f"{field}.metrics[{index}]", metric)


def _check_metric(field: str, metric: MetricSpec) -> Iterator[Problem]:
    kinds = {
        "errorRatio": metric.error_ratio,
        "latency": metric.latency,
        "ratio": metric.ratio,
        "histogram": metric.histogram,
        "gauge": metric.gauge,
    }
    yield from exactly_one(field, **kinds)
    for kind, compared in (("errorRatio", metric.error_ratio), ("ratio", metric.ratio)):
        if compared:
            yield from exactly_one(f"{field}.{kind}", maxRegression=compared.max_regression, max=compared.max)
            if compared.max is not None and not 0 < parse_ratio(compared.max) < 1:
                yield Problem(f"{field}.{kind}.max", compared.max, 'must be more than 0 and less than 100%: "2%"')
    if metric.gauge:
        gauge = metric.gauge
        yield from exactly_one(f"{field}.gauge", query=gauge.query, of=gauge.of)
        if all(bound is None for bound in (gauge.min, gauge.max, gauge.max_rise, gauge.max_fall)):
            yield Problem(f"{field}.gauge", None, "must have at least one of min, max, maxRise and maxFall")
    for kind in ("errorRatio", "latency", "ratio", "histogram"):
        yield from _check_factor(f"{field}.{kind}.maxRegression", getattr(kinds[kind], "max_regression", None))


def _check_factor(field: str, factor: str | None) -> Iterator[Problem]:
    if factor is not None and parse_decimal(factor) < 1:
        yield Problem(field, factor, 'must be a factor of at least 1, such as "1.2"')
