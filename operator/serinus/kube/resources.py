"""The resources we talk about, and which of them we watch with which label selector. Data only."""

from dataclasses import dataclass
from typing import Final

from serinus.api.meta import GROUP, LABEL_MANAGED_BY, MANAGED_BY, VERSION
from serinus.api.metricsprovider import METRICS_PROVIDER
from serinus.api.modelapproval import MODEL_APPROVAL
from serinus.api.modeldeployment import MODEL_DEPLOYMENT
from serinus.api.modelrevision import MODEL_REVISION
from serinus.api.resource import Resource as Declared
from serinus.api.retrainpolicy import RETRAIN_POLICY
from serinus.api.retrainrun import RETRAIN_RUN


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the API server. `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return the apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def base_path(self) -> str:
        """Return the path below which the API server serves its group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


def _own(declared: Declared) -> Resource:
    return Resource(GROUP, VERSION, declared.plural, declared.kind, declared.scope == "Namespaced")


MODELDEPLOYMENTS: Final = _own(MODEL_DEPLOYMENT)
MODELREVISIONS: Final = _own(MODEL_REVISION)
METRICSPROVIDERS: Final = _own(METRICS_PROVIDER)
RETRAINPOLICIES: Final = _own(RETRAIN_POLICY)
RETRAINRUNS: Final = _own(RETRAIN_RUN)
MODELAPPROVALS: Final = _own(MODEL_APPROVAL)
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
SERVICES: Final = Resource("", "v1", "services", "Service")
CONFIGMAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
PODS: Final = Resource("", "v1", "pods", "Pod")
ENDPOINTSLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
HTTPROUTES: Final = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
GRPCROUTES: Final = Resource("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute")
INFERENCEPOOLS: Final = Resource("inference.networking.k8s.io", "v1", "inferencepools", "InferencePool")
GATEWAYS: Final = Resource("gateway.networking.k8s.io", "v1", "gateways", "Gateway")
GATEWAYCLASSES: Final = Resource("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", namespaced=False)
KUEUE_WORKLOADS: Final = Resource("kueue.x-k8s.io", "v1beta1", "workloads", "Workload")
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")

ROUTES: Final = {resource.kind: resource for resource in (HTTPROUTES, GRPCROUTES)}
"""The kinds of route that we make, by name."""

OURS: Final = f"{LABEL_MANAGED_BY}={MANAGED_BY}"


@dataclass(frozen=True, slots=True)
class Watched:
    """A resource kept in the store, restricted on the server by `label_selector` where there is one."""

    resource: Resource
    label_selector: str | None = None

    @property
    def kind(self) -> str:
        """Under which kind the store has its objects: other groups may have a kind of the same name."""
        return kind_of(self.resource)


def kind_of(resource: Resource) -> str:
    """The kind alone for what Kubernetes, Gateway API and we define; `Kind.group` for what others do."""
    return resource.kind if resource in _PLAIN else f"{resource.kind}.{resource.group}"


WATCHED: Final = (
    Watched(MODELDEPLOYMENTS),
    Watched(MODELREVISIONS),
    Watched(METRICSPROVIDERS),
    Watched(RETRAINPOLICIES),
    Watched(RETRAINRUNS),
    Watched(MODELAPPROVALS),
    Watched(DEPLOYMENTS, OURS),
    Watched(SERVICES, OURS),
    # All of them: pod templates refer to the users' own. Only digests are kept.
    Watched(CONFIGMAPS),
    Watched(PODS, OURS),
    Watched(JOBS, OURS),
    # They carry the labels of their Service.
    Watched(ENDPOINTSLICES, OURS),
    Watched(HTTPROUTES, OURS),
    Watched(GRPCROUTES, OURS),
    Watched(INFERENCEPOOLS, OURS),
    Watched(GATEWAYS),
    Watched(GATEWAYCLASSES),
)

_PLAIN: Final = frozenset(entry.resource for entry in WATCHED)


SWITCHES: Final = {
    RETRAINRUNS: "features.retraining",
    MODELAPPROVALS: "features.retraining",
    GRPCROUTES: "features.grpcRoutes",
    INFERENCEPOOLS: "features.inferencePools",
}
"""Kinds that an installation may do without, each with the value of the chart that switches it on."""


def watch_with(
    training: tuple[Resource, ...], *, kueue: bool = False, without: frozenset[str] = frozenset()
) -> tuple[Watched, ...]:
    """Everything watched, with the kinds that may train: of those only what is ours. Kueue makes its Workloads itself,
    without a label of ours, so that all of them are watched where `kueue` is set. `without` has the values of the chart
    (see SWITCHES) that are switched off."""
    kept = tuple(one for one in WATCHED if SWITCHES.get(one.resource) not in without)
    if "features.retraining" in without:
        return kept
    queues = (Watched(KUEUE_WORKLOADS),) if kueue else ()
    return (*kept, *(Watched(resource, OURS) for resource in training if resource not in _PLAIN), *queues)
