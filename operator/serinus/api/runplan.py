"""How a run of a RetrainPolicy goes: what trains, what its results are, and how a candidate gets to production."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from serinus.api.gatespec import Gate, ResultPath
from serinus.api.meta import Duration, Model
from serinus.api.resource import Rule, list_map, with_rules
from serinus.api.rollout import ConfigMapKey
from serinus.api.rules import longer_than_0s
from serinus.api.statuspath import PATH_PATTERN

ResultsFrom = Literal["TerminationMessage", "ChildStatus", "ConfigMap", "Registry"]
PromotionTarget = Literal["Direct", "PullRequest", "Alias"]
Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

_TEMPLATE: Final = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "required": ["apiVersion", "kind"],
    "properties": {
        "apiVersion": {"type": "string", "minLength": 1, "maxLength": 253, "description": "API of the child."},
        "kind": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Kind of the child."},
        "metadata": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "description": "Labels and annotations of the child. Name and namespace are given by the operator.",
            "properties": {
                name: {"type": "string", "maxLength": 253, "description": "Given by the operator: leave it out."}
                for name in ("name", "namespace", "generateName")
            },
        },
    },
    "x-kubernetes-validations": [
        Rule(
            "!has(self.metadata) || (!has(self.metadata.name) && !has(self.metadata.namespace)"
            " && !has(self.metadata.generateName))",
            "template.metadata has labels and annotations only: name, namespace and owner are given by the operator",
        ).render()
    ],
}
Template = Annotated[dict[str, object], WithJsonSchema(_TEMPLATE)]
"""An object of any kind, as plain JSON."""

_PULL_REQUEST = Rule(
    "!has(self.target) || (self.target == 'PullRequest') == has(self.pullRequest)",
    "pullRequest belongs to target PullRequest, and is needed there",
)
_ALIAS = Rule(
    "!has(self.target) || (self.target == 'Alias') == has(self.alias)",
    "alias belongs to target Alias, and is needed there",
)
_PATH = Rule(
    "(self.from == 'ChildStatus') == has(self.path)",
    "path belongs to from ChildStatus, and is needed there: where in the status the results are",
    ".path",
)
_REGISTRY = Rule(
    "(self.from == 'Registry') == has(self.registry)",
    "registry belongs to from Registry, and is needed there: which model to look for",
    ".registry",
)
_VALUES = Rule(
    "(has(self.operator) && self.operator in ['Exists', 'DoesNotExist']) !="
    " (has(self.values) && size(self.values) > 0)",
    "In and NotIn, the default, need values; Exists and DoesNotExist have none",
    ".values",
)
_WITHIN = Rule(
    "!self.file.split('/').exists(part, part == '..')", "file must stay within the repository: no ..", ".file"
)
_ONE_SNAPSHOT = Rule("has(self.result) != has(self.configMap)", "set exactly one of result and configMap")


class StatusRule(Model):
    """What a field of the child's status must be."""

    model_config = ConfigDict(json_schema_extra=with_rules(_VALUES))

    path: Annotated[str, Field(pattern=PATH_PATTERN, max_length=256)]
    """Path into the child, such as status.phase, or status.conditions[type=Ready].status. It may lead to several
    values; [*] stands for all entries of a list."""
    operator: Operator | None = None
    """How it is compared. In: one of the values is there. NotIn: there is a value, and none of these. Exists,
    DoesNotExist: whether there is a value at all. Default: In."""
    values: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=16)] = ()
    """Values to compare with, as strings: "True", "true", "3"."""


class OutcomeRules(Model):
    """How the child tells that it is done. Needed for kinds that the operator does not know."""

    success_when: Annotated[tuple[StatusRule, ...], Field(min_length=1, max_length=8)]
    """It has succeeded when all of these hold."""
    failure_when: Annotated[tuple[StatusRule, ...], Field(min_length=1, max_length=8)]
    """It has failed when one of these holds; failure wins."""
    waiting_when: Annotated[tuple[StatusRule, ...], Field(max_length=8)] = ()
    """It waits for its turn while one of these holds; the time of the training does not run."""


class RegistryResults(Model):
    """Where a registry keeps what was trained."""

    provider: Literal["mlflow"] = "mlflow"
    """Which registry. Default: mlflow, the server that the operator is configured with."""
    name: Annotated[str, Field(min_length=1, max_length=250)]
    """Name of the registered model. The version is the one whose run, or which itself, has the tag serinus.run with
    the name of the RetrainRun."""


class ResultsSpec(Model):
    """How the training says what it made; the form is described in docs/retraining-results.md."""

    model_config = ConfigDict(json_schema_extra=with_rules(_PATH, _REGISTRY))

    from_: Annotated[ResultsFrom, Field(alias="from")] = "TerminationMessage"
    """TerminationMessage: JSON as termination message of a container of the child's pods. ChildStatus: a JSON object,
    or text with one, in the child's status. ConfigMap: key results.json of the ConfigMap that SERINUS_RESULTS names.
    Registry: the version of a registered model, and its run. Default: TerminationMessage."""
    path: Annotated[str, Field(pattern=PATH_PATTERN, max_length=256)] | None = None
    """ChildStatus: where, for example status.outputs.parameters[name=results].value."""
    registry: RegistryResults | None = None
    """Registry: which model."""


