"""Wrong values stop Helm with their path; right ones reach the operator."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.settings import PREFIX, Settings, load_settings
from tests.chart.helm import CASES, find, find_all, read_environment, refuse, render, render_case
from tests.cluster.helm import CHART
from tests.cluster.paths import REPOSITORY

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
FULL = CHART / "ci" / "full-values.yaml"

# Values, the path that has to be named, and what has to be said of it.
WRONG = [
    ("replica: 3", "''", "additional properties 'replica' not allowed"),
    ("image: {tags: x}", "/image", "'tags' not allowed"),
    ("replicas: two", "/replicas", "got string, want integer"),
    ("replicas: -1", "/replicas", "minimum: got -1, want 0"),
    ("image: {digest: 'sha256:abc'}", "/image/digest", "'sha256:abc' does not match"),
    ("image: {pullPolicy: Sometimes}", "/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"),
    ("watchNamespaces: [ml, Bad_Name]", "/watchNamespaces/1", "'Bad_Name' does not match"),
    ("watchNamespaces: [ml, ml]", "/watchNamespaces", "items at 0 and 1 are equal"),
    ("log: {level: loud}", "/log/level", "'debug', 'info', 'warning', 'error'"),
    ("workers: 0", "/workers", "minimum: got 0, want 1"),
    ("resyncInterval: 300", "/resyncInterval", "got number, want string"),
    ("resyncInterval: 0s", "/resyncInterval", "'0s' does not match"),
    ("lease: {duration: 2s}", "/lease/duration", "'2s' does not match"),
    ("httpPort: 80", "/httpPort", "minimum: got 80, want 1,024"),
    ("models: {hosts: ['https://registry.example/v2']}", "/models/hosts/0", "does not match"),
    ("models: {mlflow: {url: 'https://user:word@mlflow'}}", "/models/mlflow/url", "does not match"),
    ("models: {mlflow: {writable: [fraud]}}", "/models/mlflow/writable/0", "'fraud' does not match"),
    ("training: {kinds: [Job]}", "/training/kinds/0", "'Job' does not match"),
    ("features: {event: true}", "/features", "'event' not allowed"),
    (
        "metricsProviders: [{name: default, spec: {adress: x}}]",
        "/metricsProviders/0/spec",
        "missing property 'address'",
    ),
    (
        "metricsProviders: [{name: x, spec: {address: 'http://p', gatewayLabels: {'a-b': x}}}]",
        "/metricsProviders/0/spec/gatewayLabels",
        "a-b",
    ),
    ("metricsProviders: [{name: x, spec: {address: 'prometheus:9090'}}]", "/metricsProviders/0/spec/address", "match"),
    ("podDisruptionBudget: {maxUnavailable: 0}", "/podDisruptionBudget/maxUnavailable", "want 1"),
    ("podSecurityContext: {runAsNonRoot: false}", "/podSecurityContext/runAsNonRoot", "must be true"),
    ("podSecurityContext: {runAsUser: 0}", "/podSecurityContext/runAsUser", "minimum: got 0, want 1"),
    ("resources: {limits: {memory: lots}}", "/resources/limits/memory", "'lots' does not match"),
    ("extraEnv: [{name: A, value: 1}]", "/extraEnv/0/value", "got number, want string"),
    ("networkPolicy: {metricsFrom: [{cidr: 10.0.0.0/8}]}", "/networkPolicy/metricsFrom/0", "'cidr' not allowed"),
    ("training: {kinds: []}", "/training/kinds", "minItems: got 0, want 1"),
    ("admission: null", "''", "missing property 'admission'"),
    ("models: {mlflow: null}", "/models", "missing property 'mlflow'"),
    ("replicas: null", "''", "missing property 'replicas'"),
    ("tolerations: [{effect: NoWay}]", "/tolerations/0/effect", "NoExecute"),
]

CONTRADICTIONS = [
    ("{replicas: 1, podDisruptionBudget: {enabled: true}}", "podDisruptionBudget.enabled", "replicas to 2 or more"),
    ("lease: {enabled: false}", "lease.enabled", "set replicas to 1"),
    ("serviceAccount: {create: false}", "serviceAccount.name", "give the name of a service account"),
    ("features: {retraining: true, events: true}", "events.secret", "give the name of the Secret"),
    (
        "{features: {retraining: true, events: true}, events: {secret: s, port: 8080}}",
        "events.port",
        "8080 is httpPort too",
    ),
    ("features: {retraining: true, pullRequests: true}", "pullRequests.hosts", "such as github.com"),
    ("features: {kueue: true}", "features.kueue", "set features.retraining to true"),
    ("gatewayNamespaces: [gateways]", "gatewayNamespaces", "give watchNamespaces"),
    ("models: {mlflow: {credentialsSecret: {name: s}}}", "models.mlflow.credentialsSecret.name", "models.mlflow.url"),
    ("models: {mlflow: {writable: [ml/fraud]}}", "models.mlflow.writable", "models.mlflow.url"),
    ("commonLabels: {app.kubernetes.io/name: x}", "commonLabels.app.kubernetes.io/name", "leave it out"),
    ("commonLabels: {app.kubernetes.io/component: x}", "commonLabels.app.kubernetes.io/component", "leave it out"),
    ("podLabels: {app.kubernetes.io/instance: x}", "podLabels.app.kubernetes.io/instance", "leave it out"),
    ("{commonLabels: {team: a}, podLabels: {team: b}}", "podLabels.team", "leave one of them out"),
    (
        "rbac: {secrets: {git: [{namespace: ml, names: [a]}, {namespace: ml, names: [b]}]}}",
        "rbac.secrets.git[1].namespace",
        "ml is there already, as rbac.secrets.git[0]",
    ),
    (
        "{watchNamespaces: [ml], rbac: {secrets: {git: [{namespace: other, names: [a]}]}}}",
        "rbac.secrets.git[0].namespace",
        "other is not watched; give one of watchNamespaces: ml",
    ),
    (
        "{networkPolicy: {enabled: true}, models: {mlflow: {url: 'http://mlflow.ml.svc:5000/base'}}}",
        "models.mlflow.url",
        "at port 5000, which networkPolicy does not let through; add it to networkPolicy.outside.ports",
    ),
    (
        "{networkPolicy: {enabled: true}, models: {hosts: ['registry.example', 'http://registry:5000']}}",
        "models.hosts[1]",
        "at port 5000",
    ),
    (
        "{networkPolicy: {enabled: true}, metricsProviders: [{name: a, spec: {address: 'https://thanos'}}]}",
        "metricsProviders[0].spec.address",
        "at port 443, which networkPolicy does not let through; add it to networkPolicy.prometheus.ports",
    ),
    ("crds: {install: false, annotations: {a: b}}", "crds.annotations", "set crds.install to true"),
    (
        "metricsProviders: [{name: a, spec: {address: 'http://a'}}, {name: a, spec: {address: 'http://b'}}]",
        "metricsProviders[1].name",
        "a is there already, as metricsProviders[0]",
    ),
]


@pytest.mark.parametrize(("values", "path", "said"), WRONG)
def test_a_wrong_value_stops_helm_with_its_path(values: str, path: str, said: str) -> None:
    words = refuse(values)
    assert f"at '{path.strip(chr(39))}'" in words
    assert said in words


@pytest.mark.parametrize(("values", "path", "said"), CONTRADICTIONS)
def test_values_that_contradict_each_other_stop_helm_with_the_way_out(values: str, path: str, said: str) -> None:
    words = refuse(values)
    assert f"- {path}: " in words
    assert said in words


def test_all_contradictions_are_told_at_once() -> None:
    words = refuse(
        "{lease: {enabled: false}, serviceAccount: {create: false}, features: {retraining: true, events: true}}"
    )
    assert words.count("\n  - ") == 3


def test_every_setting_of_the_operator_has_a_value() -> None:
    """But its identity, which is its own, and what only a process outside a pod needs."""
    deployment = find(render_case(FULL), "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    given = {variable["name"].removeprefix(PREFIX).lower() for variable in container["env"]}
    narrow = read_environment(
        find(render(values="{watchNamespaces: [ml], gatewayNamespaces: [gateways]}"), "Deployment")
    )
    given |= {name.removeprefix(PREFIX).lower() for name in narrow}
    assert Settings.model_fields.keys() - given == {"identity", "kubeconfig", "context"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_operator_understands_what_the_chart_tells_it(path: Path) -> None:
    load_settings(read_environment(find(render_case(path), "Deployment")))


def test_values_become_the_settings_that_they_name() -> None:
    told = read_environment(find(render_case(FULL), "Deployment"))
    settings = load_settings(told)
    assert settings.workers == 8, "extraEnv wins"
    assert settings.resync_interval == 5400.0
    assert (settings.lease_name, settings.lease_duration) == ("canaries-lease", 30.0)
    assert (settings.log_level, settings.log_format, settings.http_port) == ("debug", "console", 8081)
    assert settings.model_hosts == ("registry.example", "http://registry.local:5000")
    assert settings.git_hosts == ("github.com", "api.github.com")
    assert (settings.receiver_listen_port, settings.receiver_secret) == (9000, "event-keys")
    assert settings.training_kinds[-1] == "kubeflow.org/v1/MPIJob=mpijobs"
    assert settings.kueue
    assert str(settings.mlflow_credentials) == "/etc/serinus/mlflow/token"
    assert settings.mlflow_writable == ("ml/fraud-*", "*/shared")
    spec = find(render_case(FULL), "Deployment")["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts == {"tmp": "/tmp", "mlflow": "/etc/serinus/mlflow", "ca": "/etc/ssl/company"}


def test_a_feature_that_is_off_tells_the_operator_nothing() -> None:
    told = read_environment(
        find(render(values="events: {secret: s}\npullRequests: {hosts: [github.com]}"), "Deployment")
    )
    assert not {"SERINUS_RECEIVER_LISTEN_PORT", "SERINUS_RECEIVER_SECRET", "SERINUS_GIT_HOSTS"} & told.keys()


def test_the_schema_knows_every_value_and_nothing_beside() -> None:
    assert _list_paths(VALUES) - _list_schema(SCHEMA) == set()
    unknown = SCHEMA["properties"].keys() - VALUES.keys()
    assert unknown == {"global"}


def _list_paths(node: dict[str, Any], place: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Values that are no mapping, by path."""
    found = set()
    for name, child in node.items():
        found |= _list_paths(child, (*place, name)) if isinstance(child, dict) and child else {(*place, name)}
    return found


