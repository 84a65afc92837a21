"""The worked example with every field in use, as it stands in examples/contract, on a real cluster: only names of
images, hosts and metrics are those of the test, and minutes are seconds."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.support.model import IMAGE, Model, wait_for
from tests.traffic.answers import count

EXAMPLE = Path(__file__).parents[2] / "examples" / "contract" / "modeldeployment-full.yaml"
GPU_MODEL = "NVIDIA-L4"
SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}, "country": {"type": "string"}}}
CHECK = """
import json, os, urllib.request as u
u.urlopen(os.environ["SERINUS_TARGET_URL"] + "/v2/models/fraud/infer", timeout=10)
assert os.environ["SERINUS_MODEL_DIGEST"].startswith("sha256:"), os.environ
with open("/dev/termination-log", "w") as out:
    json.dump({"recall_critical": 0.99}, out)
"""

Raw = dict[str, Any]


def read_example(model: Model) -> Raw:
    """The example, fitted to this cluster."""
    manifest: Raw = yaml.safe_load(EXAMPLE.read_text())
    manifest["metadata"]["namespace"] = model.namespace
    spec = manifest["spec"]
    spec["model"]["from"]["uri"] = f"oci://registry.example/models/fraud@sha256:{'7' * 64}"
    spec["template"]["metadata"]["annotations"] = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    container = spec["template"]["spec"]["containers"][0]
    container |= {"image": IMAGE, "imagePullPolicy": "Never"}
    container["resources"] = {"requests": {"cpu": "20m", "memory": "32Mi"}}
    container["readinessProbe"]["periodSeconds"] = 1
    spec["route"] |= {"parentRefs": [{"name": model.gateway, "namespace": "gateways"}], "hostnames": [model.host]}
    rollout = spec["rollout"]
    rollout["steps"] = [{**step, "hold": "3s"} if "hold" in step else step for step in rollout["steps"]]
    rollout |= {"bake": "5s", "drain": "3s"}
    rollout["warmup"]["for"] = "2s"
    rollout["freeze"][0]["cron"] = begins_in_days(3, ZoneInfo(rollout["freeze"][0]["timeZone"]))
    (check,) = rollout["validation"]
    check["job"]["template"]["spec"]["containers"][0] |= {
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", CHECK],
    }
    analysis = rollout["analysis"]
    analysis["minRequests"] = 20
    for metric in analysis["metrics"]:
        if metric["name"] == "wrong-answers":
            metric["ratio"] |= {"bad": 'feedback_total{verdict="wrong"}', "total": "feedback_total", "labelDelay": "2s"}
        if metric["name"] == "score-drift":
            metric["gauge"]["query"] = "drift_score"
    return manifest


def begins_in_days(days: int, zone: ZoneInfo) -> str:
    """A weekly window that does not hold the test up, whatever day it is."""
    day = (datetime.now(zone) + timedelta(days=days)).isoweekday() % 7
    return f"0 17 * * {day}"


def apply(model: Model, manifest: Raw, version: str, **behaviour: float) -> None:
    settings = {"MODEL_VERSION": version, **behaviour}
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": str(value)} for name, value in settings.items()]
    model.cluster.apply(json.dumps(manifest))


def prepare(model: Model) -> None:
    """What the example refers to: accelerators of that make, and two ConfigMaps."""
    cluster, inside = model.cluster, ("-n", model.namespace)
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    cluster.kubectl("label", "node", node, f"nvidia.com/gpu.product={GPU_MODEL}", "--overwrite")
    cluster.set_capacity(node, nvidia_com__gpu="8")
    schema = f"--from-literal=schema.json={json.dumps(SCHEMA)}"
    cluster.kubectl("create", "configmap", "fraud-features", schema, *inside)
    cluster.kubectl("create", "configmap", "fraud-samples", '--from-literal=warmup.json={"inputs": []}', *inside)


@pytest.mark.cluster
def test_every_field_of_the_worked_example_works(envoy_model: Model) -> None:
    model = envoy_model
    prepare(model)
    manifest = read_example(model)
    apply(model, manifest, "v1")
    model.await_reason("Serving", patience=120)
    first = model.stable()
    checked = model.get("modelrevision", first)["status"]["validation"]
    assert [(one["name"], one["outcome"]) for one in checked] == [("critical-cases", "Passed")]
    pod = model.cluster.get("pods", "-n", model.namespace, "-l", f"serinus.dev/revision={first}")["items"][0]
    environment = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
    assert environment["SERINUS_MODEL_DIGEST"] == f"sha256:{'7' * 64}"
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}

    with model.traffic(f"{model.gateway_url}/v2/models/fraud/infer") as traffic:
        apply(model, manifest, "v2")
        second = model.await_weight(25, patience=120)
        model.await_reason("Paused", patience=90)
        judged = {one["name"] for one in model.status()["analysis"]}
        assert judged >= {"errors", "latency", "slo", "wrong-answers", "score-drift"}
        model.command(f"resume {second}")
        model.await_reason("Serving", patience=180)
        assert model.stable() == second

        apply(model, manifest, "v3", WRONG_RATIO=0.5)
        model.await_reason("RolledBack", patience=180)
        assert "wrong-answers" in model.condition("Ready")["message"]
        wait_for("all on stable", lambda: model.weights().get(second) == 100, model.explain)
    tally = count(traffic.answers)
    assert tally.explain_lost() == ""
    assert tally.own_failures == 0
