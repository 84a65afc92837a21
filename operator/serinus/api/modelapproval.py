"""ModelApproval: what one person says of one candidate. Written by people; an admission policy proves who it was."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from serinus.api.meta import Model, StatusModel
from serinus.api.resource import Column, Resource, Rule, with_rules
from serinus.api.retrainstatus import Digest

_IMMUTABLE = Rule("self == oldSelf", "a ModelApproval is a record: its spec cannot be changed; make another one")


class ModelApprovalSpec(Model):
    """Who says what of which candidate."""

    model_config = ConfigDict(json_schema_extra=with_rules(_IMMUTABLE))

    run: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the RetrainRun."""
    digest: Digest
    """Digest of the model that was looked at: no other is approved by this."""
    decision: Literal["Approve", "Reject"] = "Approve"
    """Default: Approve."""
    approver: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the user who makes this object. An admission policy of the chart refuses any other; without
    that policy nobody knows who it was."""
    reason: Annotated[str, Field(max_length=1024)] | None = None
    """Why, in your own words."""


class ModelApprovalStatus(StatusModel):
    """Nothing: whether it counts, and why not, stands in the status of the run."""


MODEL_APPROVAL: Final = Resource(
    kind="ModelApproval",
    plural="modelapprovals",
    short_name="mappr",
    scope="Namespaced",
    description="What one person says of the candidate of one RetrainRun.",
    spec=ModelApprovalSpec,
    status=ModelApprovalStatus,
    columns=(
        Column("Run", ".spec.run", description="RetrainRun that it is about."),
        Column("Decision", ".spec.decision", description="Approve or Reject."),
        Column("Approver", ".spec.approver", description="Who says so."),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
