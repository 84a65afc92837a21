"""RetrainRun: the immutable record of one attempt to train a model anew. Written by the operator only."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from serinus.api.meta import NAME_MAX_LENGTH, Model, Time
from serinus.api.resource import Column, Resource, Rule, list_map, with_rules
from serinus.api.retrainpolicy import POLICY_NAME_MAX
from serinus.api.retrainstatus import ModelState, TriggerReason
from serinus.api.runplan import RunPlan
from serinus.api.runstatus import RetrainRunStatus

_IMMUTABLE = Rule("self == oldSelf", "a RetrainRun is a record: its spec cannot be changed")


class PolicyReference(Model):
    """The policy, as it was."""

    name: Annotated[str, Field(min_length=1, max_length=POLICY_NAME_MAX)]
    """Its name."""
    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """Its uid."""
    generation: Annotated[int, Field(ge=0)]
    """Its metadata.generation."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    """SHA-256 of the canonical JSON of its spec."""


class RetrainRunSpec(Model):
    """Why and how."""

    model_config = ConfigDict(json_schema_extra=with_rules(_IMMUTABLE))

    policy: PolicyReference
    """The policy, as it was."""
    number: Annotated[int, Field(ge=1)]
    """How many runs of the policy there have been up to this one, from 1."""
    model_deployment: Annotated[str, Field(min_length=1, max_length=NAME_MAX_LENGTH)]
    """The ModelDeployment that serves the model."""
    reasons: Annotated[
        tuple[TriggerReason, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("trigger"))
    ]
    """What asked for it."""
    requester: Annotated[str, Field(max_length=253)] | None = None
    """Who asked for it; none where a trigger did by itself."""
    decided_at: Time
    """When it was decided."""
    champion: ModelState | None = None
    """The model that served then."""
    champion_revision: Annotated[str, Field(max_length=253)] | None = None
    """ModelRevision that served then."""
    snapshot: Annotated[str, Field(max_length=256)] | None = None
    """The data to train on, where that was known before."""
    accelerators: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Accelerators that the template asks for."""
    plan: RunPlan
    """What the policy said of how a run goes."""
    template_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    """SHA-256 of the canonical JSON of the template."""
    operator: Annotated[str, Field(max_length=64)] = ""
    """Version of the operator."""


RETRAIN_RUN: Final = Resource(
    kind="RetrainRun",
    plural="retrainruns",
    short_name="rtr",
    scope="Namespaced",
    description="The immutable record of one attempt to train a model anew: what asked for it, the data, what trained,"
    " what each gate found, who approved and how it ended. The operator writes it.",
    spec=RetrainRunSpec,
    status=RetrainRunStatus,
    columns=(
        Column("Policy", ".spec.policy.name", description="RetrainPolicy that it belongs to."),
        Column("Phase", ".status.phase", description="Where it stands."),
        Column("Reason", ".status.reason", description="Why, in one word."),
        Column("Trigger", ".spec.reasons[0].trigger", description="What asked for it."),
        Column("Child", ".status.child.kind", description="What trains."),
        Column("Model", ".status.model.uri", description="What was trained."),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Digest", ".status.model.digest", priority=1, description="Digest of the model."),
        Column("Message", ".status.message", priority=1, description="Why, with numbers."),
    ),
)
