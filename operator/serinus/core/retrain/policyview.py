"""What a decision about a RetrainPolicy looks at, and what it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.retrainstatus import ModelState, RetrainPolicyStatus
from serinus.api.runstatus import RetrainRunStatus
from serinus.api.status import RejectedState
from serinus.core.plan import Event
from serinus.core.retrain.reading import Reading
from serinus.core.retrain.records import RunRecord
from serinus.core.retrain.standing import Served
from serinus.core.snapshot import Problem


@dataclass(frozen=True)
class PolicySnapshot:
    """Everything known of one policy at this moment. `spec` is None where it cannot be read."""

    name: str
    namespace: str
    uid: str
    generation: int
    created_at: datetime
    now: datetime
    spec: RetrainPolicySpec | None
    status: RetrainPolicyStatus
    problems: tuple[Problem, ...] = ()
    """What keeps runs from starting until a person has acted."""
    template_problem: Problem | None = None
    digest: str = ""
    """SHA-256 of the spec."""
    template_digest: str = ""
    accelerators: int = 0
    readings: Mapping[str, Reading] = field(default_factory=dict)
    provider_problem: Problem | None = None
    query_problems: tuple[str, ...] = ()
    """Queries that cannot be asked: field and sentence. What does not rest on them goes on."""
    runs: tuple[RunRecord, ...] = ()
    run_statuses: Mapping[str, RetrainRunStatus] = field(default_factory=dict)
    untold: Mapping[str, RetrainRunSpec] = field(default_factory=dict)
    """Runs that the status does not know of: whoever made them did not get to say so."""
    served: Served | None = None
    stable: ModelState | None = None
    """The model of the stable revision."""
    releasing: bool = False
    deployment_busy: bool = False
    """Whether the ModelDeployment has a command that is not carried out yet."""
    undo_failed: str | None = None
    """Why the rollback that was ordered last has not come, and will not."""
    rejected: RejectedState | None = None
    rejected_is_own: bool = False
    command: str | None = None
    command_by: str | None = None
    snapshot: str | None = None
    """The newest data, where that is known before the training."""
    snapshot_problem: Problem | None = None
    """Why it is not, where it should be."""
    version: str = ""
    """Of the operator."""


@dataclass(frozen=True)
class CreateRun:
    """Record a run. The name is made from the policy and the number, so that it can only be made once."""

    name: str
    spec: RetrainRunSpec


@dataclass(frozen=True)
class CancelRun:
    """Ask a run to end."""

    name: str
    why: str


@dataclass(frozen=True)
class OrderRollback:
    """Tell the ModelDeployment to take back its stable revision, by the command that people would give."""

    revision: str
    why: str


@dataclass(frozen=True)
class ForgetRun:
    """Remove the record of a run."""

    name: str


PolicyAction = CreateRun | CancelRun | OrderRollback | ForgetRun


@dataclass(frozen=True)
class PolicyPlan:
    """A decision: what to do before and after the one status write."""

    status: RetrainPolicyStatus
    write_status: bool
    before: tuple[PolicyAction, ...] = ()
    after: tuple[PolicyAction, ...] = ()
    events: tuple[Event, ...] = ()
    wake_at: datetime | None = None
    warm_until: datetime | None = None
    """Until when metrics are about another revision."""
