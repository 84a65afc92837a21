"""A model by its name in a real MLflow: what an alias pointed to when it was asked is served, and nothing else."""

import itertools
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import Surroundings
from tests.apiserver.mlflow import ADDRESS, MLflow
from tests.cluster.features import FEATURES
from tests.cluster.paths import REPOSITORY
from tests.cluster.serinus import PORT, restart_operator
from tests.support.loop import Loop, build_results
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

EVENTS = 9097
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def mlflow(surroundings: Surroundings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflow]:
    server = MLflow(surroundings.cluster, tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        restart_operator(surroundings.cluster, mlflow_url=ADDRESS)
        yield server
    finally:
        server.stop()
    restart_operator(surroundings.cluster)


@pytest.fixture
def name(mlflow: MLflow) -> str:
    """A registered model with two versions, the first of which is champion."""
    name = f"fraud-{next(numbers)}"
    first = mlflow.register(name, "s3://models/fraud/1")
    mlflow.register(name, "s3://models/fraud/2")
    mlflow.alias(name, "champion", first)
    return name


def refer(name: str, **version: str) -> dict[str, Any]:
    return {"from": {"registry": {"provider": "mlflow", "name": name, **version}}}


def served(model: Model) -> str:
    """What the stable revision's containers are told to load."""
    environment = model.get("deployment", model.stable())["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(one["value"]) for one in environment if one["name"] == "SERINUS_MODEL_URI")


def test_an_alias_is_served_by_version_and_may_move_without_harm(model: Model, mlflow: MLflow, name: str) -> None:
    model.apply("v1", model=refer(name, alias="champion"))
    model.await_reason("Serving")
    assert served(model) == f"models:/{name}/1"
    known = model.status()["model"]
    assert (known["uri"], known["resolved"]) == (f"models:/{name}@champion", f"models:/{name}/1")
    assert known["digest"].startswith("sha256:")
    first = model.stable()
    mlflow.alias(name, "champion", "2")
    restart_operator(model.cluster, mlflow_url=ADDRESS)
    model.apply("v1", model=refer(name, alias="champion"), replicas=3)
    wait_for("three pods", lambda: model.status()["stable"]["readyReplicas"] == 3, model.explain)
    assert model.stable() == first
    assert model.candidate() is None
    # What it means now is released by its number; under the rollout the alias moves once more.
    model.apply("v1", model=refer(name, version="2"))
    candidate = wait_for("a candidate", model.candidate, model.explain)
    mlflow.alias(name, "champion", "1")
    model.await_reason("Serving", patience=90)
    assert model.stable() == candidate
    assert served(model) == f"models:/{name}/2"


def test_the_same_version_by_either_way_is_the_same_revision(model: Model, mlflow: MLflow, name: str) -> None:
    model.apply("v1", model=refer(name, alias="champion"))
    model.await_reason("Serving")
    first = model.stable()
    model.apply("v1", model={"from": {"uri": f"models:/{name}/1"}})
    wait_for("the other text", lambda: model.status()["model"]["uri"] == f"models:/{name}/1", model.explain)
    model.await_reason("Serving")
    assert model.stable() == first


@pytest.mark.parametrize("version", [{"alias": "nobody"}, {"version": "7"}])
def test_what_mlflow_does_not_know_is_said(model: Model, mlflow: MLflow, name: str, version: dict[str, str]) -> None:
    model.apply("v1", model=refer(name, alias="champion"))
    model.await_reason("Serving")
    first = model.stable()
    model.apply("v1", model=refer(name, **version))
    model.await_reason("ModelNotFound")
    said = model.condition("Ready")["message"]
    assert said == f"spec.model.from: MLflow knows no models:/{name}{'@nobody' if 'alias' in version else '/7'}"
    assert model.weights() == {first: 100}


def test_mlflow_that_does_not_answer_holds_the_release_and_nothing_else(
    model: Model, mlflow: MLflow, name: str
) -> None:
    model.apply("v1", model=refer(name, alias="champion"))
    model.await_reason("Serving")
    first = model.stable()
    mlflow.freeze()
    try:
        model.apply("v1", model=refer(name, version="2"))
        model.await_reason("RegistryAway")
        assert "does not answer within 5s; it is asked again" in model.condition("Ready")["message"]
        assert model.weights() == {first: 100}
        assert model.condition("Available")["status"] == "True"
    finally:
        mlflow.thaw()
    wait_for("the other version", lambda: model.stable() != first, model.explain, 90)
    assert served(model) == f"models:/{name}/2"


def test_what_a_run_has_made_is_found_by_the_run(mlflow: MLflow) -> None:
    source, run = mlflow.log_file("weights.txt", b"weights")
    empty = mlflow.log_file("weights.txt", b"weights")[1]
    mlflow.log_dataset(run, "payments", "1f2e3d4c")
    mlflow.log_figures(run, {"f1": 0.93, "champion.f1": 0.91, "broken": "NaN"}, {"serinus.run": "fraud-x7"})
    number = mlflow.register("found", source, run)
    found, none, told, nothing, unknown, results, nobody = mlflow.ask(
        ("find_version", {"run": run}),
        ("find_version", {"run": empty}),
        ("read_run", {"run": run}),
        ("read_run", {"run": empty}),
        ("read_run", {"run": "0" * 32}),
        ("results", {"name": "found", "run": "fraud-x7"}),
        ("results", {"name": "found", "run": "fraud-x8"}),
    )
    assert (found["is"], found["name"], found["number"], found["run"]) == ("Version", "found", number, run)
    assert (none["is"], nothing["datasets"], unknown["is"], nobody["is"]) == ("NotFound", [], "NotFound", "NotFound")
    label = {"name": "payments", "digest": "1f2e3d4c", "source": "s3://data/payments", "context": "training"}
    assert (told["datasets"], told["metrics"]) == ([label], {"f1": 0.93, "champion.f1": 0.91})
    assert results == {
        "model": {"uri": f"models:/found/{number}", "digest": found["pinned"]["digest"]},
        "mlflow": {"run": run},
        "metrics": {"f1": 0.93},
        "champion": {"metrics": {"f1": 0.91}},
        "data": {"id": "mlflow:payments@1f2e3d4c"},
    }
    mlflow.register("found", source, run)
    [several, both] = mlflow.ask(("find_version", {"run": run}), ("results", {"name": "found", "run": "fraud-x7"}))
    assert "MLflow knows 2 versions" in several["message"]
    assert "has made 2 versions" in both["message"]


def test_a_promotion_moves_the_alias_and_tags_the_version(mlflow: MLflow, name: str) -> None:
    place = {"name": name, "alias": "champion"}
    before, nobody, unknown, moved, again, missing, reserved, after, gone = mlflow.ask(
        ("read_alias", place),
        ("read_alias", {**place, "alias": "nobody"}),
        ("read_alias", {**place, "name": "no-such-model"}),
        ("move_alias", {**place, "version": "2"}),
        ("move_alias", {**place, "version": "2"}),
        ("move_alias", {**place, "version": "9"}),
        ("move_alias", {**place, "alias": "v2", "version": "2"}),
        ("read_alias", place),
        ("move_alias", {**place, "version": None}),
    )
    assert (before, nobody) == ({"is": "AliasAt", "version": "1"}, {"is": "AliasAt", "version": None})
    assert moved == {"is": "AliasMoved", "previous": "1", "version": "2", "moved": True}
    assert again == {"is": "AliasMoved", "previous": "2", "version": "2", "moved": False}
    assert [unknown["is"], missing["is"], reserved["is"]] == ["NotFound", "NotFound", "Refused"]
    assert (after["version"], gone) == ("2", {"is": "AliasAt", "version": None})
    source, run = mlflow.log_file("weights.txt", b"weights")
    mlflow.register(f"{name}-tagged", source, run)
    tags = {"serinus.run": f"{name}-x1", "serinus.gates": "f1=0.93", "serinus.outcome": "Succeeded"}
    tagged, found, other = mlflow.ask(
        ("set_tags", {"run": run, "tags": tags}),
        ("find_version", {"tag": f"{name}-x1"}),
        ("find_version", {"tag": f"{name}-x2"}),
    )
    assert (tagged["is"], other["is"]) == ("Tagged", "NotFound")
    assert (found["name"], found["tags"]) == (f"{name}-tagged", tags)


def test_a_policy_moves_the_aliases_that_its_namespace_may_and_no_others(
    model: Model, mlflow: MLflow, name: str
) -> None:
    theirs = f"{name}-of-others"
    mlflow.alias(theirs, "champion", mlflow.register(theirs, "s3://models/theirs/1"))
    mlflow.register(theirs, "s3://models/theirs/2")
    restart_operator(model.cluster, mlflow_url=ADDRESS, mlflow_writable=f"{model.namespace}/{name},other/*")
    loop = Loop(model)
    loop.spec["promotion"] = {"target": "Alias", "alias": {"alias": "champion"}}
    loop.serve_first()
    results = build_results("a")
    results["model"]["uri"] = f"models:/{theirs}/2"
    run = loop.train(1, results)
    said = f"registered model {theirs} of MLflow may not be written for namespace {model.namespace}"

    def is_told() -> bool:
        return said in str(loop.run(run)["status"].get("message"))

    wait_for("the refusal", is_told, loop.explain)
    status = loop.run(run)["status"]
    assert status["phase"] == "Promoting"
    assert f"{model.namespace}/{theirs} in models.mlflow.writable" in status["message"]
    loop.command(f"cancel {run}")
    loop.await_phase(run, "Cancelled", 30)

    results = build_results("b")
    results["model"]["uri"] = f"models:/{name}/2"
    run = loop.train(2, results)
    own, others = {"name": name, "alias": "champion"}, {"name": theirs, "alias": "champion"}
    wait_for("the alias", lambda: mlflow.ask(("read_alias", own))[0]["version"] == "2", loop.explain)
    untouched, tagged = mlflow.ask(("read_alias", others), ("read_version_of", {"name": theirs, "number": "2"}))
    assert (untouched["version"], tagged["tags"]) == ("1", {})
    assert mlflow.ask(("read_version_of", {"name": name, "number": "2"}))[0]["tags"]["serinus.run"] == run


def test_mlflows_own_webhooks_reach_a_policy_and_only_with_the_right_key(model: Model, mlflow: MLflow) -> None:
    cluster, namespace = model.cluster, model.namespace
    metadata = {"name": FEATURES["events"]["secret"], "namespace": "serinus-system"}
    cluster.apply(
        json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {namespace: "s3cret"}})
    )
    restart_operator(cluster, mlflow_url=ADDRESS, receiver_listen_port=str(EVENTS), receiver_secret=metadata["name"])
    for name in ("fraud", "churn"):
        cluster.apply(json.dumps(build_policy(name, namespace)))
    for name, secret in (("fraud", "s3cret"), ("churn", "another")):
        mlflow.send_webhooks(f"http://127.0.0.1:{EVENTS}/events/{namespace}/{name}", secret)
    source, run = mlflow.log_file("weights.txt", b"weights")
    mlflow.register("hooked", source, run)
    said = wait_for("a command", lambda: get_policy(model, "fraud")["status"].get("lastCommand"), model.explain)
    assert said["outcome"] == "Accepted", said
    assert re.fullmatch(r"event model_version\.created mlflow:[0-9a-f-]{36} mlflow", said["text"])
    # The tag is our own doing, and starts nothing.
    mlflow.ask(("set_tags", {"run": run, "tags": {"serinus.outcome": "Succeeded"}}))
    counted = wait_for("four answers", lambda: count_answers(model, {"202": 2.0, "401": 2.0}), model.explain)
    assert counted
    assert get_policy(model, "fraud")["status"]["lastCommand"]["text"] == said["text"]
    assert "serinus.dev/command" not in get_policy(model, "churn")["metadata"].get("annotations", {})
    [trigger] = [one for one in get_policy(model, "fraud")["status"]["triggers"] if one["name"] == "registry"]
    assert trigger["lastFired"], trigger


