"""Two operators, one hand: only the holder of the Lease writes, and the other takes over where it died."""

import time
from datetime import datetime

import pytest

from tests.cluster.serinus import kill_operator, start_operator, stop_operator
from tests.support.model import Model, wait_for
from tests.traffic.route import list_weights

TAKEOVER_SECONDS = 20


@pytest.mark.apiserver
def test_the_second_operator_takes_over_in_the_middle_of_a_release(model: Model) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "8s"}, {"weight": 50, "hold": "2s"}]
    model.apply("v1")
    model.await_reason("Serving")
    cluster = model.cluster

    def holder() -> str:
        return str(cluster.get("lease", "serinus", "-n", "serinus-system")["spec"].get("holderIdentity") or "")

    start_operator(cluster, "second", port=8081, identity="second")
    try:
        assert holder() != "second"
        with model.route_watch() as route:
            model.apply("v2")
            new = model.await_weight(20)
            kill_operator(cluster)
            killed = time.time()
            wait_for("the second holds the Lease", lambda: holder() == "second", holder)
            lease = cluster.get("lease", "serinus", "-n", "serinus-system")["spec"]
            assert datetime.fromisoformat(lease["acquireTime"]).timestamp() - killed <= TAKEOVER_SECONDS
            model.await_reason("Serving")
            assert model.stable() == new
            assert list_weights(route.changes, new) == [20, 50, 100]
        told = model.events()
        assert len(told) == len(set(told)), told
    finally:
        stop_operator(cluster, "second")
        kill_operator(cluster)
        start_operator(cluster)
