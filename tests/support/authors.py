"""What people write of ours, well and badly: bodies for whoever tries what admission says of them."""

import copy
from typing import Any, Final

Raw = dict[str, Any]

SPACE: Final = "admitted"
HOST: Final[Raw] = {"name": "host", "hostPath": {"path": "/"}}
RAY_POD: Raw = {"spec": {"containers": [{"name": "r", "image": "r:1", "securityContext": {"privileged": True}}]}}
"""The template of a pod that asks for privileges."""
CONTAINER: Raw = {"name": "model", "image": "m:1", "ports": [{"containerPort": 8080}]}
SERVICE = {"mode": "Replicas"}
JOB: Raw = {"template": {"spec": {"containers": [{"name": "check", "image": "c:1"}]}}}


def build_model(name: str = "fraud", **spec: Any) -> Raw:
    route = {"parentRefs": [{"name": "public", "namespace": "gateways"}]}
    base = {"template": {"spec": {"containers": [copy.deepcopy(CONTAINER)]}}, "route": route}
    return build("ModelDeployment", name, {**base, **spec})


def build_policy(name: str = "fraud", **spec: Any) -> Raw:
    container = {"name": "train", "image": "t:1"}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    template = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": pod}}
    return build("RetrainPolicy", name, {"modelDeploymentRef": {"name": "fraud"}, "template": template, **spec})


def build(kind: str, name: str, spec: Raw) -> Raw:
    metadata = {"name": name, "namespace": SPACE}
    return {"apiVersion": "serinus.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def with_pod(body: Raw, **fields: Any) -> Raw:
    """The same with further fields of its pods."""
    changed = copy.deepcopy(body)
    template = changed["spec"]["template"]
    pod = template["spec"]["template"]["spec"] if "kind" in template else template["spec"]
    pod.update(fields)
    return changed


def with_container(body: Raw, **fields: Any) -> Raw:
    """The same with further fields of its container."""
    changed = copy.deepcopy(body)
    template = changed["spec"]["template"]
    pod = template["spec"]["template"]["spec"] if "kind" in template else template["spec"]
    pod["containers"][0].update(fields)
    return changed


def secured(body: Raw, **fields: Any) -> Raw:
    return with_container(body, securityContext=fields)


AT = {"ModelDeployment": "spec.template.spec", "RetrainPolicy": "spec.template.spec.template.spec"}


def list_pod_fields(body: Raw) -> dict[str, tuple[Raw, str]]:
    """Each field that pods are denied, in the pods of a body: the body with it, and what a refusal says."""
    kind, at = body["kind"], AT[body["kind"]]
    container = f"{at}.containers[{'model' if kind == 'ModelDeployment' else 'train'}]"
    fields: dict[str, tuple[Raw, str]] = {
        "hostPath": (
            with_pod(body, volumes=[{"name": "ok", "emptyDir": {}}, HOST]),
            f"{at}.volumes[host].hostPath",
        ),
        "hostNetwork": (with_pod(body, hostNetwork=True), f"{at}.hostNetwork: true"),
        "hostPID": (with_pod(body, hostPID=True), f"{at}.hostPID: true"),
        "hostIPC": (with_pod(body, hostIPC=True), f"{at}.hostIPC: true"),
        "nodeName": (with_pod(body, nodeName="node0"), f"{at}.nodeName: node0"),
        "hostPort": (
            with_container(body, ports=[{"containerPort": 8080, "hostPort": 80}]),
            f"{container}.ports[].hostPort",
        ),
        "privileged": (secured(body, privileged=True), f"{container}.securityContext.privileged: true"),
        "escalation": (
            secured(body, allowPrivilegeEscalation=True),
            f"{container}.securityContext.allowPrivilegeEscalation: true",
        ),
        "capabilities": (
            secured(body, capabilities={"add": ["SYS_ADMIN"]}),
            f"{container}.securityContext.capabilities.add",
        ),
        "procMount": (secured(body, procMount="Unmasked"), f"{container}.securityContext.procMount"),
        "hostProcess": (
            secured(body, windowsOptions={"hostProcess": True}),
            f"{container}.securityContext.windowsOptions.hostProcess: true",
        ),
        "init container": (
            with_pod(body, initContainers=[{"name": "i", "image": "i", "securityContext": {"privileged": True}}]),
            f"{at}.initContainers[i].securityContext.privileged: true",
        ),
        "account": (with_pod(body, serviceAccountName="admin"), f"{at}.serviceAccountName: admin is not allowed"),
        "old account": (with_pod(body, serviceAccount="admin"), f"{at}.serviceAccountName: admin is not allowed"),
    }
    return fields
