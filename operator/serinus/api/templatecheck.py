"""What can be wrong with a pod template, checked again in Python: see `serinus.api.validate`.

A pod template is not ours to describe, and its schema is open; but what the operator adds to pods it adds to lists and
objects, so what it touches must be such."""

from collections.abc import Iterator
from typing import Any, Final

from serinus.api.meta import GROUP
from serinus.api.modeldeployment import AcceleratorSpec, ModelDeploymentSpec
from serinus.api.podtemplate import child, containers_of, find_port, objects_in, ports_of
from serinus.api.problems import Problem, no_duplicates

_LISTS_OF_POD: Final = ("containers", "initContainers", "volumes", "tolerations")
_LISTS_OF_CONTAINER: Final = ("env", "envFrom", "volumeMounts", "ports")


def check_template(field: str, template: dict[str, Any], restart_policy: str, why: str = "") -> Iterator[Problem]:
    """Find what is wrong with the pod template at `field`, whose pods have one restart policy only."""
    misshapen = tuple(_find_misshapen(field, template))
    yield from misshapen
    containers = containers_of(template)
    if not containers:
        if f"{field}.spec.containers" not in {problem.field for problem in misshapen}:
            yield Problem(f"{field}.spec.containers", None, "must have at least one container")
        return
    for index, container in enumerate(containers):
        for key in ("name", "image"):
            if not container.get(key):
                yield Problem(f"{field}.spec.containers[{index}].{key}", None, "is required")
    yield from no_duplicates(f"{field}.spec.containers", (str(container.get("name")) for container in containers))
    restart = child(template, "spec").get("restartPolicy")
    if restart not in (None, restart_policy):
        yield Problem(f"{field}.spec.restartPolicy", restart, f"must be {restart_policy}, or left out{why}")
    for label in child(template, "metadata", "labels"):
        if label.startswith(f"{GROUP}/"):
            yield Problem(f"{field}.metadata.labels[{label}]", None, f"must be left out: {GROUP}/ is the operator's")


def check_port(spec: ModelDeploymentSpec) -> Iterator[Problem]:
    """Find out whether a container declares the port that serves."""
    if not containers_of(spec.template) or find_port(spec.template, spec.port) is not None:
        return
    declared = ", ".join(
        f"{port['name']} ({port['containerPort']})" if port.get("name") else str(port["containerPort"])
        for port in ports_of(spec.template)
    )
    if not declared:
        yield Problem("spec.template.spec.containers", None, "must declare the port that serves in ports")
    else:
        yield Problem("spec.port", spec.port, f"must be a port that a container declares: {declared}")


def check_accelerator(accelerator: AcceleratorSpec, template: dict[str, Any]) -> Iterator[Problem]:
    """Find what in a template contradicts the accelerator."""
    for index, container in enumerate(containers_of(template)):
        for kind in ("limits", "requests"):
            given = child(container, "resources", kind).get(accelerator.resource)
            if given is not None and str(given) != str(accelerator.count):
                yield Problem(
                    f"spec.template.spec.containers[{index}].resources.{kind}[{accelerator.resource}]",
                    given,
                    f"must be {accelerator.count} like spec.accelerator.count, or be left out",
                )
    selector = child(template, "spec", "nodeSelector")
    for key, value in (accelerator.node_selector or {}).items():
        if selector.get(key, value) != value:
            yield Problem(
                f"spec.template.spec.nodeSelector[{key}]",
                selector[key],
                f"must be {value} like spec.accelerator.nodeSelector, or be left out",
            )


def _find_misshapen(field: str, template: dict[str, Any]) -> Iterator[Problem]:
    """Fields that are no list, or no object, where Kubernetes has one. null is as good as none."""
    yield from _check_object(field, template, "metadata")
    for key in ("labels", "annotations"):
        yield from _check_object(f"{field}.metadata", child(template, "metadata"), key)
    yield from _check_object(field, template, "spec")
    pod = child(template, "spec")
    yield from _check_object(f"{field}.spec", pod, "nodeSelector")
    for key in _LISTS_OF_POD:
        yield from _check_list(f"{field}.spec", pod, key)
    for group in ("initContainers", "containers"):
        for index, container in enumerate(objects_in(pod.get(group))):
            place = f"{field}.spec.{group}[{index}]"
            for key in _LISTS_OF_CONTAINER:
                yield from _check_list(place, container, key)
            yield from _check_object(place, container, "resources")
            for key in ("limits", "requests"):
                yield from _check_object(f"{place}.resources", child(container, "resources"), key)


def _check_object(place: str, parent: dict[str, Any], key: str) -> Iterator[Problem]:
    given = parent.get(key)
    if given is not None and not isinstance(given, dict):
        yield Problem(f"{place}.{key}", given, "must be an object, as in every pod template")


def _check_list(place: str, parent: dict[str, Any], key: str) -> Iterator[Problem]:
    given = parent.get(key)
    if given is None:
        return
    if not isinstance(given, list):
        yield Problem(f"{place}.{key}", given, "must be a list of objects")
        return
    for index, entry in enumerate(given):
        if not isinstance(entry, dict):
            yield Problem(f"{place}.{key}[{index}]", entry, f"must be an object{_FORMS.get(key, '')}")


_FORMS: Final = {"env": ', such as {"name": "A", "value": "b"}'}
