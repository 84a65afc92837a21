"""What the operator knows of the kinds that train, as data: when such an object waits, has begun, has ended and how,
and where its containers are.

Spellings differ and none is guessed: Complete (Job, TrainJob), Completed (JobSet, Volcano), Succeeded (Kubeflow v1,
Katib, Argo). Only states that stay are ends: FailureTarget and SuccessCriteriaMet of a Job come before its pods are
gone, and Argo's condition Completed is True for workflows that failed. Pod templates need no entry here: they are found
by their shape (`serinus.core.retrain.podspecs`)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from serinus.api.meta import LABEL_RUN
from serinus.api.retrainpolicy import OutcomeRules, StatusRule
from serinus.api.statuspath import Path, find_all, find_first, parse_path, to_text

Raw = dict[str, Any]
Comparison = Literal["In", "NotIn", "Exists", "DoesNotExist", "Positive"]


@dataclass(frozen=True)
class Test:
    """What the values at a path must be. In and NotIn need a value that is there: an empty status fulfils neither."""

    path: Path
    comparison: Comparison = "In"
    values: tuple[str, ...] = ()

    def holds(self, obj: Any) -> bool:
        found = find_all(obj, self.path)
        match self.comparison:
            case "Exists":
                return bool(found)
            case "DoesNotExist":
                return not found
            case "Positive":
                return any(isinstance(value, int | float) and value > 0 for value in found)
            case "NotIn":
                return bool(found) and not any(to_text(value) in self.values for value in found)
            case _:
                return any(to_text(value) in self.values for value in found)


Group = tuple[Test, ...]
"""Tests that must hold together."""


@dataclass(frozen=True)
class Kind:
    """How objects of one kind tell what they are at. Groups: one is enough. An end comes before `waiting`, and failure
    before success."""

    group: str
    kind: str
    success: tuple[Group, ...]
    failure: tuple[Group, ...]
    """The training, or whoever looked at it, says no."""
    error: tuple[Group, ...] = ()
    """It could not be carried out: trouble of the infrastructure, no verdict."""
    waiting: tuple[Group, ...] = ()
    begun: tuple[Group, ...] = ()
    """Without one of these it waits too; none given: it has begun when it does not wait."""
    still_runs: tuple[Group, ...] = ()
    """It is at its end, and what it started may go on using accelerators."""
    started: tuple[Path, ...] = ()
    ended: tuple[Path, ...] = ()
    reason: tuple[Path, ...] = ()
    message: tuple[Path, ...] = ()
    pod_label: str = LABEL_RUN
    """Label of its pods whose value is the name of the object."""
    containers: tuple[Path, ...] = ()
    """Objects with a list `env` that are not found by their shape as containers of a pod."""
    labels: tuple[Path, ...] = ()
    """Objects whose `labels` get to its pods."""
    keep: tuple[Path, ...] = ()
    """Seconds after which it, or its pods, are removed once it has ended."""
    lingers: bool = False
    """Whether what it started may outlive its end, so that a failed one is deleted."""
    clean_up: tuple[Path, ...] = ()
    """Fields that have pods removed at the end; with these no termination message is left."""

    @property
    def key(self) -> str:
        """Group and kind: batch/Job."""
        return f"{self.group}/{self.kind}"


def find_kind(template: Mapping[str, Any]) -> Kind | None:
    """What is known of the kind of an object; None where nothing is."""
    return KINDS.get(key_of(template))


def key_of(template: Mapping[str, Any]) -> str:
    """Group and kind of an object: batch/Job; `core/Pod` for the group without a name."""
    group, slash, _ = str(template.get("apiVersion") or "").partition("/")
    return f"{group if slash else 'core'}/{template.get('kind') or ''}"


def resolve_kind(template: Mapping[str, Any], outcome: OutcomeRules | None) -> Kind | None:
    """How objects made from the template tell their outcome: by the policy's rules, else by what is known."""
    known = find_kind(template)
    if outcome is None:
        return known
    group, _, kind = key_of(template).partition("/")
    base = known or replace(_ANY, group=group, kind=kind)
    return replace(
        base,
        success=(tuple(_read(rule) for rule in outcome.success_when),),
        failure=tuple((_read(rule),) for rule in outcome.failure_when),
        error=(),
        waiting=tuple((_read(rule),) for rule in outcome.waiting_when) or base.waiting,
    )


