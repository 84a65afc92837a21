"""What keeps pods from being there is told apart, in the words of whoever refuses them, and moves no traffic."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.bench.audit import read_log
from tests.support.model import Model, wait_for
from tests.traffic.route import list_weights

pytestmark = pytest.mark.apiserver
ALL_GPUS_OF_A_NODE = 8
SIMULATED = "kwok.x-k8s.io/node"
DRIVER = "gpu.example.com"


@contextmanager
def extra_node(model: Model, **devices: str) -> Iterator[str]:
    """One more node while the test lasts, labelled with its name; the model goes with it."""
    name = f"extra-{model.namespace}"
    metadata = {"name": name, "annotations": {SIMULATED: "fake"}, "labels": {"kubernetes.io/hostname": name}}
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "250", **devices}
    status = {"capacity": capacity, "allocatable": capacity}
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}))
    try:
        yield name
    finally:
        model.cluster.kubectl("delete", "modeldeployment", model.name, "-n", model.namespace)
        model.cluster.kubectl("delete", "node", name)


def stands_still(model: Model, reason: str, stable: str) -> None:
    """For longer than the deadline of 8 s the reason stays, and so does the traffic."""
    time.sleep(10)
    assert model.reason() == reason
    assert model.status()["candidate"]["clockStoppedAt"]
    assert model.weights() == {stable: 100}


def test_no_free_gpu_stops_the_clock_and_capacity_starts_it_again(model: Model) -> None:
    model.spec["rollout"]["progressDeadline"] = "8s"
    model.spec |= {"replicas": 5, "accelerator": {"resource": "nvidia.com/gpu", "count": ALL_GPUS_OF_A_NODE}}
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.apply("v2")
    model.await_reason("WaitingForCapacity")
    assert "Insufficient nvidia.com/gpu" in model.condition("Ready")["message"]
    stands_still(model, "WaitingForCapacity", stable)
    with extra_node(model, **{"nvidia.com/gpu": "80"}):
        model.await_reason("Serving")
        assert model.stable() != stable


def test_a_quota_that_refuses_is_quoted_and_a_higher_one_lets_it_go_on(model: Model) -> None:
    model.spec["rollout"]["progressDeadline"] = "8s"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": model.namespace}}
    model.cluster.apply(json.dumps({**quota, "spec": {"hard": {"pods": "2"}}}))
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.apply("v2")
    model.await_reason("QuotaExceeded")
    assert "exceeded quota: pods" in model.condition("Ready")["message"]
    stands_still(model, "QuotaExceeded", stable)
    model.cluster.apply(json.dumps({**quota, "spec": {"hard": {"pods": "20"}}}))
    model.await_reason("Serving", patience=90)
    assert model.stable() != stable


def test_pods_that_crash_are_rejected_long_before_the_deadline_and_stable_never_notices(model: Model) -> None:
    model.spec["rollout"] |= {"progressDeadline": "30m", "steps": [{"weight": 20, "hold": "5m"}]}
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    served_by = model.pods(stable)
    with model.route_watch() as route:
        model.apply("v2", labels={"fake-crash": "true"})
        model.await_reason("RolledBack")
    assert model.condition("Stalled")["reason"] == "CrashLooping"
    assert "after 3 restarts" in model.status()["rejected"]["message"]
    # Simulated pods are ready for a moment before they crash.
    rejected = model.status()["rejected"]["revision"]
    assert list_weights(route.changes, rejected) in ([], [20, 0])
    assert model.weights() == {stable: 100}
    assert model.pods(stable) == served_by


def test_a_pod_in_kueues_queue_is_waited_for_until_it_is_admitted(model: Model) -> None:
    gate = "kueue.x-k8s.io/admission"
    queue = {"kueue.x-k8s.io/queue-name": "gpu-team"}

    def hold_back(template: dict[str, Any]) -> None:
        # Kueue's webhook puts the gate on every pod with such a label.
        template["spec"]["schedulingGates"] = [{"name": gate}]

    def admit() -> bool:
        for pod in model.cluster.get("pods", "-n", model.namespace)["items"]:
            if pod["spec"].get("schedulingGates"):
                patch = '[{"op": "remove", "path": "/spec/schedulingGates"}]'
                name = pod["metadata"]["name"]
                model.cluster.kubectl("patch", "pod", name, "-n", model.namespace, "--type=json", "-p", patch)
        return model.reason() == "Serving"

    model.spec["rollout"]["progressDeadline"] = "8s"
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.apply("v2", labels=queue, change=hold_back)
    model.await_reason("SchedulingGated")
    assert f"{gate} in the queue gpu-team" in model.condition("Ready")["message"]
    stands_still(model, "SchedulingGated", stable)
    template = model.get("deployment", model.candidate())["spec"]["template"]
    assert queue.items() <= template["metadata"]["labels"].items()
    wait_for("everything is admitted", admit, model.explain)
    assert model.stable() != stable


def test_mig_slices_and_dra_claims_pass_through_and_are_waited_for(model: Model) -> None:
    cluster, began = model.cluster, time.time()
    device = {"exactly": {"deviceClassName": DRIVER}}
    claim = {"spec": {"devices": {"requests": [{"name": "gpu", **device}]}}}
    selector = {"cel": {"expression": f"device.driver == '{DRIVER}'"}}
    api = {"apiVersion": "resource.k8s.io/v1"}
    objects = [
        {**api, "kind": "DeviceClass", "metadata": {"name": DRIVER}, "spec": {"selectors": [selector]}},
        {
            **api,
            "kind": "ResourceClaimTemplate",
            "metadata": {"name": "one-gpu", "namespace": model.namespace},
            "spec": claim,
        },
    ]
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def claim_a_device(template: dict[str, Any]) -> None:
        template["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
        template["spec"]["containers"][0]["resources"] = {"claims": [{"name": "gpu"}]}

    model.spec["rollout"]["progressDeadline"] = "8s"
    model.spec["replicas"] = 1
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.spec["accelerator"] = {"resource": "nvidia.com/mig-1g.5gb", "count": 1}
    with extra_node(model, **{"nvidia.com/mig-1g.5gb": "1"}) as node:
        model.apply("v2", change=claim_a_device)
        model.await_reason("WaitingForCapacity")
        candidate = str(model.candidate())
        # At first the scheduler may name the new node's taint; words alone are written anew twice a minute at most.
        words = ("Insufficient nvidia.com/mig-1g.5gb", "cannot allocate all claims")

        def is_told() -> bool:
            return all(one in model.condition("Ready")["message"] for one in words)

        wait_for("what is lacking", is_told, model.explain, 90)
        stands_still(model, "WaitingForCapacity", stable)
        pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
        devices = {"driver": DRIVER, "pool": pool, "nodeName": node, "devices": [{"name": "gpu-0"}]}
        metadata = {"name": f"slice-of-{node}"}
        cluster.apply(json.dumps({**api, "kind": "ResourceSlice", "metadata": metadata, "spec": devices}))
        try:
            model.await_reason("Serving")
            assert model.stable() == candidate
            pod = model.get("deployment", candidate)["spec"]["template"]["spec"]
            assert pod["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
            limits = {"nvidia.com/mig-1g.5gb": "1"}
            assert pod["containers"][0]["resources"] == {"claims": [{"name": "gpu"}], "limits": limits}
            time.sleep(1)  # the audit log is written in batches
            writes = read_log(cluster.audit_log, "serinus/", began, time.time()).objects
            applied = [
                w for w in writes if (w.namespace, w.resource, w.name) == (model.namespace, "deployments", candidate)
            ]
            assert len(applied) == 1, "what the API server adds is no difference"
        finally:
            cluster.kubectl("delete", "resourceslice", metadata["name"])
            cluster.kubectl("delete", "deviceclass", DRIVER)


def test_a_lost_node_is_named_and_stable_serves_on(model: Model) -> None:
    model.spec["rollout"] |= {"progressDeadline": "20s", "steps": [{"weight": 20, "hold": "10m"}]}
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    served_by = model.pods(stable)
    model.apply("v2")
    candidate = model.await_weight(20)
    selection = ("pods", "-n", model.namespace, "-l", f"serinus.dev/revision={candidate}")
    pod = model.cluster.get(*selection)["items"][0]
    # What the node controller does to the pods of a node that it has taken for lost: it takes this condition and leaves
    # the rest as the kubelet last wrote it. Simulated nodes go on renewing their leases, so it has to be done for it.
    patch = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    place = (pod["metadata"]["name"], "-n", model.namespace, "--subresource=status", "--type=strategic")
    model.cluster.kubectl("patch", "pod", *place, "-p", patch)
    model.await_reason("NodeLost")
    assert f"node {pod['spec']['nodeName']} of pod" in model.condition("Ready")["message"]
    model.await_reason("RolledBack")
    assert model.condition("Stalled")["reason"] == "DeadlineExceeded"
    assert "does not answer" in model.status()["rejected"]["message"]
    assert model.weights() == {stable: 100}
    assert model.pods(stable) == served_by
