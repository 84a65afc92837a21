"""ModelDeployment: a model that is served, and how a new revision of it is released. What people and Git write."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from serinus.api.meta import DEVICE_PATTERN, NAME_MAX_LENGTH, NAME_PATTERN, Model
from serinus.api.modelspec import ModelSpec
from serinus.api.podtemplate import PodTemplate
from serinus.api.resource import Column, Resource, Rule, with_rules
from serinus.api.rollout import RolloutSpec
from serinus.api.route import RouteSpec
from serinus.api.status import ModelDeploymentStatus

Runtime = Literal["VLLM", "SGLang", "TGI", "Triton", "MLServer", "KServe", "BentoML", "RayServe", "TorchServe", "HTTP"]

PortRef = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 15,
            "x-kubernetes-validations": [
                Rule(
                    "type(self) == int ? self >= 1 && self <= 65535 : self.size() > 0 && self.size() <= 15",
                    "port is a number from 1 to 65535 or the name of a container port",
                ).render()
            ],
        }
    ),
]
_PORT_EXISTS = Rule(
    "!has(self.port) || self.template.spec.containers.exists(c, has(c.ports) && c.ports.exists(p,"
    " type(self.port) == int ? p.containerPort == int(self.port) : has(p.name) && p.name == string(self.port)))",
    "no container declares this port: port must be the containerPort or the name of a port in template.spec.containers",
    ".port",
    says="'no container declares port ' + string(self.port) + ': port must be the containerPort or the name of a port'"
    " + ' in template.spec.containers'",
)
_SOME_PORT = Rule(
    "self.template.spec.containers.exists(c, has(c.ports) && c.ports.size() > 0)",
    "no container declares a port: at least one entry in template.spec.containers needs ports",
    ".template",
)
_NO_SHADOW_WITH_GRPC = Rule(
    "self.route.kind != 'GRPCRoute' || !has(self.rollout) || !has(self.rollout.strategy)"
    " || self.rollout.strategy != 'Shadow'",
    "strategy Shadow mirrors the requests of an HTTPRoute: no gateway is known to count the statuses of mirrored calls;"
    " choose another strategy",
    ".rollout",
)
_NO_COOKIES_WITH_GRPC = Rule(
    "self.route.kind != 'GRPCRoute' || !has(self.rollout) || !has(self.rollout.testers)"
    " || !has(self.rollout.testers.cookie)",
    "gRPC clients keep no cookies: choose testers by header",
    ".rollout.testers.cookie",
)
_NO_HTTP_WARMUP_WITH_GRPC = Rule(
    "self.route.kind != 'GRPCRoute' || !has(self.rollout) || !has(self.rollout.warmup)"
    " || !(has(self.rollout.warmup.requests) || has(self.rollout.warmup.path) || has(self.rollout.warmup.bodyFrom))",
    "warm-up requests are HTTP, which a gRPC server does not answer: leave warmup.for alone, warm up in the pod before"
    " it is ready",
    ".rollout.warmup",
)
_NAME = Rule(
    f"self.metadata.name.size() <= {NAME_MAX_LENGTH} && self.metadata.name.matches('{NAME_PATTERN}')",
    f"metadata.name must be at most {NAME_MAX_LENGTH} lower-case letters, digits or '-', begin with a letter and not"
    " end with '-': the names of its Services and pods are made from it",
)


_SHADOW_NEEDS_GATEWAY = Rule(
    "!has(self.rollout) || !has(self.rollout.strategy) || self.rollout.strategy != 'Shadow'"
    " || !has(self.route.mode) || self.route.mode == 'Gateway'",
    "strategy Shadow needs a gateway that mirrors requests: set route.mode to Gateway, or choose another strategy",
    ".rollout",
)


_TESTERS_NEED_GATEWAY = Rule(
    "!has(self.rollout) || !has(self.rollout.testers) || !has(self.route.mode) || self.route.mode == 'Gateway'",
    "testers are told apart by a route, and mode Replicas makes none: set route.mode to Gateway, or remove testers",
    ".rollout.testers",
)


class Toleration(Model):
    """A taint that the pods may be placed in spite of, as in a pod."""

    key: Annotated[str, Field(max_length=316)] | None = None
    """Key of the taint. Default: every key."""
    operator: Literal["Exists", "Equal"] | None = None
    """Exists accepts any value; Equal compares with `value`. Default: Equal."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Default: every effect."""
    toleration_seconds: int | None = None
    """For NoExecute: seconds that a pod stays. Default: for ever."""


