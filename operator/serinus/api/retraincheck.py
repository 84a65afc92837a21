"""Everything that can be wrong with a RetrainPolicy on its own, beside what the API server refuses by schema and CEL,
and that once more: see `serinus.api.validate`.

Queries are parsed by whoever asks them, and whether a template may be used is for the admin's list to say: neither is
looked at here."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from serinus.api.gatespec import Gate
from serinus.api.meta import NAME_PATTERN, parse_decimal
from serinus.api.modeluri import Malformed, parse_reference
from serinus.api.podtemplate import child
from serinus.api.problems import Problem, exactly_one, no_duplicates
from serinus.api.retrainpolicy import POLICY_NAME_MAX, InitialModel, RetrainPolicySpec
from serinus.api.runplan import OutcomeRules, PromotionSpec, ResultsSpec, StatusRule
from serinus.api.statuspath import parse_path
from serinus.api.templatecheck import check_template
from serinus.api.timecheck import check_cron, check_some_time, check_time_zone
from serinus.api.triggercheck import check_triggers


def validate_policy(spec: RetrainPolicySpec, name: str) -> tuple[Problem, ...]:
    """Return what is wrong with a RetrainPolicy whose fields each have the right form; empty where nothing is."""
    return tuple(_find_problems(spec, name))


def _find_problems(spec: RetrainPolicySpec, name: str) -> Iterator[Problem]:
    yield from _check_name(name)
    yield from check_triggers(spec)
    yield from _check_template(spec.template)
    if spec.outcome is not None:
        yield from _check_outcome(spec.outcome)
    yield from _check_times(spec)
    if spec.initial_model is not None:
        yield from _check_initial_model(spec.initial_model)
    if spec.budget is not None and spec.budget.max_runs is None and spec.budget.max_accelerator_hours is None:
        yield Problem("spec.budget", None, "must have maxRuns, maxAcceleratorHours, or both")
    yield from _no_twins("spec.actionOrder", spec.action_order)
    yield from _check_results(spec.results)
    snapshot = spec.data.snapshot_from
    yield from exactly_one("spec.data.snapshotFrom", result=snapshot.result, configMap=snapshot.config_map)
    yield from no_duplicates("spec.gates", (gate.name for gate in spec.gates))
    for index, gate in enumerate(spec.gates):
        yield from _check_gate(f"spec.gates[{index}]", gate)
    yield from _check_promotion(spec.promotion)


def _check_name(name: str) -> Iterator[Problem]:
    if len(name) > POLICY_NAME_MAX:
        message = f"has {len(name)} characters and must have at most {POLICY_NAME_MAX}: its runs are named after it"
        yield Problem("metadata.name", name, message)
    if not re.match(NAME_PATTERN, name):
        message = "must be lower-case letters, digits and '-', begin with a letter and not end with '-'"
        yield Problem("metadata.name", name, message)


def _check_template(template: dict[str, Any]) -> Iterator[Problem]:
    """Its form only; what a kind makes of its spec is for that kind's own API to say."""
    for key in ("apiVersion", "kind"):
        value = template.get(key)
        if not isinstance(value, str) or not value:
            yield Problem(f"spec.template.{key}", value, "must be text, such as batch/v1 and Job")
    metadata = template.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield Problem("spec.template.metadata", metadata, "must be an object")
    for key in ("name", "namespace", "generateName"):
        given = child(template, "metadata").get(key)
        if given is not None:
            yield Problem(f"spec.template.metadata.{key}", given, "must be left out: the operator gives it")
    spec = template.get("spec")
    if spec is not None and not isinstance(spec, dict):
        yield Problem("spec.template.spec", spec, "must be an object")
    if template.get("apiVersion") == "batch/v1" and template.get("kind") == "Job":
        pod = child(template, "spec", "template")
        policy = child(pod, "spec").get("restartPolicy")
        policy = policy if policy == "OnFailure" else "Never"
        yield from check_template("spec.template.spec.template", pod, policy, ": a Job's pods come to an end")


def _check_outcome(outcome: OutcomeRules) -> Iterator[Problem]:
    for name, rules in (
        ("successWhen", outcome.success_when),
        ("failureWhen", outcome.failure_when),
        ("waitingWhen", outcome.waiting_when),
    ):
        for index, rule in enumerate(rules):
            yield from _check_rule(f"spec.outcome.{name}[{index}]", rule)
    if all(rule.operator == "DoesNotExist" for rule in outcome.success_when):
        message = "must have a rule that is not DoesNotExist: a child that was just made would count as done"
        yield Problem("spec.outcome.successWhen", None, message)


def _check_rule(field: str, rule: StatusRule) -> Iterator[Problem]:
    path = parse_path(rule.path)
    if isinstance(path, str):
        yield Problem(f"{field}.path", rule.path, path)
    if (rule.operator in ("Exists", "DoesNotExist")) == bool(rule.values):
        yield Problem(f"{field}.values", None, "belong to In and NotIn, and are needed there")


