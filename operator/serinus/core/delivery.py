"""How a model gets to the containers of its pods, and who looks at it before they start."""

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any, Final

from serinus.api.modelspec import KEY_VOLUME, LOADER, MOUNT, VOLUME
from serinus.api.modeluri import Reference, parse_reference
from serinus.api.podtemplate import objects_in

Raw = dict[str, Any]

URI: Final = "SERINUS_MODEL_URI"
DIGEST: Final = "SERINUS_MODEL_DIGEST"
PATH: Final = "SERINUS_MODEL_PATH"
VERIFY_KEY: Final = "SERINUS_VERIFY_KEY"
VERIFY_SIGNATURE: Final = "SERINUS_VERIFY_SIGNATURE"
_KEYS: Final = "/etc/serinus/verify"


def add_model(pod: Raw, model: Raw, loader: Raw | None = None, copies: Mapping[str, str] | None = None) -> None:
    """Hand a model over to a pod. Env: address and digest in the environment of every container. The others have it
    read-only at /mnt/models besides: InitContainer puts it into an emptyDir first, ImageVolume mounts the artifact,
    Claim the claim of `pvc://CLAIM/PATH`. `loader` is image and environment of the init container that loads or
    verifies, `copies` the names of the revision's own ConfigMaps."""
    environment = {URI: model["uri"], **({DIGEST: model["digest"]} if model.get("digest") else {})}
    delivery = model["delivery"]
    if delivery != "Env":
        environment[PATH] = MOUNT
        volume, mount = _mount(delivery, model["uri"])
        pod["volumes"] = [*objects_in(pod.get("volumes")), {"name": VOLUME, **volume}]
        for container in _containers(pod):
            container["volumeMounts"] = [*objects_in(container.get("volumeMounts")), {**mount, "readOnly": True}]
    # What the template says of these three would contradict what is recorded.
    set_environment(pod, environment, owned=(URI, DIGEST, PATH))
    if delivery == "InitContainer" or model.get("verify"):
        _add_loader(pod, model, loader or {}, environment, copies or {})


def set_environment(
    pod: Raw, values: Mapping[str, str], owned: Collection[str], *, pod_name: str | None = None
) -> None:
    """Set variables in every container of a pod, `pod_name` to the name of the pod; whatever the template says of those
    that are `owned` goes."""
    added: list[Raw] = [{"name": name, "value": value} for name, value in values.items()]
    if pod_name is not None:
        added.append({"name": pod_name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    for container in _containers(pod):
        kept = [one for one in objects_in(container.get("env")) if one.get("name") not in tuple(owned)]
        container["env"] = [*kept, *deepcopy(added)]


def _containers(pod: Raw) -> list[Raw]:
    return [*objects_in(pod.get("initContainers")), *objects_in(pod.get("containers"))]


def _mount(delivery: str, uri: str) -> tuple[Raw, Raw]:
    """The volume that holds the model, and how it is mounted."""
    mount = {"name": VOLUME, "mountPath": MOUNT}
    if delivery == "InitContainer":
        return {"emptyDir": {}}, mount
    reference = parse_reference(uri)
    if not isinstance(reference, Reference):
        raise ValueError(f"{uri!r} is no reference")
    if delivery == "ImageVolume":
        # By digest, so what a node has already is what is meant.
        return {"image": {"reference": uri.removeprefix("oci://"), "pullPolicy": "IfNotPresent"}}, mount
    claim = {"persistentVolumeClaim": {"claimName": reference.place, "readOnly": True}}
    return claim, {**mount, "subPath": reference.path} if reference.path else mount


def _add_loader(pod: Raw, model: Raw, loader: Raw, environment: Mapping[str, str], copies: Mapping[str, str]) -> None:
    """The first init container: it loads the model, or looks at the one that is mounted; nothing starts before it has
    ended well."""
    loads = model["delivery"] == "InitContainer"
    _, mount = _mount(model["delivery"], model["uri"])
    mounts = [mount if loads else {**mount, "readOnly": True}]
    variables = {**environment, **(loader.get("env") or {})}
    verify, own = model.get("verify"), model.get("loader") or {}
    if verify:
        key = verify["publicKey"]
        config_map = copies.get(key["configMap"], key["configMap"])
        source = {"name": config_map, "items": [{"key": key["key"], "path": "key.pem"}]}
        pod["volumes"] = [*pod["volumes"], {"name": KEY_VOLUME, "configMap": source}]
        mounts.append({"name": KEY_VOLUME, "mountPath": _KEYS, "readOnly": True})
        variables |= {VERIFY_KEY: f"{_KEYS}/key.pem", VERIFY_SIGNATURE: verify["signature"]}
    container: Raw = {
        "name": LOADER,
        "image": loader.get("image", ""),
        "args": ["load" if loads else "verify"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if own.get("secret"):
        container["envFrom"] = [{"secretRef": {"name": own["secret"]}}]
    if own.get("limits"):
        container["resources"] = {"limits": own["limits"], "requests": own["limits"]}
    pod["initContainers"] = [container, *objects_in(pod.get("initContainers"))]
