"""What README, page and manifest show is what there is."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from examples.monitor.serinus_monitor.settings import Settings, read_settings
from serinus.api.modeldeployment import MODEL_DEPLOYMENT
from serinus.api.modelrevision import MODEL_REVISION
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.controllers.wants import build_wants, list_query_problems

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "monitor"
README = (FOLDER / "README.md").read_text()
PAGE = (ROOT / "docs" / "monitoring.md").read_text()


def read_manifest() -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in yaml.safe_load_all((FOLDER / "monitor.yaml").read_text())}


def test_the_readme_has_a_row_for_every_option_and_for_no_other() -> None:
    rows = {line.split("`")[1] for line in README.splitlines() if line.startswith("| `--")}
    assert rows == {f"--{name.replace('_', '-')}" for name in Settings.model_fields}


def test_the_deployment_starts_the_monitor_with_options_that_it_takes() -> None:
    deployment = read_manifest()["Deployment"]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    given = read_settings(container["args"])
    assert (given.namespace, given.model, given.positive) == ("ml", "fraud", "1")
    assert container["ports"][0]["containerPort"] == given.port
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})


def test_the_role_is_for_reading_one_model_deployment_and_revisions() -> None:
    rules = read_manifest()["Role"]["rules"]
    assert [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rules] == [
        ([MODEL_DEPLOYMENT.plural], ["fraud"], ["get"]),
        ([MODEL_REVISION.plural], None, ["get"]),
    ]


def test_queries_of_the_page_are_promql_and_name_the_row_for_the_whole_data_set() -> None:
    (block,) = PAGE.split("```yaml\n")[1:]
    spec = yaml.safe_load((ROOT / "examples" / "contract" / "retrainpolicy.yaml").read_text())["spec"]
    triggers = yaml.safe_load(block.split("```")[0])["triggers"]
    names = [trigger["name"] for trigger in triggers]
    policy = RetrainPolicySpec.model_validate({**spec, "triggers": triggers, "triggerPolicy": {"any": [names]}})
    assert list(list_query_problems(policy)) == []
    now = datetime(2026, 11, 26, tzinfo=UTC)
    wants, problems = build_wants(policy, "ml", "fraud-1", dict.fromkeys(names, now), now)
    assert problems == {}
    for want in wants:
        assert 'feature="_max"' in want.value or 'slice="_all"' in want.value
        for query in want.queries:
            assert query.count('version="fraud-1"') == query.count('namespace="ml"') == query.count("model_")


def test_the_image_runs_as_nobody_and_has_what_the_package_imports() -> None:
    containerfile = (FOLDER / "Containerfile").read_text()
    assert "USER 65532:65532" in containerfile
    assert 'ENTRYPOINT ["python3", "-m", "serinus_monitor"]' in containerfile
    wanted = {line.split(">")[0].replace("-", "_") for line in (FOLDER / "requirements.txt").read_text().split()}
    code = "".join(path.read_text() for path in (FOLDER / "serinus_monitor").glob("*.py"))
    imports = {"scikit_learn": "sklearn"}
    assert [name for name in wanted if f"{imports.get(name, name)}" not in code] == []
