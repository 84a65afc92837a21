"""The admission policies of the chart: whose namespaces, whose operator, and what a wrong value says."""

import pytest

from tests.chart.helm import Manifest, find_all, refuse, render

POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
OURS = {"approvals", "commands", "modeldeployments", "records", "retrainpolicies"}
ALL = {*OURS, "operator"}


def name_of(policy: Manifest) -> str:
    return str(policy["metadata"]["name"]).rpartition("-")[2]


def find_operators(objects: list[Manifest]) -> Manifest:
    """The policy about the operator itself."""
    (found,) = (one for one in find_all(objects, POLICY) if name_of(one) == "operator")
    return found


def read_resources(policy: Manifest) -> set[str]:
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    return {f"{resource}.{group}" for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}


def read_conditions(policy: Manifest) -> str:
    return " ".join(one["expression"] for one in policy["spec"]["matchConditions"])


def test_every_policy_is_bound_and_about_our_kinds_alone() -> None:
    objects = render()
    policies = {one["metadata"]["name"]: one for one in find_all(objects, POLICY)}
    assert set(policies) == {f"serinus-{name}" for name in ALL}
    assert {one["spec"]["policyName"] for one in find_all(objects, BINDING)} == set(policies)
    for policy in policies.values():
        if name_of(policy) == "operator":
            continue
        rules = policy["spec"]["matchConstraints"]["resourceRules"]
        assert {group for rule in rules for group in rule["apiGroups"]} == {"serinus.dev"}
        assert {operation for rule in rules for operation in rule["operations"]} == {"CREATE", "UPDATE"}
        assert "system:serviceaccount:serinus-system:serinus" in read_conditions(policy)


def test_the_operator_is_the_account_of_the_release_and_whom_the_values_name() -> None:
    values = '{serviceAccount: {create: false, name: theirs}, admission: {operators: [velero, "o\'neill"]}}'
    for policy in find_all(render(values=values), POLICY):
        if name_of(policy) == "operator":
            # A tool that restores backups makes everything, and is held to nothing.
            own = policy["spec"]["matchConditions"][0]["expression"]
            assert own == "request.userInfo.username == 'system:serviceaccount:serinus-system:theirs'"
            continue
        names = "['system:serviceaccount:serinus-system:theirs', 'velero', 'o\\'neill']"
        assert names in read_conditions(policy)


def test_the_operator_is_held_to_what_it_does_wherever_its_roles_let_it_write() -> None:
    parts = {"deployments.apps", "services.", "configmaps.", "jobs.batch", "httproutes.gateway.networking.k8s.io"}
    assert read_resources(find_operators(render())) == parts
    features = "features: {retraining: true, grpcRoutes: true, inferencePools: true}"
    more = render(values=f"{{{features}, training: {{kinds: [batch/v1/Job, ray.io/v1/RayJob, a.b/v1/Oxen=oxen]}}}}")
    assert read_resources(find_operators(more)) - parts == {
        "grpcroutes.gateway.networking.k8s.io",
        "inferencepools.inference.networking.k8s.io",
        "rayjobs.ray.io",
        "oxen.a.b",
    }


def test_namespaces_are_closed_and_pods_are_looked_at_as_the_values_say() -> None:
    def read(values: str) -> str:
        return str([one["expression"] for one in find_operators(render(values=values))["spec"]["validations"]])

    closed = find_operators(render(values="{admission: {closedNamespaces: [argocd]}}"))["spec"]["variables"][0]
    assert closed == {"name": "closed", "expression": "['argocd']"}
    assert "podsGiven" in read("{}")
    # What authors may have for a while the operator must be able to make.
    assert "podsGiven" not in read("{admission: {validationActions: [Warn, Audit]}}")
    names = {name_of(one) for one in find_all(render(values="{admission: {guardOperator: false}}"), POLICY)}
    assert names == OURS


def test_an_installation_with_namespaces_of_its_own_guards_those_only() -> None:
    objects = render(values="{watchNamespaces: [ml, vision]}")
    wanted = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ml", "vision"]}]
    policies = list(find_all(objects, POLICY))
    assert len(policies) == len(ALL)
    for policy in policies:
        assert policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"] == wanted
        assert policy["metadata"]["name"].startswith("serinus-system.serinus-")
        rules = policy["spec"]["matchConstraints"]["resourceRules"]
        assert not any(resource.startswith("metricsproviders") for rule in rules for resource in rule["resources"])


def find_policy(values: str, name: str) -> Manifest:
    return next(one for one in find_all(render(values=values), POLICY) if one["metadata"]["name"] == f"serinus-{name}")


def test_templates_that_stand_inline_are_refused_with_the_patches_they_could_have() -> None:
    def is_refused(values: str) -> bool:
        rules = find_policy(values, "retrainpolicies")["spec"]["validations"]
        return any("variables.hidden" in one["expression"] for one in rules)

    assert is_refused("{}")
    assert not is_refused("{admission: {deniedPodFields: [privileged]}}")


def test_a_policy_that_may_return_a_model_needs_the_verb_of_that_command() -> None:
    rules = find_policy("{}", "retrainpolicies")["spec"]["validations"]
    [rule] = [one for one in rules if "variables.returnsGiven" in one["expression"]]
    assert "['undo', 'patch'].all(verb," in rule["expression"]


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
        ("{closedNamespaces: [Kube-System]}", "/admission/closedNamespaces/0"),
        ("{guardOperator: never}", "/admission/guardOperator"),
    ],
)
def test_a_wrong_value_stops_helm_with_its_path(values: str, path: str) -> None:
    assert f"at '{path}'" in refuse(f"{{admission: {values}}}")
