"""The admission policies of the chart: whose namespaces, whose operator, and what a wrong value says."""

import pytest

from tests.chart.helm import Manifest, find_all, refuse, render

POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
OURS = {"approvals", "commands", "modeldeployments", "records", "retrainpolicies"}


def read_conditions(policy: Manifest) -> str:
    return " ".join(one["expression"] for one in policy["spec"]["matchConditions"])


def test_every_policy_is_bound_and_about_our_kinds_alone() -> None:
    objects = render()
    policies = {one["metadata"]["name"]: one for one in find_all(objects, POLICY)}
    assert set(policies) == {f"serinus-{name}" for name in OURS}
    assert {one["spec"]["policyName"] for one in find_all(objects, BINDING)} == set(policies)
    for policy in policies.values():
        rules = policy["spec"]["matchConstraints"]["resourceRules"]
        assert {group for rule in rules for group in rule["apiGroups"]} == {"serinus.dev"}
        assert {operation for rule in rules for operation in rule["operations"]} == {"CREATE", "UPDATE"}
        assert "system:serviceaccount:serinus-system:serinus" in read_conditions(policy)


def test_the_operator_is_the_account_of_the_release_and_whom_the_values_name() -> None:
    values = '{serviceAccount: {create: false, name: theirs}, admission: {operators: [velero, "o\'neill"]}}'
    for policy in find_all(render(values=values), POLICY):
        names = "['system:serviceaccount:serinus-system:theirs', 'velero', 'o\\'neill']"
        assert names in read_conditions(policy)


def test_an_installation_with_namespaces_of_its_own_guards_those_only() -> None:
    objects = render(values="{watchNamespaces: [ml, vision]}")
    wanted = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ml", "vision"]}]
    policies = list(find_all(objects, POLICY))
    assert len(policies) == len(OURS)
    for policy in policies:
        assert policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"] == wanted
        assert policy["metadata"]["name"].startswith("serinus-system.serinus-")
        rules = policy["spec"]["matchConstraints"]["resourceRules"]
        assert not any(resource.startswith("metricsproviders") for rule in rules for resource in rule["resources"])


def test_they_can_be_left_out_or_only_warn() -> None:
    assert not list(find_all(render(values="{admission: {enabled: false}}"), POLICY))
    objects = render(values="{admission: {validationActions: [Warn, Audit]}}")
    actions = {one["spec"]["policyName"]: one["spec"]["validationActions"] for one in find_all(objects, BINDING)}
    assert {name for name, given in actions.items() if given == ["Warn", "Audit"]} == {
        "serinus-modeldeployments",
        "serinus-retrainpolicies",
    }
    assert {tuple(given) for given in actions.values()} == {("Deny",), ("Warn", "Audit")}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ("{deniedPodFields: [hostpath]}", "/admission/deniedPodFields/0"),
        ("{serviceAccounts: [Trainer]}", "/admission/serviceAccounts/0"),
        ("{validationActions: []}", "/admission/validationActions"),
        ("{validationActions: [Deny, Warn]}", "/admission/validationActions"),
        ("{operator: [velero]}", "/admission"),
    ],
)
def test_a_wrong_value_stops_helm_with_its_path(values: str, path: str) -> None:
    assert f"at '{path}'" in refuse(f"{{admission: {values}}}")