class AcceleratorSpec(Model):
    """The GPU, or another device, that each pod needs."""

    resource: Annotated[str, Field(pattern=DEVICE_PATTERN, max_length=317)]
    """Resource name as nodes advertise it, for example nvidia.com/gpu."""
    count: Annotated[int, Field(ge=1, le=64)] = 1
    """How many of them each pod gets; added to the limits of the first container. Default: 1."""
    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] | None = None
    """Labels that a node must have, for example nvidia.com/gpu.product: NVIDIA-L4."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints of GPU nodes that the pods tolerate."""


class ModelDeploymentSpec(Model):
    """What is served and how a new revision of it is released."""

    model_config = ConfigDict(
        json_schema_extra=with_rules(
            _PORT_EXISTS,
            _SOME_PORT,
            _SHADOW_NEEDS_GATEWAY,
            _TESTERS_NEED_GATEWAY,
            _NO_SHADOW_WITH_GRPC,
            _NO_COOKIES_WITH_GRPC,
            _NO_HTTP_WARMUP_WITH_GRPC,
        )
    )

    replicas: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Pods of the stable revision; autoscalers write here through the scale subresource. The candidate is sized from
    its weight. 0 stops serving. A change is no new revision. Default: 1."""
    paused: bool = False
    """Stops the rollout where it is; judging and rollback go on. Default: false."""
    model: ModelSpec | None = None
    """The model, where the image does not hold it already."""
    runtime: Runtime = "HTTP"
    """What serves the model; it selects the metrics that are read. HTTP fits every server that a gateway can count
    requests for, and with route.kind GRPCRoute every gRPC server. Default: HTTP."""
    port: PortRef | None = None
    """Container port that serves, by number or by name. Default: the first port that a container declares."""
    accelerator: AcceleratorSpec | None = None
    """The GPU, or another device, that each pod needs; merged into the template."""
    template: PodTemplate
    """Pod template, as in a Deployment. Any change in it is a new revision, which is released as `rollout` says."""
    route: RouteSpec
    """Where requests come in."""
    rollout: RolloutSpec | None = None
    """How a new revision takes over. Default: preset Standard. A change is no new revision."""
    revision_history_limit: Annotated[int, Field(ge=0, le=100)] = 5
    """Retired and rejected revisions that are kept for a look back or a return. Default: 5."""


MODEL_DEPLOYMENT: Final = Resource(
    kind="ModelDeployment",
    plural="modeldeployments",
    short_name="mdep",
    scope="Namespaced",
    description="A model that is served, and how a new revision of it is released: step by step, on evidence, with a"
    " return to the stable revision when the new one is worse.",
    spec=ModelDeploymentSpec,
    status=ModelDeploymentStatus,
    rules=(_NAME,),
    name_max_length=NAME_MAX_LENGTH,
    scalable=True,
    columns=(
        Column("Phase", ".status.phase", description="Where the release stands."),
        Column("Stable", ".status.stable.revision", description="Revision that serves."),
        Column("Canary", ".status.candidate.revision", description="Revision that is being released."),
        Column("Weight", ".status.candidate.weight", "integer", description="Percent of requests to the candidate."),
        Column("Step", ".status.candidate.step", "integer", description="Step of the rollout, from 1."),
        Column(
            "Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether the wanted revision serves."
        ),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1, description="Why, in one word."),
        Column("Replicas", ".spec.replicas", "integer", 1, description="Wanted pods of the stable revision."),
        Column(
            "Message", '.status.conditions[?(@.type=="Ready")].message', priority=1, description="Why, with numbers."
        ),
    ),
)