def build_policy(name: str, namespace: str) -> dict[str, Any]:
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "train", "image": "train:1"}]}}}
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "RetrainPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "modelDeploymentRef": {"name": name},
            "mode": "Observe",
            "triggers": [{"name": "registry", "event": {"type": "model_version.created", "source": "mlflow"}}],
            "template": {"apiVersion": "batch/v1", "kind": "Job", "spec": job},
            "activeDeadline": "1h",
        },
    }


def get_policy(model: Model, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"status": {}} | model.get("retrainpolicy", name)
    return found


def count_answers(model: Model, wanted: dict[str, float]) -> bool:
    """Whether the receiver has given just these answers."""
    ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=30).read().decode())"
    command = [sys.executable, "-c", ask, f"http://127.0.0.1:{PORT}/metrics"]
    text = model.cluster.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r'^serinus_received_events_total{code="(\d+)"} (\S+)$', text, re.MULTILINE)
    return {code: float(value) for code, value in found} == wanted


def test_the_sample_loader_gets_the_files_of_a_version(mlflow: MLflow, tmp_path: Path) -> None:
    source, run = mlflow.log_file("weights/model.txt", b"weights")
    version = mlflow.register("loaded", source, run)
    environment = {
        "PYTHONPATH": str(REPOSITORY / "examples" / "loader"),
        "MLFLOW_TRACKING_URI": ADDRESS,
        "SERINUS_MODEL_PATH": str(tmp_path),
        "SERINUS_MODEL_URI": f"models:/loaded/{version}",
        "SERINUS_TERMINATION_LOG": str(tmp_path / "word"),
    }
    command = [str(mlflow.python), "-m", "serinus_loader", "load"]
    done = mlflow.cluster.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*.txt")}
    assert found["weights/model.txt"].read_text() == "weights"
    environment["SERINUS_MODEL_URI"] = "models:/loaded/99"
    done = mlflow.cluster.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 66, done.stdout + done.stderr
