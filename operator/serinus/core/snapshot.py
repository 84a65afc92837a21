"""Everything a decision may look at, as frozen values gathered beforehand.

spec ----------------> wanted revision            what people ask for
status --------------> stable, candidate, ...     what has been decided so far (the only memory)
ModelRevisions ------> rejected? promoted when?    what is remembered of each revision
Deployments, pods ---> Workload per revision       what runs
route ---------------> weights in force            where the requests go
judge ---------------> Judgement                   what the metrics say, with its age
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.presets import ResolvedRollout
from serinus.api.route import RouteKind
from serinus.api.status import AnalysisSummary, EvidencePoint, EvidenceState, ModelDeploymentStatus, ResolvedModel
from serinus.core.features import Features
from serinus.core.judge import Verdict
from serinus.core.revision import Revision


@dataclass(frozen=True)
class Waiting:
    """Why pods are not there yet. `stops_clock` where only the cluster's owner can help, `hopeless` where waiting for
    longer helps nobody."""

    reason: str
    message: str
    stops_clock: bool
    hopeless: bool = False


@dataclass(frozen=True)
class Warmth:
    """How far the warm-up of a pod is: Cold (not answered yet), Warm, or Failed (it answers with errors)."""

    state: Literal["Cold", "Warm", "Failed"]
    message: str = ""


@dataclass(frozen=True)
class Workload:
    """The Deployment of one revision as observed, in pods."""

    wanted: int = 0
    current: int = 0
    ready: int = 0
    """Pods that are ready and that the revision's own Service leads to."""
    pods: int = 0
    """Pods that exist, those that are still ending included: they hold their accelerators."""
    settled: int = 0
    """How many of them are warm, and a gateway must have heard of by now; only these may be given more traffic."""
    settles_at: datetime | None = None
    """When the others will have settled; None where there are none."""
    waiting: Waiting | None = None
    """Why pods are missing; None as well while they have not been starting for long."""
    tells_at: datetime | None = None
    """When a start that goes on will be worth a word."""
    warming: Waiting | None = None
    """Why ready pods are not warm; `hopeless` where they answer with errors."""
    in_shape: bool = True
    """Whether the Deployment is as we would write it, its size left out."""


@dataclass(frozen=True)
class RevisionRecord:
    """What its ModelRevision says of a revision."""

    name: str
    number: int
    phase: str | None = None
    message: str | None = None
    promoted_at: datetime | None = None

    @property
    def rejected(self) -> bool:
        return self.phase == "Rejected"


@dataclass(frozen=True)
class Mirror:
    """Copies of `percent` of the requests (1 to 100) for the revision `target`; its answers to them go nowhere."""

    target: str
    percent: int


@dataclass(frozen=True)
class RouteView:
    """The route as observed: weight by revision name; `accepted` is None while the gateway has not spoken."""

    exists: bool = False
    kind: RouteKind = "HTTPRoute"
    weights: Mapping[str, int] = field(default_factory=dict)
    backends: tuple[str, ...] = ()
    """Revisions in the order of the backends, those without weight too."""
    by_place: bool = False
    """Whether the gateway counts backends by their places. Such a one hears of a weight before it knows the backend:
    who is to get weight has a trace of it first, and who may need it again keeps one."""
    traces: tuple[str, ...] = ()
    """Revisions that have no more than such a trace, sorted."""
    settles_at: Mapping[str, datetime] = field(default_factory=dict)
    """When the gateway will know each backend that has weight or a trace."""
    mirror: Mirror | None = None
    accepted: bool | None = None
    message: str = ""
    in_shape: bool = True
    """Whether the route is as we would write it for the weights it has."""
    former: Mapping[str, int] | None = None
    """Weights of the route of the other kind that this one takes the place of; None where there is none."""
    replaces_former: bool = False
    """Whether the requests of the former come in here once it is gone."""
    takes_over_at: datetime | None = None
    """When that will be so, where only time is missing."""


@dataclass(frozen=True)
class PoolView:
    """The InferencePool of a revision as observed: the revision whose pods it leads to."""

    target: str
    in_shape: bool = True


SideKind = Literal["Testers", "Preview"]


@dataclass(frozen=True)
class SideView:
    """A route beside the main one as observed: the revision it leads to, or (None) stable."""

    target: str | None
    in_shape: bool = True


CheckTarget = Literal["candidate", "stable"]


