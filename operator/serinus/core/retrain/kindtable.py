"""What the operator knows of the kinds that train, as data: when such an object waits, has begun, has ended and how,
and where its containers are.

Spellings differ and none is guessed: Complete (Job, TrainJob), Completed (JobSet, Volcano), Succeeded (Kubeflow v1,
Katib, Argo). Only states that stay are ends: FailureTarget and SuccessCriteriaMet of a Job come before its pods are
gone, and Argo's condition Completed is True for workflows that failed. Pod templates need no entry here: they are found
by their shape (`serinus.core.retrain.podspecs`)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from serinus.core.retrain.kindrules import (
    Group,
    Kind,
    Test,
    any_positive,
    is_absent,
    is_one_of,
    is_true,
    of_conditions,
    read_path,
    read_paths,
)

_SUSPENDED: Final[tuple[Group, ...]] = ((is_one_of("spec.suspend", "true"),), (is_true("Suspended"),))
_HOUR_KEPT: Final = read_paths("spec.ttlSecondsAfterFinished")

_JOB: Final = Kind(
    "batch",
    "Job",
    success=((is_true("Complete"),),),
    failure=((is_true("Failed"),),),
    waiting=_SUSPENDED,
    begun=any_positive("status.active", "status.succeeded", "status.failed", "status.terminating"),
    started=read_paths("status.startTime"),
    ended=(*read_paths("status.completionTime"), *of_conditions("lastTransitionTime", "Failed", "Complete")),
    reason=of_conditions("reason", "Failed", "Suspended"),
    message=of_conditions("message", "Failed", "Suspended"),
    keep=_HOUR_KEPT,
)
_JOB_SET: Final = Kind(
    "jobset.x-k8s.io",
    "JobSet",
    success=((is_one_of("status.terminalState", "Completed"),), (is_true("Completed"),)),
    failure=((is_one_of("status.terminalState", "Failed"),), (is_true("Failed"),)),
    waiting=_SUSPENDED,
    begun=any_positive(
        *(f"status.replicatedJobsStatus[*].{count}" for count in ("active", "ready", "succeeded", "failed"))
    ),
    ended=of_conditions("lastTransitionTime", "Failed", "Completed"),
    reason=of_conditions("reason", "Failed", "Suspended"),
    message=of_conditions("message", "Failed", "Suspended"),
    keep=_HOUR_KEPT,
)
_UNSUPPORTED: Final = is_one_of("status.conditions[type=Failed].reason", "TrainingRuntimeNotSupported")
_TRAIN_JOB: Final = Kind(
    "trainer.kubeflow.org",
    "TrainJob",
    success=((is_true("Complete"),),),
    # A runtime that is not there yet may come: nothing has been trained, and queueTimeout ends the wait.
    failure=(
        (
            is_true("Failed"),
            Test(read_path("status.conditions[type=Failed].reason"), "NotIn", ("TrainingRuntimeNotSupported",)),
        ),
        (is_true("Failed"), is_absent("status.conditions[type=Failed].reason")),
    ),
    waiting=(*_SUSPENDED, (is_true("Failed"), _UNSUPPORTED)),
    begun=any_positive(*(f"status.jobsStatus[*].{count}" for count in ("active", "ready", "succeeded", "failed"))),
    ended=of_conditions("lastTransitionTime", "Failed", "Complete"),
    reason=of_conditions("reason", "Failed", "Suspended"),
    message=of_conditions("message", "Failed", "Suspended"),
    silent="its pods are made by its runtime, without the labels of the operator",
    containers=read_paths("spec.trainer", "spec.initializer.dataset", "spec.initializer.model"),
    lingers=True,  # its controller has been seen to train anew after an end
)


def _kubeflow(kind: str) -> Kind:
    """The kinds of Kubeflow's training operator, and Katib, which has the same conditions. None of Created, Running and
    Restarting goes away; their status turns False."""
    return Kind(
        "kubeflow.org",
        kind,
        success=((is_true("Succeeded"),),),
        failure=((is_true("Failed"),),),
        waiting=((is_true("Suspended"),), (is_one_of("spec.runPolicy.suspend", "true"),)),
        begun=((is_true("Running"),), (is_true("Restarting"),)),
        started=read_paths("status.startTime"),
        ended=(*read_paths("status.completionTime"), *of_conditions("lastTransitionTime", "Failed", "Succeeded")),
        reason=of_conditions("reason", "Failed", "Suspended", "Created"),
        message=of_conditions("message", "Failed", "Suspended"),
        keep=read_paths("spec.runPolicy.ttlSecondsAfterFinished"),
        clean_up=read_paths("spec.runPolicy.cleanPodPolicy"),
    )


_FINISHED_RAY: Final = is_one_of("status.jobDeploymentStatus", "Complete")
_RAY_JOB: Final = Kind(
    "ray.io",
    "RayJob",
    success=((_FINISHED_RAY, is_one_of("status.jobStatus", "SUCCEEDED")),),
    failure=(
        (_FINISHED_RAY, is_one_of("status.jobStatus", "FAILED", "STOPPED")),
        (is_one_of("status.jobDeploymentStatus", "Failed"), is_one_of("status.reason", "AppFailed")),
        (is_one_of("status.jobDeploymentStatus", "Failed"), is_one_of("status.jobStatus", "FAILED", "STOPPED")),
    ),
    error=(
        (is_one_of("status.jobDeploymentStatus", "Failed"),),
        # An end in practice, though not on KubeRay's own list of them: such jobs have held quota for weeks.
        (is_one_of("status.jobDeploymentStatus", "ValidationFailed"), is_absent("status.rayClusterName")),
        (is_one_of("status.jobDeploymentStatus", "ValidationFailed"), is_one_of("status.rayClusterName", "")),
    ),
    waiting=(
        (is_one_of("spec.suspend", "true"),),
        (is_absent("status.jobDeploymentStatus"),),
        (is_one_of("status.jobDeploymentStatus", "", "Suspending", "Suspended", "Waiting", "Initializing"),),
    ),
    still_runs=((is_one_of("status.jobStatus", "PENDING", "RUNNING"),),),
    started=read_paths("status.rayJobInfo.startTime", "status.startTime"),
    ended=read_paths("status.endTime", "status.rayJobInfo.endTime"),
    reason=read_paths("status.reason", "status.jobStatus", "status.jobDeploymentStatus"),
    message=read_paths("status.message"),
    silent="what trains runs on a cluster whose pods do not end; the pod that submits it is made by KubeRay",
    silent_unless=read_paths("spec.submitterPodTemplate"),
    lingers=True,
)
_ARGO: Final = Kind(
    "argoproj.io",
    "Workflow",
    success=((is_one_of("status.phase", "Succeeded"),),),
    failure=((is_one_of("status.phase", "Failed"),),),
    error=((is_one_of("status.phase", "Error"),),),
    waiting=(
        (is_one_of("spec.suspend", "true"),),
        (is_absent("status.phase"),),
        (is_one_of("status.phase", "", "Pending"),),
        (
            Test(read_path("status.nodes[type=Suspend,phase=Running]"), "Exists"),
            is_absent("status.nodes[type=Pod,phase=Running]"),
            is_absent("status.nodes[type=Pod,phase=Pending]"),
        ),
    ),
    started=read_paths("status.startedAt"),
    ended=read_paths("status.finishedAt"),
    reason=read_paths("status.phase"),
    message=read_paths("status.message"),
    containers=read_paths(
        "spec.templates[*].container",
        "spec.templates[*].script",
        "spec.templates[*].initContainers[*]",
        "spec.templates[*].sidecars[*]",
        "spec.templateDefaults.container",
        "spec.templateDefaults.script",
    ),
    labels=read_paths("spec.podMetadata"),
    keep=read_paths(
        "spec.ttlStrategy.secondsAfterCompletion",
        "spec.ttlStrategy.secondsAfterSuccess",
        "spec.ttlStrategy.secondsAfterFailure",
    ),
    clean_up=read_paths("spec.podGC.strategy"),
)
_VOLCANO: Final = Kind(
    "batch.volcano.sh",
    "Job",
    success=((is_one_of("status.state.phase", "Completed"),),),
    failure=((is_one_of("status.state.phase", "Failed"),),),
    error=((is_one_of("status.state.phase", "Aborted", "Terminated"),),),
    waiting=((is_absent("status.state.phase"),), (is_one_of("status.state.phase", "", "Pending"),)),
    ended=read_paths("status.state.lastTransitionTime"),
    reason=read_paths("status.state.reason", "status.state.phase"),
    message=read_paths("status.state.message"),
    keep=_HOUR_KEPT,
)
_NOT_SUBMITTED: Final = is_one_of("status.applicationState.state", "SUBMISSION_FAILED")
_SPARK: Final = Kind(
    "sparkoperator.k8s.io",
    "SparkApplication",
    success=((is_one_of("status.applicationState.state", "COMPLETED"),),),
    failure=((is_one_of("status.applicationState.state", "FAILED"),),),
    # With another restart policy a submission is tried again, and FAILED says when no more.
    error=(
        (_NOT_SUBMITTED, is_absent("spec.restartPolicy.type")),
        (_NOT_SUBMITTED, is_one_of("spec.restartPolicy.type", "Never")),
    ),
    waiting=(
        (is_one_of("spec.suspend", "true"),),
        (is_absent("status.applicationState.state"),),
        (is_one_of("status.applicationState.state", "", "SUBMITTED", "SUSPENDING", "SUSPENDED", "RESUMING"),),
    ),
    started=read_paths("status.lastSubmissionAttemptTime"),
    ended=read_paths("status.terminationTime"),
    reason=read_paths("status.applicationState.state"),
    message=read_paths("status.applicationState.errorMessage"),
    containers=read_paths("spec.driver", "spec.executor"),
    labels=read_paths("spec.driver", "spec.executor"),
    keep=read_paths("spec.timeToLiveSeconds"),
)
_DEPLOYED: Final = "status.conditions[type=ResourcesDeployed].status"
_APP_WRAPPER: Final = Kind(
    "workload.codeflare.dev",
    "AppWrapper",
    success=((is_one_of("status.phase", "Succeeded"),),),
    # Until its resources are gone it is still cleaning up.
    failure=(
        (is_one_of("status.phase", "Failed"), Test(read_path(_DEPLOYED), "NotIn", ("True",))),
        (is_one_of("status.phase", "Failed"), is_absent(_DEPLOYED)),
    ),
    waiting=(
        (is_one_of("spec.suspend", "true"),),
        (is_absent("status.phase"),),
        (is_one_of("status.phase", "", "Empty", "Suspending", "Suspended", "Resuming"),),
    ),
    reason=read_paths("status.phase"),
    ended=of_conditions("lastTransitionTime", "Unhealthy"),
    message=of_conditions("message", "Unhealthy"),
    lingers=True,
)
ANY: Final = Kind(
    "",
    "",
    success=(),
    failure=(),
    waiting=((is_one_of("spec.suspend", "true"),),),
    started=read_paths("status.startTime", "status.startedAt"),
    ended=read_paths("status.completionTime", "status.finishedAt", "status.endTime"),
    reason=read_paths("status.reason", "status.phase", "status.state"),
    message=read_paths("status.message"),
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
        replace(_kubeflow("Experiment"), silent="each of its trials has some of its own", keep=(), clean_up=()),
        _RAY_JOB,
        _ARGO,
        _VOLCANO,
        _SPARK,
        _APP_WRAPPER,
    )
}
"""By group and kind."""
