"""How a model gets to the containers of its pods."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from serinus.api.modeluri import Reference, parse_reference

Raw = dict[str, Any]

URI: Final = "SERINUS_MODEL_URI"
DIGEST: Final = "SERINUS_MODEL_DIGEST"
PATH: Final = "SERINUS_MODEL_PATH"
MOUNT: Final = "/mnt/models"
_VOLUME: Final = "serinus-model"


def add_model(pod: Raw, model: Raw) -> None:
    """Hand a model over to a pod. Env: address and digest in the environment of every container. Claim: besides, the
    claim of `pvc://CLAIM/PATH` mounted read-only at /mnt/models in every container."""
    environment = {URI: model["uri"], **({DIGEST: model["digest"]} if model.get("digest") else {})}
    if model["delivery"] == "Claim":
        environment[PATH] = MOUNT
        _mount_claim(pod, model["uri"])
    # What the template says of these three would contradict what is recorded.
    set_environment(pod, environment, owned=(URI, DIGEST, PATH))


def set_environment(pod: Raw, values: Mapping[str, str], owned: Collection[str]) -> None:
    """Set variables in every container of a pod; whatever the template says of those that are `owned` goes."""
    for container in _containers(pod):
        kept = [one for one in container.get("env") or () if one.get("name") not in owned]
        container["env"] = [*kept, *({"name": name, "value": value} for name, value in values.items())]


def _containers(pod: Raw) -> list[Raw]:
    return [*(pod.get("initContainers") or ()), *pod["containers"]]


def _mount_claim(pod: Raw, uri: str) -> None:
    reference = parse_reference(uri)
    if not isinstance(reference, Reference):
        raise ValueError(f"{uri!r} is no reference")
    claim = {"claimName": reference.place, "readOnly": True}
    pod["volumes"] = [*(pod.get("volumes") or ()), {"name": _VOLUME, "persistentVolumeClaim": claim}]
    mount = {"name": _VOLUME, "mountPath": MOUNT, "readOnly": True}
    if reference.path:
        mount["subPath"] = reference.path
    for container in _containers(pod):
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