@dataclass(frozen=True)
class CheckRun:
    """A Job of `rollout.validation` as observed."""

    name: str
    attempt: str
    """Which attempt it was made for; see `serinus.core.validation.attempt_of`."""
    state: Literal["Pending", "Running", "Succeeded", "Failed"]
    reason: str = ""
    """Why it failed, in the word of the Job controller."""
    ended_at: datetime | None = None
    exit_code: int | None = None
    """Of the attempt that ended last; None where none is known."""
    report: str = ""
    """What it reported, unread."""
    waiting: str = ""
    """Why its pod has not begun, in the words of scheduler or kubelet."""
    leaving: bool = False
    """Whether it is being deleted."""


@dataclass(frozen=True)
class Check:
    """A condition in the making: status True, False or Unknown, one reason, one sentence."""

    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class Figure:
    """One metric in numbers: both sides' values (None where unknown), the candidate's requests or values so far, the
    verdict, and the natural logarithms of the e-value and of what rolls back."""

    name: str
    verdict: Verdict
    candidate: float | None
    stable: float | None
    samples: float
    log_evidence: float
    log_threshold: float


@dataclass(frozen=True)
class Judgement:
    """What the metrics say at this moment; see `serinus.core.judge` for the verdicts."""

    verdict: Verdict
    message: str
    health: Check
    traffic: Check
    summaries: tuple[AnalysisSummary, ...] = ()
    evidence: tuple[EvidenceState, ...] = ()
    log_evidence: float = 0.0
    suspicious: bool = False
    """Whether a metric says so much against the candidate that it must not advance, though not enough to roll back."""
    figures: tuple[Figure, ...] = ()
    series: tuple[EvidencePoint, ...] = ()
    """How it came about, look by look, thinned."""
    first_bad_at: datetime | None = None

    @property
    def known(self) -> bool:
        return self.verdict is not Verdict.CANNOT_MEASURE


@dataclass(frozen=True)
class Problem:
    """Why the object as it stands cannot be worked on: a reason of `serinus.api.reasons` and a sentence naming field
    and value.
    """

    reason: str
    message: str


@dataclass(frozen=True)
class Snapshot:
    """One look at one ModelDeployment. `now` is the only clock."""

    name: str
    namespace: str
    generation: int
    spec: ModelDeploymentSpec
    rollout: ResolvedRollout
    status: ModelDeploymentStatus
    wanted: Revision
    now: datetime
    command: str | None = None
    command_by: str | None = None
    revisions: Mapping[str, RevisionRecord] = field(default_factory=dict)
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    service_targets: Mapping[str, str] = field(default_factory=dict)
    """Service name -> revision its selector leads to; "*" where it leads to every revision."""
    h2c_services: frozenset[str] = frozenset()
    """Services whose port says that its pods speak HTTP/2 without TLS, as gRPC needs it."""
    pools: Mapping[str, PoolView] = field(default_factory=dict)
    """The InferencePools that exist, by the revision they are named after."""
    route: RouteView = RouteView()
    sides: Mapping[SideKind, SideView] = field(default_factory=dict)
    """The routes beside the main one that exist."""
    checks: Mapping[str, CheckRun] = field(default_factory=dict)
    """The Jobs of `rollout.validation` by name, those of former releases too."""
    missing_copies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Revision -> ConfigMaps that it still needs a copy of, with the digest of their data."""
    judgement: Judgement | None = None
    problems: tuple[Problem, ...] = ()
    model: ResolvedModel | None = None
    """What `spec.model.from` means, as far as it is known."""
    resolving: str = ""
    """What is being looked up right now, as a sentence; then `spec_readable` is False, and no problem."""
    features: Mapping[str, Features] = field(default_factory=dict)
    """The feature schema of each revision that has one."""
    spec_readable: bool = True
    """False where `spec` only stands in for one that is invalid; then nobody knows what is wanted."""
    route_usable: bool = True
    """False where `spec.route`, as it stands, would take requests from somebody or lead them nowhere; then the route
    that is there keeps its shape, and only its weights follow the release."""
    status_written_at: datetime | None = None

    def workload(self, revision: str) -> Workload:
        return self.workloads.get(revision, Workload())

    def is_rejected(self, revision: str) -> bool:
        record = self.revisions.get(revision)
        if record is not None and record.rejected:
            return True
        return self.status.rejected is not None and self.status.rejected.revision == revision
