"""What waits costs nothing: no write, and no query but the one of each window."""

import json
import time

import pytest

from tests.apiserver.conftest import Surroundings
from tests.bench.audit import Write, read_log
from tests.support.loop import Loop, build_results, digest
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

SETTLE_SECONDS = 1.5
QUIET_SECONDS = 4.0
WINDOW_SECONDS = 1.0


def watch(loop: Loop, surroundings: Surroundings, seconds: float) -> tuple[list[Write], int]:
    """What the operator writes in the namespace, and how many queries it asks, within so many seconds."""
    asked, began = surroundings.count_queries(), time.time()
    time.sleep(seconds)
    queries, ended = surroundings.count_queries() - asked, time.time()
    writes = read_log(loop.cluster.audit_log, "serinus/", began, ended)
    mine = [one for one in (*writes.objects, *writes.events) if one.namespace == loop.namespace]
    return mine, queries


def settle(loop: Loop, surroundings: Surroundings) -> None:
    """Wait until what is under way, here and in what other tests have left, has been told."""
    wait_for("calm", lambda: watch(loop, surroundings, SETTLE_SECONDS) == ([], 0), loop.explain)


def test_a_policy_that_waits_for_calendar_and_events_costs_nothing(model: Model, surroundings: Surroundings) -> None:
    loop = Loop(model)
    yearly = {"cron": "0 3 1 1 *", "timeZone": "UTC", "jitter": "10m"}
    loop.spec["triggers"] = [
        {"name": "yearly", "schedule": yearly},
        {"name": "registry", "event": {"type": "model_version.created", "source": "mlflow"}},
    ]
    loop.serve_first()
    assert loop.status()["phase"] == "Armed"
    settle(loop, surroundings)
    assert watch(loop, surroundings, 2 * QUIET_SECONDS) == ([], 0)


def test_a_run_that_waits_writes_nothing(model: Model, surroundings: Surroundings) -> None:
    loop = Loop(model)
    loop.spec["template"]["spec"]["suspend"] = True
    loop.spec |= {"approval": {"required": "Always"}, "observation": {"bake": "1h"}}
    first = loop.serve_first()
    loop.command("retrain one", by="admin")
    run = loop.await_run(1)
    loop.await_phase(run, "Queued")
    settle(loop, surroundings)
    assert watch(loop, surroundings, QUIET_SECONDS) == ([], 0), "queued"

    loop.cluster.kubectl("patch", "job", run, "-n", loop.namespace, "--type=merge", "-p", '{"spec":{"suspend":false}}')
    loop.tell_results(run, build_results("a"))
    loop.await_phase(run, "AwaitingApproval")
    settle(loop, surroundings)
    assert watch(loop, surroundings, QUIET_SECONDS) == ([], 0), "awaits approval"

    approval = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelApproval",
        "metadata": {"name": "ada", "namespace": loop.namespace},
        "spec": {"run": run, "digest": digest("a"), "approver": "ada"},
    }
    somebody_else = ("--as=ada", "--as-group=system:masters")
    loop.cluster.kubectl("apply", "-f", "-", *somebody_else, input=json.dumps(approval))
    loop.await_phase(run, "Observing", 60)
    wait_for("the end of the drain", lambda: not loop.model.status().get("draining"), loop.explain)
    wait_for("the old pods are gone", lambda: not loop.model.pods(first), loop.explain)
    settle(loop, surroundings)
    assert watch(loop, surroundings, QUIET_SECONDS) == ([], 0), "observing"


def test_a_metric_costs_one_query_and_one_write_a_window(model: Model, surroundings: Surroundings) -> None:
    surroundings.set_quality(model.namespace, 0.95)
    loop = Loop(model)
    metric = {"query": 'model_quality{metric="f1"}', "fireBelow": "0.90", "window": f"{WINDOW_SECONDS:g}s"}
    loop.spec |= {"triggers": [{"name": "accuracy", "metric": metric}], "warmupAfterPromotion": "0s"}
    loop.serve_first()
    loop.await_policy("a clear signal", lambda s: (s.get("signal") or {}).get("state") == "Clear")
    time.sleep(SETTLE_SECONDS)
    began = time.monotonic()
    writes, queries = watch(loop, surroundings, 2 * QUIET_SECONDS)
    windows = round((time.monotonic() - began) / WINDOW_SECONDS)
    loop.cluster.kubectl("delete", "retrainpolicy", loop.name, "-n", loop.namespace)
    # A busy machine comes later than once a window, never more often.
    assert windows // 2 <= queries <= windows + 1
    assert len(writes) <= queries + 1
    assert {one.resource for one in writes} == {"retrainpolicies/status"}
