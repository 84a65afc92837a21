"""A decision as data: what to do, in which order, and what to write down.

Order is part of the decision. `before` runs first, then the status is written, then `after`. Whatever takes traffic
away from a candidate stands in `before`; whatever gives it more stands in `after`, so that a crash between two writes
leaves the candidate with less traffic than the status says, never with more. Each action is idempotent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from serinus.api.audit import HistoryEntry
from serinus.api.modelrevision import RevisionPhase
from serinus.api.status import CheckState, ModelDeploymentStatus
from serinus.api.validation import ValidationSpec
from serinus.core.revision import Revision
from serinus.core.snapshot import CheckTarget, Judgement, Mirror, SideKind


@dataclass(frozen=True)
class RecordRevision:
    """Create the ModelRevision of a new revision."""

    revision: Revision
    number: int


@dataclass(frozen=True)
class ApplyWorkload:
    """Create or change the Deployment of revision `name`, or only its size."""

    name: str
    replicas: int


@dataclass(frozen=True)
class CopyConfigMap:
    """Give revision `revision` its own copy of the ConfigMap `source`, whose data must have `digest`."""

    revision: str
    source: str
    digest: str


@dataclass(frozen=True)
class RunCheck:
    """Make the Job that runs a check for the candidate `revision`, against the Service of the revision `asked`."""

    revision: str
    check: ValidationSpec
    target: CheckTarget
    asked: str
    attempt: str


@dataclass(frozen=True)
class DeleteCheck:
    """Remove a Job of a check, and its pods."""

    name: str


@dataclass(frozen=True)
class ApplyService:
    """Let the Service `name` lead to the pods of `target` (None: of every revision of the ModelDeployment), which with
    `h2c` speak HTTP/2 without TLS."""

    name: str
    target: str | None
    h2c: bool = False


@dataclass(frozen=True)
class ApplyPool:
    """Let the InferencePool `name` lead to the pods of `target`."""

    name: str
    target: str


@dataclass(frozen=True)
class DeletePool:
    """Remove an InferencePool that no route leads to."""

    name: str


@dataclass(frozen=True)
class ApplyRoute:
    """Split the traffic: weight (percent) by revision name, summing to 100; `traces` get the least there is. Any other
    mirror than `mirror` goes. A route of the kind before gets the same, without a mirror."""

    weights: Mapping[str, int]
    traces: tuple[str, ...] = ()
    mirror: Mirror | None = None


@dataclass(frozen=True)
class ApplySide:
    """Let a route beside the main one lead to the revision `target`, or (None) to stable."""

    kind: SideKind
    target: str | None


@dataclass(frozen=True)
class DeleteSide:
    """Remove a route beside the main one."""

    kind: SideKind


@dataclass(frozen=True)
class DeleteRoute:
    """Remove the route: the spec asks for none any more."""


@dataclass(frozen=True)
class DeleteFormerRoute:
    """Remove the route of the other kind: the one that is asked for has taken its place."""


@dataclass(frozen=True)
class MarkRevision:
    """Write what became of a revision on its ModelRevision."""

    name: str
    phase: RevisionPhase
    reason: str
    message: str
    judgement: Judgement | None = None
    validation: tuple[CheckState, ...] = ()
    entries: tuple[HistoryEntry, ...] = ()
    """What is added to its history."""


@dataclass(frozen=True)
class NoteRevision:
    """Add to the history of a ModelRevision what was done to it."""

    name: str
    entries: tuple[HistoryEntry, ...]


@dataclass(frozen=True)
class DeleteRevision:
    """Remove a revision that history no longer keeps: Deployment, Service and ModelRevision."""

    name: str


RouteAction = ApplyRoute | DeleteRoute | DeleteFormerRoute | ApplySide | DeleteSide | ApplyPool | DeletePool

Action = (
    RecordRevision
    | CopyConfigMap
    | RunCheck
    | DeleteCheck
    | ApplyWorkload
    | ApplyService
    | ApplyPool
    | DeletePool
    | ApplyRoute
    | DeleteRoute
    | DeleteFormerRoute
    | ApplySide
    | DeleteSide
    | MarkRevision
    | NoteRevision
    | DeleteRevision
)


@dataclass(frozen=True)
class Event:
    """One transition, told to people. `warning` chooses the Event's type."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Plan:
    before: tuple[Action, ...]
    status: ModelDeploymentStatus
    write_status: bool
    after: tuple[Action, ...]
    events: tuple[Event, ...]
    wake_at: datetime | None
