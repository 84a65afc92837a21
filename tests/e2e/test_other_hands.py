"""Others write to our route too: what is theirs stays, what is ours is put right, and no traffic jumps."""

import json

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count


@pytest.mark.cluster
def test_a_foreign_label_stays_and_a_weight_set_by_hand_is_put_right(model: Model) -> None:
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "1s"}, {"pause": {}}, {"weight": 50, "hold": "1s"}]
    model.apply("v1")
    model.await_reason("Serving")
    with model.traffic() as traffic:
        model.apply("v2")
        new = model.await_weight(20)
        model.await_reason("Paused")
        writes = model.get("httproute")["metadata"]["generation"]
        model.cluster.kubectl("label", "httproute", model.name, "team=risk", "-n", model.namespace)
        backends = model.get("httproute")["spec"]["rules"][0]["backendRefs"]
        place = next(i for i, backend in enumerate(backends) if backend["name"] == new)
        edit = [{"op": "replace", "path": f"/spec/rules/0/backendRefs/{place}/weight", "value": 90}]
        model.cluster.kubectl(
            "patch", "httproute", model.name, "-n", model.namespace, "--type=json", "-p", json.dumps(edit)
        )
        wait_for("the weight is put right", lambda: model.weights()[new] == 20, model.explain)
        route = model.get("httproute")["metadata"]
        assert route["labels"]["team"] == "risk"
        assert route["generation"] == writes + 2, "the label is no reason to write; the hand's and ours are"
        assert model.reason() == "Paused"
        model.command(f"resume {new}")
        model.await_reason("Serving")
    assert count(traffic.answers).explain_lost() == ""
    assert model.get("httproute")["metadata"]["labels"]["team"] == "risk"
