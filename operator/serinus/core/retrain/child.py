"""What trains: an object of any kind, made from the template of a run, and whether a template may be used at all.

The operator gives it name, owner, labels and the environment SERINUS_*, and takes out what would lose the results
before they are read. Everything else is the author's; service accounts, host paths and privileges are for admission and
for the namespace's pod security to refuse."""

import copy
import json
from collections.abc import Collection, Iterator
from typing import Any, Final

from serinus.api.meta import (
    API_VERSION,
    GROUP,
    LABEL_MANAGED_BY,
    LABEL_POLICY,
    LABEL_RUN,
    MANAGED_BY,
    format_time,
    parse_duration,
)
from serinus.api.podtemplate import child, objects_in
from serinus.api.problems import Problem
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.runplan import OutcomeRules, ResultsFrom
from serinus.api.statuspath import find_all, find_first, to_text
from serinus.core.retrain.kindrules import Kind
from serinus.core.retrain.kinds import find_kind, key_of, resolve_kind
from serinus.core.retrain.kindtable import KINDS
from serinus.core.retrain.podspecs import (
    find_containers,
    find_labels,
    find_namespaces,
    find_pods,
)

Raw = dict[str, Any]

NAME_LIMIT: Final = 47
"""KubeRay gives up for good on names that are longer."""
KEPT_SECONDS: Final = 3600
"""Shortest time that a child, and with it its pods, is kept after its end: results must be read first."""
ENVIRONMENT: Final = (
    "SERINUS_RUN",
    "SERINUS_POLICY",
    "SERINUS_NAMESPACE",
    "SERINUS_MODEL_DEPLOYMENT",
    "SERINUS_CHAMPION_REVISION",
    "SERINUS_CHAMPION_URI",
    "SERINUS_CHAMPION_DIGEST",
    "SERINUS_DATA_SNAPSHOT",
    "SERINUS_DEADLINE",
    "SERINUS_REASON",
    "SERINUS_RESULTS",
)
_RESULTS: Final = "-results"
_FIELD: Final = "spec.template"
_REASON_LIMIT: Final = 1024
_NO_VERDICT: Final = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}
"""Of a Job: a pod that was disrupted is replaced and counts for nothing."""


def name_results(run_name: str) -> str:
    """Name of the ConfigMap into which a run's training may write its results."""
    return f"{run_name}{_RESULTS}"


def run_of_results(name: str) -> str | None:
    """The run that a ConfigMap of this name would be for; None where it is for none."""
    run = name.removesuffix(_RESULTS)
    return run if run != name else None


