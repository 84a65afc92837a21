"""What a catalogue shows of the chart is so, and what a person reads after an install helps him on."""

import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from serinus import __version__
from tests.chart.helm import CASES, NAMESPACE, find, find_all, render
from tests.cluster.helm import CHART, find_helm

METADATA: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
PROVIDER = "metricsProviders: [{name: default, spec: {address: 'http://p'}}]"


def read_annotation(name: str) -> Any:
    return yaml.safe_load(METADATA["annotations"][f"artifacthub.io/{name}"])


def test_chart_operator_and_image_are_of_one_version() -> None:
    assert METADATA["version"] == METADATA["appVersion"] == __version__
    image = find(render(), "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert [one["image"] for one in read_annotation("images")] == [image]


def test_the_catalogue_lists_the_crds_that_the_chart_brings() -> None:
    brought = {
        (crd["metadata"]["name"], crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"])
        for crd in find_all(render(crds=True), "CustomResourceDefinition")
    }
    assert {(one["name"], one["kind"], one["version"]) for one in read_annotation("crds")} == brought
    assert all(one["displayName"] and one["description"] for one in read_annotation("crds"))


def test_the_catalogues_examples_satisfy_the_crds() -> None:
    schemas = {
        crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in find_all(render(crds=True), "CustomResourceDefinition")
    }
    examples = read_annotation("crdsExamples")
    assert {one["kind"] for one in examples} == {"MetricsProvider", "ModelDeployment"}
    for one in examples:
        jsonschema.validate(one, schemas[one["kind"]])


def read_notes(values: str) -> str:
    command = [str(find_helm()), "install", "serinus", str(CHART), "-n", NAMESPACE, "--dry-run=client", "--values", "-"]
    done = subprocess.run(command, input=values, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


def test_the_notes_say_the_next_three_commands() -> None:
    notes = read_notes(f"fullnameOverride: canaries\n{PROVIDER}")
    commands = [line.strip() for line in notes.splitlines() if line.strip().startswith("kubectl")]
    assert commands == [
        f"kubectl -n {NAMESPACE} rollout status deployment/canaries",
        "kubectl get metricsproviders",
        "kubectl get modeldeployments -A -w",
    ]
    assert "WARNING" not in notes


@pytest.mark.parametrize(
    ("values", "warning"),
    [("", "no metrics provider is given"), (f"{PROVIDER}\nreplicas: 0", "replicas is 0, so nothing is released")],
)
def test_the_notes_warn_of_what_will_not_work(values: str, warning: str) -> None:
    assert f"WARNING: {warning}" in read_notes(values)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(path: Path) -> None:
    command = [str(find_helm()), "lint", "--strict", str(CHART), "--values", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 chart(s) failed" in done.stdout
