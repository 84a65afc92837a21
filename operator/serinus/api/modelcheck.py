"""What can be wrong with `spec.model` on its own, beside what the API server refuses by schema and CEL."""

from collections.abc import Iterator
from typing import Any

from serinus.api.modelspec import KEY_VOLUME, LOADER, MOUNT, VOLUME, ModelSpec
from serinus.api.modeluri import Malformed, Reference, parse_reference
from serinus.api.podtemplate import child, objects_in
from serinus.api.problems import Problem, exactly_one


def check_model(model: ModelSpec, template: dict[str, Any]) -> Iterator[Problem]:
    """Every fault of a model whose fields each have the right form, and of its place in the pod template."""
    source = model.from_
    registry = source.registry
    yield from exactly_one("spec.model.from", uri=source.uri, retrainPolicy=source.retrain_policy, registry=registry)
    field = "spec.model.from.uri"
    if registry is not None:
        field = "spec.model.from.registry"
        yield from exactly_one(field, alias=registry.alias, version=registry.version)
    reference = parse_reference(source.reference) if source.reference is not None else None
    if isinstance(reference, Malformed):
        yield Problem(field, None, reference.message)
        return
    yield from _check_delivery(model, reference)
    if model.verify is not None and model.delivery == "Env":
        yield Problem("spec.model.verify", None, "needs delivery InitContainer, Claim or ImageVolume, not Env")
    if model.loader is not None and not model.needs_loader:
        yield Problem("spec.model.loader", None, "must be left out: no loader runs without InitContainer or verify")
    if model.delivery != "Env":
        yield from _check_places(template)


def _check_delivery(model: ModelSpec, reference: Reference | None) -> Iterator[Problem]:
    scheme = reference.scheme if reference is not None else None
    needed = {"Claim": ("pvc", "pvc://CLAIM/PATH"), "ImageVolume": ("oci", "oci://HOST/REPOSITORY:TAG")}
    wanted, form = needed.get(model.delivery, (scheme, ""))
    if scheme != wanted:
        yield Problem("spec.model.delivery", model.delivery, f"needs {form} in spec.model.from.uri")
    if model.delivery == "InitContainer" and scheme == "pvc":
        yield Problem("spec.model.delivery", "InitContainer", "must be Claim for a pvc:// reference")


def _check_places(template: dict[str, Any]) -> Iterator[Problem]:
    """What the operator adds to the pods must not be there already."""
    pod = child(template, "spec")
    for index, volume in enumerate(objects_in(pod.get("volumes"))):
        if volume.get("name") in (VOLUME, KEY_VOLUME):
            yield Problem(f"spec.template.spec.volumes[{index}].name", volume["name"], "is the operator's: rename it")
    for group in ("initContainers", "containers"):
        for index, container in enumerate(objects_in(pod.get(group))):
            field = f"spec.template.spec.{group}[{index}]"
            if container.get("name") == LOADER:
                yield Problem(f"{field}.name", LOADER, "is the operator's: rename it")
            for number, mount in enumerate(objects_in(container.get("volumeMounts"))):
                if str(mount.get("mountPath", "")).rstrip("/") == MOUNT:
                    place = f"{field}.volumeMounts[{number}].mountPath"
                    yield Problem(place, MOUNT, "must be another: spec.model.delivery puts the model there")
