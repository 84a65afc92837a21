"""Rules and dashboard: Prometheus takes them, they are right, and they ask for nothing that nobody exports."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import CollectorRegistry

from examples.monitor.serinus_monitor.exposition import build_registry
from examples.monitor.serinus_monitor.findings import MAX, Drift, Quality, Score
from examples.monitor.serinus_monitor.quality import ALL
from serinus.engine.store import Store
from serinus.shell.lifecycle import LifecycleTelemetry
from tests.monitor.bench import make_monitor

FOLDER = Path(__file__).parents[2] / "examples" / "observability"
RULES = FOLDER / "rules.yaml"
README = (FOLDER / "README.md").read_text()
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())

GRAFANA = {"$__rate_interval": "5m", "$__range": "30d", "$__interval": "1m"}
"""Variables that stand where PromQL wants a duration."""


def read_contract() -> dict[str, set[str]]:
    """Every series of the README's table with its labels; a histogram is three."""
    found: dict[str, set[str]] = {}
    for line in README.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or cells[1] not in ("gauge", "counter", "histogram"):
            continue
        name, labels = cells[0].strip("`"), set(cells[2].split(", "))
        if cells[1] == "histogram":
            found |= {f"{name}_sum": labels, f"{name}_count": labels, f"{name}_bucket": labels | {"le"}}
        else:
            found[name] = labels
    return found


def read_rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def find_recorded() -> dict[str, set[str]]:
    """Recorded series with the labels that their names promise: level:metric:operation."""
    names = [rule["record"] for rule in read_rules() if "record" in rule]
    return {name: set(name.split(":")[0].split("_")) for name in names}


def find_expressions() -> Iterator[tuple[str, str]]:
    """Where an expression of the dashboard stands, and the expression as Prometheus gets it."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], fill(target["expr"])
    for note in DASHBOARD["annotations"]["list"]:
        yield note["name"], fill(note["expr"])


def fill(text: str) -> str:
    for name, value in GRAFANA.items():
        text = text.replace(name, value)
    return text


def find_selectors(node: Any) -> Iterator[promql.VectorSelector]:
    """All series that an expression asks for."""
    if isinstance(node, promql.VectorSelector):
        yield node
    for name in ("vector_selector", "vs", "expr", "lhs", "rhs", "param"):
        if (child := getattr(node, name, None)) is not None and not isinstance(child, str):
            yield from find_selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from find_selectors(child)


def check_expression(text: str, known: Mapping[str, set[str]]) -> set[str]:
    """The metrics that it asks for; each must be known, with the labels that it is selected by."""
    asked = set()
    for selector in find_selectors(promql.parse(text)):
        assert selector.name in known, f"nobody exports {selector.name}: {text}"
        by = {matcher.name for matcher in selector.matchers.matchers}
        assert by <= known[selector.name], f"{selector.name} has no label {by - known[selector.name]}: {text}"
        asked.add(selector.name)
    assert asked, f"no series in {text}"
    return asked


def test_prometheus_takes_the_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(read_rules())} rules found" in done.stdout


def test_the_rules_say_what_is_so(promtool: str) -> None:
    cases = sorted(str(path) for path in Path(__file__).parent.glob("*-test.yaml"))
    assert len(cases) == 2
    done = subprocess.run([promtool, "test", "rules", *cases], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_and_alert_has_a_test_with_a_value() -> None:
    cases = "".join(path.read_text() for path in Path(__file__).parent.glob("*-test.yaml"))
    untested = [
        name
        for rule in read_rules()
        for name in [rule.get("record") or f"alertname: {rule['alert']}"]
        if name not in cases
    ]
    assert untested == []


def test_rules_ask_only_for_what_is_exported_and_keep_the_labels_that_their_names_promise() -> None:
    recorded = find_recorded()
    for rule in read_rules():
        check_expression(rule["expr"], {**read_contract(), **recorded})
        if "record" in rule:
            grouped = f"by ({', '.join(rule['record'].split(':')[0].split('_'))}"
            assert grouped in rule["expr"], rule["record"]


def test_every_panel_parses_and_asks_only_for_what_is_exported() -> None:
    known = {**read_contract(), **find_recorded()}
    asked = set[str]()
    for _, expression in find_expressions():
        asked |= check_expression(expression, known)
    unseen = {name for name in find_recorded() if name not in asked}
    assert unseen == set(), "what is recorded is shown"


def test_every_metric_of_the_operator_is_used_by_a_rule_or_a_panel() -> None:
    used = set[str]()
    known = {**read_contract(), **find_recorded()}
    for expression in [*(rule["expr"] for rule in read_rules()), *(text for _, text in find_expressions())]:
        used |= check_expression(expression, known)
    assert {name for name in read_contract() if name not in used} == set()


def test_variables_of_the_dashboard_are_defined_and_its_panels_do_not_overlap() -> None:
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert defined == {"datasource", "namespace", "model", "version", "policy"}
    text = json.dumps(DASHBOARD)
    for word in text.split("$")[1:]:
        name = word.lstrip("{").split('"')[0].split("}")[0].split("\\")[0]
        assert name in defined or name.startswith("__"), name
    taken = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_an_expression_for_something_that_nobody_exports_is_found() -> None:
    with pytest.raises(AssertionError, match="nobody exports model_magic"):
        check_expression("sum(rate(model_magic[5m])) / 2", read_contract())
    with pytest.raises(AssertionError, match="has no label"):
        check_expression('histogram_quantile(0.9, model_drift_score{colour="red"})', read_contract())


def test_what_the_operator_exports_is_what_the_readme_says() -> None:
    place = {"namespace": "ml", "name": "fraud"}
    triggers = [{"name": "drift", "state": "Clear", "value": "0.1"}]
    status = {"triggers": triggers, "suppressed": [{"reason": "Cooldown", "count": 1}], "budget": {"remainingRuns": 1}}
    stable = {"stable": {"revision": "fraud-1"}}
    store = Store()
    for kind, told in (("RetrainPolicy", status), ("ModelDeployment", stable)):
        raw = {"kind": kind, "metadata": {**place, "uid": kind, "resourceVersion": "1"}, "status": told}
        store.put(kind, raw)
    registry = CollectorRegistry()
    telemetry = LifecycleTelemetry(registry, store)
    telemetry.on_run("ml", "fraud", "Succeeded", "drift", 60)
    telemetry.on_stage("ml", "fraud", "Training", 60.0)
    telemetry.on_lead("ml", "fraud", 60.0)
    telemetry.on_recovery("ml", "fraud", "Retrain", 60.0)
    telemetry.on_release("ml", "fraud", True)
    exported = {
        sample.name: set(sample.labels)
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    contract = read_contract()
    assert {name: contract.get(name) for name in exported} == exported
    of_the_operator = {name for name in contract if "version" not in contract[name]}
    assert of_the_operator == exported.keys()


def test_what_the_monitor_exports_is_what_the_readme_says() -> None:
    monitor = make_monitor()
    monitor.drift = Drift(60.0, 100, {("psi", MAX): Score(0.1, 0.2)})
    monitor.quality = Quality(60.0, 100, 50, {("f1", ALL): 0.9})
    contract = read_contract()
    exported = {
        sample.name: set(sample.labels)
        for family in build_registry(monitor).collect()
        for sample in family.samples
        if not sample.name.startswith("process_")
    }
    for name in exported.keys() & contract.keys():
        assert exported[name] == contract[name], name
    of_the_monitor = {name for name in contract if "version" in contract[name]}
    of_the_monitor -= {"model_drift_reference_info"}
    assert of_the_monitor <= exported.keys()