def find_told(obj: Any, paths: tuple[Path, ...]) -> str:
    """The first text that is told at one of the paths."""
    told = (to_text(find_first(obj, path)) for path in paths)
    return next((text for text in told if text), "")


def _read(rule: StatusRule) -> Test:
    path = parse_path(rule.path)
    # A rule that cannot be read is refused with the policy; should it get here, it never holds.
    return Test((), "DoesNotExist") if isinstance(path, str) else Test(path, rule.operator or "In", rule.values)


def _path(text: str) -> Path:
    path = parse_path(text)
    if isinstance(path, str):
        raise ValueError(f"{text!r} {path}")
    return path


def _paths(*texts: str) -> tuple[Path, ...]:
    return tuple(_path(text) for text in texts)


def _is(path: str, *values: str) -> Test:
    return Test(_path(path), "In", values)


def _true(condition: str) -> Test:
    return _is(f"status.conditions[type={condition}].status", "True")


def _absent(path: str) -> Test:
    return Test(_path(path), "DoesNotExist")


def _positive(*paths: str) -> tuple[Group, ...]:
    return tuple((Test(_path(path), "Positive"),) for path in paths)


def _of_condition(field: str, *conditions: str) -> tuple[Path, ...]:
    return _paths(*(f"status.conditions[type={condition},status=True].{field}" for condition in conditions))


_SUSPENDED: Final[tuple[Group, ...]] = ((_is("spec.suspend", "true"),), (_true("Suspended"),))
_HOUR_KEPT: Final = _paths("spec.ttlSecondsAfterFinished")

_JOB: Final = Kind(
    "batch",
    "Job",
    success=((_true("Complete"),),),
    failure=((_true("Failed"),),),
    waiting=_SUSPENDED,
    begun=_positive("status.active", "status.succeeded", "status.failed", "status.terminating"),
    started=_paths("status.startTime"),
    ended=(*_paths("status.completionTime"), *_of_condition("lastTransitionTime", "Failed", "Complete")),
    reason=_of_condition("reason", "Failed", "Suspended"),
    message=_of_condition("message", "Failed", "Suspended"),
    pod_label="batch.kubernetes.io/job-name",
    keep=_HOUR_KEPT,
)
_JOB_SET: Final = Kind(
    "jobset.x-k8s.io",
    "JobSet",
    success=((_is("status.terminalState", "Completed"),), (_true("Completed"),)),
    failure=((_is("status.terminalState", "Failed"),), (_true("Failed"),)),
    waiting=_SUSPENDED,
    begun=_positive(
        *(f"status.replicatedJobsStatus[*].{count}" for count in ("active", "ready", "succeeded", "failed"))
    ),
    ended=_of_condition("lastTransitionTime", "Failed", "Completed"),
    reason=_of_condition("reason", "Failed", "Suspended"),
    message=_of_condition("message", "Failed", "Suspended"),
    pod_label="jobset.sigs.k8s.io/jobset-name",
    keep=_HOUR_KEPT,
)
_UNSUPPORTED: Final = _is("status.conditions[type=Failed].reason", "TrainingRuntimeNotSupported")
_TRAIN_JOB: Final = Kind(
    "trainer.kubeflow.org",
    "TrainJob",
    success=((_true("Complete"),),),
    # A runtime that is not there yet may come: nothing has been trained, and queueTimeout ends the wait.
    failure=(
        (
            _true("Failed"),
            Test(_path("status.conditions[type=Failed].reason"), "NotIn", ("TrainingRuntimeNotSupported",)),
        ),
        (_true("Failed"), _absent("status.conditions[type=Failed].reason")),
    ),
    waiting=(*_SUSPENDED, (_true("Failed"), _UNSUPPORTED)),
    begun=_positive(*(f"status.jobsStatus[*].{count}" for count in ("active", "ready", "succeeded", "failed"))),
    ended=_of_condition("lastTransitionTime", "Failed", "Complete"),
    reason=_of_condition("reason", "Failed", "Suspended"),
    message=_of_condition("message", "Failed", "Suspended"),
    pod_label="jobset.sigs.k8s.io/jobset-name",
    containers=_paths("spec.trainer", "spec.initializer.dataset", "spec.initializer.model"),
    lingers=True,  # its controller has been seen to train anew after an end
)


