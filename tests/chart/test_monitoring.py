"""Alerts: Prometheus takes them, they ring when they should, lead to a page, and ask for what is exported."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

from serinus.shell.telemetry import Telemetry
from tests.chart.helm import find, render, render_case
from tests.cluster.helm import CHART
from tests.cluster.paths import REPOSITORY
from tests.observability.test_rules import find_selectors

FULL = CHART / "ci" / "full-values.yaml"
OPERATOR_RULES = CHART / "files" / "rules" / "operator.yaml"
CASES = Path(__file__).parent / "operator-test.yaml"
BASE = "https://github.com/serinus-dev/serinus/blob/main/"


def list_alerts(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_prometheus_takes_the_rules_as_they_are_rendered(promtool: str, tmp_path: Path) -> None:
    groups = find(render_case(FULL), "PrometheusRule")["spec"]["groups"]
    assert {group["name"] for group in groups} >= {"serinus-operator", "serinus-releases", "serinus-alerts"}
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_ring_when_they_should(promtool: str) -> None:
    done = subprocess.run([promtool, "test", "rules", str(CASES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_ringing_and_silent() -> None:
    told: dict[str, set[bool]] = {}
    for test in yaml.safe_load(CASES.read_text())["tests"]:
        for case in test["alert_rule_test"]:
            told.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    alerts = {rule["alert"] for rule in list_alerts(yaml.safe_load(OPERATOR_RULES.read_text())["groups"])}
    assert told == {alert: {True, False} for alert in alerts}


def test_every_alert_has_a_runbook_that_exists() -> None:
    groups = find(render_case(FULL), "PrometheusRule")["spec"]["groups"]
    for rule in list_alerts(groups):
        page, _, anchor = rule["annotations"]["runbook_url"].removeprefix(BASE).partition("#")
        headings = re.findall(r"^#+ (.+)$", (REPOSITORY / page).read_text(), re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, rule["alert"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_the_page_has_no_alert_that_nobody_has() -> None:
    headings = re.findall(r"^### (.+)$", (REPOSITORY / "docs" / "alerts.md").read_text(), re.MULTILINE)
    alerts = [rule["alert"] for rule in list_alerts(find(render_case(FULL), "PrometheusRule")["spec"]["groups"])]
    assert sorted(headings) == sorted(alerts)


def test_rules_about_models_can_be_left_out_and_runbooks_be_elsewhere() -> None:
    values = "metrics: {prometheusRule: {enabled: true, models: false, runbookUrl: 'https://wiki.example/serinus'}}"
    groups = find(render(values=values), "PrometheusRule")["spec"]["groups"]
    assert {group["name"] for group in groups} == {"serinus-operator", "serinus-releases"}
    assert {rule["annotations"]["runbook_url"].partition("#")[0] for rule in list_alerts(groups)} == {
        "https://wiki.example/serinus"
    }


def test_the_alerts_ask_for_what_the_operator_exports() -> None:
    exported = _export()
    for rule in list_alerts(yaml.safe_load(OPERATOR_RULES.read_text())["groups"]):
        for selector in find_selectors(
            promql.parse(rule["expr"].replace(" offset 10m", "").replace(" offset 15m", ""))
        ):
            by = {matcher.name for matcher in selector.matchers.matchers}
            assert by <= exported[selector.name], f"{rule['alert']}: {selector.name} has no label {by}"


def _export() -> dict[str, set[str]]:
    """Series with their labels: those of Telemetry, and the gauges that the composition root adds by name."""
    telemetry = Telemetry()
    root = (REPOSITORY / "operator" / "serinus" / "parts.py").read_text()
    for name in re.findall(r'telemetry\.gauge\(\s*"(serinus_\w+)"', root):
        telemetry.gauge(name, "", lambda: 0.0)
    telemetry.on_request("get", "pods", "200", 0.1)
    telemetry.on_query("default", "Answer", 0.1)
    telemetry.on_release("ml", "AnalysisFailed")
    telemetry._reconciles.labels("ModelDeployment", "ok").observe(0.1)
    telemetry._verdict.labels("ml", "fraud", "Good").set(1)
    samples = [sample for family in telemetry.registry.collect() for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def test_the_dashboard_comes_as_grafanas_sidecar_wants_it() -> None:
    config = find(render_case(FULL), "ConfigMap")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config["metadata"]["annotations"] == {"grafana_folder": "Serinus"}
    shown = json.loads(config["data"]["serinus-models.json"])
    assert shown == json.loads((REPOSITORY / "examples" / "observability" / "dashboard.json").read_text())
