"""Never two hands: who waits for the Lease writes nothing, and who slept through his leadership writes nothing more."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.audit import WRITING_VERBS
from tests.cluster import Cluster
from tests.cluster.serinus import NAMESPACE, OPERATOR, restart_operator, start_operator, stop_operator
from tests.support.model import Model, wait_for
from tests.traffic.route import list_weights

pytestmark = pytest.mark.apiserver
SECOND = "second"
LEASE = "10s"
TAKEOVER_SECONDS = 25.0
HANDOVER_SECONDS = 5.0


@pytest.fixture
def two_operators(model: Model) -> Iterator[Model]:
    """A second replica beside the first, under an account of its own so that the audit log tells them apart."""
    cluster = model.cluster
    restart_operator(cluster, lease_duration=LEASE)
    cluster.kubectl("create", "serviceaccount", SECOND, "-n", NAMESPACE)
    subject = f"--serviceaccount={NAMESPACE}:{SECOND}"
    cluster.kubectl("create", "clusterrolebinding", SECOND, "--clusterrole=cluster-admin", subject)
    access = str(cluster.kubeconfig_for(SECOND, NAMESPACE))
    try:
        start_operator(cluster, SECOND, port=8081, identity=SECOND, lease_duration=LEASE, kubeconfig=access)
        yield model
    finally:
        stop_operator(cluster, SECOND)
        cluster.kubectl("delete", "clusterrolebinding", SECOND)
        cluster.kubectl("delete", "serviceaccount", SECOND, "-n", NAMESPACE)
        restart_operator(cluster)


def find_holder(cluster: Cluster) -> str:
    return str(cluster.get("lease", "serinus", "-n", NAMESPACE)["spec"].get("holderIdentity") or "")


def read_requests(cluster: Cluster) -> list[tuple[str, str, str]]:
    """Who, verb and resource of every request of an operator that has been answered, in order; where a request is for
    no resource, its path."""
    found: list[tuple[str, str, str]] = []
    for line in cluster.audit_log.read_text().splitlines(keepends=True):
        if '"userAgent":"serinus/' not in line or not line.endswith("\n"):
            continue
        event: dict[str, Any] = json.loads(line)
        if event["stage"] == "ResponseComplete":
            who = SECOND if event["user"]["username"].endswith(f":{SECOND}") else OPERATOR
            what = (event.get("objectRef") or {}).get("resource") or event["requestURI"]
            found.append((who, event["verb"], what))
    return found


def list_writers(cluster: Cluster, since: int = 0) -> list[str]:
    """Who wrote anything but the Lease, without repetitions in a row."""
    writers: list[str] = []
    for who, verb, resource in read_requests(cluster)[since:]:
        if verb in WRITING_VERBS and resource != "leases" and writers[-1:] != [who]:
            writers.append(who)
    return writers


def test_a_leader_that_was_asleep_writes_nothing_once_another_leads(two_operators: Model) -> None:
    model, cluster = two_operators, two_operators.cluster
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "15s"}, {"weight": 50, "hold": "1s"}]
    model.apply("v1")
    model.await_reason("Serving")
    began = len(read_requests(cluster))
    sleeper = cluster.processes.pid(OPERATOR)
    assert sleeper is not None
    with model.route_watch() as route:
        model.apply("v2")
        new = model.await_weight(20)
        assert {request for request in read_requests(cluster) if request[0] == SECOND} == {(SECOND, "get", "leases")}
        os.kill(sleeper, signal.SIGSTOP)
        try:
            wait_for("the second leads", lambda: find_holder(cluster) == SECOND, model.explain, TAKEOVER_SECONDS)
        finally:
            os.kill(sleeper, signal.SIGCONT)
        wait_for("the sleeper ends", lambda: cluster.processes.pid(OPERATOR) is None, lambda: "")
        model.await_reason("Serving")
    assert model.stable() == new
    assert list_weights(route.changes, new) == [20, 50, 100]
    assert list_writers(cluster, began) == [OPERATOR, SECOND]
    told = model.events()
    assert len(told) == len(set(told)), told


def test_a_leader_that_is_asked_to_stop_hands_over_at_once(two_operators: Model) -> None:
    model, cluster = two_operators, two_operators.cluster
    model.spec["rollout"] |= {"steps": [{"weight": 50, "hold": "1s"}], "bake": "1s"}
    model.apply("v1")
    model.await_reason("Serving")
    stop_operator(cluster)
    wait_for("the second leads", lambda: find_holder(cluster) == SECOND, model.explain, HANDOVER_SECONDS)
    model.apply("v2")
    model.await_reason("Serving")