def _kubeflow(kind: str) -> Kind:
    """The kinds of Kubeflow's training operator, and Katib, which has the same conditions. None of Created, Running and
    Restarting goes away; their status turns False."""
    return Kind(
        "kubeflow.org",
        kind,
        success=((_true("Succeeded"),),),
        failure=((_true("Failed"),),),
        waiting=((_true("Suspended"),), (_is("spec.runPolicy.suspend", "true"),)),
        begun=((_true("Running"),), (_true("Restarting"),)),
        started=_paths("status.startTime"),
        ended=(*_paths("status.completionTime"), *_of_condition("lastTransitionTime", "Failed", "Succeeded")),
        reason=_of_condition("reason", "Failed", "Suspended", "Created"),
        message=_of_condition("message", "Failed", "Suspended"),
        pod_label="training.kubeflow.org/job-name",
        keep=_paths("spec.runPolicy.ttlSecondsAfterFinished"),
        clean_up=_paths("spec.runPolicy.cleanPodPolicy"),
    )


_FINISHED_RAY: Final = _is("status.jobDeploymentStatus", "Complete")
_RAY_JOB: Final = Kind(
    "ray.io",
    "RayJob",
    success=((_FINISHED_RAY, _is("status.jobStatus", "SUCCEEDED")),),
    failure=(
        (_FINISHED_RAY, _is("status.jobStatus", "FAILED", "STOPPED")),
        (_is("status.jobDeploymentStatus", "Failed"), _is("status.reason", "AppFailed")),
        (_is("status.jobDeploymentStatus", "Failed"), _is("status.jobStatus", "FAILED", "STOPPED")),
    ),
    error=(
        (_is("status.jobDeploymentStatus", "Failed"),),
        # An end in practice, though not on KubeRay's own list of them: such jobs have held quota for weeks.
        (_is("status.jobDeploymentStatus", "ValidationFailed"), _absent("status.rayClusterName")),
        (_is("status.jobDeploymentStatus", "ValidationFailed"), _is("status.rayClusterName", "")),
    ),
    waiting=(
        (_is("spec.suspend", "true"),),
        (_absent("status.jobDeploymentStatus"),),
        (_is("status.jobDeploymentStatus", "", "Suspending", "Suspended", "Waiting", "Initializing"),),
    ),
    still_runs=((_is("status.jobStatus", "PENDING", "RUNNING"),),),
    started=_paths("status.rayJobInfo.startTime", "status.startTime"),
    ended=_paths("status.endTime", "status.rayJobInfo.endTime"),
    reason=_paths("status.reason", "status.jobStatus", "status.jobDeploymentStatus"),
    message=_paths("status.message"),
    lingers=True,
)
_ARGO: Final = Kind(
    "argoproj.io",
    "Workflow",
    success=((_is("status.phase", "Succeeded"),),),
    failure=((_is("status.phase", "Failed"),),),
    error=((_is("status.phase", "Error"),),),
    waiting=(
        (_is("spec.suspend", "true"),),
        (_absent("status.phase"),),
        (_is("status.phase", "", "Pending"),),
        (
            Test(_path("status.nodes[type=Suspend,phase=Running]"), "Exists"),
            _absent("status.nodes[type=Pod,phase=Running]"),
            _absent("status.nodes[type=Pod,phase=Pending]"),
        ),
    ),
    started=_paths("status.startedAt"),
    ended=_paths("status.finishedAt"),
    reason=_paths("status.phase"),
    message=_paths("status.message"),
    pod_label="workflows.argoproj.io/workflow",
    containers=_paths(
        "spec.templates[*].container",
        "spec.templates[*].script",
        "spec.templates[*].initContainers[*]",
        "spec.templates[*].sidecars[*]",
        "spec.templateDefaults.container",
        "spec.templateDefaults.script",
    ),
    labels=_paths("spec.podMetadata"),
    keep=_paths(
        "spec.ttlStrategy.secondsAfterCompletion",
        "spec.ttlStrategy.secondsAfterSuccess",
        "spec.ttlStrategy.secondsAfterFailure",
    ),
    clean_up=_paths("spec.podGC.strategy"),
)
_VOLCANO: Final = Kind(
    "batch.volcano.sh",
    "Job",
    success=((_is("status.state.phase", "Completed"),),),
    failure=((_is("status.state.phase", "Failed"),),),
    error=((_is("status.state.phase", "Aborted", "Terminated"),),),
    waiting=((_absent("status.state.phase"),), (_is("status.state.phase", "", "Pending"),)),
    ended=_paths("status.state.lastTransitionTime"),
    reason=_paths("status.state.reason", "status.state.phase"),
    message=_paths("status.state.message"),
    pod_label="volcano.sh/job-name",
    keep=_HOUR_KEPT,
)
_NOT_SUBMITTED: Final = _is("status.applicationState.state", "SUBMISSION_FAILED")
_SPARK: Final = Kind(
    "sparkoperator.k8s.io",
    "SparkApplication",
    success=((_is("status.applicationState.state", "COMPLETED"),),),
    failure=((_is("status.applicationState.state", "FAILED"),),),
    # With another restart policy a submission is tried again, and FAILED says when no more.
    error=(
        (_NOT_SUBMITTED, _absent("spec.restartPolicy.type")),
        (_NOT_SUBMITTED, _is("spec.restartPolicy.type", "Never")),
    ),
    waiting=(
        (_is("spec.suspend", "true"),),
        (_absent("status.applicationState.state"),),
        (_is("status.applicationState.state", "", "SUBMITTED", "SUSPENDING", "SUSPENDED", "RESUMING"),),
    ),
    started=_paths("status.lastSubmissionAttemptTime"),
    ended=_paths("status.terminationTime"),
    reason=_paths("status.applicationState.state"),
    message=_paths("status.applicationState.errorMessage"),
    pod_label="sparkoperator.k8s.io/app-name",
    containers=_paths("spec.driver", "spec.executor"),
    labels=_paths("spec.driver", "spec.executor"),
    keep=_paths("spec.timeToLiveSeconds"),
)
_DEPLOYED: Final = "status.conditions[type=ResourcesDeployed].status"
_APP_WRAPPER: Final = Kind(
    "workload.codeflare.dev",
    "AppWrapper",
    success=((_is("status.phase", "Succeeded"),),),
    # Until its resources are gone it is still cleaning up.
    failure=(
        (_is("status.phase", "Failed"), Test(_path(_DEPLOYED), "NotIn", ("True",))),
        (_is("status.phase", "Failed"), _absent(_DEPLOYED)),
    ),
    waiting=(
        (_is("spec.suspend", "true"),),
        (_absent("status.phase"),),
        (_is("status.phase", "", "Empty", "Suspending", "Suspended", "Resuming"),),
    ),
    reason=_paths("status.phase"),
    ended=_of_condition("lastTransitionTime", "Unhealthy"),
    message=_of_condition("message", "Unhealthy"),
    lingers=True,
)
_ANY: Final = Kind(
    "",
    "",
    success=(),
    failure=(),
    waiting=((_is("spec.suspend", "true"),),),
    started=_paths("status.startTime", "status.startedAt"),
    ended=_paths("status.completionTime", "status.finishedAt", "status.endTime"),
    reason=_paths("status.reason", "status.phase", "status.state"),
    message=_paths("status.message"),
    keep=_HOUR_KEPT,
)
"""Kinds that only the policy's rules know: fields that many have."""
_KUBEFLOW: Final = ("PyTorchJob", "TFJob", "XGBoostJob", "JAXJob", "PaddleJob", "MPIJob")
KINDS: Final[Mapping[str, Kind]] = {
    one.key: one
    for one in (
        _JOB,
        _JOB_SET,
        _TRAIN_JOB,
        *(_kubeflow(kind) for kind in _KUBEFLOW),
        # Katib: its trials are objects of their own, whose pods carry our label.
        replace(_kubeflow("Experiment"), pod_label=LABEL_RUN, keep=(), clean_up=()),
        _RAY_JOB,
        _ARGO,
        _VOLCANO,
        _SPARK,
        _APP_WRAPPER,
    )
}
"""By group and kind."""
