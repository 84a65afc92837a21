"""A feature schema is content: a change is a release, and one that breaks callers is rejected before any traffic."""

import json
from typing import Any

import pytest

from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

NUMBER, STRING = {"type": "number"}, {"type": "string"}


def describe(model: Model, text: str, key: str = "schema.json") -> None:
    metadata = {"name": "features", "namespace": model.namespace}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}}
    model.cluster.apply(json.dumps(body))


def features(**properties: Any) -> str:
    return json.dumps({"type": "object", "properties": properties, "required": list(properties)})


def source(**schema: str) -> dict[str, Any]:
    named = {"configMap": "features", "key": "schema.json", **schema}
    return {"from": {"uri": "s3://models/fraud"}, "schema": named}


def serve_first(model: Model) -> str:
    describe(model, features(amount=NUMBER, country=STRING))
    model.apply("v1", model=source())
    model.await_reason("Serving")
    return model.stable()


def test_a_changed_schema_is_a_release_and_one_that_breaks_callers_is_not(model: Model) -> None:
    first = serve_first(model)
    copy = model.get("configmap", f"{first}-features")
    assert copy["immutable"] is True
    describe(model, features(amount=NUMBER, country=STRING, age=NUMBER))
    wait_for("another revision", lambda: model.stable() != first, model.explain, 90)
    model.await_reason("Serving")
    second = model.stable()
    assert model.get("modelrevision", second)["spec"]["content"]["schema"]["features"]["age"] == ["number"]
    describe(model, features(amount=STRING, age=NUMBER))
    model.await_reason("RolledBack")
    assert model.reason("Stalled") == "SchemaIncompatible"
    said = model.condition("Ready")["message"]
    assert "feature 'amount' was number and is string; feature 'country' was removed; it had no traffic" in said
    assert model.weights() == {second: 100}
    rejected = model.status()["rejected"]["revision"]
    assert model.get("modelrevision", rejected)["status"]["phase"] == "Rejected"
    assert model.pods(rejected) == set()
    # A person who means it says so, and gives the retry.
    model.apply("v1", model=source(onIncompatible="Proceed"))
    model.command(f"retry {rejected}")
    wait_for("the rejected one", lambda: model.stable() == rejected, model.explain, 90)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amount: number", "is not JSON"),
        ('{"type": "float"}', "is not a JSON Schema: 'float' is not valid"),
        ('{"amount": "number"}', 'must have type "object" and properties'),
    ],
)
def test_what_is_no_schema_is_said_and_what_serves_stays(model: Model, text: str, said: str) -> None:
    first = serve_first(model)
    describe(model, text)
    model.await_reason("InvalidSchema")
    message = model.condition("Ready")["message"]
    assert message.startswith("spec.model.schema: key 'schema.json' of ConfigMap 'features' ")
    assert said in message
    assert model.weights() == {first: 100}
    assert model.condition("Available")["status"] == "True"
    describe(model, features(amount=NUMBER, country=STRING))
    model.await_reason("Serving")
    assert model.stable() == first


def test_a_schema_that_is_not_there_is_named(model: Model) -> None:
    first = serve_first(model)
    describe(model, "{}", key="other.json")
    model.await_reason("ConfigMapNotFound")
    assert "ConfigMap 'features' has no key 'schema.json': it has other.json" in model.condition("Ready")["message"]
    model.cluster.kubectl("delete", "configmap", "features", "-n", model.namespace)
    wait_for(
        "a word on the ConfigMap",
        lambda: "spec.model.schema.configMap: there is no ConfigMap" in model.condition("Ready")["message"],
        model.explain,
    )
    assert model.weights() == {first: 100}
