"""RetrainPolicy: when a model is trained anew, and within which limits. What people and Git write."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import CRON_PATTERN, NAME_PATTERN, Duration, Model
from serinus.api.resource import Column, Resource, Rule, with_rules
from serinus.api.retrainstatus import Digest, RetrainPolicyStatus
from serinus.api.rules import longer_than_0s
from serinus.api.runplan import RunPlan
from serinus.api.triggers import TriggerPolicy, Triggers

RetrainMode = Literal["Observe", "Recommend", "Automatic"]
Concurrency = Literal["Forbid", "Queue", "Replace"]
Cure = Literal["Rollback", "Retrain"]
Held = Literal["Training", "Promotion"]

POLICY_NAME_MAX: Final = 38
"""Runs, and what they train with, are named `<policy>-` and 8 hex digits: KubeRay gives up on names of more than 47
characters."""


_NAME = Rule(
    f"self.metadata.name.size() <= {POLICY_NAME_MAX} && self.metadata.name.matches('{NAME_PATTERN}')",
    f"metadata.name must be at most {POLICY_NAME_MAX} lower-case letters, digits or '-', begin with a letter and not"
    " end with '-': the names of its runs are made from it",
)
_TRIGGERS_EXIST = Rule(
    "!has(self.triggerPolicy) || self.triggerPolicy.any.all(group, group.all(name,"
    " self.triggers.exists(t, t.name == name)))",
    "triggerPolicy.any names a trigger that is not in triggers",
    ".triggerPolicy",
)
_ONE_LIMIT = Rule("has(self.maxRuns) || has(self.maxAcceleratorHours)", "set maxRuns, maxAcceleratorHours, or both")


class ObjectName(Model):
    """Another object of this namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Its name."""


class InitialModel(Model):
    """The model to serve before the first run has been promoted."""

    uri: Annotated[str, Field(min_length=1, max_length=1024)]
    """Address of the model, in the forms of a ModelDeployment's model.from.uri."""
    digest: Digest | None = None
    """What pins it: sha256: and 64 hex digits. Default: unpinned, and no gate can be sure that it was compared with
    this very model."""


class Blackout(Model):
    """A recurring time in which nothing is started. What runs goes on, and a rollback is never held."""

    cron: Annotated[str, Field(pattern=CRON_PATTERN, max_length=120)]
    """When it begins: five cron fields."""
    duration: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("duration")))]
    """How long it lasts."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """IANA name of the time zone. Default: UTC."""
    holds: Annotated[tuple[Held, ...], Field(min_length=1, max_length=2)] | None = None
    """What is held: the start of a training, the promotion of a candidate, or both. Default: both."""


class CooldownSpec(Model):
    """How long after the end of a run no other is started by a trigger. A person's command does not wait."""

    after_success: Duration = "24h"
    """After a candidate was promoted. Default: 24h."""
    after_failure: Duration = "1h"
    """After any other end. It is multiplied by `factor` for each further run in a row that failed, was lost, rejected
    or rolled back. Default: 1h."""
    factor: Annotated[int, Field(ge=1, le=10)] = 2
    """Default: 2."""
    max: Duration = "72h"
    """The longest pause. Default: 72h."""


