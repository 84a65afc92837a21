"""How rights are counted, and what the chart grants."""

from typing import Any

import pytest

from tests.cluster.features import FEATURES
from tests.rights.page import count_pairs, load_rights
from tests.rights.release import NAMESPACE, render_roles, render_rules
from tests.rights.rules import Right, find_excess, find_unnamed_secrets, rights_of, rules_for

Raw = dict[str, Any]

LIMIT = 50


def role(kind: str, name: str, rules: list[Raw], namespace: str = "") -> Raw:
    return {"kind": kind, "metadata": {"name": name, **({"namespace": namespace} if namespace else {})}, "rules": rules}


def bind(kind: str, to: str, name: str, account: str, namespace: str = "") -> Raw:
    metadata = {"name": "b", **({"namespace": namespace} if namespace else {})}
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": "x"}]
    return {"kind": kind, "metadata": metadata, "roleRef": {"kind": to, "name": name}, "subjects": subjects}


PODS = [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}]
JOBS = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}]


def test_a_pair_counts_once_and_a_path_is_none() -> None:
    paths = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    assert rights_of([*PODS, *PODS, *JOBS, paths]) == {
        Right("", "pods", "get"),
        Right("", "pods", "list"),
        Right("", "pods/log", "get"),
        Right("", "pods/log", "list"),
        Right("batch", "jobs", "create"),
    }


def test_only_what_is_bound_to_the_account_counts() -> None:
    manifests = [
        role("ClusterRole", "a", PODS),
        role("Role", "a", JOBS, "ml"),
        role("Role", "a", [], "other"),
        bind("ClusterRoleBinding", "ClusterRole", "a", "somebody"),
        bind("RoleBinding", "Role", "a", "us", "ml"),
        bind("RoleBinding", "Role", "missing", "us", "ml"),
        None,
    ]
    assert list(rules_for(manifests, "us")) == JOBS
    assert list(rules_for([role("ClusterRole", "a", PODS), bind("RoleBinding", "ClusterRole", "a", "us", "ml")], "us"))


@pytest.mark.parametrize(
    "right",
    [
        Right("*", "jobs", "get"),
        Right("", "*", "get"),
        Right("", "pods", "*"),
        Right("", "secrets", "list"),
        Right("", "secrets", "watch"),
        Right("", "pods", "create"),
        Right("", "pods/exec", "create"),
        Right("", "nodes", "list"),
        Right("rbac.authorization.k8s.io", "roles", "create"),
        Right("", "users", "impersonate"),
    ],
)
def test_too_much_is_named(right: Right) -> None:
    assert find_excess([right])
    assert not find_excess([Right("", "pods", "watch"), Right("", "secrets", "get")])


def test_the_default_install_has_fifty_pairs_at_most_and_nothing_too_much() -> None:
    rules = list(render_rules({}))
    rights = rights_of(rules)
    assert len(rights) <= LIMIT
    assert len(rights) == count_pairs(load_rights(), ())
    assert find_excess(rights) == []
    assert not [one for one in rights if one.resource in ("secrets", "namespaces", "customresourcedefinitions")]


def test_every_feature_brings_what_the_list_says_and_the_kinds_that_train() -> None:
    rules = list(render_rules(FEATURES))
    rights = rights_of(rules)
    listed = {Right(one["group"], one["resource"], verb) for one in load_rights() for verb in one["verbs"]}
    trains = {
        Right(group, resource, verb)
        for group, resource in (("argoproj.io", "workflows"), ("ray.io", "rayjobs"))
        for verb in ("list", "watch", "create", "delete")
    }
    assert rights == listed | trains
    assert find_excess(rights) == []
    assert find_unnamed_secrets(rules) == []


@pytest.mark.parametrize("feature", sorted({one["feature"] for one in load_rights() if "feature" in one}))
def test_a_feature_alone_brings_no_other(feature: str) -> None:
    block, value = feature.split(".")
    needed: Raw = {"events": {"secret": "keys"}, "pullRequests": {"hosts": ["git.example"]}}
    values: Raw = {"features": {"retraining": True}, **needed}
    before = rights_of(render_rules(values))
    values[block] = {**values[block], value: True}
    brought = rights_of(render_rules(values)) - rights_of(render_rules({}))
    mine = {
        Right(one["group"], one["resource"], verb)
        for one in load_rights()
        if one.get("feature") == feature
        for verb in one["verbs"]
    }
    assert mine <= brought
    assert brought - mine <= before


def test_in_namespaced_mode_only_kinds_without_namespace_are_the_clusters() -> None:
    roles = render_roles({"watchNamespaces": ["ml", "fraud"], "gatewayNamespaces": ["infra", "ml"]})
    ours = [one for one in roles if not one["metadata"]["name"].endswith(("-view", "-edit", "-admin"))]
    cluster = [rule for one in ours if one["kind"] == "ClusterRole" for rule in one["rules"]]
    assert {one.resource for one in rights_of(cluster)} == {
        "metricsproviders",
        "metricsproviders/status",
        "gatewayclasses",
    }
    found = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in ours if one["kind"] == "Role"}
    assert found == {
        ("ml", "serinus"),
        ("fraud", "serinus"),
        ("infra", f"{NAMESPACE}.serinus-gateways"),
        ("default", f"{NAMESPACE}.serinus-events"),
        (NAMESPACE, "serinus-own"),
    }
    in_infra = [rule for one in ours if one["metadata"].get("namespace") == "infra" for rule in one.get("rules") or ()]
    assert rights_of(in_infra) == {Right("gateway.networking.k8s.io", "gateways", "list")}
    assert rights_of(rules_for(roles, "serinus")) == rights_of(render_rules({}))


def test_people_get_our_kinds_and_nobody_a_status_or_a_record() -> None:
    roles = {one["metadata"]["name"]: one for one in render_roles({}) if one["kind"] == "ClusterRole"}
    given = {name: rights_of(roles[f"serinus-{name}"]["rules"]) for name in ("view", "edit", "admin")}
    assert {one.verb for one in given["view"]} == {"get", "list", "watch"}
    assert {one.resource for one in given["edit"]} == {"modeldeployments", "modeldeployments/scale", "retrainpolicies"}
    assert {one.verb for one in given["edit"] if "/" in one.resource} == {"get", "update", "patch"}, "kubectl scale"
    assert Right("serinus.dev", "modeldeployments", "approve") in given["admin"]
    assert not [one for rights in given.values() for one in rights if "/" in one.resource.removesuffix("/scale")]
    assert not any(
        "serinus-" in one["metadata"]["name"]
        for one in render_roles({"rbac": {"aggregate": False}})
        if one["kind"] == "ClusterRole"
    )
