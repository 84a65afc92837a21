"""What keeps pods from being there is told apart, in the words of whoever refuses them, and moves no traffic."""

import json
import time

import pytest

from tests.support.model import Model
from tests.traffic.route import list_weights

pytestmark = pytest.mark.apiserver
ALL_GPUS_OF_A_NODE = 8


def test_no_free_gpu_stops_the_clock_and_capacity_starts_it_again(model: Model) -> None:
    model.spec["rollout"]["progressDeadline"] = "4s"
    model.spec |= {"replicas": 5, "accelerator": {"resource": "nvidia.com/gpu", "count": ALL_GPUS_OF_A_NODE}}
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.apply("v2")
    model.await_reason("WaitingForCapacity")
    assert "Insufficient nvidia.com/gpu" in model.condition("Ready")["message"]
    time.sleep(6)  # longer than the deadline
    assert model.reason() == "WaitingForCapacity"
    assert model.weights() == {stable: 100}
    node = {"name": f"extra-{model.namespace}", "annotations": {"kwok.x-k8s.io/node": "fake"}}
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "250", "nvidia.com/gpu": "80"}
    status = {"capacity": capacity, "allocatable": capacity}
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": node, "status": status}))
    try:
        model.await_reason("Serving")
        assert model.stable() != stable
    finally:
        model.cluster.kubectl("delete", "modeldeployment", model.name, "-n", model.namespace)
        model.cluster.kubectl("delete", "node", node["name"])


def test_a_quota_that_refuses_is_quoted_and_a_higher_one_lets_it_go_on(model: Model) -> None:
    model.spec["rollout"]["progressDeadline"] = "4s"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": model.namespace}}
    model.cluster.apply(json.dumps({**quota, "spec": {"hard": {"pods": "2"}}}))
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    model.apply("v2")
    model.await_reason("QuotaExceeded")
    assert "exceeded quota: pods" in model.condition("Ready")["message"]
    time.sleep(6)  # longer than the deadline
    assert model.reason() == "QuotaExceeded"
    assert model.weights() == {stable: 100}
    model.cluster.apply(json.dumps({**quota, "spec": {"hard": {"pods": "20"}}}))
    model.await_reason("Serving", patience=90)
    assert model.stable() != stable


def test_pods_that_crash_are_rejected_long_before_the_deadline_and_stable_never_notices(model: Model) -> None:
    model.spec["rollout"]["progressDeadline"] = "30m"
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
