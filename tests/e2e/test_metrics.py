"""What a release is judged by besides errors: latency, counters and values of the user's own, and rehearsals."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.cluster.release import build_provider
from tests.support.model import Model, wait_for
from tests.traffic.answers import count

LATENCY = {"name": "latency", "latency": {"maxRegression": "1.2"}}
WRONG = {
    "name": "wrong-answers",
    "ratio": {"bad": 'feedback_total{verdict="wrong"}', "total": "feedback_total", "maxRegression": "1.2"},
}
DRIFT = {"name": "drift", "gauge": {"query": "drift_score", "max": "0.2"}}


def judge_by(model: Model, *metrics: dict[str, object]) -> None:
    model.spec["rollout"]["analysis"]["metrics"] = [
        *metrics,
        {"name": "errors", "errorRatio": {"maxRegression": "1.2"}},
    ]
    model.spec["rollout"]["steps"] = [{"weight": 20, "hold": "60s"}]


def serve(model: Model, **behaviour: float) -> None:
    model.apply("v1", behaviour=behaviour)
    model.await_reason("Serving")


@pytest.fixture
def labelled(model: Model) -> Iterator[None]:
    """Judged by a provider that knows which series are the gateway's."""
    spec = build_provider(model.cluster.prometheus_url, "1s")["spec"] | {"gatewayLabels": {"job": "traefik"}}
    head = {"apiVersion": "serinus.dev/v1alpha1", "kind": "MetricsProvider", "metadata": {"name": "labelled"}}
    model.cluster.apply(json.dumps({**head, "spec": spec}))
    model.spec["rollout"]["analysis"]["provider"] = "labelled"
    yield
    model.cluster.kubectl("delete", "metricsprovider", "labelled")


@pytest.mark.cluster
@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("source", ["Gateway", "Runtime"])
def test_a_slower_release_goes_back_and_says_at_which_bound(model: Model, source: str) -> None:
    judge_by(model, {"name": "latency", "latency": {"maxRegression": "1.2", "source": source}})
    serve(model, DELAY=0.02)
    with model.traffic() as traffic:
        # The usual latency is learnt from stable first.
        wait_for("400 answers", lambda: traffic.read() or len(traffic.answers) > 400, lambda: "")
        model.apply("v2", behaviour={"DELAY": 0.06})
        model.await_reason("RolledBack")
    message = model.condition("Ready")["message"]
    assert re.search(r"latency [\d.]+% slower than [\d.]+s on \S+ \(\d+ of \d+\) against [\d.]+% slower", message), (
        message
    )
    assert count(traffic.answers).explain_lost() == ""


@pytest.mark.cluster
def test_wrong_answers_counted_by_the_model_itself_go_back(model: Model) -> None:
    judge_by(model, WRONG)
    serve(model, WRONG_RATIO=0.02)
    with model.traffic():
        model.apply("v2", behaviour={"WRONG_RATIO": 0.3})
        model.await_reason("RolledBack")
    assert "wrong-answers" in model.condition("Ready")["message"]


@pytest.mark.cluster
def test_a_drift_score_beyond_its_bound_goes_back(model: Model) -> None:
    judge_by(model, DRIFT)
    serve(model)
    with model.traffic():
        model.apply("v2", behaviour={"DRIFT": 0.6})
        # A gauge is believed after 40 scrapes.
        model.await_reason("RolledBack", patience=100)
    message = model.condition("Ready")["message"]
    assert re.search(r"drift 0\.\d+ on \S+: allowed at most 0\.2", message), message


@pytest.mark.cluster
def test_a_query_that_reaches_beyond_its_own_pods_starts_nothing_and_is_named(model: Model) -> None:
    serve(model)
    judge_by(model, {"name": "nosy", "gauge": {"query": 'sum(up{namespace="kube-system"})', "max": "1"}})
    model.apply("v2")
    model.await_reason("InvalidSpec")
    message = model.condition("Ready")["message"]
    assert "spec.rollout.analysis.metrics[nosy]" in message
    assert "namespace" in message
    assert model.candidate() is None


@pytest.mark.cluster
def test_a_rehearsal_promotes_and_says_what_it_would_have_done(model: Model) -> None:
    serve(model)
    model.spec["rollout"]["analysis"]["mode"] = "Rehearse"
    with model.traffic():
        model.apply("v2", faults=0.3)
        bad = model.await_weight(20)
        model.await_reason("Serving")
    assert model.stable() == bad
    told = model.await_events("WouldHaveRolledBack")
    assert any(re.search(rf"would have rolled back {bad} at \S+ because errors", line) for line in told), told
    record = model.get("modelrevision", bad)["status"]
    assert "rehearsed: would have rolled back" in record["message"]
    assert record["series"], "the evidence is kept look by look"
