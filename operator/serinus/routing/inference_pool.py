"""InferencePool of the Gateway API Inference Extension: the pods of one revision, in which an endpoint picker chooses.

A pool leads to the pods of its revision, or after a rollback to stable's, as the Service of the revision does."""

from typing import Any

from serinus.api.meta import LABEL_REVISION
from serinus.api.podtemplate import find_port
from serinus.api.route import REVISION_PLACEHOLDER, EndpointPicker
from serinus.core.children import Owner, build_metadata, is_subset
from serinus.core.snapshot import PoolView
from serinus.routing.gateway_api import POOL_GROUP

Raw = dict[str, Any]


def build_pool(owner: Owner, name: str, target: str, content: Raw, picker: EndpointPicker) -> Raw:
    """The pool of revision `name`, whose pods are those of `target`; `content` is that of the revision."""
    number = find_port(content["template"], content.get("port"))
    return {
        "apiVersion": f"{POOL_GROUP}/v1",
        "kind": "InferencePool",
        "metadata": build_metadata(owner, name, name),
        "spec": {
            "selector": {"matchLabels": {LABEL_REVISION: target}},
            "targetPorts": [{"number": number}],
            "endpointPickerRef": {
                "group": "",
                "kind": "Service",
                "name": picker.name.replace(REVISION_PLACEHOLDER, name),
                "port": {"number": picker.port},
                "failureMode": picker.failure_mode,
            },
        },
    }


def observe_pool(owner: Owner, raw: Raw, content: Raw | None, picker: EndpointPicker | None) -> PoolView:
    """The revision that a pool in the cluster leads to, and whether it is as we would write it. Where nobody knows what
    it should be like, it is in shape."""
    target = str(raw["spec"]["selector"].get("matchLabels", {}).get(LABEL_REVISION, ""))
    if content is None or picker is None:
        return PoolView(target)
    wanted = build_pool(owner, raw["metadata"]["name"], target, content, picker)
    return PoolView(target, in_shape=is_subset(wanted["spec"], raw["spec"]))
