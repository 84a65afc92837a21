"""A change of a ConfigMap that the template refers to is a release like any other, and can be taken back."""

import json
from typing import Any

import pytest

from tests.e2e.ask import ask
from tests.support.model import Model, wait_for
from tests.traffic.answers import count


def configure(model: Model, version: str, faults: float = 0.0) -> None:
    data = {"MODEL_VERSION": version, "FAULT_RATIO": str(faults)}
    metadata = {"name": "settings", "namespace": model.namespace}
    model.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}))


def read_settings(template: dict[str, Any]) -> None:
    container = template["spec"]["containers"][0]
    container["env"] = []
    container["envFrom"] = [{"configMapRef": {"name": "settings"}}]


def list_copies(model: Model) -> set[str]:
    chosen = ("-n", model.namespace, "-l", "serinus.dev/deployment=fraud")
    return {one["metadata"]["name"] for one in model.cluster.get("configmaps", *chosen)["items"]}


@pytest.mark.cluster
def test_changed_data_is_canaried_and_bad_data_is_rolled_back(model: Model) -> None:
    configure(model, "v1")
    model.apply("", change=read_settings)
    model.await_reason("Serving")
    first = model.stable()
    with model.traffic() as traffic:
        configure(model, "v2")
        model.await_reason("CanaryProgressing")
        model.await_reason("Serving")
        second = model.stable()
        assert second != first
        assert ask(model).version == "v2"
        configure(model, "v3", faults=1.0)
        model.await_reason("RolledBack")
        # A pod that comes anew reads the data of its own revision.
        model.cluster.kubectl("delete", "pod", "-n", model.namespace, "-l", f"serinus.dev/revision={second}", "--wait")
        wait_for("v2 again", lambda: ask(model).version == "v2", model.explain)
        assert {ask(model).version for _ in range(10)} == {"v2"}
    counted = count(traffic.answers)
    assert counted.of("v1").requests > 0
    assert counted.of("v2").requests > 0
    assert {f"{first}-settings", f"{second}-settings"} < list_copies(model)


@pytest.mark.cluster
def test_a_missing_config_map_is_named_and_what_serves_goes_on(model: Model) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    model.apply("", change=read_settings)
    model.await_reason("ConfigMapNotFound")
    said = model.condition("Ready")["message"]
    assert "spec.template.spec.containers[0].envFrom[0].configMapRef.name" in said
    assert "'settings'" in said
    assert ask(model).version == "v1"
    with model.traffic():
        configure(model, "v2")
        model.await_reason("Serving")
        assert ask(model).version == "v2"
        model.cluster.kubectl("delete", "configmap", "settings", "-n", model.namespace)
        model.await_reason("ConfigMapNotFound")
        assert ask(model).version == "v2"