class SnapshotFrom(Model):
    """Where the name of the data comes from."""

    model_config = ConfigDict(json_schema_extra=with_rules(_ONE_SNAPSHOT))

    result: ResultPath | None = None
    """Path into the results of the training, for example data.digest: known afterwards only."""
    config_map: ConfigMapKey | None = None
    """A key of a ConfigMap that names the newest snapshot: known before, so that a run that would train on the same
    data with the same code is passed over."""


class DataSpec(Model):
    """What was trained on."""

    snapshot_from: SnapshotFrom = SnapshotFrom(result="data.digest")
    """Where the id of the data snapshot comes from. Default: data.digest of the results."""
    require_pinned: bool = True
    """Whether a candidate without a digest of its data and of its model is refused. Default: true."""


class ApprovalPolicy(Model):
    """When people must agree to a candidate."""

    required: Literal["Never", "OnWarn", "Always"] = "Never"
    """Never asks nobody, OnWarn asks where a gate warned, Always asks always. Default: Never."""
    min_approvals: Annotated[int, Field(ge=1, le=10)] = 1
    """How many different people must agree. One that rejects is enough to reject. Default: 1."""
    not_requester: bool = True
    """Whether who asked for the run may not approve it. A run that a trigger started, an event too, was asked for by
    nobody. Default: true."""
    expires_after: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("expiresAfter")))] = "72h"
    """After that without enough approvals the candidate is rejected. Default: 72h."""


class FileEdit(Model):
    """A place in a file of the repository, and what is written there."""

    model_config = ConfigDict(json_schema_extra=with_rules(_WITHIN))

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_./]*$", max_length=512)]
    """Path of a YAML file in the repository."""
    path: Annotated[str, Field(min_length=1, max_length=256)]
    """Where in the file, such as spec.model.from.uri, or spec.template.spec.containers[name=model].image."""
    value: Literal["Uri", "Digest", "UriWithDigest"] | None = None
    """What is written: the candidate's address, its digest, or both as ADDRESS@DIGEST. Default: Uri."""


class PullRequestSpec(Model):
    """A pull request in the repository that owns the ModelDeployment."""

    secret: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of a Secret of this namespace with the label serinus.dev/credentials=git and the keys url, token and, for a
    pull request, api."""
    base: Annotated[str, Field(min_length=1, max_length=128)] = "main"
    """Branch to merge into. Default: main."""
    edits: Annotated[tuple[FileEdit, ...], Field(min_length=1, max_length=8)]
    """What is changed."""


class AliasSpec(Model):
    """An alias of a registered model."""

    name: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    """Name of the registered model. Default: that of the candidate's models:/ address."""
    alias: Annotated[str, Field(min_length=1, max_length=250)] = "champion"
    """The alias that is moved. Default: champion."""


class PromotionSpec(Model):
    """How a candidate that may go on gets to production."""

    model_config = ConfigDict(json_schema_extra=with_rules(_PULL_REQUEST, _ALIAS))

    target: PromotionTarget = "Direct"
    """Direct: a ModelDeployment with model.from.retrainPolicy releases it as a new revision. PullRequest: a commit on a
    branch changes its manifest, and whoever merges it releases it. Alias: an alias in the registry is moved.
    Default: Direct."""
    pull_request: PullRequestSpec | None = None
    """The repository and what is changed there."""
    alias: AliasSpec | None = None
    """The alias that is moved."""
    expires_after: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("expiresAfter")))] = "168h"
    """After that without the candidate being stable, nobody having merged the pull request for example, it is given
    up. Default: 168h."""


class ObservationSpec(Model):
    """How long a promoted candidate is looked after."""

    bake: Duration = "24h"
    """The run has succeeded when the candidate has been stable for this long. Default: 24h."""


class QuarantineSpec(Model):
    """What becomes of the digest of a model that was rolled back."""

    scope: Literal["Deployment", "Model"] = "Deployment"
    """Deployment: this ModelDeployment does not serve it again. Model: no ModelDeployment of this namespace that
    follows a RetrainPolicy does. Default: Deployment."""
    ttl: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("ttl")))] | None = None
    """How long. Default: until somebody releases it by the command `release DIGEST REASON`."""


class RunPlan(Model):
    """How a run goes: what a RetrainRun keeps of its policy, so that a later change of the policy is none of it."""

    template: Template
    """What trains: an object of any kind that the admin allows. The operator gives it name, owner and labels, and the
    environment SERINUS_* to its containers."""
    outcome: OutcomeRules | None = None
    """How the child tells that it is done. Default: known for Job, JobSet, TrainJob, PyTorchJob and its siblings,
    MPIJob, RayJob, Workflow, Volcano's Job and SparkApplication."""
    queue_timeout: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("queueTimeout")))] = "6h"
    """Longest wait before the child begins. Default: 6h."""
    active_deadline: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("activeDeadline")))] = "24h"
    """Longest time of the training, from its beginning on. Default: 24h."""
    results: ResultsSpec = ResultsSpec()
    """How the training says what it made."""
    data: DataSpec = DataSpec()
    """What was trained on."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=24, json_schema_extra=list_map("name"))] = ()
    """What a candidate must show."""
    approval: ApprovalPolicy = ApprovalPolicy()
    """When people must agree."""
    promotion: PromotionSpec = PromotionSpec()
    """How it gets to production."""
    observation: ObservationSpec = ObservationSpec()
    """How long it is looked after."""
    quarantine: QuarantineSpec = QuarantineSpec()
    """What becomes of the digest of a model that was rolled back."""