def _list_schema(node: dict[str, Any], place: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Paths that the schema has, open mappings with what stands in the values."""
    found = {place}
    for name, child in node.get("properties", {}).items():
        found |= _list_schema(child, (*place, name))
    if node.get("$ref") in ("#/$defs/labels", "#/$defs/stringMap", "#/$defs/quantities"):
        inner: Any = VALUES
        for name in place:
            inner = inner[name]
        found |= {(*place, name) for name in inner}
    return found


def test_no_object_of_the_schema_lets_anything_through_but_those_of_kubernetes_itself() -> None:
    free = {place for place, node in _walk(SCHEMA) if node.get("type") == "object" and not _is_closed(node)}
    assert {place.split("/")[2] for place in free if place.startswith("/properties/")} <= {
        "global",
        "affinity",
        "extraEnv",
        "extraVolumes",
        "podSecurityContext",
    }


def _is_closed(node: dict[str, Any]) -> bool:
    return node.get("additionalProperties") is not None


def _walk(node: Any, place: str = "") -> list[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        return [found for index, child in enumerate(node) for found in _walk(child, f"{place}/{index}")]
    if not isinstance(node, dict):
        return []
    return [(place, node), *(found for name, child in node.items() for found in _walk(child, f"{place}/{name}"))]


def test_a_provider_may_have_what_the_crd_lets_it_have() -> None:
    crd = yaml.safe_load((REPOSITORY / "crds" / "metricsproviders.serinus.dev.yaml").read_text())
    allowed = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    known = SCHEMA["properties"]["metricsProviders"]["items"]["properties"]["spec"]["properties"]
    assert known.keys() == allowed.keys()


def test_providers_are_the_objects_that_the_values_say() -> None:
    given = yaml.safe_load(FULL.read_text())["metricsProviders"]
    made = list(find_all(render_case(FULL), "MetricsProvider"))
    assert [(one["metadata"]["name"], one["spec"]) for one in made] == [(one["name"], one["spec"]) for one in given]
