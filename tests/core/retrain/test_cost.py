"""How many accelerators a template asks for at once, kind by kind."""

from typing import Any

import pytest

from serinus.core.retrain.cost import accelerators_of


def container(*gpus: int) -> list[dict[str, Any]]:
    return [{"name": str(n), "resources": {"limits": {"nvidia.com/gpu": str(gpu)}}} for n, gpu in enumerate(gpus)]


def pod(*gpus: int) -> dict[str, Any]:
    return {"template": {"spec": {"containers": container(*gpus)}}}


def workers(**more: Any) -> dict[str, Any]:
    group = {"groupName": "w", "replicas": 2, "maxReplicas": 5, **pod(1)}
    return {"rayClusterSpec": {"headGroupSpec": pod(0), "workerGroupSpecs": [group], **more}}


WITH_INIT = {"template": {"spec": {"initContainers": container(4), "containers": container(1)}}}
OTHER_DEVICES = {"rdma/hca": 1, "cpu": 4, "hugepages-2Mi": "1Gi", "x.kubernetes.io/y": 1}


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("Job", pod(1), 1),
        ("Job", {**pod(2, 1), "parallelism": 4, "completions": 3}, 9),
        ("Job", {**pod(2), "completions": 8}, 2),
        ("Job", {**pod(2), "parallelism": 0}, 0),
        ("Job", WITH_INIT, 4),
        ("JobSet", {"replicatedJobs": [{"replicas": 2, "template": {"spec": {**pod(1), "parallelism": 3}}}]}, 6),
        ("PyTorchJob", {"pytorchReplicaSpecs": {"Master": pod(1), "Worker": {"replicas": 3, **pod(2)}}}, 7),
        ("TrainJob", {"trainer": {"numNodes": 4, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 8}}}}, 32),
        ("TrainJob", {"runtimeRef": {"name": "torch"}}, 0),
        ("RayJob", workers(), 2),
        ("RayJob", workers(enableInTreeAutoscaling=True), 5),
        ("RayJob", {"workerGroupSpecs": [{"groupName": "w", "replicas": 2, "numOfHosts": 4, **pod(1)}]}, 8),
        ("Workflow", {"templates": [{"name": "a", "container": container(2)[0]}, {"name": "b"}]}, 2),
        ("Job", {"tasks": [{"replicas": 3, **pod(1)}]}, 3),
        ("SparkApplication", {"executor": {"instances": 3, "gpu": {"name": "nvidia.com/gpu", "quantity": 2}}}, 6),
        ("Job", {"template": {"spec": {"containers": [{"resources": {"limits": OTHER_DEVICES}}]}}}, 0),
        ("Job", {"template": {"spec": {"containers": "none", "resources": [], "replicas": "many"}}}, 0),
    ],
)
def test_accelerators(kind: str, spec: dict[str, Any], expected: int) -> None:
    assert accelerators_of({"kind": kind, "spec": spec}) == expected
