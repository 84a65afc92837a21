"""What is settled costs nothing: no write, no query."""

import time

import pytest

from tests.apiserver.conftest import Surroundings
from tests.bench.audit import read_log
from tests.support.model import Model, wait_for

NUMBER = 10
QUIET_SECONDS = 12


@pytest.mark.apiserver
def test_settled_models_cost_no_write_and_no_query(model: Model, surroundings: Surroundings) -> None:
    for number in range(NUMBER):
        model.name = f"quiet-{number}"
        model.spec["route"]["hostnames"] = [f"{model.name}.example.com"]
        model.apply("v1")

    def all_serve() -> bool:
        listed = model.cluster.get("modeldeployments", "-n", model.namespace)["items"]
        phases = [(one.get("status") or {}).get("phase") for one in listed]
        return phases == ["Stable"] * NUMBER

    wait_for("all serve", all_serve, model.explain)
    time.sleep(3)  # for what other tests have left to be told
    asked, began = surroundings.count_queries(), time.time()
    time.sleep(QUIET_SECONDS)
    writes = read_log(model.cluster.audit_log, "serinus/", began, time.time())
    assert [write for write in (*writes.objects, *writes.events) if write.namespace == model.namespace] == []
    assert surroundings.count_queries() == asked
