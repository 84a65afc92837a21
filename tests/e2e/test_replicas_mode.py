"""Without a gateway numbers of pods behind one Service stand for the share, and the pods' own counters are judged."""

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count


@pytest.mark.cluster
def test_a_bad_release_without_a_gateway_goes_back_too(model: Model) -> None:
    model.spec["route"] = {"mode": "Replicas"}
    model.spec["replicas"] = 3
    model.spec["rollout"]["steps"] = [{"weight": 25, "hold": "2s"}]
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()
    with model.traffic(service_url(model), keep_alive=False) as traffic:
        model.apply("v2")
        model.await_reason("Serving", patience=90)
        good = model.stable()
        assert good != stable
        model.apply("v3", faults=0.3)
        model.await_reason("RolledBack", patience=90)
        assert model.stable() == good
        bad = model.status()["rejected"]["revision"]
        wait_for("the bad pods are gone", lambda: not model.pods(bad), model.explain)
        traffic.read()
    assert count(traffic.answers).explain_lost() == ""
    versions = {answer.version for answer in traffic.answers}
    assert versions >= {"v1", "v2", "v3"}


def service_url(model: Model) -> str:
    address = model.get("service")["spec"]
    return f"http://{address['clusterIP']}:{address['ports'][0]['port']}/"
