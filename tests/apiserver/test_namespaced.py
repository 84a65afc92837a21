"""The chart in namespaces of its own choice, installed by Helm, with exactly the rights that it gives: what it works on
and what it leaves alone, what becomes of one namespace without rights, and two releases on one cluster."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import PORT, Surroundings, open_surroundings
from tests.cluster import Cluster
from tests.cluster.helm import CHART
from tests.cluster.release import helm
from tests.cluster.serinus import is_ready, launch_operator, stop_operator
from tests.rights.audit import read_asked
from tests.rights.release import render_rules
from tests.rights.rules import rights_of
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

Raw = dict[str, Any]
RELEASE = "serinus"
PROVIDER = {"address": f"http://127.0.0.1:{PORT}", "scrapeInterval": "1s", "timeout": "1s"}
TOKEN = "guarded-token"
BASE: Raw = {
    "image": {"repository": "registry.example/never-pulled"},
    "tolerations": [{"operator": "Exists"}],
    "resyncInterval": "2s",
}


class Release:
    """The release `serinus` in a namespace `home`, and its operator: not the account that the rights of all tests are
    measured by, since rights are taken from it on purpose."""

    def __init__(self, cluster: Cluster, home: str, port: int, **values: Any) -> None:
        self.cluster = cluster
        self.home = home
        self.port = port
        self.values = {**BASE, **values}
        self.account = f"system:serviceaccount:{home}:{RELEASE}"

    def install(self, *arguments: str) -> None:
        place = [RELEASE, str(CHART), "-n", self.home, "--create-namespace", "--values", "-"]
        helm(self.cluster, "upgrade", "--install", *place, *arguments, stdin=json.dumps(self.values))

    def start(self) -> None:
        """Run what the pod would run, with what the chart tells it."""
        deployment = self.cluster.get("deployment", RELEASE, "-n", self.home)
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        told = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        own = {
            "SERINUS_NAMESPACE": self.home,
            "SERINUS_HTTP_PORT": str(self.port),
            "KUBECONFIG": str(self.cluster.kubeconfig_for(RELEASE, self.home)),
        }
        launch_operator(self.cluster, self.home, self.port, environment=told | own)
        self.cluster.processes.wait_for(self.home, lambda: is_ready(self.cluster, self.port), self.home)

    def stop(self) -> None:
        stop_operator(self.cluster, self.home)

    def read_audit(self) -> Iterator[Raw]:
        """What this operator has asked of resources so far."""
        for line in self.cluster.audit_log.read_text(errors="replace").splitlines():
            event = json.loads(line) if self.account in line and line.endswith("}") else {}
            if event.get("user", {}).get("username") == self.account and event.get("objectRef", {}).get("resource"):
                yield event

    def find_places(self) -> dict[str, set[tuple[str, str]]]:
        """Verb and resource by the namespace that was asked for; empty: all, or none."""
        found: dict[str, set[tuple[str, str]]] = {}
        for event in self.read_audit():
            what = event["objectRef"]
            found.setdefault(what.get("namespace", ""), set()).add((event["verb"], what["resource"]))
        return found

    def count_status_writes(self) -> Counter[str]:
        """How often it has written the status of each MetricsProvider."""
        writes = Counter[str]()
        for event in self.read_audit():
            what = event["objectRef"]
            place = (what["resource"], what.get("subresource"), event["verb"], event["stage"])
            if place == ("metricsproviders", "status", "update", "ResponseComplete"):
                writes[what["name"]] += event["responseStatus"]["code"] == 200
        return writes

    def read_log(self) -> str:
        return (self.cluster.log_dir / f"{self.home}.log").read_text()


def make_model(cluster: Cluster, namespace: str, folder: Path) -> Model:
    model = Model(cluster, namespace, folder)
    model.spec["rollout"] |= {"steps": [{"weight": 20, "hold": "2s"}], "bake": "1s", "drain": "1s"}
    return model


def await_next(model: Model, before: str) -> None:
    """Wait until another revision than `before` is promoted."""
    wait_for("a promotion", lambda: model.stable() != before and model.reason() == "Serving", model.explain)


def assert_untouched(model: Model, applied: Raw) -> None:
    """Nothing was made for the model, and nothing written to it."""
    assert model.get() == applied
    kinds = "deployments,services,httproutes,modelrevisions,configmaps,events"
    found = model.cluster.get(kinds, "-n", model.namespace)["items"]
    assert [one["metadata"]["name"] for one in found] == ["kube-root-ca.crt"]


def assert_at_home(release: Release, watched: set[str]) -> None:
    """It asked for nothing outside its namespaces but what the chart says."""
    places = release.find_places()
    assert set(places) == {"", *watched, "gateways", release.home, "default"}
    assert {resource for _, resource in places[""]} == {"metricsproviders", "gatewayclasses"}
    assert places["gateways"] == {("list", "gateways")}
    assert {resource for _, resource in places[release.home]} <= {"leases", "secrets"}
    assert places["default"] == {("create", "events")}


def assert_rights_suffice(release: Release) -> None:
    asked = read_asked(release.cluster.audit_log.read_text(errors="replace").splitlines(), release.account)
    granted = rights_of(render_rules(release.values))
    unused = sorted(map(str, granted - set(asked.used)))
    print(f"{len(granted)} pairs granted, {len(asked.denied)} denied, not asked for in this test: {', '.join(unused)}")
    assert not asked.denied
    assert set(asked.used) <= granted


def take_pods_away(cluster: Cluster, namespace: str) -> None:
    rules = cluster.get("role", RELEASE, "-n", namespace)["rules"]
    left = json.dumps({"rules": [rule for rule in rules if rule["resources"] != ["pods"]]})
    cluster.kubectl("patch", "role", RELEASE, "-n", namespace, "--type=merge", "-p", left)


def test_a_release_works_in_its_namespaces_and_one_without_rights_holds_no_other(
    bare_control_plane: Cluster, tmp_path: Path
) -> None:
    cluster = bare_control_plane
    for name in ("team-a", "team-b", "team-c", "gateways"):
        cluster.kubectl("create", "namespace", name)
    both = Release(
        cluster,
        "ops-ab",
        8081,
        watchNamespaces=["team-a", "team-b"],
        gatewayNamespaces=["gateways"],
        metricsProviders=[{"name": "default", "spec": PROVIDER}],
        rbac={"secrets": {"providers": [TOKEN]}},
    )
    both.install()
    a, b, c = (make_model(cluster, name, tmp_path) for name in ("team-a", "team-b", "team-c"))
    with open_surroundings(cluster, tmp_path) as surroundings:
        for model in (a, b, c):
            model.apply("v1")
        applied = c.get()
        both.start()
        for model in (a, b):
            model.await_reason("Serving")
        first = a.stable()
        a.apply("v2")
        await_next(a, first)
        assert_untouched(c, applied)
        assert_rights_suffice(both)
        assert_at_home(both, {"team-a", "team-b"})

        hold_one_namespace(both, a, b)
        refused = {e["objectRef"].get("namespace") for e in both.read_audit() if e["responseStatus"].get("code") == 403}
        assert refused == {"team-a"}
        assert_untouched(c, applied)
        assert_at_home(both, {"team-a", "team-b"})

        other = Release(cluster, "ops-c", 8082, watchNamespaces=["team-c"])
        share_providers(both, other, c, surroundings)


def hold_one_namespace(both: Release, a: Model, b: Model) -> None:
    """Take rights from the one in mid-rollout, then all of them; release the other twice meanwhile."""
    cluster, old, other = both.cluster, a.stable(), b.stable()
    a.spec["rollout"]["steps"] = [{"weight": 20, "hold": "20s"}, {"weight": 50, "hold": "1s"}]
    a.apply("v3")
    b.apply("v2")
    candidate = a.await_weight(20)
    take_pods_away(cluster, "team-a")
    words = "the operator may not list pods in namespace team-a"
    wait_for(words, lambda: words in a.condition("Stalled").get("message", ""), a.explain)
    assert a.condition("Stalled")["reason"] == "AccessDenied"
    await_next(b, other)

    cluster.kubectl("delete", "rolebinding", RELEASE, "-n", "team-a")
    words = "the operator may not list modeldeployments.serinus.dev in namespace team-a"
    wait_for(words, lambda: words in both.read_log(), both.read_log)
    other = b.stable()
    b.apply("v3")
    await_next(b, other)
    assert a.weights() == {old: 80, candidate: 20}

    both.install("--force-conflicts")
    await_next(a, old)
    assert a.stable() == candidate
    assert "Stalled" not in a.explain()


def share_providers(both: Release, other: Release, c: Model, surroundings: Surroundings) -> None:
    """A second release takes up the model that the first does not look at; both look at the providers."""
    cluster = both.cluster
    other.values |= {"gatewayNamespaces": ["gateways"], "crds": {"install": False}}
    other.install()
    other.start()
    c.await_reason("Serving")
    assert other.count_status_writes() == {}, "the first has said it already"

    # The token of this one is there for the first release alone. Whoever has it is answered: that there is nothing.
    surroundings.answer("empty")
    cluster.kubectl("create", "secret", "generic", TOKEN, "--from-literal=token=x", "-n", both.home)
    credentials = {"secretRef": {"name": TOKEN, "key": "token"}}
    guarded = {"apiVersion": "serinus.dev/v1alpha1", "kind": "MetricsProvider", "metadata": {"name": "guarded"}}
    cluster.apply(json.dumps({**guarded, "spec": {**PROVIDER, "credentials": credentials}}))

    def told() -> bool:
        return all(one.count_status_writes()["guarded"] for one in (both, other))

    wait_for("what either finds", told, lambda: json.dumps(cluster.get("mprov", "guarded")))
    time.sleep(4)
    writes = [one.count_status_writes() for one in (both, other)]
    print("status writes of providers by release:", *writes)
    assert all(one["guarded"] <= 2 for one in writes)

    surroundings.answer("well")
    both.stop()
    helm(cluster, "uninstall", RELEASE, "-n", both.home, "--wait")
    left = cluster.get("role,rolebinding", "-A", "-l", "app.kubernetes.io/name=serinus")["items"]
    assert {one["metadata"]["namespace"] for one in left} == {other.home, "team-c", "gateways", "default"}
    before = c.stable()
    c.apply("v2")
    # The provider is gone with the first release, which made it: no promotion without anything to measure by.
    cluster.apply(json.dumps({**guarded, "metadata": {"name": "default"}, "spec": PROVIDER}))
    await_next(c, before)
    assert_at_home(other, {"team-c"})
    other.stop()
