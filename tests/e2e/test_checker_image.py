"""The ready checker image, on the sample model: what a user gets who writes no code, only checks.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import Cluster
from tests.cluster.images import python_image
from tests.support.model import Model

CHECKS = Path(__file__).parents[2] / "examples" / "checks"
IMAGE = "localhost/e2e-checks:1"
PATIENCE = 180.0

Raw = dict[str, Any]


@pytest.fixture(scope="module")
def checker(stocked_cluster: Cluster) -> str:
    """The image that examples/checks describes, with the sample model beside the checks."""
    requirements = (CHECKS / "requirements.txt").read_text().split()
    archive = python_image(
        "e2e-checks",
        "1",
        requirements=requirements,
        files={"/app/serinus_checks": CHECKS / "serinus_checks", "/app/server.py": CHECKS / "sample" / "server.py"},
        command=["/usr/bin/python3", "-m", "serinus_checks"],
        environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    stocked_cluster.load_image(archive)
    return IMAGE


def serve_sample(model: Model, fraud_from: str) -> None:
    """The sample model as a revision: payments from `fraud_from` on are fraud."""

    def change(template: Raw) -> None:
        template["metadata"].pop("annotations")
        container = template["spec"]["containers"][0]
        container |= {"image": IMAGE, "command": ["/usr/bin/python3", "/app/server.py", "8080", "0.0.0.0"]}
        container["env"] = [{"name": "FRAUD_FROM", "value": fraud_from}]
        container["readinessProbe"]["httpGet"]["path"] = "/v2/health/ready"

    model.apply("v1", change=change)


def example_check(bounds: dict[str, Raw]) -> Raw:
    """The check `quality` of the example's ModelDeployment, on the image of this test."""
    (manifest,) = yaml.safe_load_all((CHECKS / "modeldeployment.yaml").read_text())
    check: Raw = manifest["spec"]["rollout"]["validation"][0]
    container = check["job"]["template"]["spec"]["containers"][0]
    container |= {"image": IMAGE, "imagePullPolicy": "Never", "resources": {}}
    # How fast a machine is that runs other tests besides says nothing.
    return {**check, "bounds": {**check["bounds"], "latency_c8_p95": {"max": "60"}, **bounds}}


@pytest.mark.cluster
def test_a_model_is_measured_and_a_worse_one_is_shown_to_nobody(model: Model, checker: str) -> None:
    sample = f"--from-file={CHECKS / 'sample'}"
    model.cluster.kubectl("create", "configmap", "fraud-checks", "-n", model.namespace, sample)
    # Direct: the sample model has no metrics, and what is tried here comes before any traffic.
    model.spec["rollout"] = {"strategy": "Direct", "drain": "1s", "validation": [example_check({})]}
    serve_sample(model, "500")
    model.await_reason("Serving", patience=PATIENCE)
    good = model.stable()
    record = model.get("modelrevision", good)["status"]["validation"][0]
    assert record["outcome"] == "Passed", record
    assert "recall 0.9375" in record["message"]

    serve_sample(model, "650")
    model.await_reason("RolledBack", patience=PATIENCE)
    said = model.condition("Ready")["message"]
    assert "critical: 1 of 4 cases that must be right are wrong: row account-takeover-17: 0 instead of 1" in said
    assert model.stable() == good
    assert model.weights() == {good: 100}
    job = model.get("modelrevision", model.status()["rejected"]["revision"])["status"]["validation"][0]["job"]
    logs = model.cluster.kubectl("logs", "-n", model.namespace, f"job/{job}").stdout
    assert "critical" in logs, "the log says which cases were wrong"
