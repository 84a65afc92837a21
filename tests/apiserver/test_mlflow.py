"""A model by its name in a real MLflow: what an alias pointed to when it was asked is served, and nothing else."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import Surroundings
from tests.apiserver.mlflow import ADDRESS, MLflow
from tests.cluster.paths import REPOSITORY
from tests.cluster.serinus import restart_operator
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

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
    wait_for("three pods", lambda: model.status()["stable"]["readyReplicas"] == 3, model.explain, 30)
    assert model.stable() == first
    assert model.candidate() is None
    # What it means now is released by its number; under the rollout the alias moves once more.
    model.apply("v1", model=refer(name, version="2"))
    candidate = wait_for("a candidate", model.candidate, model.explain, 30)
    mlflow.alias(name, "champion", "1")
    model.await_reason("Serving", patience=90)
    assert model.stable() == candidate
    assert served(model) == f"models:/{name}/2"


def test_the_same_version_by_either_way_is_the_same_revision(model: Model, mlflow: MLflow, name: str) -> None:
    model.apply("v1", model=refer(name, alias="champion"))
    model.await_reason("Serving")
    first = model.stable()
    model.apply("v1", model={"from": {"uri": f"models:/{name}/1"}})
    wait_for("the other text", lambda: model.status()["model"]["uri"] == f"models:/{name}/1", model.explain, 30)
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