class BudgetSpec(Model):
    """What may be spent in a while."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_LIMIT))

    max_runs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Runs that may be started within `window`."""
    max_accelerator_hours: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Hours times accelerators that runs may use within `window`. A run counts with the longest it may take
    (activeDeadline) before it is started, afterwards with what it took."""
    window: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("window")))] = "168h"
    """Default: 168h."""
    on_exceeded: Literal["Skip", "RequireApproval"] = "Skip"
    """Skip starts nothing until there is budget again; RequireApproval waits for the command retrain.
    Default: Skip."""


class HistoryLimits(Model):
    """How many ended runs are kept."""

    successful: Annotated[int, Field(ge=1, le=100)] = 5
    """Default: 5."""
    failed: Annotated[int, Field(ge=1, le=100)] = 5
    """All other ends. Runs that the budget or a hold rests on are kept for as long as they count. Default: 5."""


class RetrainPolicySpec(RunPlan):
    """When a model is trained anew, how, and what a candidate must pass."""

    model_config = ConfigDict(json_schema_extra=with_rules(_TRIGGERS_EXIST))

    model_deployment_ref: ObjectName
    """The ModelDeployment of this namespace that serves the model."""
    mode: RetrainMode = "Recommend"
    """Observe only tells what it sees. Recommend also tells when it would train, and waits for the command retrain.
    Automatic trains by itself. Default: Recommend."""
    suspend: bool = False
    """Starts nothing; what runs goes on. Default: false."""
    provider: Annotated[str, Field(min_length=1, max_length=253)] = "default"
    """Name of the MetricsProvider that answers the queries. Default: default."""
    initial_model: InitialModel | None = None
    """The model that a ModelDeployment with model.from.retrainPolicy serves before a run has been promoted."""
    triggers: Triggers = ()
    """What may ask for a retraining. Default: only the command retrain."""
    trigger_policy: TriggerPolicy | None = None
    """Which triggers must come together. Default: each by itself, except that Drift starts nothing where there is a
    Quality or Business trigger."""
    warmup_after_promotion: Duration | None = None
    """After another revision has become stable, metric triggers are not looked at for this long.
    Default: the longest window of the metric triggers, with its labelDelay."""
    blackouts: Annotated[tuple[Blackout, ...], Field(max_length=16)] = ()
    """Times in which nothing is started."""
    cooldown: CooldownSpec = CooldownSpec()
    """How long after the end of a run no other is started."""
    budget: BudgetSpec | None = None
    """What may be spent in a while. Default: no limit but the cooldown."""
    concurrency_policy: Concurrency = "Forbid"
    """What a trigger does while a run is under way. Forbid: nothing. Queue: one more run afterwards, which knows all
    reasons that came up. Replace: the run is cancelled once it is older than cooldown.afterFailure, unless its
    candidate is being released. Default: Forbid."""
    action_order: Annotated[tuple[Cure, ...], Field(min_length=1, max_length=2)] = ("Rollback", "Retrain")
    """Cheapest cure first: with Rollback before Retrain a degradation that began within `blameWindow` after a promotion
    is answered by a return to the revision before, once: where that does not help, a run follows.
    Default: [Rollback, Retrain]."""
    blame_window: Duration = "2h"
    """A degradation is blamed on a promotion where its first bad window began no later than this after it.
    Default: 2h."""
    history_limits: HistoryLimits = HistoryLimits()
    """How many ended runs are kept."""


RETRAIN_POLICY: Final = Resource(
    kind="RetrainPolicy",
    plural="retrainpolicies",
    short_name="rtp",
    scope="Namespaced",
    description="When the model of a ModelDeployment is trained anew, how, and what a candidate must pass before it is"
    " handed to the canary.",
    spec=RetrainPolicySpec,
    status=RetrainPolicyStatus,
    rules=(_NAME,),
    name_max_length=POLICY_NAME_MAX,
    columns=(
        Column("Model", ".spec.modelDeploymentRef.name", description="ModelDeployment that serves the model."),
        Column("Phase", ".status.phase", description="Where the loop stands."),
        Column("State", ".status.signal.state", description="State of the trigger that is nearest to firing."),
        Column("Value", ".status.signal.value", description="Its last value."),
        Column("Samples", ".status.signal.samples", "integer", description="Rows behind that value."),
        Column("Next", ".status.nextEvaluationTime", "string", description="When it looks again."),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Mode", ".spec.mode", priority=1, description="Whether it trains by itself."),
        Column("Trigger", ".status.signal.name", priority=1, description="The trigger that is nearest to firing."),
        Column("Run", ".status.activeRun", priority=1, description="Run under way."),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1, description="Why, in one word."),
        Column(
            "Message", '.status.conditions[?(@.type=="Ready")].message', priority=1, description="Why, with numbers."
        ),
    ),
)