def build_owner(name: str, uid: str, kind: str = "RetrainRun") -> Raw:
    """The owner reference of what a run makes, or another of our kinds."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def build_labels(run_name: str, policy: str) -> dict[str, str]:
    """The labels of what a run makes, and of its pods."""
    return {LABEL_RUN: run_name, LABEL_POLICY: policy, LABEL_MANAGED_BY: MANAGED_BY}


def build_environment(run: RetrainRunSpec, run_name: str, namespace: str) -> dict[str, str]:
    """What the training is told. The deadline is the last moment at which the run is given up: that of the queue and of
    the training together, from the decision on."""
    champion = run.champion
    longest = parse_duration(run.plan.queue_timeout) + parse_duration(run.plan.active_deadline)
    told = "; ".join(reason.message or reason.trigger for reason in run.reasons)
    values = (
        run_name,
        run.policy.name,
        namespace,
        run.model_deployment,
        run.champion_revision,
        champion.uri if champion else None,
        champion.digest if champion else None,
        run.snapshot,
        format_time(run.decided_at + longest),
        _make_plain(told)[:_REASON_LIMIT],
        name_results(run_name),
    )
    return {name: value or "" for name, value in zip(ENVIRONMENT, values, strict=True)}


def build_child(run: RetrainRunSpec, run_name: str, owner_uid: str, namespace: str) -> Raw:
    """What trains for a run. ValueError for a name that some kinds could not bear."""
    if len(run_name) > NAME_LIMIT:
        raise ValueError(f"{run_name!r} has {len(run_name)} characters and may have {NAME_LIMIT}")
    built: Raw = copy.deepcopy(run.plan.template)
    kind = find_kind(built)
    built.pop("status", None)
    given = child(built, "metadata")
    labels = build_labels(run_name, run.policy.name)
    built["metadata"] = {
        "name": run_name,
        "namespace": namespace,
        "labels": {**_others(child(given, "labels")), **labels},
        **({"annotations": child(given, "annotations")} if child(given, "annotations") else {}),
        "ownerReferences": [build_owner(run_name, owner_uid)],
    }
    if kind is not None and kind.key == "trainer.kubeflow.org/TrainJob":
        # Its pods are its runtime's; what it may add to their environment stands here.
        built["spec"] = {**child(built, "spec"), "trainer": child(built, "spec", "trainer")}
    _label_pods(built, kind, labels)
    environment = build_environment(run, run_name, namespace)
    for container in find_containers(built, kind):
        _set_environment(container, environment)
    if kind is not None:
        _keep(built, kind)
    if kind is not None and kind.key == "batch/Job":
        _settle_job(built)
    if child(built, "spec", "workflowTemplateRef") and not child(built, "spec").get("podSpecPatch"):
        # Its containers stand in another object; Argo calls the one that works main.
        patch = {"containers": [_set_environment({"name": "main"}, environment)]}
        built["spec"]["podSpecPatch"] = json.dumps(patch)
    return built


def check_template(
    template: Raw,
    allowed: Collection[str],
    *,
    outcome: OutcomeRules | None = None,
    results_from: ResultsFrom = "TerminationMessage",
) -> tuple[Problem, ...]:
    """Why nothing may be made from the template; empty where it may. `allowed` is the admin's list of kinds
    (SERINUS_TRAINING_KINDS), such as batch/v1/Job."""
    return tuple(_find_problems(template, allowed, outcome, results_from))


def _find_problems(
    template: Raw,
    allowed: Collection[str],
    outcome: OutcomeRules | None,
    results_from: ResultsFrom,
) -> Iterator[Problem]:
    key = key_of(template)
    wanted = f"{template.get('apiVersion')}/{template.get('kind')}"
    listed = sorted(entry.partition("=")[0] for entry in allowed)
    if wanted not in listed:
        allows = ", ".join(listed) or "none"
        yield Problem(f"{_FIELD}.kind", wanted, f"must be a kind that the admin allows: {allows}")
    kind = resolve_kind(template, outcome)
    if kind is None:
        known = ", ".join(sorted(KINDS))
        yield Problem(f"{_FIELD}.kind", key, f"needs outcome.successWhen and failureWhen, or must be one of {known}")
    for path, namespace in find_namespaces(template):
        yield Problem(f"{_FIELD}.{path}", namespace, "must be left out: a child lives in the namespace of its policy")
    for name in ("name", "generateName", "ownerReferences", "finalizers"):
        given = child(template, "metadata").get(name)
        if given:
            yield Problem(f"{_FIELD}.metadata.{name}", given, "must be left out: the operator gives it")
    for path, labels in find_labels(template):
        for label in labels:
            if label.startswith(f"{GROUP}/"):
                yield Problem(f"{_FIELD}.{path}[{label}]", None, f"must be left out: {GROUP}/ is the operator's")
    if kind is not None:
        yield from _find_losses(template, kind, results_from)


def _find_losses(template: Raw, kind: Kind, results_from: ResultsFrom) -> Iterator[Problem]:
    """What would make a training run for nothing: its results would never be seen."""
    if results_from == "TerminationMessage":
        if kind.silent and not any(find_all(template, path) for path in kind.silent_unless):
            message = f"leaves no results in a termination message, {kind.silent}: set results.from to ConfigMap"
            yield Problem(f"{_FIELD}.kind", kind.kind, message)
        for path in kind.clean_up:
            value = to_text(find_first(template, path))
            if value in _REMOVES_PODS:
                place = ".".join(getattr(step, "name", "*") for step in path)
                yield Problem(
                    f"{_FIELD}.{place}",
                    value,
                    "must be left out, or results.from be ConfigMap: results in a termination message go with the pod",
                )
    if kind.key == "sparkoperator.k8s.io/SparkApplication":
        restart = child(template, "spec", "restartPolicy").get("type")
        if restart == "Always":
            yield Problem(f"{_FIELD}.spec.restartPolicy.type", restart, "must be Never or OnFailure: Always never ends")


_REMOVES_PODS: Final = frozenset(
    {"All", "OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess"}
)


def _others(labels: Raw) -> Raw:
    return {name: value for name, value in labels.items() if not name.startswith(f"{GROUP}/")}


def _label_pods(built: Raw, kind: Kind | None, labels: dict[str, str]) -> None:
    """Give pods the labels of their run. A label of ours that a template brings along could make a pod serve."""
    for pod in find_pods(built):
        if pod.template is not None and pod.template is not built:
            metadata = pod.template["metadata"] = {**child(pod.template, "metadata")}
            metadata["labels"] = {**_others(child(metadata, "labels")), **labels}
    for path in kind.labels if kind is not None else ():
        if len(path) == 2 and isinstance(built.get("spec"), dict):
            built["spec"].setdefault(getattr(path[-1], "name", ""), {})
        for holder in find_all(built, path):
            if isinstance(holder, dict):
                holder["labels"] = {**_others(child(holder, "labels")), **labels}


def _set_environment(container: Raw, values: dict[str, str]) -> Raw:
    kept = [one for one in objects_in(container.get("env")) if one.get("name") not in ENVIRONMENT]
    container["env"] = [*({"name": name, "value": value} for name, value in values.items()), *kept]
    return container


def _make_plain(text: str) -> str:
    """A text that neither the kubelet nor Argo takes for something to be filled in: it may be anybody's words."""
    return text.replace("$(", "$ (").replace("{{", "{ {")


def _keep(built: Raw, kind: Kind) -> None:
    for path in kind.keep:
        *parents, last = (getattr(step, "name", "") for step in path)
        holder = child(built, *parents)
        given = holder.get(last)
        if isinstance(given, int) and given < KEPT_SECONDS:
            holder[last] = KEPT_SECONDS


def _settle_job(built: Raw) -> None:
    """A Job that trains once: a verdict is not tried again, a disruption is."""
    spec = built["spec"] = {**child(built, "spec")}
    pod = child(spec, "template", "spec")
    if pod:
        pod.setdefault("restartPolicy", "Never")
    if "backoffLimit" not in spec and "backoffLimitPerIndex" not in spec:
        spec["backoffLimit"] = 0
        if "podFailurePolicy" not in spec and pod.get("restartPolicy") == "Never":
            spec["podFailurePolicy"] = copy.deepcopy(_NO_VERDICT)
