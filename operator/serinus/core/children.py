"""The objects that a ModelDeployment owns, as dicts ready for server-side apply.

Metadata is built from an allow-list, never copied from the parent: a tracking label or annotation of a GitOps tool that
got onto a child would make that tool believe that Git owns the child, and prune it."""

from dataclasses import dataclass
from typing import Any

from serinus.api.meta import API_VERSION, LABEL_DEPLOYMENT, LABEL_MANAGED_BY, LABEL_REVISION, MANAGED_BY
from serinus.api.podtemplate import child, find_port, objects_in
from serinus.core.configmaps import name_copy, rename
from serinus.core.delivery import add_model
from serinus.core.revision import Revision

SERVICE_PORT = 80
"""Port of every Service we make; the gateway and callers inside the cluster use it whatever the container's port is."""

H2C = "kubernetes.io/h2c"
"""The appProtocol of pods that speak HTTP/2 without TLS: gRPC."""

Raw = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """The ModelDeployment that owns the children."""

    name: str
    namespace: str
    uid: str

    @property
    def reference(self) -> Raw:
        return {
            "apiVersion": API_VERSION,
            "kind": "ModelDeployment",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
        }


def build_metadata(owner: Owner, name: str, revision: str | None = None) -> Raw:
    """Name, labels and owner of a child; `revision` labels what belongs to one revision only."""
    labels = {
        LABEL_DEPLOYMENT: owner.name,
        LABEL_MANAGED_BY: MANAGED_BY,
        "app.kubernetes.io/name": owner.name,
        "app.kubernetes.io/part-of": owner.name,
    }
    if revision is not None:
        labels[LABEL_REVISION] = revision
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": labels,
        "ownerReferences": [owner.reference],
    }


def build_model_revision(
    owner: Owner, revision: Revision, number: int, generation: int = 0, manager: str | None = None
) -> Raw:
    """The record of a revision that `generation` of its ModelDeployment asked for, as field manager `manager` wrote
    it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelRevision",
        "metadata": build_metadata(owner, revision.name, revision.name),
        "spec": {
            "modelDeployment": owner.name,
            "number": number,
            "id": revision.id,
            "digest": revision.digest,
            "content": revision.content,
            **({"loader": revision.loader} if revision.loader else {}),
            **({"reference": revision.reference} if revision.reference else {}),
            "cause": {"generation": generation, **({"manager": manager} if manager else {})},
        },
    }


def build_deployment(owner: Owner, name: str, content: Raw, replicas: int) -> Raw:
    """The Deployment of one revision. Its template never changes, so it never rolls by itself; only its size does.
    `content` is that of its ModelRevision, with the `loader` beside it."""
    copies = {source: name_copy(name, source) for source in content.get("configMaps") or ()}
    template = rename(content["template"], copies)
    metadata = template["metadata"] = {**child(template, "metadata")}
    metadata["labels"] = {
        **child(metadata, "labels"),
        LABEL_DEPLOYMENT: owner.name,
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_REVISION: name,
    }
    if content.get("model"):
        add_model(template["spec"], content["model"], content.get("loader"), copies)
    if content.get("accelerator"):
        _add_accelerator(template["spec"], content["accelerator"])
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(owner, name, name),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": {LABEL_REVISION: name}},
            "template": template,
        },
    }


def build_service(owner: Owner, name: str, target: str | None, content: Raw, *, h2c: bool = False) -> Raw:
    """A Service that leads to revision `target`, or (None) to every revision of the ModelDeployment."""
    own = target is not None and name != owner.name
    selector = {LABEL_DEPLOYMENT: owner.name} if target is None else {LABEL_REVISION: target}
    port = content.get("port")
    number = find_port(content["template"], port)
    protocol = {"appProtocol": H2C} if h2c else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(owner, name, name if own else None),
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": number, "protocol": "TCP", **protocol}],
        },
    }


def observe_target(service: Raw) -> str:
    """The revision a Service leads to, or "*" for every revision of its ModelDeployment."""
    selector = service.get("spec", {}).get("selector") or {}
    return str(selector.get(LABEL_REVISION, "*"))


def speaks_h2c(service: Raw) -> bool:
    """Whether a Service says that its pods speak HTTP/2 without TLS."""
    return any(port.get("appProtocol") == H2C for port in service.get("spec", {}).get("ports") or ())


def _add_accelerator(pod: Raw, accelerator: Raw) -> None:
    """Merge accelerator settings into a pod spec: limits of the first container, node selector, tolerations."""
    container = pod["containers"][0]
    limits = {**child(container, "resources", "limits"), accelerator["resource"]: str(accelerator.get("count", 1))}
    container["resources"] = {**child(container, "resources"), "limits": limits}
    if accelerator.get("nodeSelector"):
        pod["nodeSelector"] = {**child(pod, "nodeSelector"), **accelerator["nodeSelector"]}
    tolerations = objects_in(pod.get("tolerations"))
    more = [toleration for toleration in accelerator.get("tolerations", ()) if toleration not in tolerations]
    if more:
        pod["tolerations"] = [*tolerations, *more]


_QUANTITIES = frozenset({"resources", "sizeLimit"})
"""Fields whose values the API server rewrites (`1000m` becomes `1`); a comparison by text would never settle."""


def is_subset(wanted: Any, observed: Any) -> bool:
    """Whether everything we would write stands in `observed`; what others or the API server added does not matter.

    An empty value equals an absent one. Quantities are not compared.
    """
    if isinstance(wanted, dict):
        return isinstance(observed or {}, dict) and all(
            is_subset(value, (observed or {}).get(key)) for key, value in wanted.items() if key not in _QUANTITIES
        )
    if isinstance(wanted, list) and wanted:
        return (
            isinstance(observed, list)
            and len(wanted) == len(observed)
            and all(is_subset(a, b) for a, b in zip(wanted, observed, strict=True))
        )
    return wanted == observed or (not wanted and not observed)
