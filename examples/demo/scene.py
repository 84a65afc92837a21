"""What can be seen at one moment, put together from the cluster's objects and the client's book. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.traffic.answers import Tally

Raw = Mapping[str, Any]

LABEL_REVISION = "serinus.dev/revision"


@dataclass(frozen=True)
class Row:
    """One version of the model. `weight` is percent of the requests by the route, `pods` those that are not going
    away."""

    version: str
    revision: str
    weight: int
    ready: int
    pods: int
    requests: int
    failures: int
    role: str


@dataclass(frozen=True)
class Scene:
    """`stage` is where the release stands, in a few words; `finding` what the judge says, `message` what Ready says."""

    rows: tuple[Row, ...] = ()
    stage: str = "not there yet"
    verdict: str = ""
    finding: str = ""
    message: str = ""
    requests: int = 0
    own_failures: int = 0
    lost: int = 0

    @property
    def weights(self) -> str:
        return ", ".join(f"{row.version} {row.weight} %" for row in self.rows if row.weight)


def observe_version(pod_or_deployment: Raw) -> str:
    """The tag of the model's image, of a Pod or of anything with a pod template."""
    spec = pod_or_deployment["spec"]
    containers = spec.get("template", {"spec": spec})["spec"]["containers"]
    return str(containers[0]["image"]).rsplit(":", 1)[-1]


def is_ready(pod: Raw) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def is_leaving(pod: Raw) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def observe_condition(obj: Raw, kind: str) -> Raw:
    """The condition of that type; empty where there is none."""
    conditions = obj.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def observe_scene(
    deployment: Raw,
    pods: Iterable[Raw],
    weights: Mapping[str, int],
    tally: Tally,
    name: Callable[[Raw], str] = observe_version,
) -> Scene:
    """`deployment` is the ModelDeployment (empty where there is none), `weights` those in the route by revision, `name`
    gives the version of a pod."""
    status = deployment.get("status") or {}
    candidate = status.get("candidate") or {}
    analysis = (status.get("analysis") or [{}])[0]
    return Scene(
        rows=_observe_rows(status, list(pods), weights, tally, name),
        stage=_describe_stage(status),
        verdict=candidate.get("verdict") or "",
        finding=_describe_finding(analysis) if candidate else "",
        message=observe_condition(deployment, "Ready").get("message", ""),
        requests=tally.requests,
        own_failures=tally.own_failures,
        lost=len(tally.lost),
    )


def _observe_rows(
    status: Raw, pods: list[Raw], weights: Mapping[str, int], tally: Tally, name: Callable[[Raw], str]
) -> tuple[Row, ...]:
    by_revision: dict[str, list[Raw]] = {}
    for pod in pods:
        by_revision.setdefault(pod["metadata"].get("labels", {}).get(LABEL_REVISION, ""), []).append(pod)
    stable = (status.get("stable") or {}).get("revision")
    candidate = (status.get("candidate") or {}).get("revision")
    rows = []
    for revision, own in by_revision.items():
        version = name(own[0])
        counted = tally.of(version)
        rows.append(
            Row(
                version=version,
                revision=revision,
                weight=weights.get(revision, 0),
                ready=sum(is_ready(pod) and not is_leaving(pod) for pod in own),
                pods=sum(not is_leaving(pod) for pod in own),
                requests=counted.requests,
                failures=counted.failures,
                role="stable" if revision == stable else "candidate" if revision == candidate else "leaving",
            )
        )
    return tuple(sorted(rows, key=lambda row: (("stable", "candidate", "leaving").index(row.role), row.version)))


def _describe_stage(status: Raw) -> str:
    candidate = status.get("candidate") or {}
    phase = str(status.get("phase") or "not there yet")
    if candidate.get("phase") == "Progressing" and candidate.get("step"):
        return f"{phase}, step {candidate['step']} of {candidate.get('steps', '?')}"
    return phase


def _describe_finding(analysis: Raw) -> str:
    if not analysis.get("candidate"):
        return str(analysis.get("message") or "")
    text = f"{analysis['name']} {analysis['candidate']} against {analysis.get('stable', '?')}"
    text += f", allowed {analysis.get('limit', '?')}, evidence {analysis.get('evidence', '?')}"
    seen = analysis.get("wouldHaveSeen")
    return text + (f", would have seen {seen}" if seen else "")
