"""Pods within an object of any kind, found by their shape: whatever has a list of containers is the spec of a pod.

Nothing here changes an object; what is returned are the very parts of it, for callers that hold a copy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from serinus.api.podtemplate import child, objects_in
from serinus.api.statuspath import find_all
from serinus.core.retrain.kindrules import Kind

Raw = dict[str, Any]

DEEPEST: Final = 40
"""Levels of an object that are looked into; the API server itself takes no deeper ones."""
_CONTAINERS: Final = ("initContainers", "containers")


@dataclass(frozen=True)
class PodPlace:
    """The spec of a pod, and the object that has it under `spec`; None where nothing has."""

    path: str
    spec: Raw
    template: Raw | None


def find_pods(obj: Any) -> tuple[PodPlace, ...]:
    """Every pod within an object, in its order."""
    return tuple(
        PodPlace(path, value, parent if key == "spec" else None)
        for path, key, value, parent in _walk(obj)
        if isinstance(value, dict) and _is_pod(value)
    )


def find_containers(obj: Raw, kind: Kind | None) -> tuple[Raw, ...]:
    """Every object that has an environment: containers by their shape, and those that the kind is known to have."""
    found = [
        container for pod in find_pods(obj) for group in _CONTAINERS for container in objects_in(pod.spec.get(group))
    ]
    for path in kind.containers if kind is not None else ():
        found += [one for one in find_all(obj, path) if isinstance(one, dict)]
    return tuple({id(one): one for one in found}.values())


def find_namespaces(obj: Any) -> tuple[tuple[str, str], ...]:
    """Each `metadata.namespace` within an object: its path and what it says."""
    return tuple(
        (f"{path}.namespace", str(value["namespace"]))
        for path, key, value, _ in _walk(obj)
        if key == "metadata" and isinstance(value, dict) and value.get("namespace")
    )


def find_labels(obj: Any) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """The labels of each metadata within an object, with their path."""
    return tuple(
        (f"{path}.labels", labels)
        for path, key, value, _ in _walk(obj)
        if key == "metadata" and isinstance(value, dict) and (labels := child(value, "labels"))
    )


def _is_pod(value: Raw) -> bool:
    containers = value.get("containers")
    return (
        isinstance(containers, list)
        and bool(containers)
        and all(isinstance(one, dict) and ("image" in one or "name" in one) for one in containers)
    )


def _walk(obj: Any, path: str = "", key: str = "", parent: Raw | None = None) -> Iterator[tuple[str, str, Any, Any]]:
    """Each part of an object: path, key, value and the object that has it."""
    stack: list[tuple[str, str, Any, Raw | None, int]] = [(path, key, obj, parent, 0)]
    while stack:
        here, name, value, owner, depth = stack.pop()
        yield here, name, value, owner
        if depth >= DEEPEST:
            continue
        if isinstance(value, dict):
            entries = [(f"{here}.{key}" if here else str(key), str(key), each) for key, each in value.items()]
        elif isinstance(value, list):
            entries = [(f"{here}[{index}]", "", each) for index, each in enumerate(value)]
        else:
            continue
        owns = value if isinstance(value, dict) else None
        stack += [(place, key, each, owns, depth + 1) for place, key, each in reversed(entries)]
