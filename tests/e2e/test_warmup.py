"""A model is asked before anybody else asks it; one that answers with errors is shown to nobody."""

import json

import pytest

from tests.support.model import Model, wait_for
from tests.traffic.answers import count


def put_samples(model: Model) -> None:
    metadata = {"name": "samples", "namespace": model.namespace}
    data = {"warmup.json": '{"inputs": []}'}
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}))


@pytest.mark.cluster
def test_pods_are_warm_before_they_get_traffic(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    source = {"configMap": "samples", "key": "warmup.json"}
    model.spec["rollout"]["warmup"] = {"requests": 5, "path": "/infer", "bodyFrom": source, "for": "2s"}
    with model.traffic() as traffic:
        model.apply("v2")
        model.await_reason("WarmingUp")
        wait_for(
            "what is missing",
            lambda: "ConfigMap 'samples' is not there" in model.condition("Ready")["message"],
            model.explain,
        )
        traffic.read()
        assert count(traffic.answers).of("v2").requests == 0
        put_samples(model)
        model.await_reason("Serving", patience=90)
    assert count(traffic.answers).explain_lost() == ""
    assert count(traffic.answers).of("v2").requests > 0


@pytest.mark.cluster
def test_a_model_whose_first_answers_are_errors_is_shown_to_nobody(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    model.spec["rollout"]["warmup"] = {"requests": 5}
    with model.traffic() as traffic:
        model.apply("v2", faults=1.0)
        model.await_reason("RolledBack")
    said = model.condition("Ready")["message"]
    assert "the first request to fraud-" in said
    assert "HTTP 500" in said
    assert count(traffic.answers).of("v2").requests == 0
