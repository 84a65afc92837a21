"""What a decision about a RetrainRun looks at, and what it comes to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serinus.api.gatespec import Gate
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.runstatus import GateResult, RetrainRunStatus
from serinus.core.plan import Event
from serinus.core.retrain.approval import Ballot
from serinus.core.retrain.outcome import ChildView
from serinus.core.retrain.results import Fault, Results
from serinus.core.snapshot import Problem

Raw = dict[str, Any]


@dataclass(frozen=True)
class Fate:
    """What became of the candidate at its ModelDeployment: the ModelRevision that has its model."""

    revision: str
    phase: str | None
    reason: str = ""
    message: str = ""
    promoted_at: datetime | None = None
    is_old: bool = False
    """Whether it was rejected before the model was handed over: a verdict that was spoken about another attempt."""


@dataclass(frozen=True)
class Handed:
    """The candidate was handed over: `reference` is the pull request or the alias, `before` what was there."""

    reference: str
    before: str | None = None
    closed: bool = False
    """Whether the pull request was closed without being merged."""


@dataclass(frozen=True)
class RunSnapshot:
    """Everything known of one run at this moment."""

    name: str
    namespace: str
    generation: int
    now: datetime
    spec: RetrainRunSpec
    status: RetrainRunStatus
    child: ChildView | None = None
    """None where the kind cannot be observed."""
    child_uid: str | None = None
    """Of the object that is observed, if there is one."""
    child_problem: Problem | None = None
    """Why no child can be made."""
    cancel: str | None = None
    """Why it is to be cancelled."""
    results: Results | Fault | Problem | None = None
    """None while nobody has looked; a Problem where they cannot be had right now."""
    results_text: str | None = None
    pinned: str | Problem | None = None
    """Digest that the registry has for the model, where it keeps one."""
    gates: tuple[GateResult, ...] = ()
    missing_jobs: frozenset[str] = frozenset()
    """Gates whose Job is to be made."""
    ballot: Ballot | None = None
    fate: Fate | None = None
    held_digest: str | None = None
    """Why the digest is in quarantine, if it is."""
    promotion_held: str | None = None
    held_until: datetime | None = None
    followed: bool = False
    """Whether the ModelDeployment follows the policy (model.from.retrainPolicy, or an alias that it moves)."""
    handed: Handed | Problem | None = None
    restored: bool = False
    cleared_at: datetime | None = None
    """When the trigger that asked for the run cleared."""


@dataclass(frozen=True)
class CreateChild:
    """Make what trains; one of that name that is there already and ours is taken as it is."""


@dataclass(frozen=True)
class DeleteChild:
    """Remove what trains."""


@dataclass(frozen=True)
class RunGateJob:
    """Make the Job of a gate."""

    gate: Gate


@dataclass(frozen=True)
class DeleteGateJobs:
    """Remove Jobs of gates that nobody waits for any more."""


RunAction = CreateChild | DeleteChild | RunGateJob | DeleteGateJobs


@dataclass(frozen=True)
class RunPlan:
    """A decision: what to do before and after the one status write."""

    status: RetrainRunStatus
    write_status: bool
    before: tuple[RunAction, ...] = ()
    after: tuple[RunAction, ...] = ()
    events: tuple[Event, ...] = ()
    wake_at: datetime | None = None
