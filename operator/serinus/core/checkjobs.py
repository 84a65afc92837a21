"""The Jobs of `rollout.validation`: how they are made, and what one says by the way it ended.

A Job is bound to an attempt: the check as it is written now, for this release. One that was made for another attempt
says nothing. Only trouble of the infrastructure is tried again, and it is the Job controller that does it. A report is
bound to the pod that made it: what an earlier pod left, of this Job or of one that had its name, says nothing."""

import copy
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from serinus.api.meta import (
    ANNOTATION_ATTEMPT,
    LABEL_CHECK_OF,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    parse_duration,
    parse_time,
)
from serinus.api.podtemplate import child
from serinus.api.validation import ValidationSpec
from serinus.core.children import SERVICE_PORT, Owner, build_metadata
from serinus.core.configmaps import REPORT_LIMIT, RESULTS_KEY
from serinus.core.delivery import DIGEST, URI, set_environment
from serinus.core.names import fit_name
from serinus.core.snapshot import CheckRun, CheckTarget
from serinus.core.waiting import find_waiting

Raw = dict[str, Any]

TIMEOUT: Final = "10m"
RETRIES: Final = 3
RETRIED: Final = 75
"""EX_TEMPFAIL of sysexits.h: the check could not be carried out now."""
MISCONFIGURED: Final = 64
"""EX_USAGE of sysexits.h: the check can never be carried out as it is."""
REPORT: Final = "SERINUS_REPORT"
"""Variable with the name for a ConfigMap that holds a report: that of the pod, which no other pod has."""
_NAME_LIMIT: Final = 63
_LABEL_CHECK: Final = "serinus.dev/check"


def name_job(revision: str, check: str, target: CheckTarget) -> str:
    return fit_name(f"{revision}-{check}" + ("-stable" if target == "stable" else ""), _NAME_LIMIT)


def build_job(
    owner: Owner, revision: str, check: ValidationSpec, target: CheckTarget, asked: str, *, attempt: str, model: Raw
) -> Raw:
    """The Job that runs `check` for the candidate `revision` against the Service of revision `asked`, whose content
    names its model in `model`."""
    name = name_job(revision, check.name, target)
    template = copy.deepcopy(check.job.template)
    metadata = template["metadata"] = {**child(template, "metadata")}
    metadata["labels"] = {
        **child(metadata, "labels"),
        LABEL_CHECK_OF: owner.name,
        LABEL_MANAGED_BY: MANAGED_BY,
        _LABEL_CHECK: check.name,
    }
    environment = {
        "SERINUS_TARGET_URL": f"http://{asked}.{owner.namespace}.svc:{SERVICE_PORT}",
        "SERINUS_TARGET": target,
        "SERINUS_STABLE_URL": f"http://{owner.name}.{owner.namespace}.svc:{SERVICE_PORT}",
        "SERINUS_REVISION": asked,
        URI: str(model.get("uri") or ""),
        DIGEST: str(model.get("digest") or ""),
    }
    pod = template["spec"]
    pod["restartPolicy"] = "Never"
    set_environment(pod, environment, owned=(*environment, REPORT), pod_name=REPORT)
    own = build_metadata(owner, name, revision)
    retries = RETRIES if check.retries is None else check.retries
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**own, "annotations": {ANNOTATION_ATTEMPT: attempt}},
        "spec": build_job_spec(template, retries, check.timeout or TIMEOUT),
    }


def build_job_spec(template: Raw, retries: int, timeout: str) -> Raw:
    """Spec of a Job that is given up after `timeout`, and tried again for exit code 75 and disrupted pods only."""
    return {
        "backoffLimit": retries,
        "activeDeadlineSeconds": max(math.ceil(parse_duration(timeout).total_seconds()), 1),
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [RETRIED]}},
            ]
        },
        "template": template,
    }


