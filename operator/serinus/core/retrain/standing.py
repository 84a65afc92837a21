"""What the decision rests on, and what may be decided."""

from dataclasses import dataclass
from datetime import datetime

from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.retrainstatus import PendingRun, TriggerReason, TriggerState
from serinus.api.status import CommandOutcome
from serinus.core.retrain.commands import Retrain
from serinus.core.retrain.records import RunRecord


@dataclass(frozen=True, slots=True)
class Served:
    """The stable revision: since when it has all traffic, when its release began, to which revision one could return
    (None: to none), and whether it is itself a return.
    """

    revision: str
    since: datetime
    began_at: datetime | None = None
    previous: str | None = None
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that the decision rests on. `releasing` says that a revision is being released or put back;
    `snapshot` names the newest data, where that is known before the training; `keys` are status.handledKeys and
    `rolled_back` is status.rolledBack.
    """

    name: str
    namespace: str
    spec: RetrainPolicySpec
    states: tuple[TriggerState, ...]
    runs: tuple[RunRecord, ...]
    now: datetime
    pending: PendingRun | None = None
    command: Retrain | None = None
    keys: tuple[str, ...] = ()
    served: Served | None = None
    releasing: bool = False
    rolled_back: str | None = None
    accelerators: int = 0
    template_digest: str = ""
    snapshot: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of the command, in the words of LastCommand."""

    outcome: CommandOutcome
    message: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start a run. `replaces` is the run to cancel first. The triggers of `reasons` are answered by it
    (`groups.answer_triggers`)."""

    reasons: tuple[TriggerReason, ...]
    requester: str | None = None
    replaces: str | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A run is asked for and waits: a word of `retrainreasons`, until when (None: for something to happen), and a
    sentence. `passed_over` are triggers that are answered without a run."""

    waits_for: str
    until: datetime | None
    message: str
    reasons: tuple[TriggerReason, ...] = ()
    passed_over: tuple[str, ...] = ()
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """Take `revision`, which is stable, back in favour of `to`. Keep its name in status.rolledBack."""

    revision: str
    to: str
    message: str
    reasons: tuple[TriggerReason, ...] = ()
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing to do. `recommendation` is what would be done, in mode Observe; `passed_over` as in Hold."""

    recommendation: str | None = None
    passed_over: tuple[str, ...] = ()
    reply: Reply | None = None


Decision = Start | Hold | Rollback | Nothing
