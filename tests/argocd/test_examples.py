"""The app of apps: everything comes after what it needs, and no Application holds more than its project lets it."""

from typing import Any

import yaml

from serinus.api.validate import check_metrics_provider, check_model_deployment, check_retrain_policy
from tests.argocd.customizations import EXAMPLES
from tests.chart.helm import CASES, find, read_environment, render, render_case
from tests.chart.test_objects import CLUSTER_SCOPED

Raw = dict[str, Any]
WAVE = "argocd.argoproj.io/sync-wave"
OPTIONS = "argocd.argoproj.io/sync-options"
MISSING = "SkipDryRunOnMissingResource=true"


def read(folder: str) -> list[Raw]:
    """Every manifest of a folder of the example."""
    files = sorted((EXAMPLES / folder).glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text())]


def find_wave(obj: Raw) -> int:
    return int(obj["metadata"].get("annotations", {}).get(WAVE, 0))


def find_options(obj: Raw) -> str:
    """The options of syncing an object, or of an Application."""
    sync = obj.get("spec", {}).get("syncPolicy", {}).get("syncOptions", ())
    return " ".join([obj["metadata"].get("annotations", {}).get(OPTIONS, ""), *sync])


APPS = read("apps")
APPLICATIONS = {one["metadata"]["name"]: one for one in APPS if one["kind"] == "Application"}
PROJECTS = {one["metadata"]["name"]: one["spec"] for one in APPS if one["kind"] == "AppProject"}
CHECKS = {
    "MetricsProvider": check_metrics_provider,
    "ModelDeployment": lambda spec: check_model_deployment("fraud", spec),
    "RetrainPolicy": lambda spec: check_retrain_policy(spec, "fraud"),
}


def test_each_wave_brings_what_the_next_one_needs() -> None:
    waves = {f"{one['kind']}/{one['metadata']['name']}": find_wave(one) for one in APPS}
    assert waves == {
        "AppProject/serinus": -2,
        "AppProject/models": -2,
        "Application/serinus": -1,
        "MetricsProvider/default": 0,
        "Application/models": 1,
    }
    assert {one["kind"]: find_wave(one) for one in read("models")} == {"ModelDeployment": 0, "RetrainPolicy": 1}


def test_what_is_of_a_kind_that_is_not_there_yet_is_not_tried_before() -> None:
    assert all(MISSING in find_options(one) for one in APPS if one["kind"] in CHECKS)
    assert MISSING in find_options(APPLICATIONS["models"])


def test_every_application_is_synced_by_itself_and_by_the_server() -> None:
    for application in [*read("."), *APPLICATIONS.values()]:
        assert application["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
        assert "ServerSideApply=true" in find_options(application)


def test_an_application_keeps_within_its_project() -> None:
    for application in APPLICATIONS.values():
        spec = application["spec"]
        project = PROJECTS[spec["project"]]
        assert spec["source"]["repoURL"] in project["sourceRepos"]
        assert spec["destination"] in project["destinations"]
    allowed = {(one["group"], one["kind"]) for one in PROJECTS["models"]["namespaceResourceWhitelist"]}
    for one in read("models"):
        assert (one["apiVersion"].split("/")[0], one["kind"]) in allowed
        assert one["metadata"]["namespace"] == APPLICATIONS["models"]["spec"]["destination"]["namespace"]


def test_what_it_declares_of_ours_is_right() -> None:
    ours = [one for one in [*APPS, *read("models")] if one["kind"] in CHECKS]
    assert {one["kind"] for one in ours} == set(CHECKS)
    for one in ours:
        checked = CHECKS[one["kind"]](one["spec"])
        assert not isinstance(checked, tuple), checked


def test_the_operator_that_it_installs_works_on_all_that_it_declares() -> None:
    values = APPLICATIONS["serinus"]["spec"]["source"]["helm"]["valuesObject"]
    told = read_environment(find(render(values=yaml.safe_dump(values)), "Deployment"))
    assert "RetrainPolicy" in {one["kind"] for one in read("models")}
    assert told["SERINUS_RETRAINING"] == "true"


def test_the_project_of_the_operator_lets_in_all_that_the_chart_holds() -> None:
    allowed = {(one["group"], one["kind"]) for one in PROJECTS["serinus"]["clusterResourceWhitelist"]}
    found = {
        (one["apiVersion"].rpartition("/")[0], one["kind"])
        for path in CASES
        for one in render_case(path)
        if one["kind"] in CLUSTER_SCOPED
    }
    assert ("apiextensions.k8s.io", "CustomResourceDefinition") in found
    assert [one for one in found if one not in allowed and (one[0], "*") not in allowed] == []