def observe_job(job: Raw, pods: Iterable[Raw], reports: Mapping[str, str]) -> CheckRun:
    """What a Job says of itself, with the last word of its pods; `reports` are the results in ConfigMaps by name."""
    metadata: Raw = job["metadata"]
    ended = _find_end(job)
    mine = [pod for pod in pods if _is_made_by(pod, job)]
    last = _find_last_word(mine, succeeded=ended is not None and ended[0] == "Succeeded")
    waiting = None if ended else find_waiting(mine)
    return CheckRun(
        name=metadata["name"],
        attempt=(metadata.get("annotations") or {}).get(ANNOTATION_ATTEMPT, ""),
        state=ended[0] if ended else "Running" if any(_has_begun(pod) for pod in mine) else "Pending",
        reason=ended[1] if ended else "",
        ended_at=ended[2] if ended else None,
        exit_code=last.exit_code if last else None,
        report=(reports.get(last.pod) or last.message) if last else "",
        waiting=waiting.message if waiting else "",
        leaving=metadata.get("deletionTimestamp") is not None,
    )


def reports_in(config_maps: Iterable[Raw]) -> dict[str, str]:
    """The reports that checks left in ConfigMaps, by the name of the pod."""
    found = {}
    for one in config_maps:
        if LABEL_CHECK_OF in (one["metadata"].get("labels") or {}):
            found[one["metadata"]["name"]] = str((one.get("data") or {}).get(RESULTS_KEY) or "")
    return found


def read_report(report: str) -> dict[str, float] | str:
    """The values that a check reports, or what is wrong with the report."""
    if len(report) > REPORT_LIMIT:
        return f"the report has {len(report):,} characters and may have {REPORT_LIMIT:,}"
    try:
        parsed = json.loads(report)
    except (ValueError, RecursionError):
        cut = " (termination messages are cut at 4096 bytes)" if len(report.encode()) >= 4096 else ""
        return f"the report is not JSON{cut}: it begins with {report[:40]!r}"
    if not isinstance(parsed, dict):
        return f"the report must be one JSON object of numbers, not {type(parsed).__name__}"
    return {key: float(value) for key, value in parsed.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(float(value))
    except OverflowError:
        return False


_ENDS: Final = {"Complete": "Succeeded", "Failed": "Failed", "FailureTarget": "Failed"}
"""FailureTarget comes first, while the pods of a Job that has failed are still being stopped."""


def _find_end(job: Raw) -> tuple[Any, str, datetime | None] | None:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in _ENDS:
            state = _ENDS[condition["type"]]
            at = condition.get("lastTransitionTime")
            moment = parse_time(at)
            return state, str(condition.get("reason") or ""), moment
    return None


def _has_begun(pod: Raw) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Running", "Succeeded", "Failed")


def _is_made_by(pod: Raw, job: Raw) -> bool:
    """Whether a pod is this Job's, and not one's that had its name before."""
    references = pod["metadata"].get("ownerReferences") or ()
    return any(reference.get("uid") == job["metadata"].get("uid") for reference in references)


@dataclass(frozen=True)
class _Word:
    """How a pod ended."""

    at: str
    pod: str
    exit_code: int
    message: str


def _find_last_word(pods: Sequence[Raw], *, succeeded: bool) -> _Word | None:
    """That of the pod that ended last. Pods that were disrupted are left out: the Job controller replaces them and
    counts them for nothing. A Job that has succeeded did so by a pod that has; until that is seen, nothing is."""
    words = [word for pod in pods if not _was_disrupted(pod) and (word := _read_word(pod)) is not None]
    return max((word for word in words if not succeeded or word.exit_code == 0), key=lambda word: word.at, default=None)


def _was_disrupted(pod: Raw) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "DisruptionTarget" and one.get("status") == "True" for one in conditions)


def _read_word(pod: Raw) -> _Word | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [end for one in statuses if (end := (one.get("state") or {}).get("terminated")) is not None]
    if not ends:
        return None
    ends.sort(key=lambda end: str(end.get("finishedAt") or ""))
    # Of several containers, any may fail the pod, and only one that says no more than 75 lets it be tried again.
    worst = max((int(end.get("exitCode") or 0) for end in ends), key=lambda code: (code != 0, code != RETRIED))
    message = next((str(end["message"]) for end in reversed(ends) if end.get("message")), "")
    return _Word(str(ends[-1].get("finishedAt") or ""), pod["metadata"]["name"], worst, message)
