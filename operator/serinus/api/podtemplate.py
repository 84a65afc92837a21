"""The pod template as it stands in our schema: a pod template is Kubernetes' own API and not ours to describe.

Only what our rules look at is declared (containers, their names and ports, the restart policy); everything else passes
through untouched to the Deployment, whose API server validates it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import WithJsonSchema

_OPEN: Final[dict[str, Any]] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

_PORT: Final[dict[str, Any]] = _OPEN | {
    "description": "A port that the container listens on.",
    "required": ["containerPort"],
    "properties": {
        "name": {"type": "string", "maxLength": 15, "description": "Name of the port; spec.port may refer to it."},
        "containerPort": {
            "type": "integer",
            "format": "int32",
            "minimum": 1,
            "maximum": 65535,
            "description": "Number of the port; spec.port may refer to it.",
        },
    },
}
_CONTAINER: Final[dict[str, Any]] = _OPEN | {
    "description": "A container of the pod.",
    "required": ["name", "image"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Name of the container."},
        "image": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "description": "Image of the container. A new image is a new revision.",
        },
        "ports": {"type": "array", "maxItems": 32, "items": _PORT, "description": "Ports that it listens on."},
    },
}
_CONTAINERS: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "maxItems": 32,
    "items": _CONTAINER,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "description": "The containers of the pod; at least one, and one of them declares the port that serves.",
}


def _template_of(kind: str, containers: dict[str, Any], restart_policy: str, why: str) -> dict[str, Any]:
    """The schema of a pod template in a `kind`, whose pods have one restart policy only."""
    policy = {"type": "string", "enum": [restart_policy], "description": f"{restart_policy}{why}; may be left out."}
    spec = _OPEN | {
        "description": f"Specification of the pods, as in a {kind}.",
        "required": ["containers"],
        "properties": {"containers": containers, "restartPolicy": policy},
    }
    metadata = _OPEN | {"description": "Labels and annotations of the pods."}
    return _OPEN | {"required": ["spec"], "properties": {"metadata": metadata, "spec": spec}}


POD_TEMPLATE_SCHEMA: Final = _template_of("Deployment", _CONTAINERS, "Always", ", as in every Deployment")
JOB_TEMPLATE_SCHEMA: Final = _template_of(
    "Job",
    _CONTAINERS | {"description": "The containers of the pod; at least one."},
    "Never",
    ": a new attempt is a new pod",
)

JobTemplate = Annotated[dict[str, Any], WithJsonSchema(JOB_TEMPLATE_SCHEMA)]
"""A Kubernetes PodTemplateSpec of a Job, as plain JSON."""

PodTemplate = Annotated[dict[str, Any], WithJsonSchema(POD_TEMPLATE_SCHEMA)]
"""A Kubernetes PodTemplateSpec as plain JSON."""


def child(parent: Any, *keys: str) -> dict[str, Any]:
    """Return the object below `parent` at `keys`; empty where there is none or it has another form."""
    for key in keys:
        parent = parent.get(key) if isinstance(parent, dict) else None
    return parent if isinstance(parent, dict) else {}


def containers_of(template: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the containers of a pod template; empty where there are none or they have another form."""
    return objects_in(child(template.get("spec")).get("containers"))


def ports_of(template: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the ports that the containers of a pod template declare, in order."""
    return tuple(
        port
        for container in containers_of(template)
        for port in objects_in(container.get("ports"))
        if isinstance(port.get("containerPort"), int)
    )


def find_port(template: Mapping[str, Any], port: int | str | None) -> int | None:
    """Return the number of the port that serves: `port` by number or name, or the first; None where there is none."""
    for candidate in ports_of(template):
        if port is None or port in (candidate["containerPort"], candidate.get("name")):
            number: int = candidate["containerPort"]
            return number
    return None


def objects_in(value: Any) -> tuple[dict[str, Any], ...]:
    """Return the objects of a list; none where it is no list."""
    return tuple(each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()
