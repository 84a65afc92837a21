"""What the chart makes: objects that Kubernetes knows, pods that `restricted` takes, and only what was asked."""

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.chart.helm import CASES, NAMESPACE, Manifest, find, find_all, render, render_case, run_template
from tests.cluster.helm import CHART
from tests.cluster.paths import REPOSITORY

FULL = CHART / "ci" / "full-values.yaml"
OTHERS = ("serinus.dev/", "monitoring.coreos.com/")
"""Groups that are not Kubernetes' own."""
CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MetricsProvider",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


@pytest.mark.parametrize("version", ["1.30", "1.37"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    for one in render_case(path):
        if not one["apiVersion"].startswith(OTHERS) and one["kind"] != "CustomResourceDefinition":
            kubernetes_validate.validate(one, version, strict=True)


def test_the_check_would_find_a_field_that_nobody_knows() -> None:
    deployment = find(render(), "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="redinessProbe"):
        kubernetes_validate.validate(deployment, "1.37", strict=True)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_pods_satisfy_the_restricted_standard(path: Path) -> None:
    spec = find(render_case(path), "Deployment")["spec"]["template"]["spec"]
    assert list(find_violations(spec)) == []
    container = spec["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def find_violations(spec: Manifest) -> list[str]:
    """What the Pod Security Standard `restricted` would refuse."""
    pod = spec.get("securityContext", {})
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found += [volume["name"] for volume in spec["volumes"] if not (volume.keys() - {"name"}) <= allowed]
    for container in spec["containers"]:
        own = {**pod, **container.get("securityContext", {})}
        found += ["runAsNonRoot"] if own.get("runAsNonRoot") is not True else []
        found += ["runAsUser"] if own.get("runAsUser") == 0 else []
        found += (
            ["seccompProfile"]
            if own.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost")
            else []
        )
        found += ["allowPrivilegeEscalation"] if own.get("allowPrivilegeEscalation") is not False else []
        found += ["capabilities"] if own.get("capabilities") != {"drop": ["ALL"]} else []
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_object_is_labelled_and_stands_in_the_release_or_where_a_value_says(path: Path) -> None:
    objects = render_case(path)
    values = yaml.safe_load(path.read_text()) or {}
    named = [*values.get("watchNamespaces", []), *values.get("gatewayNamespaces", [])]
    named += [secret["namespace"] for secret in values.get("rbac", {}).get("secrets", {}).get("git", [])]
    for one in objects:
        where = one["metadata"].get("namespace")
        assert (where is None) == (one["kind"] in CLUSTER_SCOPED), one["kind"]
        assert where in (None, NAMESPACE) or one["kind"] in ("Role", "RoleBinding"), one["kind"]
        assert where in (None, NAMESPACE, "default", *named), where
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "serinus", one["kind"]
    identities = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects]
    assert len(identities) == len(set(identities))


def test_nothing_optional_comes_unasked() -> None:
    kinds = {one["kind"] for one in render()}
    assert not kinds & {"NetworkPolicy", "ServiceMonitor", "PrometheusRule", "ConfigMap", "MetricsProvider", "Secret"}
    assert [one["metadata"]["name"] for one in find_all(render(), "Service")] == ["serinus-metrics"]


def test_the_crds_are_those_of_the_repository_and_stay_at_an_uninstall() -> None:
    made = list(find_all(render(crds=True), "CustomResourceDefinition"))
    kept = {crd["metadata"]["name"]: crd["metadata"].pop("annotations") for crd in made}
    assert set(map(str, kept.values())) == {"{'helm.sh/resource-policy': 'keep'}"}
    own = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in sorted((REPOSITORY / "crds").glob("*.yaml"))]
    assert made == own


def test_crds_can_be_left_to_somebody_else_or_let_go() -> None:
    assert list(find_all(render(), "CustomResourceDefinition")) == []
    made = find_all(render("--set", "crds.keep=false", crds=True), "CustomResourceDefinition")
    assert all("annotations" not in crd["metadata"] for crd in made)


def test_a_lease_lets_a_standby_come_first_and_without_one_the_old_pod_goes_first() -> None:
    assert find(render(), "Deployment")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    alone = find(render(values="{replicas: 1, lease: {enabled: false}}"), "Deployment")
    assert alone["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("values", "expected"), [("", 1), ("replicas: 1", 0), ("podDisruptionBudget: {enabled: false}", 0)]
)
def test_a_budget_comes_with_the_second_replica(values: str, expected: int) -> None:
    assert len(list(find_all(render(values=values), "PodDisruptionBudget"))) == expected


def test_selectors_of_everything_select_the_pods() -> None:
    objects = render_case(FULL)
    deployment = find(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        find(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        find(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(service["spec"]["selector"] for service in find_all(objects, "Service")),
        *(constraint["labelSelector"]["matchLabels"] for constraint in spread),
    ]
    assert len(selectors) == 6
    assert all(selector and selector.items() <= labels for selector in selectors)


def test_the_service_monitor_selects_the_metrics_and_keeps_their_labels() -> None:
    objects = render_case(FULL)
    monitor = find(objects, "ServiceMonitor")["spec"]
    services = {one["metadata"]["name"]: one["metadata"]["labels"] for one in find_all(objects, "Service")}
    wanted = monitor["selector"]["matchLabels"].items()
    assert [name for name, labels in services.items() if wanted <= labels.items()] == ["canaries-metrics"]
    assert monitor["endpoints"] == [{"port": "http", "interval": "5s", "honorLabels": True}]


def test_the_network_policy_opens_what_the_values_say_and_no_more() -> None:
    narrow = find(render("--set", "networkPolicy.enabled=true"), "NetworkPolicy")["spec"]
    assert [rule["ports"] for rule in narrow["ingress"]] == [[{"port": "http"}]]
    ports = [sorted({port["port"] for port in rule.get("ports", [])}) for rule in narrow["egress"]]
    assert ports == [[53], [443, 6443], [9090], []]
    assert narrow["egress"][3]["to"][0]["podSelector"]["matchExpressions"][0]["key"] == "serinus.dev/deployment"
    wide = find(render_case(FULL), "NetworkPolicy")["spec"]
    assert [rule["ports"][0]["port"] for rule in wide["ingress"]] == ["http", "events"]
    assert all("to" in rule for rule in wide["egress"])
    assert [sorted({port["port"] for port in rule.get("ports", [])}) for rule in wide["egress"]] == [
        [53],
        [6443],
        [443, 9090],
        [],
        [443],
        [4317],
    ]


def test_a_service_account_that_exists_is_used_and_not_made() -> None:
    objects = render(values="serviceAccount: {create: false, name: theirs}")
    assert list(find_all(objects, "ServiceAccount")) == []
    assert find(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "theirs"
    bindings = [*find_all(objects, "ClusterRoleBinding"), *find_all(objects, "RoleBinding")]
    assert {subject["name"] for binding in bindings for subject in binding["subjects"]} == {"theirs"}


def test_a_provider_is_a_common_object_where_its_kind_is_known_and_comes_last_where_it_is_not() -> None:
    values = "metricsProviders: [{name: default, spec: {address: 'http://p'}}]"
    first = find(render(values=values), "MetricsProvider")["metadata"]["annotations"]
    assert first["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    later = find(render("--api-versions", "serinus.dev/v1alpha1/MetricsProvider", values=values), "MetricsProvider")
    assert "annotations" not in later["metadata"]


def test_two_releases_of_one_name_with_namespaces_of_their_own_share_no_object() -> None:
    assert identify_all("a", "ml") & identify_all("b", "vision") == set()


def identify_all(namespace: str, watched: str) -> set[tuple[str, str, str]]:
    """Kind, namespace and name of each object of a team's release."""
    values = f"{{watchNamespaces: [{watched}], gatewayNamespaces: [gateways]}}"
    found = ((one["kind"], one["metadata"]) for one in render("-n", namespace, values=values))
    return {(kind, metadata.get("namespace", ""), metadata["name"]) for kind, metadata in found}


def test_what_helm_takes_as_a_name_makes_names_that_kubernetes_takes() -> None:
    dotted = find(render(name="serinus.prod"), "Service")
    assert dotted["metadata"]["name"] == "serinus-prod-metrics"
    assert dotted["metadata"]["labels"]["app.kubernetes.io/instance"] == "serinus.prod"
    digits = render(name="123", values="fullnameOverride: canaries")
    assert {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in digits} == {"123"}
    done = run_template("--set", "crds.install=false", name="123")
    assert "- fullnameOverride: is empty, and the release's name 123 does not begin with a letter" in done.stderr


def test_long_names_stay_short_enough_for_what_is_made_of_them() -> None:
    name = "a-release-with-a-name-of-fifty-three-characters-in-it"
    objects = render(name=name)
    assert max(len(one["metadata"]["name"]) for one in find_all(objects, "Service")) <= 63