def _check_times(spec: RetrainPolicySpec) -> Iterator[Problem]:
    for index, blackout in enumerate(spec.blackouts):
        field = f"spec.blackouts[{index}]"
        yield from check_cron(f"{field}.cron", blackout.cron)
        yield from check_time_zone(f"{field}.timeZone", blackout.time_zone)
        yield from check_some_time(f"{field}.duration", blackout.duration)
        yield from _no_twins(f"{field}.holds", blackout.holds or ())
    yield from check_some_time("spec.budget.window", spec.budget.window if spec.budget else None)
    yield from check_some_time("spec.queueTimeout", spec.queue_timeout)
    yield from check_some_time("spec.activeDeadline", spec.active_deadline)
    yield from check_some_time("spec.approval.expiresAfter", spec.approval.expires_after)
    yield from check_some_time("spec.promotion.expiresAfter", spec.promotion.expires_after)
    yield from check_some_time("spec.quarantine.ttl", spec.quarantine.ttl)


def _check_initial_model(model: InitialModel) -> Iterator[Problem]:
    reference = parse_reference(model.uri)
    if isinstance(reference, Malformed):
        yield Problem("spec.initialModel.uri", None, reference.message)


def _check_results(results: ResultsSpec) -> Iterator[Problem]:
    if (results.from_ == "ChildStatus") != (results.path is not None):
        yield Problem("spec.results.path", results.path, "belongs to from ChildStatus, and is needed there")
    if (results.from_ == "Registry") != (results.registry is not None):
        yield Problem("spec.results.registry", None, "belongs to from Registry, and is needed there")
    path = parse_path(results.path) if results.path is not None else ()
    if isinstance(path, str):
        yield Problem("spec.results.path", results.path, path)


def _check_gate(field: str, gate: Gate) -> Iterator[Problem]:
    sources = [name for name in ("value", "query", "job") if getattr(gate, name) is not None]
    bounds = [gate.min, gate.max, gate.versus_champion]
    bounded = any(bound is not None for bound in bounds)
    if len(sources) > 1:
        yield Problem(field, None, f"must have one of value, query and job, not {' and '.join(sources)}")
    if gate.kind in ("Schema", "Signature"):
        if bounded or gate.value is not None or gate.query is not None:
            yield Problem(field, None, f"must have no value, query or bound: kind {gate.kind} has no number")
    elif not sources:
        yield Problem(field, None, "must have one of value, query and job: where its number comes from")
    elif not bounded and gate.job is None:
        yield Problem(field, None, "must have min, max or versusChampion: what the value must be")
    yield from _check_bounds(field, gate)
    if gate.kind == "Slice" and gate.value is None:
        yield Problem(f"{field}.value", None, "is required: kind Slice reads an object of slices in the results")
    if gate.kind != "Slice" and (gate.slices or gate.min_samples is not None):
        yield Problem(field, None, f"must have no slices and minSamples: they belong to kind Slice, not {gate.kind}")
    if gate.identity is not None and gate.kind != "Signature":
        yield Problem(f"{field}.identity", gate.identity, f"belongs to kind Signature, not {gate.kind}")
    if gate.timeout is not None and gate.job is None:
        yield Problem(f"{field}.timeout", gate.timeout, "belongs to job")
    yield from check_some_time(f"{field}.timeout", gate.timeout)
    if gate.job is not None:
        yield from check_template(f"{field}.job.template", gate.job.template, "Never")


def _check_bounds(field: str, gate: Gate) -> Iterator[Problem]:
    if gate.min is not None and gate.max is not None and parse_decimal(gate.min) > parse_decimal(gate.max):
        yield Problem(f"{field}.min", gate.min, f"must not be above max, which is {gate.max}: nothing would pass")
    change = gate.versus_champion
    if change is None:
        return
    yield from exactly_one(f"{field}.versusChampion", absolute=change.absolute, relative=change.relative)
    if gate.query is not None:
        yield Problem(f"{field}.versusChampion", None, "needs value or job: a query has one answer")


def _check_promotion(promotion: PromotionSpec) -> Iterator[Problem]:
    if (promotion.target == "PullRequest") != (promotion.pull_request is not None):
        yield Problem("spec.promotion.pullRequest", None, "belongs to target PullRequest, and is needed there")
    if (promotion.target == "Alias") != (promotion.alias is not None):
        yield Problem("spec.promotion.alias", None, "belongs to target Alias, and is needed there")
    for index, edit in enumerate(promotion.pull_request.edits if promotion.pull_request else ()):
        field = f"spec.promotion.pullRequest.edits[{index}]"
        if ".." in edit.file.split("/"):
            yield Problem(f"{field}.file", edit.file, "must stay within the repository")
        path = parse_path(edit.path)
        if isinstance(path, str):
            yield Problem(f"{field}.path", edit.path, path)


def _no_twins(field: str, words: Sequence[str] | Iterable[str]) -> Iterator[Problem]:
    given = list(words)
    if len(set(given)) < len(given):
        yield Problem(field, given, "must name each only once")
