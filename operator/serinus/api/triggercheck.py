"""What can be wrong with the triggers of a RetrainPolicy, checked again in Python: see `serinus.api.validate`."""

from collections.abc import Iterator

from serinus.api.meta import parse_decimal, parse_duration, parse_ratio
from serinus.api.problems import Problem, exactly_one, no_duplicates
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.timecheck import check_cron, check_some_time, check_time_zone
from serinus.api.triggers import MetricTrigger, NewDataTrigger, ScheduleTrigger, Trigger


def check_triggers(spec: RetrainPolicySpec) -> Iterator[Problem]:
    """Find what is wrong with the triggers and with the groups that they are in."""
    yield from no_duplicates("spec.triggers", (trigger.name for trigger in spec.triggers))
    for index, trigger in enumerate(spec.triggers):
        yield from _check_trigger(f"spec.triggers[{index}]", trigger)
    if spec.trigger_policy is None:
        return
    names = {trigger.name for trigger in spec.triggers}
    for index, group in enumerate(spec.trigger_policy.any):
        field = f"spec.triggerPolicy.any[{index}]"
        for place, name in enumerate(group):
            if name not in names:
                listed = ", ".join(sorted(names)) or "there is none"
                yield Problem(f"{field}[{place}]", name, f"must be the name of a trigger: {listed}")
        yield from no_duplicates(field, group)


def _check_trigger(field: str, trigger: Trigger) -> Iterator[Problem]:
    yield from exactly_one(
        field,
        metric=trigger.metric,
        schedule=trigger.schedule,
        newData=trigger.new_data,
        event=trigger.event,
        rolledBack=trigger.rolled_back,
    )
    if trigger.metric is not None:
        yield from _check_metric(f"{field}.metric", trigger.metric)
    if trigger.schedule is not None:
        yield from _check_schedule(f"{field}.schedule", trigger.schedule)
    if trigger.new_data is not None:
        yield from _check_new_data(f"{field}.newData", trigger.new_data)


def _check_metric(field: str, metric: MetricTrigger) -> Iterator[Problem]:
    yield from exactly_one(field, fireAbove=metric.fire_above, fireBelow=metric.fire_below)
    above, below = metric.clear_above, metric.clear_below
    if below is not None and (metric.fire_above is None or parse_decimal(below) > parse_decimal(metric.fire_above)):
        yield Problem(f"{field}.clearBelow", below, "belongs to fireAbove and must not be above it")
    if above is not None and (metric.fire_below is None or parse_decimal(above) < parse_decimal(metric.fire_below)):
        yield Problem(f"{field}.clearAbove", above, "belongs to fireBelow and must not be below it")
    yield from check_some_time(f"{field}.window", metric.window)
    if metric.for_ is not None and parse_duration(metric.for_) < parse_duration(metric.window):
        message = f"must be at least as long as window, {metric.window}: evaluations closer together share their rows"
        yield Problem(f"{field}.for", metric.for_, message)
    if metric.signal == "Drift" and metric.min_samples is None:
        message = "is required with signal Drift: a drift score of few rows is high by chance"
        yield Problem(f"{field}.minSamples", None, message)
    coverage = metric.min_label_coverage
    if coverage is not None and not 0 < parse_ratio(coverage.value) <= 1:
        yield Problem(f"{field}.minLabelCoverage.value", coverage.value, 'must be more than 0 and at most 100%: "80%"')
    yield from check_some_time(f"{field}.compareOffset", metric.compare_offset)


def _check_schedule(field: str, schedule: ScheduleTrigger) -> Iterator[Problem]:
    yield from check_cron(f"{field}.cron", schedule.cron)
    yield from check_time_zone(f"{field}.timeZone", schedule.time_zone)
    yield from check_some_time(f"{field}.startingDeadline", schedule.starting_deadline)


def _check_new_data(field: str, new_data: NewDataTrigger) -> Iterator[Problem]:
    if new_data.min_new_rows is None and new_data.min_new_share is None:
        yield Problem(field, None, "must have minNewRows, minNewShare, or both: how much data is new")
    share = new_data.min_new_share
    if share is not None and not 0 < parse_ratio(share) <= 1:
        yield Problem(f"{field}.minNewShare", share, 'must be more than 0 and at most 100%: "10%"')
